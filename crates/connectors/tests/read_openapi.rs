//! Reading OpenAPI documents: what is taken, what is refused and where.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use connectors::openapi::catalogue::{Catalogue, Encoding, Method, Paging, Stream};
use connectors::openapi::read::{Document, Reading, read};
use model::{Credential, Effect, Problem};
use serde_json::{Value, json};

const OVERRIDES: &str = "credentials: {Key: api_key, Other: user_key}\n";

/// A small document with one of everything.
fn shop() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "7"},
        "security": [{"Key": []}],
        "paths": {
            "/orders/{id}#byId": {
                "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
                    {"$ref": "#/components/parameters/Trace"},
                ],
                "get": {
                    "tags": ["orders", "shop"],
                    "summary": "Show an order",
                    "parameters": [
                        {"name": "filter", "in": "query", "schema": {"$ref": "#/components/schemas/Filter"}},
                        {"name": "meta", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
                        {"name": "page", "in": "query", "schema": {"type": "integer", "title": "Page", "examples": [1]}},
                    ],
                    "security": [{"Other": []}],
                    "deprecated": true,
                    "responses": {
                        "404": {"description": "Not there"},
                        "204": {"description": "Nothing"},
                        "200": {"description": "Found", "content": {"application/json": {"schema": {
                            "$ref": "#/components/schemas/Order"}}}},
                    },
                },
            },
            "/chat": {"post": chat("Question", "application/json")},
            "/chat#stream": {"post": chat("StreamQuestion", "text/event-stream")},
        },
        "components": {
            "parameters": {"Trace": {"name": "trace", "in": "header", "schema": {"type": "string"}}},
            "schemas": {
                "Filter": {"type": "object", "properties": {"a": {"type": "string"}}},
                "Order": {
                    "title": "Order",
                    "description": "An order",
                    "type": "object",
                    "properties": {
                        "title": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "title": "T"},
                        "description": {"type": "string", "nullable": true, "example": "x"},
                        "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                        "total": {"$ref": "#/$defs/Money"},
                        "next": {"type": "string"},
                    },
                    "$defs": {"Money": {"type": "number", "x-unit": "EUR"}, "Line": {"type": "string"}},
                    "required": ["title", "lost"],
                },
                "Line": {"type": "object", "properties": {"parent": {"$ref": "#/components/schemas/Line"}}},
                "Question": question(false),
                "StreamQuestion": question(true),
                "Unused": {"type": "object"},
            },
        },
    })
}

fn chat(body: &str, answer: &str) -> Value {
    json!({
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
            "$ref": format!("#/components/schemas/{body}")}}}},
        "responses": {"200": {"content": {answer: {"schema": {"type": "object"}}}}},
    })
}

fn question(stream: bool) -> Value {
    json!({"type": "object", "properties": {
        "text": {"$ref": "#/$defs/Text"},
        "stream": {"type": "boolean", "enum": [stream], "default": stream},
    }, "$defs": {"Text": {"type": "string"}}})
}

fn read_text(text: &str, overrides: &str) -> Result<Reading, Vec<Problem>> {
    read(&Document { file: "shop.json", sha256: "00", text }, overrides)
}

fn read_shop(document: &Value, overrides: &str) -> Catalogue {
    read_text(&document.to_string(), overrides).expect("the document is understood").catalogue
}

/// The document with one value changed; `null` removes it.
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = shop();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
    match (parent, value) {
        (Value::Object(parent), Value::Null) => drop(parent.remove(&key)),
        (Value::Object(parent), value) => drop(parent.insert(key, value)),
        (parent, value) => parent[key.parse::<usize>().unwrap()] = value,
    }
    document
}

#[test]
fn takes_facts_and_leaves_words() {
    let catalogue = read_shop(&shop(), OVERRIDES);
    let order = catalogue.by_signature(Method::Get, "/orders/{id}").unwrap();
    assert_eq!((order.area.as_str(), order.title.as_str(), order.effect), ("orders", "Show an order", Effect::Read));
    assert_eq!((order.credential, order.deprecated), (Credential::UserKey, true));
    let parameters: Vec<_> = order.parameters.iter().map(|found| (found.name.as_str(), found.encoding)).collect();
    let expected = [
        ("id", Encoding::Form),
        ("trace", Encoding::Form),
        ("filter", Encoding::Spread),
        ("meta", Encoding::Json),
        ("page", Encoding::Form),
    ];
    assert_eq!(parameters, expected);
    assert_eq!(order.parameters[4].schema, json!({"type": "integer"}));
    let answers: Vec<_> = order.answers.iter().map(|answer| (answer.status, answer.media_type.as_deref())).collect();
    assert_eq!(answers, [(200, Some("application/json")), (204, None)]);
    assert_eq!(
        catalogue.schema("Order").unwrap(),
        json!({
            "type": "object",
            "properties": {
                "title": {"type": ["string", "null"], "maxLength": 9},
                "description": {"type": ["string", "null"]},
                "lines": {"type": "array", "items": {"$ref": "#/schemas/Line"}},
                "total": {"$ref": "#/schemas/Money"},
                "next": {"type": "string"},
            },
            "required": ["title", "lost"],
        })
    );
    assert_eq!(catalogue.schema("Money").unwrap(), json!({"type": "number"}));
    let names: Vec<&String> = catalogue.schemas.keys().collect();
    assert_eq!(names, ["Filter", "Line", "Money", "Order", "Question", "Text"]);
}

