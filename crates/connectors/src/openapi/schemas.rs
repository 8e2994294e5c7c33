//! Schemas of an OpenAPI 3.1 document, reduced to what decides whether a value fits.

use model::Problem;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where references to components point in a document, and in a catalogue.
const IN_DOCUMENT: &str = "#/components/schemas/";
/// Where references point in a catalogue.
pub const IN_CATALOGUE: &str = "#/schemas/";
/// Deeper schemas are refused: no real document is.
const DEPTH: usize = 64;
/// Keywords that say nothing about whether a value fits.
const WORDS: [&str; 8] =
    ["title", "description", "example", "examples", "externalDocs", "xml", "$comment", "deprecationMessage"];

/// Collects the schemas that operations use.
#[derive(Debug, Default)]
pub struct Schemas {
    /// Cleaned components by name.
    pub named: BTreeMap<String, Value>,
}

impl Schemas {
    /// Cleans all components of a document.
    ///
    /// # Errors
    /// A schema that is no schema, too deep, or refers to something that is not there.
    pub fn of(document: &Value) -> Result<Self, Problem> {
        let mut schemas = Self::default();
        let empty = Map::new();
        let components = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&empty);
        for (name, schema) in components {
            let cleaned = schemas.clean(schema, &format!("components.schemas.{name}"))?;
            schemas.named.insert(name.clone(), cleaned);
        }
        Ok(schemas)
    }

    /// Cleans one schema; nested definitions move to the components under names of their own.
    ///
    /// # Errors
    /// As [`Schemas::of`].
    pub fn clean(&mut self, schema: &Value, place: &str) -> Result<Value, Problem> {
        self.walk(schema, place, &BTreeMap::new(), 0)
    }

    fn walk(
        &mut self,
        schema: &Value,
        place: &str,
        outer: &BTreeMap<String, String>,
        depth: usize,
    ) -> Result<Value, Problem> {
        if depth > DEPTH {
            return Err(Problem::new("document_deep", format!("schemas are nested more than {DEPTH} deep")).at(place));
        }
        let Value::Object(members) = schema else {
            if schema.is_boolean() {
                return Ok(schema.clone());
            }
            return Err(Problem::new("document_schema", "a schema must be an object or a boolean").at(place));
        };
        let mut scope = outer.clone();
        if let Some(definitions) = members.get("$defs").and_then(Value::as_object) {
            self.hoist(definitions, place, &mut scope, depth)?;
        }
        let mut out = Map::new();
        for (key, value) in members {
            if let Some(cleaned) = self.member(key, value, place, &scope, depth)? {
                out.insert(key.clone(), cleaned);
            }
        }
        Ok(or_null(out, members.get("nullable") == Some(&Value::Bool(true))))
    }

    fn member(
        &mut self,
        key: &str,
        value: &Value,
        place: &str,
        scope: &BTreeMap<String, String>,
        depth: usize,
    ) -> Result<Option<Value>, Problem> {
        let inner = format!("{place}.{key}");
        if WORDS.contains(&key) || key.starts_with("x-") || key == "$defs" || key == "nullable" {
            return Ok(None);
        }
        Ok(Some(match key {
            "properties" | "patternProperties" | "dependentSchemas" => {
                let Value::Object(named) = value else {
                    return Err(Problem::new("document_schema", "must be an object").at(inner));
                };
                let mut out = Map::new();
                for (name, schema) in named {
                    out.insert(name.clone(), self.walk(schema, &format!("{inner}.{name}"), scope, depth + 1)?);
                }
                Value::Object(out)
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                let Value::Array(list) = value else {
                    return Err(Problem::new("document_schema", "must be a list").at(inner));
                };
                list.iter().map(|schema| self.walk(schema, &inner, scope, depth + 1)).collect::<Result<Value, _>>()?
            }
            "items"
            | "additionalProperties"
            | "propertyNames"
            | "not"
            | "contains"
            | "if"
            | "then"
            | "else"
            | "contentSchema"
            | "unevaluatedProperties" => self.walk(value, &inner, scope, depth + 1)?,
            "$ref" => Value::String(reference(value, &inner, scope)?),
            "discriminator" => discriminator(value, &inner, scope)?,
            _ => value.clone(),
        }))
    }

    /// Moves nested definitions to the components. A name that is taken by another schema gets a number.
    fn hoist(
        &mut self,
        definitions: &Map<String, Value>,
        place: &str,
        scope: &mut BTreeMap<String, String>,
        depth: usize,
    ) -> Result<(), Problem> {
        for name in definitions.keys() {
            let mut free = name.clone();
            let mut number = 2;
            while self.named.contains_key(&free) || scope.values().any(|taken| *taken == free) {
                free = format!("{name}{number}");
                number += 1;
            }
            scope.insert(name.clone(), free);
        }
        for (name, schema) in definitions {
            let cleaned = self.walk(schema, &format!("{place}.$defs.{name}"), scope, depth + 1)?;
            self.named.insert(scope[name].clone(), cleaned);
        }
        Ok(())
    }

    /// Only the components that these schemas reach, directly or through others.
    ///
    /// # Errors
    /// A reference to a component that is not there.
    pub fn reachable<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a Value>,
    ) -> Result<BTreeMap<String, Value>, Problem> {
        let mut found = BTreeMap::new();
        let mut waiting: Vec<String> = Vec::new();
        for root in roots {
            references(root, &mut waiting);
        }
        while let Some(name) = waiting.pop() {
            if found.contains_key(&name) {
                continue;
            }
            let schema = self.named.get(&name).ok_or_else(|| {
                Problem::new("document_reference", format!("there is no schema \"{name}\"")).at("components.schemas")
            })?;
            references(schema, &mut waiting);
            found.insert(name, schema.clone());
        }
        Ok(found)
    }
}

