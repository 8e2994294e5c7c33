//! Turns the schemas of a document into those of a catalogue: facts only, plain JSON Schema 2020-12, one flat set of
//! names.

use super::node::Node;
use crate::openapi::schemas::{COMPONENT, Holds, holds, or_null};
use model::Problem;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Words for people; no facts.
const DROPPED: [&str; 7] = ["description", "title", "example", "examples", "externalDocs", "xml", "$comment"];

/// Facts that are kept as they are.
const KEPT: [&str; 27] = [
    "type",
    "enum",
    "const",
    "format",
    "pattern",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "required",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "contentEncoding",
    "contentMediaType",
];

/// Keywords that say nothing about which values fit, so a union beside them may be dissolved.
const ANNOTATIONS: [&str; 4] = ["default", "deprecated", "readOnly", "writeOnly"];

/// Most nested definitions that may share one name.
const MAX_NAMESAKES: usize = 100;

/// Cleans schemas and collects the named ones.
pub(super) struct Cleaner<'a> {
    components: Option<&'a Map<String, Value>>,
    /// New names of the `$defs` around the present schema, the innermost last.
    scopes: Vec<HashMap<String, String>>,
    /// The named schemas that were cleaned.
    pub(super) schemas: BTreeMap<String, Value>,
}

impl<'a> Cleaner<'a> {
    /// Begins with the document's component schemas.
    pub(super) fn new(root: &Node<'a>) -> Result<Self, Problem> {
        let components = root.get("components").and_then(|node| node.get("schemas"));
        let mut cleaner = Self { components: None, scopes: Vec::new(), schemas: BTreeMap::new() };
        let Some(node) = components else { return Ok(cleaner) };
        cleaner.components = node.value.as_object();
        for (name, schema) in node.members()? {
            check_name(name, &schema)?;
            let clean = cleaner.clean(&schema)?;
            cleaner.schemas.insert(name.to_owned(), clean);
        }
        Ok(cleaner)
    }

    /// One schema with everything inside it. Its own `$defs` are moved to the named ones.
    pub(super) fn clean(&mut self, node: &Node<'a>) -> Result<Value, Problem> {
        if node.value.is_boolean() {
            return Ok(node.value.clone());
        }
        let definitions = node.get("$defs");
        if let Some(definitions) = &definitions {
            self.hoist(definitions)?;
        }
        let mut clean = Map::new();
        let mut nullable = false;
        for (keyword, value) in node.members()? {
            match keyword {
                "$defs" => {}
                "nullable" => nullable = node.flag("nullable")?,
                "$ref" => {
                    clean.insert(keyword.to_owned(), self.reference(&value)?.into());
                }
                "discriminator" => {
                    clean.insert(keyword.to_owned(), self.discriminator(&value)?);
                }
                _ if DROPPED.contains(&keyword) || keyword.starts_with("x-") => {}
                _ if KEPT.contains(&keyword) => {
                    clean.insert(keyword.to_owned(), value.value.clone());
                }
                _ => {
                    let Some(how) = holds(keyword) else {
                        return Err(value.problem(format!("the schema keyword \"{keyword}\" is not understood")));
                    };
                    clean.insert(keyword.to_owned(), self.held(how, &value)?);
                }
            }
        }
        if definitions.is_some() {
            self.scopes.pop();
        }
        let clean = dissolve_union_with_null(clean);
        Ok(if nullable { or_null(clean) } else { clean })
    }

    fn held(&mut self, how: Holds, node: &Node<'a>) -> Result<Value, Problem> {
        match how {
            Holds::One => self.clean(node),
            Holds::List => {
                node.items()?.map(|schema| self.clean(&schema)).collect::<Result<Vec<_>, _>>().map(Value::from)
            }
            Holds::Named => {
                let mut named = Map::new();
                for (name, schema) in node.members()? {
                    named.insert(name.to_owned(), self.clean(&schema)?);
                }
                Ok(named.into())
            }
        }
    }

