//! What a JSON Schema (draft 2020-12) is made of: which keywords hold schemas, and how to walk them.

use serde_json::{Map, Value};

/// What a reference to a component schema of a catalogue begins with.
pub const COMPONENT: &str = "#/schemas/";

/// How a keyword holds schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The value is a schema.
    One,
    /// The value is a list of schemas.
    List,
    /// The value is an object whose members are schemas.
    Named,
}

/// How a keyword holds schemas; `None` where it holds none.
#[must_use]
pub fn holds(keyword: &str) -> Option<Holds> {
    match keyword {
        "items"
        | "additionalProperties"
        | "propertyNames"
        | "contains"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "not"
        | "if"
        | "then"
        | "else" => Some(Holds::One),
        "anyOf" | "oneOf" | "allOf" | "prefixItems" => Some(Holds::List),
        "properties" | "patternProperties" | "dependentSchemas" => Some(Holds::Named),
        _ => None,
    }
}

/// Whether the schemas of a keyword look at the very value that the schema around them looks at.
#[must_use]
pub fn looks_at_same_value(keyword: &str) -> bool {
    matches!(keyword, "anyOf" | "oneOf" | "allOf" | "not" | "if" | "then" | "else" | "dependentSchemas")
}

/// The schemas directly inside a schema, each with the keyword that holds it.
pub fn inner(schema: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    schema.iter().flat_map(|(keyword, value)| {
        let found: Vec<&Value> = match (holds(keyword), value) {
            (Some(Holds::One), one) => vec![one],
            (Some(Holds::List), Value::Array(list)) => list.iter().collect(),
            (Some(Holds::Named), Value::Object(named)) => named.values().collect(),
            _ => Vec::new(),
        };
        found.into_iter().map(move |schema| (keyword.as_str(), schema))
    })
}

/// Hands every reference in a schema, and in the schemas inside it, to `visit`: `$ref` and the targets of
/// discriminators. Values that only look like references (in `default`, `const`, `enum`) are left out.
pub fn references<'a>(schema: &'a Value, visit: &mut impl FnMut(&'a str)) {
    let Value::Object(schema) = schema else { return };
    if let Some(Value::String(target)) = schema.get("$ref") {
        visit(target);
    }
    if let Some(Value::Object(mapping)) = schema.get("discriminator").and_then(|found| found.get("mapping")) {
        mapping.values().filter_map(Value::as_str).for_each(&mut *visit);
    }
    for (_, schema) in inner(schema) {
        references(schema, visit);
    }
}

/// As [`references`], but each may be changed.
pub fn rewrite_references(schema: &mut Value, rewrite: &mut impl FnMut(&mut String)) {
    let Value::Object(schema) = schema else { return };
    for (keyword, value) in schema.iter_mut() {
        match (keyword.as_str(), value) {
            ("$ref", Value::String(target)) => rewrite(target),
            ("discriminator", value) => {
                let mapping = value.get_mut("mapping").and_then(Value::as_object_mut);
                for target in mapping.into_iter().flat_map(Map::values_mut) {
                    if let Value::String(target) = target {
                        rewrite(target);
                    }
                }
            }
            (keyword, value) => match (holds(keyword), value) {
                (Some(Holds::One), one) => rewrite_references(one, rewrite),
                (Some(Holds::List), Value::Array(list)) => {
                    list.iter_mut().for_each(|schema| rewrite_references(schema, rewrite));
                }
                (Some(Holds::Named), Value::Object(named)) => {
                    named.values_mut().for_each(|schema| rewrite_references(schema, rewrite));
                }
                _ => {}
            },
        }
    }
}

/// The schema that also allows null, as short as it can be said.
#[must_use]
pub fn or_null(schema: Value) -> Value {
    let Value::Object(mut object) = schema else {
        return schema;
    };
    if object.is_empty() {
        return Value::Object(object);
    }
    let composed =
        ["$ref", "anyOf", "oneOf", "allOf", "not", "const", "if"].iter().any(|word| object.contains_key(*word));
    if !composed && let Some(kinds) = object.get_mut("type") {
        let null = Value::from("null");
        match kinds {
            Value::Array(list) if list.contains(&null) => {}
            Value::Array(list) => list.push(null),
            one => *one = Value::from(vec![one.take(), null]),
        }
        if let Some(Value::Array(values)) = object.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
        return Value::Object(object);
    }
    serde_json::json!({ "anyOf": [object, { "type": "null" }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn or_null_is_short_and_right() {
        let cases = [
            (json!({"type": "string", "format": "uuid"}), json!({"type": ["string", "null"], "format": "uuid"})),
            (json!({"type": "string", "enum": ["a"]}), json!({"type": ["string", "null"], "enum": ["a", null]})),
            (json!({"type": ["string", "null"]}), json!({"type": ["string", "null"]})),
            (json!({"$ref": "#/schemas/A"}), json!({"anyOf": [{"$ref": "#/schemas/A"}, {"type": "null"}]})),
            (
                json!({"type": "string", "const": "a"}),
                json!({"anyOf": [{"type": "string", "const": "a"}, {"type": "null"}]}),
            ),
            (json!({}), json!({})),
            (json!(true), json!(true)),
        ];
        for (schema, expected) in cases {
            assert_eq!(or_null(schema.clone()), expected, "{schema}");
        }
    }

    #[test]
    fn references_are_found_where_schemas_are_and_nowhere_else() {
        let mut schema = json!({
            "properties": {"$ref": {"$ref": "#/schemas/A"}, "items": {"items": {"$ref": "#/schemas/B"}}},
            "default": {"$ref": "#/schemas/Not"},
            "oneOf": [{"additionalProperties": {"$ref": "#/schemas/C"}}, true],
            "discriminator": {"propertyName": "type", "mapping": {"d": "#/schemas/D"}},
        });
        let mut found = Vec::new();
        references(&schema, &mut |target| found.push(target.to_owned()));
        found.sort();
        assert_eq!(found, ["#/schemas/A", "#/schemas/B", "#/schemas/C", "#/schemas/D"]);
        let mut again = Vec::new();
        rewrite_references(&mut schema, &mut |target| again.push(std::mem::take(target)));
        again.sort();
        assert_eq!(again, found);
        assert_eq!(schema["properties"]["$ref"]["$ref"], "");
        assert_eq!(schema["default"]["$ref"], "#/schemas/Not");
    }
}
