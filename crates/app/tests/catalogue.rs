//! Documents that are newer than the program: compared, taken into use, undone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::{Value, json};
use world::{Ran, Simulator, World};

/// Three operations of the present API: one as it is, one that asks for more, one that is new. All others are gone.
fn newer() -> Value {
    let models =
        json!({"type": "object", "properties": {"object": {"type": "string"}, "data": {"type": "array", "items": {}}}});
    let slot = json!({"name": "model_id", "in": "path", "required": true, "schema": {"type": "string"}});
    let region = json!({"name": "region", "in": "query", "required": true, "schema": {"type": "string"}});
    let spark = json!({"type": "object", "required": ["heat"], "properties": {"heat": {"type": "integer"}}});
    let answer = |schema: Value| json!({"200": {"content": {"application/json": {"schema": schema}}}});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "newer", "version": "9.9"},
        "security": [{"ApiKey": []}],
        "paths": {
            "/v1/models": {"get": {"summary": "List", "responses": answer(models)}},
            "/v1/models/{model_id}": {"get": {"parameters": [slot, region], "responses": answer(json!({"type": "object"}))}},
            "/v1/sparks": {"post": {
                "summary": "Make Spark", "tags": ["sparks"],
                "requestBody": {"required": true, "content": {"application/json": {"schema": spark}}},
                "responses": answer(json!({"type": "object", "properties": {"lit": {"type": "boolean"}}})),
            }},
        },
    })
}

const FLOW: &str = r#"
http_clients: { m: { prototype: mistral, base_uri: "http://127.0.0.1:9", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true } }
incoming:
  models: { subscriber: { type: mistral, http_client: m, method: GET, entity: List Models } }
  other: { subscriber: { type: inline, payloads: [1] } }
outgoing:
  one: { publisher: { type: mistral, http_client: m, method: GET, entity: Retrieve Model } }
  ask: { publisher: { type: mistral, http_client: m, method: POST, entity: Chat Completion } }
  out: { publisher: { type: file, path: out.jsonl } }
"#;

fn world() -> World {
    let world = World::new();
    world.write("newer.json", newer().to_string());
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world
}

fn in_use(world: &World) -> Value {
    world.run(&["catalogue", "list", "--json"]).expect(0).json()["in_use"].clone()
}

fn refused(ran: Ran, code: &str) -> String {
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains(&format!("[{code}]")), "{ran:?}");
    ran.stderr
}

#[test]
fn a_difference_names_the_definitions_it_touches_and_no_others() {
    let world = world();
    let diff = world.run(&["catalogue", "diff", "newer.json", "--json"]).expect(6).json();
    let touched: Vec<(&str, bool)> = diff["touched"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["definition"].as_str().unwrap(), one["breaks"].as_bool().unwrap()))
        .collect();
    assert_eq!(touched, [("incoming.models", true), ("outgoing.ask", true), ("outgoing.one", true)]);
    assert_eq!(diff["new"], json!([{"method": "POST", "path": "/v1/sparks", "title": "Make Spark"}]));
    let changed = diff["changed"].as_array().unwrap();
    let retrieve = changed.iter().find(|changed| changed["title"] == "Retrieve Model").unwrap();
    let needed = json!({"place": "query.region", "what": "is new and required", "breaks": true});
    assert!(retrieve["changes"].as_array().unwrap().contains(&needed), "{retrieve}");
    assert!(diff["notes"].as_array().unwrap().iter().any(|note| note["place"] == "operations.POST /v1/sparks"));

    let shown = world.run(&["catalogue", "diff", "newer.json"]).expect(6);
    for line in ["new     POST /v1/sparks  Make Spark", "outgoing.ask is broken by Chat Completion"] {
        assert!(shown.stdout.lines().any(|found| found == line), "{shown:?}");
    }
    assert_eq!(in_use(&world), Value::Null, "a look changes nothing");
}