    /// Gives every definition a name of its own and opens their scope. A name that is taken gets a number.
    fn hoist(&mut self, definitions: &Node<'a>) -> Result<(), Problem> {
        let mut scope = HashMap::new();
        for (name, definition) in definitions.members()? {
            check_name(name, &definition)?;
            let unique =
                self.free_name(name).ok_or_else(|| definition.problem("too many definitions have this name"))?;
            self.schemas.insert(unique.clone(), Value::Null);
            scope.insert(name.to_owned(), unique);
        }
        self.scopes.push(scope);
        for (name, definition) in definitions.members()? {
            let clean = self.clean(&definition)?;
            let unique = self.scopes.last().and_then(|scope| scope.get(name)).cloned().unwrap_or_default();
            self.schemas.insert(unique, clean);
        }
        Ok(())
    }

    /// The name itself, or with a number where it is taken.
    fn free_name(&self, name: &str) -> Option<String> {
        let free = |name: &String| {
            !self.schemas.contains_key(name) && !self.components.is_some_and(|found| found.contains_key(name))
        };
        let numbered = (2..=MAX_NAMESAKES).map(|number| format!("{name}_{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(free)
    }

    /// The catalogue's form of a reference. `#/$defs/NAME` is looked for in the schemas around it, since generators
    /// write it so although it means the document's root.
    fn reference(&self, node: &Node<'a>) -> Result<String, Problem> {
        let target = node.text()?;
        let known = |name: &&str| self.components.is_some_and(|found| found.contains_key(*name));
        if let Some(name) = target.strip_prefix("#/components/schemas/").filter(known) {
            return Ok(format!("{COMPONENT}{name}"));
        }
        let scoped = target.strip_prefix("#/$defs/");
        match scoped.and_then(|name| self.scopes.iter().rev().find_map(|scope| scope.get(name))) {
            Some(name) => Ok(format!("{COMPONENT}{name}")),
            None => Err(node.problem(format!("\"{target}\" is not a schema of this document"))),
        }
    }

    fn discriminator(&self, node: &Node<'a>) -> Result<Value, Problem> {
        node.known(&["propertyName", "mapping"])?;
        let mut clean = json!({ "propertyName": node.text_of("propertyName")? });
        if let Some(mapping) = node.get("mapping") {
            let mut targets = Map::new();
            for (value, target) in mapping.members()? {
                targets.insert(value.to_owned(), self.reference(&target)?.into());
            }
            clean["mapping"] = targets.into();
        }
        Ok(clean)
    }
}

/// Names become steps of JSON pointers, so they are held to the letters that OpenAPI allows.
fn check_name(name: &str, node: &Node<'_>) -> Result<(), Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.is_empty() && name.bytes().all(fits) {
        return Ok(());
    }
    Err(node.problem("names of schemas are made of letters, digits, \".\", \"_\" and \"-\""))
}

/// `anyOf: [X, null]` as X with null among its types, where nothing else is said beside the union.
fn dissolve_union_with_null(mut schema: Map<String, Value>) -> Value {
    let null = json!({ "type": "null" });
    let alone = schema.keys().all(|keyword| keyword == "anyOf" || ANNOTATIONS.contains(&keyword.as_str()));
    let Some(Value::Array(members)) = schema.get("anyOf") else {
        return schema.into();
    };
    let others: Vec<&Value> = members.iter().filter(|member| **member != null).collect();
    let [other] = others[..] else { return schema.into() };
    if !alone || members.len() == 1 {
        return schema.into();
    }
    let Value::Object(merged) = or_null(other.clone()) else {
        return schema.into();
    };
    if merged.keys().any(|keyword| keyword != "anyOf" && schema.contains_key(keyword)) {
        return schema.into();
    }
    schema.shift_remove("anyOf");
    schema.extend(merged);
    schema.into()
}
