//! Documents that were made to cost: each is refused with a reason, or read and compared, in bounded time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use connectors::openapi::diff::diff;
use connectors::openapi::read::{Document, read_newer};
use model::Problem;
use serde_json::{Map, Value, json};

const HEAD: &str = r#""openapi": "3.1.0", "info": {"version": "1"}, "security": [{"Key": []}]"#;

/// Reads a document, and compares it with itself where it can be read: the first problem, if there is one.
fn judge(text: &str) -> Option<Problem> {
    let document = Document { file: "hostile.json", sha256: "0", text };
    match read_newer(&document, "credentials: {Key: api_key}\n") {
        Ok(reading) => {
            assert!(diff(&reading.catalogue, &reading.catalogue).is_empty());
            None
        }
        Err(problems) => problems.into_iter().next(),
    }
}

/// A document with these schemas, of which the operation takes the first.
fn with_schemas(schemas: &Value, first: &str) -> String {
    let operation = json!({
        "requestBody": {"content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{first}")}}}},
        "responses": {"200": {}},
    });
    format!(r#"{{{HEAD}, "paths": {{"/a": {{"post": {operation}}}}}, "components": {{"schemas": {schemas}}}}}"#)
}

fn with_path(path: &str) -> String {
    let paths = json!({ path: {"get": {"responses": {"200": {}}}} });
    format!(r#"{{{HEAD}, "paths": {paths}}}"#)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// So many schemas, each made from its number.
fn schemas(count: usize, of: impl Fn(usize) -> Value) -> Value {
    (0..count).map(|index| (format!("S{index}"), of(index))).collect::<Map<_, _>>().into()
}

#[test]
fn references_that_lead_in_circles_or_explode() {
    let next = |index: usize| reference(&format!("S{}", index + 1));
    let last = |count: usize, of: fn(Value) -> Value| {
        schemas(count, move |index| if index + 1 == count { json!({"type": "string"}) } else { of(next(index)) })
    };
    let padded = "x".repeat(500);
    let table: Vec<(&str, String, &str)> = vec![
        ("itself", with_schemas(&json!({"S0": reference("S0")}), "S0"), "circle"),
        ("two", with_schemas(&json!({"S0": reference("S1"), "S1": reference("S0")}), "S0"), "circle"),
        ("allOf", with_schemas(&json!({"S0": {"allOf": [reference("S0")]}}), "S0"), "circle"),
        ("anyOf", with_schemas(&json!({"S0": {"anyOf": [{"type": "string"}, reference("S0")]}}), "S0"), "circle"),
        ("not", with_schemas(&json!({"S0": {"not": reference("S0")}}), "S0"), "circle"),
        ("properties", with_schemas(&json!({"S0": {"properties": {"a": reference("S0")}}}), "S0"), ""),
        (
            "10 MB of loops",
            with_schemas(
                &schemas(12_000, |index| {
                    json!({
                        "enum": [padded], "properties": {"a": reference(&format!("S{}", (index + 1) % 12_000)), "b": reference("S0")}
                    })
                }),
                "S0",
            ),
            "",
        ),
        ("a long chain", with_schemas(&last(50_000, |next| next), "S0"), "chain"),
        ("a deep tree", with_schemas(&last(20_000, |next| json!({"items": next})), "S0"), ""),
        (
            "diamonds of one value",
            with_schemas(&last(64, |next| json!({"allOf": [next, next]})), "S0"),
            "look at one value",
        ),
        (
            "diamonds of members",
            with_schemas(&last(64, |next| json!({"properties": {"a": next, "b": next}})), "S0"),
            "",
        ),
        ("a missing one", with_schemas(&json!({"S0": reference("S1")}), "S0"), "not a schema"),
        ("another file", with_schemas(&json!({"S0": {"$ref": "file:///etc/passwd"}}), "S0"), "not a schema"),
        ("another host", with_schemas(&json!({"S0": {"$ref": "https://example.com/a.json"}}), "S0"), "not a schema"),
    ];
    for (name, text, reason) in table {
        let problem = judge(&text);
        let said = problem.as_ref().map(|problem| problem.reason.as_str()).unwrap_or_default();
        assert!(said.contains(reason) && problem.is_none() == reason.is_empty(), "{name}: {problem:?}");
    }
}

/// Twins whose bodies are alike but for their names, so that they have to be compared to the end.
#[test]
fn twins_that_explode() {
    let mut all = Map::new();
    for side in ["A", "B"] {
        for index in 0..64 {
            let next = reference(&format!("{side}{}", index + 1));
            all.insert(format!("{side}{index}"), json!({"properties": {"a": next, "b": next}}));
        }
        all.insert(format!("{side}64"), json!({"type": "string"}));
    }
    let operation = |body: &str, media: &str| {
        json!({
            "requestBody": {"content": {"application/json": {"schema": {"properties": {"body": reference(body)}}}}},
            "responses": {"200": {"content": {media: {"schema": {}}}}},
        })
    };
    let paths = json!({
        "/a": {"post": operation("A0", "application/json")},
        "/a#stream": {"post": operation("B0", "text/event-stream")},
    });
    let text = format!(r#"{{{HEAD}, "paths": {paths}, "components": {{"schemas": {}}}}}"#, Value::Object(all));
    let problem = judge(&text).unwrap();
    assert!(problem.reason.contains("same method and path"), "{problem}");
}

#[test]
fn paths_that_lead_elsewhere() {
    let bad = [
        "a",
        "",
        "/../etc",
        "/v1/../../x",
        "/./x",
        "//host/x",
        "/a//b",
        "/a/",
        "/%2e%2e/x",
        "/a?b=c",
        "/a b",
        "/a\nb",
        "/a\\b",
        "/{id}x/{",
        "/{}",
        "/{a}/{a}",
        "/http://host",
        "/ä",
        "/a;b",
        "/{a/b}",
    ];
    for path in bad {
        let problem = judge(&with_path(path)).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(problem.code, "openapi_not_understood", "{path}: {problem}");
        assert!(problem.place.starts_with("/paths/"), "{path}: {problem}");
    }
    assert_eq!(judge(&with_path("/a/b.c_d-e~f")), None);
}

#[test]
fn too_much_of_anything() {
    let many_paths: Map<String, Value> =
        (0..100_000).map(|index| (format!("/p{index}"), json!({"get": {"responses": {"200": {}}}}))).collect();
    let many_paths = format!(r#"{{{HEAD}, "paths": {}}}"#, Value::Object(many_paths));
    let few_values: Vec<u32> = (0..100_000).collect();
    let deep = format!(r#"{{{HEAD}, "paths": {}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let names: Map<String, Value> = (0..200)
        .map(|index| {
            (format!("S{index}"), json!({"$defs": {"Same": {}}, "properties": {"a": {"$ref": "#/$defs/Same"}}}))
        })
        .collect();
    let table: Vec<(&str, String, &str)> = vec![
        ("paths", many_paths, "than 5"),
        ("choices", with_schemas(&json!({"S0": {"enum": few_values}}), "S0"), ""),
        ("nesting", deep, "recursion"),
        ("namesakes", with_schemas(&names.into(), "S0"), "too many definitions"),
        ("names", with_schemas(&json!({"S\u{1}": {}, "S0": {}}), "S0"), "names of schemas"),
        ("bytes", "x".repeat((16 << 20) + 1), "larger than 16 MiB"),
        ("a costly pattern", with_schemas(&json!({"S0": {"type": "string", "pattern": "(a+)+$"}}), "S0"), ""),
        ("a wrong pattern", with_schemas(&json!({"S0": {"type": "string", "pattern": "("}}), "S0"), "pattern"),
    ];
    for (name, text, reason) in table {
        let problem = judge(&text);
        let said = problem.as_ref().map(|problem| problem.reason.as_str()).unwrap_or_default();
        assert!(said.contains(reason) && problem.is_none() == reason.is_empty(), "{name}: {problem:?}");
    }
}

#[test]
fn what_is_no_such_document() {
    let table = [
        ("", "empty"),
        ("\n", "empty"),
        ("[]", "object"),
        ("hello", "object"),
        (r#"{"swagger": "2.0", "info": {}, "paths": {}}"#, "no OpenAPI 3.1"),
        (r#"{"openapi": "3.0.3", "info": {"version": "1"}, "paths": {}}"#, "3.1"),
        (r#"{"openapi": "3.1.0", "info": {"version": "1"}}"#, "missing"),
        (r#"{"openapi": "3.1.0", "info": {"version": "1"}, "paths": []}"#, "object"),
        (r#"{"openapi": "3.1.0", "#, "EOF"),
    ];
    for (text, reason) in table {
        let problem = judge(text).unwrap_or_else(|| panic!("{text}"));
        assert!(problem.reason.contains(reason), "{text}: {problem}");
    }
}
