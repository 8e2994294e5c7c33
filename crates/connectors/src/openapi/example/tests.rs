use super::*;
use serde_json::json;
use std::collections::HashSet;

const FILLS: [Fill; 3] = [Fill::Smallest, Fill::Everything, Fill::Odd];

fn schemas() -> Vec<Value> {
    let text = |keywords: Value| {
        let mut schema = json!({"type": "string"});
        schema.as_object_mut().unwrap().extend(keywords.as_object().unwrap().clone());
        schema
    };
    let patterns = [
        r"^\w{2}$",
        r"^[^,\s]+$",
        r"^[0-9a-f]{32}$",
        r"^[a-z]([a-z0-9_-]*[a-z0-9])?$",
        r"^[a-zA-Z0-9_-]{1,64}$",
        r"^\d+$",
        r"^[^:]+:.+$",
        r"^(a|bc)+\.\d{2,}$",
    ];
    let formats = ["uuid", "date-time", "date", "time", "uri", "duration", "email", "byte", "binary", "password"];
    let mut all: Vec<Value> = patterns.iter().map(|pattern| text(json!({"pattern": pattern}))).collect();
    all.extend(formats.iter().map(|format| text(json!({"format": format}))));
    all.extend([
        json!(true),
        json!({}),
        json!({"type": "null"}),
        json!({"type": ["string", "null"]}),
        json!({"const": {"a": [1]}}),
        json!({"enum": ["a", null, 3]}),
        text(json!({"minLength": 200, "maxLength": 210})),
        text(json!({"maxLength": 3})),
        text(json!({"pattern": "^[a-z]([a-z0-9_-]*[a-z0-9])?$", "minLength": 5, "maxLength": 6})),
        json!({"type": "integer", "minimum": 3, "maximum": 4}),
        json!({"type": "integer", "exclusiveMinimum": -3, "maximum": -1}),
        json!({"type": "integer", "maximum": -5}),
        json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
        json!({"type": "number", "minimum": -2, "exclusiveMaximum": 1e9}),
        json!({"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": true}),
        json!({"type": "array", "items": {"type": "string"}, "maxItems": 0}),
        json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"enum": ["en", "fr"]}}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"$ref": "#/$defs/key"},
            "$defs": {"key": {"type": "string", "maxLength": 2}}}),
        json!({"type": "object", "required": ["free"], "additionalProperties": {"type": "integer"}}),
        json!({"anyOf": [{"type": "null"}, {"type": "object", "required": ["a"], "properties": {"a": {"minimum": 1, "type": "integer"}}}]}),
        // A closed base, and a part that it does not know.
        json!({"allOf": [{"$ref": "#/$defs/base"}, {"type": "object", "properties": {"extra": {"type": "string"}}}],
            "$defs": {"base": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}},
                "additionalProperties": false}}}),
        // Narrowed from both sides.
        json!({"allOf": [{"type": "object", "properties": {"n": {"type": "integer", "minimum": 5}}, "required": ["n"]},
            {"type": "object", "properties": {"n": {"maximum": 5, "enum": [4, 5, 6]}}}]}),
        // Branches that differ in a member that nobody requires.
        json!({"oneOf": [{"type": "object", "properties": {"type": {"const": "a"}}},
            {"type": "object", "properties": {"type": {"const": "b"}}}]}),
        // Branches whose difference only the mapping knows.
        json!({"type": "array", "minItems": 1, "items": {"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
            "discriminator": {"propertyName": "kind", "mapping": {"one": "#/$defs/a", "two": "#/$defs/b"}}},
            "$defs": {"a": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}, "kind": {"enum": ["one"]}}},
                "b": {"type": "object", "required": ["y"], "properties": {"y": {"type": "integer"}, "kind": {"enum": ["two"]}}}}}),
        // Through itself, optional and required with a way out.
        json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "required": ["children", "leaf"], "properties": {
            "leaf": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "integer"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}}}),
    ]);
    all
}

#[test]
fn examples_are_valid() {
    for schema in schemas() {
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for (seed, fill) in (0..50).flat_map(|seed| FILLS.map(|fill| (seed, fill))) {
            let value = example(&schema, seed, fill);
            let problems: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{schema}\nseed {seed}, {fill:?}: {value}\n{problems:?}");
        }
    }
}

#[test]
fn the_seed_decides_alone() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": [1, 2, 3, 4]}}});
    let made: Vec<Value> = (0..20).map(|seed| example(&schema, seed, Fill::Everything)).collect();
    let again: Vec<Value> = (0..20).map(|seed| example(&schema, seed, Fill::Everything)).collect();
    assert_eq!(made, again);
    let distinct: HashSet<String> = made.iter().map(Value::to_string).collect();
    assert!(distinct.len() > 10, "{distinct:?}");
}

#[test]
fn fills_differ() {
    let schema = json!({"type": "object", "required": ["id"], "properties": {
        "id": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "extra": {"type": "object", "additionalProperties": true}}});
    assert_eq!(example(&schema, 1, Fill::Smallest), json!({"id": null}));
    let everything = example(&schema, 1, Fill::Everything);
    assert!(everything["id"].is_string(), "{everything}");
    assert_eq!(everything["tags"].as_array().unwrap().len(), 1, "{everything}");
    assert_eq!(everything["extra"].as_object().unwrap().len(), 1, "{everything}");
    let odd = example(&schema, 1, Fill::Odd);
    for character in ["\"", "🌬", "${HOME}", "+", "&", "=", "%", "\n"] {
        assert!(odd["id"].as_str().unwrap().contains(character), "{odd}");
        assert!(odd["extra"].as_object().unwrap().keys().all(|key| key.contains(character)), "{odd}");
    }
}

#[test]
fn every_branch_comes_up() {
    let schema = json!({"anyOf": [{"const": 1}, {"const": 2}, {"type": "null"}, {"const": 3}]});
    let made: HashSet<i64> = (0..50).filter_map(|seed| example(&schema, seed, Fill::Everything).as_i64()).collect();
    assert_eq!(made, HashSet::from([1, 2, 3]));
}

#[test]
fn endless_schemas_end() {
    let schemas = [
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}}}}),
        json!({"$ref": "#/nowhere"}),
        json!({"type": "string", "pattern": "(?=a)", "maxLength": 2}),
        json!({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": true}),
    ];
    for (schema, fill) in schemas.iter().flat_map(|schema| FILLS.map(|fill| (schema, fill))) {
        let _ = example(schema, 7, fill);
    }
}

/// A schema that demands itself twice, or lists of lists without measure, comes to an end.
#[test]
fn examples_are_bounded() {
    let twice = json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "required": ["l", "r"],
        "properties": {"l": {"$ref": "#/$defs/a"}, "r": {"$ref": "#/$defs/a"}}}}});
    let wide = json!({"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000, "items": {}}}});
    for schema in [twice, wide] {
        for fill in [Fill::Smallest, Fill::Everything] {
            let made = example(&schema, 1, fill).to_string();
            assert!(made.len() < 5 << 20, "{}", made.len());
        }
    }
}
