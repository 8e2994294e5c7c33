//! What a checker says about values that do not fit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use model::schema::{Checker, MAX_PROBLEMS, dotted, pointer};
use serde_json::{Map, Value, json};

/// One line per problem: `code place: reason (hint)`, sorted.
fn lines(schema: &Value, value: &Value) -> Vec<String> {
    let checker = Checker::compile(schema).unwrap();
    let problems = checker.problems(value);
    assert_eq!(problems.is_empty(), checker.fits(value), "{value}");
    let mut lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{} {}: {}{hint}", problem.code, problem.place, problem.reason)
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn chat() -> Value {
    let message = |role: &str, content: Value| {
        json!({
            "type": "object", "required": ["content"], "additionalProperties": false,
            "properties": {"role": {"const": role, "type": "string"}, "content": content, "prefix": {"type": "boolean"}}
        })
    };
    json!({
        "$ref": "#/schemas/Request",
        "schemas": {
            "Request": {
                "type": "object",
                "required": ["model", "messages"],
                "additionalProperties": false,
                "properties": {
                    "model": {"type": "string"},
                    "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/schemas/Message"}},
                    "temperature": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1.5}, {"type": "null"}]},
                    "max_tokens": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
                    "stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                    "tool_choice": {"anyOf": [{"type": "object"}, {"enum": ["auto", "none", "any", "required"]}]},
                    "effort": {"anyOf": [{"const": "low"}, {"const": "high"}]},
                    "at": {"type": "string", "format": "date-time"},
                    "more": {"type": "string", "format": "uri"}
                }
            },
            "Message": {"oneOf": [
                {"$ref": "#/schemas/System"}, {"$ref": "#/schemas/User"}, {"$ref": "#/schemas/Tool"}
            ]},
            "System": message("system", json!({"type": "string"})),
            "User": message("user", json!({"anyOf": [
                {"type": "string"}, {"type": "array", "items": {"$ref": "#/schemas/Chunk"}}, {"type": "null"}
            ]})),
            "Tool": message("tool", json!({"type": "string"})),
            "Chunk": {"oneOf": [
                {"type": "object", "required": ["type", "text"],
                 "properties": {"type": {"const": "text"}, "text": {"type": "string"}}},
                {"type": "object", "required": ["type", "image_url"],
                 "properties": {"type": {"const": "image_url"}, "image_url": {"type": "string"}}}
            ]}
        }
    })
}

/// A chat body with one member more or other.
fn body(name: &str, value: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    body[name] = value;
    body
}

fn check(cases: &[(Value, &[&str])]) {
    for (value, expected) in cases {
        assert_eq!(lines(&chat(), value), *expected, "{value}");
    }
}

#[test]
fn says_what_is_wrong_where_and_what_to_do() {
    check(&[
        (body("model", json!("x")), &[]),
        (body("more", json!("no uri at all")), &[]),
        (json!([]), &["schema_type : must be an object, is a list"]),
        (json!({"model": "m"}), &["schema_missing /messages: is missing"]),
        (body("model", json!(7)), &["schema_type /model: must be a text, is a number"]),
        (body("messages", json!([])), &["schema_size /messages: must have at least 1 item"]),
        (
            body("temprature", json!(1)),
            &[
                "schema_unknown_field /temprature: there is no field \"temprature\" here (did you mean \"temperature\"?)",
            ],
        ),
        (
            body("a/b", json!(1)),
            &["schema_unknown_field /a~1b: there is no field \"a/b\" here (known are: model, messages, temperature, \
               max_tokens, stop, tool_choice, effort, at, more)"],
        ),
        (
            body("at", json!("today")),
            &["schema_format /at: must be a date and time like 2026-11-22T10:15:30Z, is \"today\""],
        ),
    ]);
}

#[test]
fn a_choice_of_types_or_values_is_one_problem() {
    check(&[
        (body("temperature", json!(2)), &["schema_range /temperature: must be at most 1.5, is 2"]),
        (body("temperature", json!("hot")), &["schema_type /temperature: must be a number or null, is a text"]),
        (body("max_tokens", json!(1.5)), &["schema_type /max_tokens: must be a whole number or null, is 1.5"]),
        (body("stop", json!({})), &["schema_type /stop: must be a text or a list, is an object"]),
        (body("stop", json!(["a", 1])), &["schema_type /stop/1: must be a text, is a number"]),
        (
            body("tool_choice", json!("Auto ")),
            &["schema_enum /tool_choice: must be \"auto\", \"none\", \"any\" or \"required\", is \"Auto \" \
               (did you mean \"auto\"?)"],
        ),
        (
            body("effort", json!("hihg")),
            &["schema_enum /effort: must be \"low\" or \"high\", is \"hihg\" (did you mean \"high\"?)"],
        ),
    ]);
}