#[test]
fn a_stream_twin_is_a_variant_of_its_operation() {
    let catalogue = read_shop(&shop(), OVERRIDES);
    let chat = catalogue.by_signature(Method::Post, "/chat").unwrap();
    assert_eq!((chat.stream, chat.variants, chat.effect), (Stream::Optional, 2, Effect::Create));
    let body = catalogue.schema("Question").unwrap();
    assert_eq!(body["properties"]["stream"], json!({"type": "boolean", "default": false}));
    assert_eq!(body["properties"]["text"], json!({"$ref": "#/schemas/Text"}));
}

#[test]
fn a_nested_definition_does_not_hide_a_component() {
    let document = changed("/components/schemas/Order/properties/first", json!({"$ref": "#/$defs/Line"}));
    let order = read_shop(&document, OVERRIDES).schema("Order").unwrap();
    assert_eq!(order["properties"]["first"]["$ref"], "#/schemas/Line_2");
    assert_eq!(order["properties"]["lines"]["items"]["$ref"], "#/schemas/Line");
}

#[test]
fn yaml_and_json_give_the_same() {
    let overrides = OVERRIDES;
    let yaml = yaml_serde::to_string(&shop()).unwrap();
    let text = |reading: Reading| connectors::openapi::embedded::write(&reading.catalogue).unwrap();
    let json = shop().to_string();
    assert_eq!(text(read_text(&yaml, overrides).unwrap()), text(read_text(&json, overrides).unwrap()));
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let get = "/paths/~1orders~1{id}#byId/get";
    let deep = (0..140).fold(json!({}), |inner, _| json!({"items": inner}));
    let cases = [
        ("/openapi", json!("3.0.3"), "/openapi", "no OpenAPI 3.1"),
        ("/webhooks", json!({}), "/webhooks", "not understood"),
        ("/paths", json!([]), "/paths", "an object is expected"),
        ("/info/version", json!(null), "/info", "\"version\" is missing"),
        ("/paths/x", json!({}), "/paths/x", "begins with"),
        ("/paths/~1a~1..~1b", json!({}), "/paths/~1a~1..~1b", "\"..\""),
        ("/paths/~1a~1~1b", json!({}), "/paths/~1a~1~1b", "empty steps"),
        ("/paths/~1a%2fb", json!({}), "/paths/~1a%2fb", "neither a step"),
        ("/paths/~1a~1{b", json!({}), "/paths/~1a~1{b", "neither a step"),
        ("/paths/~1{a}~1{a}", json!({}), "/paths/~1{a}~1{a}", "stands twice"),
        ("/paths/~1a", json!({"head": {}}), "/paths/~1a/head", "not understood"),
        ("/paths/~1a", json!({"get": {"responses": {"404": {}}}}), "/paths/~1a/get/responses", "no successful answer"),
        ("/paths/~1a", json!({"get": {"responses": {"2XX": {}}}}), "/paths/~1a/get/responses/2XX", "three digits"),
        (
            "/paths/~1a",
            json!({"get": {"responses": {"200": {"content": 7}}}}),
            "/paths/~1a/get/responses/200/content",
            "an object",
        ),
        ("/paths/~1orders~1{id}#byId/parameters", json!([]), get, "slots"),
        ("/paths/~1chat~1{id}", json!({"get": {"responses": {"204": {}}}}), "/paths/~1chat~1{id}/get", "slots"),
        (&format!("{get}/callbacks"), json!({}), &format!("{get}/callbacks"), "not understood"),
        (&format!("{get}/security"), json!([{"New": []}]), &format!("{get}/security/0/New"), "not known"),
        (&format!("{get}/security"), json!([]), &format!("{get}/security"), "without a credential"),
        (&format!("{get}/deprecated"), json!("yes"), &format!("{get}/deprecated"), "true or false"),
        (&format!("{get}/parameters/0/style"), json!("deepObject"), &format!("{get}/parameters/0"), "default style"),
        (&format!("{get}/parameters/0/in"), json!("cookie"), &format!("{get}/parameters/0/in"), "cookie"),
        (&format!("{get}/parameters/0/name"), json!("page"), &format!("{get}/parameters/2"), "stands twice"),
        (&format!("{get}/parameters/0/schema"), json!(7), &format!("{get}/parameters/0/schema"), "an object"),
        (
            "/paths/~1chat/post/requestBody/content/application~1json/encoding",
            json!({}),
            "/paths/~1chat/post/requestBody/content/application~1json/encoding",
            "not understood",
        ),
        (
            "/paths/~1chat/post/requestBody/content/text~1plain",
            json!({}),
            "/paths/~1chat/post/requestBody/content",
            "one media type",
        ),
        (
            "/paths/~1chat#stream/post/responses/200/content",
            json!({"application/json": {}}),
            "/paths/~1chat#stream/post",
            "not its stream",
        ),
        (
            "/components/schemas/StreamQuestion/properties/more",
            json!({}),
            "/paths/~1chat#stream/post",
            "not its stream",
        ),
        (
            "/components/parameters/Trace",
            json!({"$ref": "#/components/parameters/Trace"}),
            "/components/parameters/Trace",
            "circle",
        ),
        ("/components/parameters", json!(null), "/paths/~1orders~1{id}#byId/parameters/1/$ref", "not in this document"),
        ("/components/schemas/Line/patternMatch", json!({}), "/components/schemas/Line/patternMatch", "keyword"),
        (
            "/components/schemas/Line/properties/parent",
            json!({"$ref": "other.json#/A"}),
            "/components/schemas/Line/properties/parent/$ref",
            "not a schema",
        ),
        ("/components/schemas/a b", json!({}), "/components/schemas/a b", "letters"),
        ("/components/schemas/Line/type", json!("file"), "#/schemas/Line/type", "file"),
        ("/components/schemas/Line/exclusiveMinimum", json!(true), "#/schemas/Line/exclusiveMinimum", "number"),
        ("/components/schemas/Line", json!({"$ref": "#/components/schemas/Line"}), "#/schemas/Line", "circle"),
        (
            "/components/schemas/Line",
            json!({"anyOf": [{"not": {"$ref": "#/components/schemas/Order"}}, {"allOf":
            [{"$ref": "#/components/schemas/Line"}]}]}),
            "#/schemas/Line",
            "circle",
        ),
        ("/components/schemas/Line", deep, "", "recursion limit"),
    ];
    for (pointer, value, place, reason) in cases {
        let text = changed(pointer, value).to_string();
        let problems = read_text(&text, OVERRIDES).expect_err(pointer);
        let [problem] = &problems[..] else { panic!("{pointer}: {problems:?}") };
        assert_eq!(problem.place, place, "{pointer}: {problem}");
        assert!(problem.reason.contains(reason), "{pointer}: {problem}");
    }
}

