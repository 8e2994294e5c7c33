//! What is told of two documents that differ, and which of it breaks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use connectors::openapi::catalogue::Catalogue;
use connectors::openapi::diff::{Diff, diff};
use connectors::openapi::read::{Document, read_newer};
use serde_json::{Value, json};

/// A shop with one operation: it takes an order and answers with one.
fn shop() -> Value {
    let order = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 20},
            "kind": {"type": "string", "enum": ["gift", "normal"]},
            "count": {"type": "integer", "minimum": 1, "default": 1},
            "note": {"type": ["string", "null"]},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
            "pay": {"anyOf": [{"$ref": "#/components/schemas/Card"}, {"$ref": "#/components/schemas/Cash"}]},
        },
    });
    json!({
        "openapi": "3.1.0",
        "info": {"version": "1"},
        "security": [{"Key": []}],
        "paths": {
            "/orders": {"post": {
                "summary": "Order",
                "parameters": [
                    {"name": "page", "in": "query", "schema": {"type": "integer"}},
                    {"name": "trace", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {"required": true, "content": {"application/json": {"schema": order}}},
                "responses": {"200": {"content": {"application/json": {"schema": order}}}},
            }},
        },
        "components": {"schemas": {
            "Line": {"type": "object", "properties": {
                "part": {"type": "string"}, "parent": {"$ref": "#/components/schemas/Line"},
            }},
            "Card": {"type": "object", "properties": {"number": {"type": "string"}}},
            "Cash": {"type": "object", "additionalProperties": false},
        }},
    })
}

fn read(document: &Value) -> Catalogue {
    let text = document.to_string();
    let overrides = "credentials: {Key: api_key, Admin: admin_key}\n";
    read_newer(&Document { file: "shop.json", sha256: "0", text: &text }, overrides).unwrap().catalogue
}

/// The differences after some values of the document were changed; `null` removes one.
fn after(edits: &[(&str, Value)]) -> Diff {
    let mut newer = shop();
    for (pointer, value) in edits {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = newer.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
        match (parent, value) {
            (Value::Object(parent), Value::Null) => drop(parent.remove(key)),
            (Value::Object(parent), value) => drop(parent.insert(key.to_owned(), value.clone())),
            (Value::Array(parent), Value::Null) => drop(parent.remove(key.parse().unwrap())),
            (Value::Array(parent), value) => parent.push(value.clone()),
            _ => panic!("{pointer}"),
        }
    }
    diff(&read(&shop()), &read(&newer))
}

const OPERATION: &str = "/paths/~1orders/post";
const SENT: &str = "/paths/~1orders/post/requestBody/content/application~1json/schema";
const ANSWERED: &str = "/paths/~1orders/post/responses/200/content/application~1json/schema";

/// `! place what` where it breaks.
fn told(diff: &Diff) -> Vec<String> {
    let changes = diff.changed.iter().flat_map(|changed| &changed.changes);
    changes.map(|change| format!("{}{} {}", if change.breaks { "! " } else { "" }, change.place, change.what)).collect()
}

#[test]
fn the_same_document_differs_in_nothing() {
    assert!(after(&[]).is_empty());
    let words = [(&format!("{OPERATION}/description")[..], json!("words")), ("/info/version", json!("2"))];
    assert!(after(&words).is_empty(), "words and versions change nothing");
}

#[test]
fn operations_come_and_go() {
    let mut newer = shop();
    let order = newer["paths"]["/orders"].clone();
    newer["paths"] = json!({"/returns": order});
    let diff = diff(&read(&shop()), &read(&newer));
    assert_eq!(diff.new.iter().map(|one| one.signature()).collect::<Vec<_>>(), ["POST /returns"]);
    assert_eq!(diff.gone.iter().map(|one| one.signature()).collect::<Vec<_>>(), ["POST /orders"]);
    assert_eq!(diff.broken().count(), 1);
}

#[test]
fn every_change_is_told_with_its_place_and_whether_it_breaks() {
    let operation: Vec<(&str, Value, &str)> = vec![
        ("/summary", json!("Buy"), "!  is now called \"Buy\""),
        ("/deprecated", json!(true), " is deprecated now"),
        ("/security", json!([{"Admin": []}]), "!  asks for admin_key now"),
        ("/parameters/0", Value::Null, "! query.page is gone"),
        ("/parameters/-", json!({"name": "q", "in": "query", "schema": {"type": "string"}}), "query.q is new"),
        (
            "/parameters/-",
            json!({"name": "q", "in": "query", "required": true, "schema": {"type": "string"}}),
            "! query.q is new and required",
        ),
        ("/parameters/0/required", json!(true), "! query.page is required now"),
        ("/parameters/0/schema/type", json!("number"), "query.page may be number now"),
        ("/parameters/0/schema/type", json!("string"), "! query.page may not be integer any more"),
        ("/requestBody/required", json!(false), "payload may be left out now"),
        ("/requestBody", Value::Null, "! payload is gone"),
        ("/responses/201", json!({"content": {}}), "answer 201 is new"),
    ];
    for (pointer, value, expected) in operation {
        let told = told(&after(&[(&format!("{OPERATION}{pointer}"), value)]));
        assert!(told.contains(&expected.to_owned()), "{pointer}: {told:?}");
    }
    // What is in the request, and what the same is in the answer.
    let both: Vec<(&str, Value, &str, &str)> = vec![
        ("/properties/note", Value::Null, "! payload.note is gone", "! answer 200.note is gone"),
        ("/properties/more", json!({"type": "string"}), "payload.more is new", "answer 200.more is new"),
        ("/required/-", json!("kind"), "! payload.kind is required now", "answer 200.kind is required now"),
        ("/required/0", Value::Null, "payload.name may be left out now", "! answer 200.name may be missing now"),
        (
            "/properties/note/type",
            json!("string"),
            "! payload.note may not be null any more",
            "answer 200.note may not be null any more",
        ),
        (
            "/properties/count/type",
            json!(["integer", "string"]),
            "payload.count may be string now",
            "! answer 200.count may be string now",
        ),
        (
            "/properties/kind/enum",
            json!(["gift", "rush"]),
            "! payload.kind may not be \"normal\" any more",
            "answer 200.kind may be \"rush\" now",
        ),
        (
            "/properties/name/enum",
            json!(["x"]),
            "! payload.name must be one of \"x\" now",
            "answer 200.name must be one of \"x\" now",
        ),
        (
            "/properties/name/maxLength",
            json!(9),
            "! payload.name has maxLength 9 now",
            "answer 200.name has maxLength 9 now",
        ),
        (
            "/properties/name/maxLength",
            json!(90),
            "payload.name has maxLength 90 now",
            "answer 200.name has maxLength 90 now",
        ),
        (
            "/properties/count/minimum",
            json!(2),
            "! payload.count has minimum 2 now",
            "answer 200.count has minimum 2 now",
        ),
        (
            "/properties/count/minimum",
            Value::Null,
            "payload.count has no minimum now",
            "answer 200.count has no minimum now",
        ),
        (
            "/properties/count/default",
            json!(2),
            "payload.count is 2 by default now",
            "answer 200.count is 2 by default now",
        ),
        (
            "/properties/name/pattern",
            json!("^a"),
            "! payload.name has another pattern now",
            "answer 200.name has another pattern now",
        ),
        (
            "/additionalProperties",
            json!(false),
            "! payload.* no other fields may be there now",
            "answer 200.* no other fields may be there now",
        ),
        (
            "/properties/pay/anyOf/1",
            Value::Null,
            "! payload.pay may not be of the form Cash any more",
            "answer 200.pay may not be of the form Cash any more",
        ),
        (
            "/properties/pay/anyOf/-",
            json!({"type": "string"}),
            "payload.pay may be of the form string now",
            "answer 200.pay may be of the form string now",
        ),
    ];
    for (pointer, value, sent, answered) in both {
        for (root, expected) in [(SENT, sent), (ANSWERED, answered)] {
            let told = told(&after(&[(&format!("{root}{pointer}"), value.clone())]));
            assert!(told.contains(&expected.to_owned()), "{pointer}: {told:?}");
        }
    }
}

#[test]
fn a_shared_schema_is_told_where_it_is_used() {
    let diff = after(&[("/components/schemas/Line/properties/part", Value::Null)]);
    assert_eq!(told(&diff), ["! payload.lines[].part is gone", "! answer 200.lines[].part is gone"]);
    let diff = after(&[("/components/schemas/Cash/properties", json!({"till": {"type": "string"}}))]);
    assert_eq!(told(&diff), ["payload.pay (Cash).till is new", "answer 200.pay (Cash).till is new"]);
}

/// Sixty-four schemas, each twice in the one before: two to the sixty-fourth ways to the last one.
#[test]
fn schemas_that_share_their_parts_are_compared_once() {
    let with = |kind: &str| {
        let mut document = shop();
        for index in 0..64 {
            let next = json!({"$ref": format!("#/components/schemas/N{}", index + 1)});
            document["components"]["schemas"][format!("N{index}")] = json!({"properties": {"a": next, "b": next}});
        }
        document["components"]["schemas"]["N64"] = json!({ "type": kind });
        document["components"]["schemas"]["Line"]["properties"]["part"] = json!({"$ref": "#/components/schemas/N0"});
        read(&document)
    };
    assert!(diff(&with("string"), &with("string")).is_empty());
    // Deeper than is looked, so it is said that not all was compared, or told; never that nothing breaks.
    let changed = diff(&with("string"), &with("integer"));
    assert_eq!(changed.broken().count(), 1, "{:?}", told(&changed).first());
}