#[test]
fn an_import_is_used_at_once_and_undone() {
    let world = world();
    let why = refused(world.run(&["catalogue", "import", "newer.json"]), "import_breaks");
    assert!(why.contains("incoming.models, outgoing.ask, outgoing.one"), "{why}");
    world.run(&["catalogue", "import", "newer.json", "--force", "--dry-run"]).expect(0);
    assert_eq!(in_use(&world), Value::Null);

    world.run(&["catalogue", "import", "newer.json", "--force"]).expect(0);
    assert_eq!(in_use(&world), json!(1));
    let again = world.run(&["catalogue", "import", "newer.json"]).expect(0);
    assert!(again.stderr.contains("in use already"), "{again:?}");

    let simulator = Simulator::start(&world, &[]);
    let call = |payload: &str| world.run_at(&simulator.url, &["call", "Make Spark", "--payload", payload]);
    assert!(call(r#"{"heat": 3}"#).expect(0).json()["lit"].is_boolean());
    refused(call(r#"{"heat": "hot"}"#), "schema_type");
    let why = refused(world.run(&["plan", "flow.yaml"]), "entity_unknown");
    assert!(why.contains("import 1 (newer.json) is in use"), "{why}");

    world.run(&["catalogue", "undo"]).expect(0);
    assert_eq!(in_use(&world), Value::Null);
    world.run(&["plan", "flow.yaml"]).expect(0);
    refused(call("{}"), "entity_unknown");
    refused(world.run(&["catalogue", "undo"]), "nothing_to_undo");
}

#[test]
fn each_undo_goes_back_one_import() {
    let world = World::new();
    for version in ["1", "2", "3"] {
        let mut document = newer();
        document["info"]["version"] = json!(version);
        world.write("newer.json", document.to_string());
        world.run(&["catalogue", "import", "newer.json"]).expect(0);
    }
    for left in [json!(2), json!(1), Value::Null] {
        assert_eq!(world.run(&["catalogue", "undo", "--json"]).expect(0).json()["in_use"], left);
    }
    let list = world.run(&["catalogue", "list"]).expect(0).stdout;
    assert_eq!(list.lines().filter(|line| line.contains("newer.json")).count(), 3, "{list}");
    assert!(list.lines().any(|line| line.starts_with("shipped  in use")), "{list}");
}

#[test]
fn a_broken_import_is_told_and_can_be_undone() {
    let world = World::new();
    world.write("newer.json", newer().to_string());
    world.run(&["catalogue", "import", "newer.json"]).expect(0);
    let text = std::fs::read_to_string(world.path("data/catalogue/1.json")).unwrap();
    let half = text.chars().take(text.len() / 2).collect::<String>();
    for damage in [Some(half.as_str()), Some(""), Some("{}"), None] {
        match damage {
            Some(text) => drop(world.write("data/catalogue/1.json", text)),
            None => std::fs::remove_file(world.path("data/catalogue/1.json")).unwrap(),
        }
        for arguments in [&["entities"][..], &["plan", "x.yaml"], &["catalogue", "diff", "newer.json"]] {
            assert!(refused(world.run(arguments), "import_broken").contains("catalogue undo"));
        }
        world.run(&["catalogue", "list"]).expect(0);
    }
    world.run(&["catalogue", "undo"]).expect(0);
    world.run(&["entities"]).expect(0);

    world.write("data/catalogue/imports.json", "{");
    assert!(refused(world.run(&["catalogue", "list"]), "import_broken").contains("delete the file"));
}

#[test]
fn what_cannot_be_read_is_refused_and_changes_nothing() {
    let world = World::new();
    world.write("latin", b"openapi: \xe9");
    world.write("old.yaml", "openapi: 3.0.1\ninfo: {version: 1}\npaths: {}\n");
    world.write("large.yaml", vec![b'x'; (16 << 20) + 1]);
    let table = [
        ("missing.yaml", "file_unreadable"),
        (".", "file_not_regular"),
        ("latin", "document_unreadable"),
        ("old.yaml", "openapi_not_understood"),
        ("large.yaml", "file_too_large"),
    ];
    for (file, code) in table {
        for verb in ["diff", "import"] {
            let why = refused(world.run(&["catalogue", verb, file]), code);
            assert!(why.contains(file), "{why}");
        }
    }
    assert!(!world.path("data/catalogue").exists());
}