#[test]
fn bombs_are_refused() {
    let path = |number: usize| (format!("/p{number}"), json!({"get": {"responses": {"204": {}}}}));
    let paths = changed("/paths", (0..100_000).map(path).collect());
    // Each schema doubles the one before it.
    let schema = |number: usize| {
        let before = json!({"$ref": format!("#/components/schemas/S{}", number.saturating_sub(1))});
        (format!("S{number}"), if number == 0 { json!({}) } else { json!({"allOf": [before, before]}) })
    };
    let mut doubling = changed("/components/schemas", (0..60).map(schema).collect());
    doubling["paths"] = json!({"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema":
        {"$ref": "#/components/schemas/S59"}}}}}}}});
    let definitions = |name: &str| json!({"$defs": {"A": {}}, "title": name});
    let namesakes = changed("/components/schemas", (0..200).map(|n| (format!("N{n}"), definitions("n"))).collect());
    let cases =
        [(paths, "more than 5000 operations"), (doubling, "look at one value"), (namesakes, "too many definitions")];
    for (document, reason) in cases {
        let problems = read_text(&document.to_string(), OVERRIDES).expect_err(reason);
        assert!(problems[0].reason.contains(reason), "{reason}: {}", problems[0]);
    }
}

#[test]
fn overrides_complete_an_operation() {
    let overrides = "
credentials: {Key: api_key, Other: user_key}
schemas:
  Order: [{remove: {at: /required, item: lost}}]
operations:
  GET /orders/{id}:
    title: Retrieve Order
    summary: Show one order
    items: /lines
    paging: {scheme: cursor, parameter: page, size: page, next: /next}
    replaced_by: Ask
  POST /chat:
    title: Ask
    summary: Ask something
    effect: compute
    body: [{set: {at: /deprecated, to: true}}]
    answers: [{status: 202}]
";
    let Reading { catalogue, gaps, .. } = read_text(&shop().to_string(), overrides).unwrap();
    assert_eq!(gaps, []);
    let order = catalogue.find(None, "retrieve order").unwrap();
    assert_eq!((order.items.as_deref(), order.replaced_by.as_deref()), (Some("/lines"), Some("Ask")));
    let expected = Paging::Cursor { parameter: "page".into(), size: "page".into(), next: "/next".into() };
    assert_eq!(order.paging, Some(expected));
    assert_eq!(catalogue.schema("Order").unwrap()["required"], json!(["title"]));
    let ask = catalogue.find(Some(Method::Post), "Ask").unwrap();
    assert_eq!((ask.effect, ask.answers.len()), (Effect::Compute, 3));
    assert_eq!(ask.body.as_ref().unwrap().schema["deprecated"], true);
}

