//! Closing the objects that a document leaves open without saying so.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Keywords beside which an object is described only in part.
const PARTIAL: [&str; 9] = [
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "not",
    "if",
];

/// Closes every object of a document (with `$defs`) that lists its properties and says nothing of others, unless it
/// describes one object together with other schemas.
pub(super) fn close(document: &mut Value) {
    let mut parts = BTreeSet::new();
    find_parts(document, document, false, &mut parts);
    let mut definitions = document.get_mut("$defs").map(Value::take);
    for (name, definition) in definitions.iter_mut().filter_map(Value::as_object_mut).flatten() {
        close_one(definition, parts.contains(name));
    }
    close_one(document, false);
    if let (Some(members), Some(definitions)) = (document.as_object_mut(), definitions) {
        members.insert("$defs".to_owned(), definitions);
    }
}

/// Names of the definitions that describe an object together with others.
fn find_parts(root: &Value, schema: &Value, part: bool, parts: &mut BTreeSet<String>) {
    let Some(members) = schema.as_object() else { return };
    if let Some(name) = members.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix("#/$defs/"))
        && (part || members.contains_key("properties"))
        && parts.insert(name.to_owned())
        && let Some(definition) = root.get("$defs").and_then(|definitions| definitions.get(name))
    {
        find_parts(root, definition, true, parts);
    }
    let beside = describes(members);
    for (keyword, value) in members {
        each(keyword, value, is_part(keyword, beside, part), &mut |inner, part| find_parts(root, inner, part, parts));
    }
}

fn close_one(schema: &mut Value, part: bool) {
    let Some(members) = schema.as_object_mut() else { return };
    let lists = members.get("properties").and_then(Value::as_object).is_some_and(|properties| !properties.is_empty());
    if lists && !part && !PARTIAL.iter().any(|keyword| members.contains_key(*keyword)) {
        members.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    let beside = describes(members);
    for (keyword, value) in members.iter_mut() {
        match (kind(keyword), value) {
            (Some(Holds::One), one) => close_one(one, false),
            (Some(Holds::Named), Value::Object(named)) => named.values_mut().for_each(|inner| close_one(inner, false)),
            (Some(Holds::List), Value::Array(list)) => {
                let part = is_part(keyword, beside, part);
                list.iter_mut().for_each(|inner| close_one(inner, part));
            }
            _ => {}
        }
    }
}

/// How a keyword holds schemas.
enum Holds {
    One,
    List,
    Named,
}

fn kind(keyword: &str) -> Option<Holds> {
    match keyword {
        "items" | "additionalProperties" => Some(Holds::One),
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Some(Holds::List),
        "properties" | "$defs" => Some(Holds::Named),
        _ => None,
    }
}

/// Whether the schemas of a keyword describe their object together with the schema around them.
fn is_part(keyword: &str, beside: bool, part: bool) -> bool {
    match keyword {
        "allOf" => true,
        "anyOf" | "oneOf" => part || beside,
        _ => false,
    }
}

/// Whether a schema itself says something of the object that its alternatives describe.
fn describes(schema: &Map<String, Value>) -> bool {
    ["properties", "allOf", "$ref"].iter().any(|keyword| schema.contains_key(*keyword))
}

fn each(keyword: &str, value: &Value, part: bool, visit: &mut impl FnMut(&Value, bool)) {
    match (kind(keyword), value) {
        (Some(Holds::One), one) => visit(one, false),
        (Some(Holds::Named), Value::Object(named)) => named.values().for_each(|inner| visit(inner, false)),
        (Some(Holds::List), Value::Array(list)) => {
            list.iter().for_each(|inner| visit(inner, part));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn closes_whole_objects_and_leaves_parts_open() {
        let object = json!({"properties": {"a": {}}});
        let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
        let cases = [
            (object.clone(), closed.clone()),
            (json!({"type": "object"}), json!({"type": "object"})),
            (
                json!({"properties": {"a": {}}, "additionalProperties": true}),
                json!({"properties": {"a": {}}, "additionalProperties": true}),
            ),
            (json!({"items": object}), json!({"items": closed})),
            (json!({"anyOf": [object, {"type": "null"}]}), json!({"anyOf": [closed, {"type": "null"}]})),
            (json!({"allOf": [object]}), json!({"allOf": [object]})),
            (
                json!({"properties": {"b": object}, "anyOf": [object]}),
                json!({"properties": {"b": closed}, "anyOf": [object]}),
            ),
            (
                json!({"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": object, "B": object}}),
                json!({"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": object, "B": closed}}),
            ),
        ];
        for (mut schema, expected) in cases {
            let before = schema.clone();
            close(&mut schema);
            assert_eq!(schema, expected, "{before}");
        }
    }
}