/// Names of the components that a cleaned schema refers to.
pub fn references(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "$ref" => {
                        into.extend(text.strip_prefix(IN_CATALOGUE).map(str::to_owned));
                    }
                    Value::Object(_) | Value::Array(_)
                        if !matches!(key.as_str(), "enum" | "const" | "default" | "discriminator") =>
                    {
                        references(value, into);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|schema| references(schema, into)),
        _ => {}
    }
}

fn reference(value: &Value, place: &str, scope: &BTreeMap<String, String>) -> Result<String, Problem> {
    let wrong = |reason: String| Problem::new("document_reference", reason).at(place);
    let text = value.as_str().ok_or_else(|| wrong("a reference must be a text".to_owned()))?;
    if let Some(name) = text.strip_prefix(IN_DOCUMENT) {
        return Ok(format!("{IN_CATALOGUE}{name}"));
    }
    // Definitions inside a schema are meant where they stand, though the document's root is what the text says.
    let nested = text.strip_prefix("#/$defs/").and_then(|name| scope.get(name));
    nested
        .map(|name| format!("{IN_CATALOGUE}{name}"))
        .ok_or_else(|| wrong(format!("\"{text}\" leads nowhere in this document")))
}

fn discriminator(value: &Value, place: &str, scope: &BTreeMap<String, String>) -> Result<Value, Problem> {
    let mut out = json!({ "propertyName": value["propertyName"] });
    if let Some(mapping) = value["mapping"].as_object() {
        let mut names = Map::new();
        for (tag, target) in mapping {
            names.insert(tag.clone(), Value::String(reference(target, place, scope)?));
        }
        out["mapping"] = Value::Object(names);
    }
    Ok(out)
}

/// `nullable` of OpenAPI 3.0 means nothing in 3.1; and a union of one simple type and null is a type list.
fn or_null(mut schema: Map<String, Value>, nullable: bool) -> Value {
    if nullable {
        return json!({ "anyOf": [Value::Object(schema), { "type": "null" }] });
    }
    let union = schema.get("anyOf").and_then(Value::as_array).filter(|list| list.len() == 2);
    let Some(union) = union else { return Value::Object(schema) };
    let (Some(simple), true) = (union[0].as_object(), union[1] == json!({ "type": "null" })) else {
        return Value::Object(schema);
    };
    let foldable = simple.get("type").is_some_and(Value::is_string)
        && !["enum", "const", "anyOf", "oneOf", "allOf", "$ref"].iter().any(|key| simple.contains_key(*key))
        && !simple.keys().any(|key| schema.contains_key(key));
    if !foldable {
        return Value::Object(schema);
    }
    let mut folded = simple.clone();
    folded["type"] = json!([simple["type"], "null"]);
    schema.shift_remove("anyOf");
    folded.extend(schema);
    Value::Object(folded)
}