#[test]
fn what_nobody_said_by_hand_is_named() {
    let gaps = read_text(&shop().to_string(), OVERRIDES).unwrap().gaps;
    let said: Vec<_> = gaps.iter().map(|gap| (gap.place.as_str(), gap.reason.as_str(), gap.is_error())).collect();
    let expected = [
        ("operations.POST /chat", "missing: title, summary, effect", false),
        ("operations.GET /orders/{id}", "missing: title, summary", false),
    ];
    assert_eq!(said, expected);
}

#[test]
fn overrides_that_fit_nothing_are_refused() {
    let order = "operations.GET /orders/{id}";
    let cases = [
        ("colour: red", "colour".to_owned(), "none of"),
        ("operations: []", "operations".to_owned(), "an object"),
        ("operations: {GET /order/{id}: {title: A}}", "operations.GET /order/{id}".to_owned(), "no such operation"),
        ("operations: {GET /orders/{id}: {titel: A}}", order.to_owned(), "unknown field `titel`"),
        ("operations: {GET /orders/{id}: {effect: maybe}}", order.to_owned(), "unknown variant"),
        ("operations: {GET /orders/{id}: {effect: read}}", format!("{order}.effect"), "already"),
        ("operations: {GET /orders/{id}: {replaced_by: A}}", format!("{order}.replaced_by"), "\"A\""),
        ("operations: {GET /orders/{id}: {items: /rows}}", format!("{order}.items"), "no list at \"/rows\""),
        ("operations: {GET /orders/{id}: {items: /next}}", format!("{order}.items"), "no list"),
        (
            "operations: {GET /orders/{id}: {paging: {scheme: cursor, parameter: page, size: page, next: /next}}}",
            format!("{order}.items"),
            "must say where",
        ),
        (
            "operations: {GET /orders/{id}: {items: /lines, paging: {scheme: cursor, parameter: cursor, size: page, next: /next}}}",
            format!("{order}.paging"),
            "no parameter \"cursor\"",
        ),
        (
            "operations: {GET /orders/{id}: {items: /lines, paging: {scheme: cursor, parameter: page, size: page, next: /token}}}",
            format!("{order}.paging"),
            "nothing at \"/token\"",
        ),
        (
            "operations: {GET /orders/{id}: {items: /lines, paging: {scheme: window, parameter: page, size: page, at: /when, default_size: 1}}}",
            format!("{order}.paging"),
            "nothing at \"/lines/0/when\"",
        ),
        ("operations: {GET /orders/{id}: {body: [{remove: {at: /x}}]}}", format!("{order}.body"), "no body"),
        ("operations: {GET /orders/{id}: {answers: [{status: 204}]}}", format!("{order}.answers"), "already"),
        (
            "operations: {POST /chat: {body: [{remove: {at: /x}}]}}",
            "operations.POST /chat.body[0]".to_owned(),
            "nothing at /x",
        ),
        ("schemas: {Orders: []}", "schemas.Orders".to_owned(), "no operation uses"),
        ("schemas: {Unused: []}", "schemas.Unused".to_owned(), "no operation uses"),
        ("schemas: {Order: [{set: {at: /type, to: object}}]}", "schemas.Order[0]".to_owned(), "already"),
        ("schemas: {Order: [{set: {at: /type, to: {a: 1}}}]}", "#/schemas/Order/type".to_owned(), ""),
        (
            "schemas: {Order: [{set: {at: /items, to: {$ref: '#/schemas/Gone'}}}]}",
            "#/schemas/Gone".to_owned(),
            "no schema",
        ),
        ("schemas: {Order: [{twist: {at: /items}}]}", "schemas.Order".to_owned(), "unknown variant"),
        ("a: [", "overrides".to_owned(), ""),
    ];
    for (wrong, place, reason) in cases {
        let overrides = format!("{OVERRIDES}{}\n", wrong.replace("{id}:", "{id}\":").replace("{GET", "{\"GET"));
        let problems = read_text(&shop().to_string(), &overrides).expect_err(wrong);
        let [problem] = &problems[..] else { panic!("{wrong}: {problems:?}") };
        assert_eq!(problem.place, place, "{wrong}: {problem}");
        assert!(problem.reason.contains(reason), "{wrong}: {problem}");
    }
}
