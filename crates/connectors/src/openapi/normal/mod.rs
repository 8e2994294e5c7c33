//! The normal form of an operation's schemas: the same instances, said so that a form can be drawn of them without
//! thought.
//!
//! What JSON Schema has no word for is said in members of our own:
//!
//! | member | at | says |
//! |---|---|---|
//! | `x-nullable` | a schema | null is allowed too; the schema itself does not say so any more |
//! | `x-tag` | a union | the property whose value tells the branches apart; the `title` of a branch is that value |
//! | `x-hidden` | a property | it is the tag of its union: choosing a branch sets it |
//! | `x-order` | an object | its properties in the order in which they are shown |
//! | `x-widget` | a property | what to draw it as: `model`, `id:/v1/agents`, `prompt`, `json`, `file`, `duration` |

mod join;
mod null;
mod order;
mod unions;
mod widgets;

pub use order::FIRST;

use super::build::parameters;
use super::catalogue::{Body, BodyKind, Catalogue, Entry, Location};
use super::form;
use super::schemas::{Holds, holds, references};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What stands before the name of a definition.
const DEFS: &str = "#/$defs/";

/// The schemas of one operation, each a document of its own: an object with a property for each value.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    /// The slots of the path; none where it has none.
    pub path: Option<Value>,
    /// The query.
    pub query: Option<Value>,
    /// The headers that the operation declares.
    pub header: Option<Value>,
    /// The body.
    pub payload: Option<Value>,
}

/// The normal form of everything that an operation takes.
#[must_use]
pub fn normal(catalogue: &Catalogue, entry: &Entry) -> Normal {
    let of = |location| {
        let mut document = values(catalogue, entry, location)?;
        normalise(catalogue, entry, &mut document);
        Some(document)
    };
    let payload = entry.body.as_ref().map(|body| {
        let mut document = payload(catalogue, body);
        normalise(catalogue, entry, &mut document);
        document
    });
    Normal { path: of(Location::Path), query: of(Location::Query), header: of(Location::Header), payload }
}

/// The parameters of one place as the properties of an object; none where there are none.
#[must_use]
pub fn values(catalogue: &Catalogue, entry: &Entry, location: Location) -> Option<Value> {
    let (mut properties, mut required, mut defs) = (Map::new(), Vec::new(), Map::new());
    for parameter in parameters(entry, location) {
        let mut schema = catalogue.resolved(&parameter.schema);
        if let Some(members) = schema.as_object_mut() {
            if let Some(Value::Object(own)) = members.remove("$defs") {
                defs.extend(own);
            }
            if parameter.deprecated {
                members.insert("deprecated".to_owned(), Value::Bool(true));
            }
        }
        if parameter.required {
            required.push(parameter.name.clone());
        }
        properties.insert(parameter.name.clone(), schema);
    }
    if properties.is_empty() {
        return None;
    }
    let mut document = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        document["required"] = json!(required);
    }
    if !defs.is_empty() {
        document["$defs"] = Value::Object(defs);
    }
    Some(document)
}

/// The body as a document; files in it are described as they stand in payloads.
#[must_use]
pub fn payload(catalogue: &Catalogue, body: &Body) -> Value {
    let mut document = catalogue.resolved(&body.schema);
    if body.kind == BodyKind::Multipart {
        form::describe_files(&mut document);
    }
    document
}

/// The steps, in their order.
fn normalise(catalogue: &Catalogue, entry: &Entry, document: &mut Value) {
    open_root(document);
    join::join(document);
    each(document, &mut null::collapse);
    unions::tag(document);
    prune(document);
    widgets::choose(catalogue, entry, document);
    order::sort(entry, document);
}

/// A document that only refers to one of its definitions becomes that definition.
fn open_root(document: &mut Value) {
    let Some(root) = document.as_object_mut() else { return };
    let defs = root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let Value::Object(own) = target(&defs, &Value::Object(root.clone())).clone() else { return };
    if root.contains_key("$ref") && root.keys().all(|name| name == "$ref" || name == "$defs") {
        root.remove("$ref");
        root.extend(own);
    }
}

/// Hands every schema of a document to `change`, the innermost first.
fn each(document: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(schema) = document else { return };
    for (keyword, value) in schema.iter_mut() {
        match (holds(keyword).or((keyword == "$defs").then_some(Holds::Named)), value) {
            (Some(Holds::One), one) => each(one, change),
            (Some(Holds::List), Value::Array(list)) => list.iter_mut().for_each(|inner| each(inner, change)),
            (Some(Holds::Named), Value::Object(named)) => named.values_mut().for_each(|inner| each(inner, change)),
            _ => {}
        }
    }
    change(schema);
}

/// What a schema refers to in the end, in these definitions.
fn target<'a>(defs: &'a Map<String, Value>, schema: &'a Value) -> &'a Value {
    let mut found = schema;
    // References that lead back to themselves are in no document that was read; eight are more than there are.
    for _ in 0..8 {
        let name = found.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(DEFS));
        match name.and_then(|name| defs.get(name)) {
            Some(next) => found = next,
            None => break,
        }
    }
    found
}

/// The names of the definitions that a schema refers to.
fn referred(schema: &Value, names: &mut BTreeSet<String>) {
    references(schema, &mut |target| names.extend(target.strip_prefix(DEFS).map(str::to_owned)));
}

/// Leaves out the definitions that nothing refers to any more.
fn prune(document: &mut Value) {
    let Some(Value::Object(mut defs)) = document.as_object_mut().and_then(|root| root.remove("$defs")) else { return };
    let (mut kept, mut open) = (BTreeSet::new(), BTreeSet::new());
    referred(document, &mut open);
    while let Some(name) = open.pop_first() {
        if let Some(schema) = defs.get(&name).filter(|_| !kept.contains(&name)) {
            referred(schema, &mut open);
            kept.insert(name);
        }
    }
    defs.retain(|name, _| kept.contains(name));
    if let Some(root) = document.as_object_mut().filter(|_| !defs.is_empty()) {
        root.insert("$defs".to_owned(), Value::Object(defs));
    }
}