#[test]
fn of_a_union_only_the_form_that_was_meant_is_explained() {
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    check(&[
        (
            body("messages", json!([{"role": "system", "content": 5}])),
            &["schema_type /messages/0/content: must be a text, is a number"],
        ),
        (
            body("messages", json!([{"role": "usr", "content": "x"}])),
            &["schema_enum /messages/0/role: must be \"system\", \"user\" or \"tool\", is \"usr\" \
               (did you mean \"user\"?)"],
        ),
        (
            body("messages", json!([{"role": "user", "contnt": "x"}])),
            &[
                "schema_missing /messages/0/content: is missing",
                "schema_unknown_field /messages/0/contnt: there is no field \"contnt\" here (did you mean \"content\"?)",
            ],
        ),
        (
            body("messages", json!([{"role": "tool", "content": "x", "nme": "y"}])),
            &[
                "schema_unknown_field /messages/0/nme: there is no field \"nme\" here (known are: role, content, prefix)",
            ],
        ),
        (body("messages", json!(["x"])), &["schema_type /messages/0: must be an object, is a text"]),
        (
            body("messages", user(json!([{"type": "text", "text": 1}]))),
            &["schema_type /messages/0/content/0/text: must be a text, is a number"],
        ),
        (
            body("messages", user(json!([{"type": "txt", "text": "x"}]))),
            &["schema_enum /messages/0/content/0/type: must be \"text\" or \"image_url\", is \"txt\" \
               (did you mean \"text\"?)"],
        ),
        (
            body("messages", user(json!(5))),
            &["schema_type /messages/0/content: must be a text, a list or null, is a number"],
        ),
    ]);
}

#[test]
fn knows_the_other_keywords() {
    let cases = [
        (json!({"pattern": "^a+$"}), json!("b"), "schema_pattern : must match ^a+$, is \"b\""),
        (json!({"exclusiveMinimum": 0}), json!(0), "schema_range : must be more than 0, is 0"),
        (json!({"multipleOf": 5}), json!(7), "schema_range : must be a multiple of 5.0, is 7"),
        (json!({"maxLength": 1}), json!("ab"), "schema_size : must have at most 1 character"),
        (json!({"minProperties": 2}), json!({}), "schema_size : must have at least 2 members"),
        (json!({"uniqueItems": true}), json!([1, 1]), "schema_duplicate : has the same item twice"),
        (json!({"not": {}}), json!(1), "schema_refused : does not fit what is allowed here"),
        (
            json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
            json!(1),
            "schema_ambiguous : fits more than one of the forms that it may have",
        ),
        (
            json!({"propertyNames": {"maxLength": 2}}),
            json!({"abc": 1}),
            "schema_pattern /abc: as a name must have at most 2 characters",
        ),
        (
            json!({"allOf": [{"properties": {"abc": {}}}, {"properties": {"d": {}}}], "unevaluatedProperties": false}),
            json!({"wxyz": 1}),
            "schema_unknown_field /wxyz: there is no field \"wxyz\" here (known are: abc, d)",
        ),
    ];
    for (schema, value, expected) in cases {
        assert_eq!(lines(&schema, &value), [expected], "{schema}");
    }
}

#[test]
fn stays_small_whatever_the_value() {
    let schema = json!({"items": {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}});
    let found = lines(&schema, &json!(["x".repeat(1 << 20)]));
    assert_eq!(found.len(), 1);
    assert!(found[0].len() < 300, "{} bytes", found[0].len());

    let many = Value::Array(vec![json!(1); 100_000]);
    assert_eq!(lines(&schema, &many).len(), MAX_PROBLEMS);

    let unknown: Map<String, Value> = (0..100_000).map(|n| (format!("m{n}"), json!(1))).collect();
    assert_eq!(
        lines(&json!({"properties": {"a": {}}, "additionalProperties": false}), &Value::Object(unknown)).len(),
        MAX_PROBLEMS
    );
}

#[test]
fn finds_what_is_wrong_beyond_the_part_that_is_explained() {
    let mut items = vec![json!("x"); 100_000];
    items.push(json!(1));
    let found = lines(&json!({"items": {"type": "string"}}), &Value::Array(items));
    assert_eq!(found, ["schema_type /100000: must be a text, is a number"]);
}

#[test]
fn refuses_what_is_no_schema() {
    for wrong in [json!({"type": "txt"}), json!({"$ref": "https://example.com/x.json"}), json!({"$ref": "#/none"})] {
        assert_eq!(Checker::compile(&wrong).unwrap_err().code, "schema_wrong", "{wrong}");
    }
}

#[test]
fn places_can_be_written_both_ways() {
    assert_eq!(dotted("/routes/describe/transformers/0/type"), "routes.describe.transformers[0].type");
    assert_eq!(dotted(""), "");
    assert_eq!(dotted("/a~1b/~0c"), "a/b.~c");
    assert_eq!(pointer("/payload", "a/b~"), "/payload/a~1b~0");
}
