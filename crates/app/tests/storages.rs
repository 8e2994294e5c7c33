//! Storages through the binary: what passes, what is remembered, and that both stand or fall together.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

#[path = "../../store/tests/cluster/mod.rs"]
mod cluster;
mod world;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use world::{Simulator, World, lines};

/// Rows pass what `chain` says, and go into `result.jsonl`.
fn flow(chain: &str) -> String {
    format!(
        "
storages:
  seen: {{}}
incoming:
  rows:
    subscriber: {{ type: file, path: rows.jsonl }}
    transformers: [ {chain} ]
outgoing:
  file: {{ publisher: {{ type: file, path: result.jsonl }} }}
routes:
  save: {{ incoming: rows, outgoing: file }}
"
    )
}

fn add(world: &World, rows: &[Value]) {
    let mut text = std::fs::read_to_string(world.path("rows.jsonl")).unwrap_or_default();
    rows.iter().for_each(|row| text.push_str(&format!("{row}\n")));
    world.write("rows.jsonl", text);
}

fn entries(world: &World, search: &str) -> BTreeMap<String, Value> {
    let shown = world.run(&["storages", "show", "seen", "--json", "--search", search, "--limit", "1000"]);
    let shown = shown.expect(0).json();
    let entries = shown.as_array().unwrap().iter();
    entries.map(|entry| (entry["key"].as_str().unwrap().to_owned(), entry["value"].clone())).collect()
}

#[test]
fn only_what_changed_goes_on() {
    let world = World::new();
    world.write("flow.yaml", flow("{ type: only_changed, storage: seen, key: sku, fields: [price, name] }"));
    add(&world, &[json!({"sku": "A", "price": 1}), json!({"sku": "B", "price": 1}), json!({"sku": "A", "price": 1})]);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows"]).expect(0);
    assert_eq!(lines(&world.path("result.jsonl")).len(), 2, "the second A of the page is as the first");
    add(
        &world,
        &[
            json!({"sku": "A", "price": 1, "stock": 7}),
            json!({"sku": "B", "price": 2}),
            json!({"sku": "B", "price": 1}),
        ],
    );
    world.run(&["run", "rows"]).expect(0);
    let passed: Vec<Value> = lines(&world.path("result.jsonl"))[2..].to_vec();
    assert_eq!(passed, [json!({"sku": "B", "price": 2}), json!({"sku": "B", "price": 1})]);
    // An entry that is forgotten lets its thing pass once more.
    world.run(&["storages", "delete", "seen", "A"]).expect(0);
    add(&world, &[json!({"sku": "A", "price": 1}), json!({"sku": "B", "price": 1})]);
    world.run(&["run", "rows"]).expect(0);
    assert_eq!(lines(&world.path("result.jsonl")).len(), 5);
}

#[test]
fn a_row_that_fails_leaves_nothing_behind() {
    let world = World::new();
    let chain =
        "{ type: only_new, storage: seen, key: id }, { type: jq, filter: 'if .bad then error(\"bad\") else . end' }";
    world.write("flow.yaml", flow(chain));
    add(&world, &[json!({"id": 1}), json!({"id": 2, "bad": true}), json!({"id": [3]}), json!({"id": 2})]);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows"]).expect(6);
    assert_eq!(entries(&world, "").into_keys().collect::<Vec<_>>(), ["1", "2"], "the good row with id 2 counts");
    let failed = world.run(&["tasks", "list", "--state", "failed", "--json"]).expect(0).json();
    let mut codes: Vec<&str> =
        failed.as_array().unwrap().iter().map(|task| task["problem"]["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes.len(), 2);
    assert!(codes.contains(&"wrong_key"), "{codes:?}");
    // Put right, what failed is run again through the same transformers.
    world.write(
        "flow.yaml",
        flow("{ type: jq, filter: '.id |= tostring' }, { type: only_new, storage: seen, key: id }"),
    );
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["tasks", "retry", "--state", "failed"]).expect(0);
    world.run(&["run", "rows"]).expect(0);
    assert_eq!(entries(&world, "").into_keys().collect::<Vec<_>>(), ["1", "2", "[3]"]);
    assert_eq!(lines(&world.path("result.jsonl")).len(), 3);
}

#[test]
fn a_kill_at_any_step_lets_each_key_pass_once() {
    let world = World::new();
    world.write("flow.yaml", flow("{ type: only_new, storage: seen, key: id }"));
    world.run(&["apply", "flow.yaml"]).expect(0);
    let mut rows = 0;
    for point in store::crash::POINTS.split_at(10).0 {
        let new: Vec<Value> = (rows..rows + 30).flat_map(|id| [json!({"id": id}), json!({"id": id / 2})]).collect();
        rows += 30;
        add(&world, &new);
        let killed = world.command(&["run", "rows"]).env("TRAMONTANE_CRASH_AT", format!("{point}:1")).output().unwrap();
        assert!(killed.status.code() != Some(1), "{point}: {}", String::from_utf8_lossy(&killed.stderr));
    }
    world.run(&["run", "rows"]).expect(0);
    let mut passed: Vec<i64> =
        lines(&world.path("result.jsonl")).iter().map(|row| row["id"].as_i64().unwrap()).collect();
    passed.sort_unstable();
    assert_eq!(passed, (0..rows).collect::<Vec<_>>());
}

#[test]
fn an_answer_is_remembered_and_looked_up_before_the_next_call() {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    world.write(
        "flow.yaml",
        r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
storages:
  seen: { ttl: 30d }
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl } }
outgoing:
  ask:
    transformers:
      - { type: lookup, storage: seen, key: id, to: before, value: "choices[0].finish_reason", default: nothing }
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: "\(.id): \(.before)"}]}}' }
    publisher:
      type: mistral
      http_client: mistral
      method: POST
      entity: Chat Completion
      answer_transformers:
        - { type: set, values: { about: x } }
        - { type: remember, storage: seen, key: about }
routes:
  ask: { incoming: rows, outgoing: ask, order_by: id }
"#,
    );
    add(&world, &[json!({"id": "x"}), json!({"id": "x"}), json!({"id": "y"})]);
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    world.run_at(&simulator.url, &["run", "rows"]).expect(0);
    let shown = world.run(&["storages", "show", "seen", "--json"]).expect(0).json();
    assert_eq!(shown[0]["version"], 3);
    assert!(shown[0]["expires_at"].is_string());
    let tasks = world.run(&["tasks", "list", "--route", "ask", "--json"]).expect(0).json();
    let sent = tasks.as_array().unwrap().iter().map(|task| {
        let story = world.run(&["tasks", "show", &task["id"].to_string(), "--json"]).expect(0).json();
        story["attempts"][0]["request"]["payload"]["messages"][0]["content"].as_str().unwrap().to_owned()
    });
    let mut sent: Vec<String> = sent.collect();
    sent.sort();
    assert_eq!(sent, ["x: nothing", "x: stop", "y: nothing"]);
}

#[test]
fn two_engines_let_each_key_pass_once() {
    if !cluster::available() {
        return;
    }
    let cluster = cluster::Cluster::start();
    let url = cluster.url();
    let world = World::new();
    let rows: String = (0..8_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    world.write("a.jsonl", &rows);
    world.write("b.jsonl", &rows);
    let incoming = |name: &str| {
        format!(
            "  {name}: {{ subscriber: {{ type: file, path: {name}.jsonl }}, transformers: [ {{ type: only_new, storage: seen, key: id }} ] }}\n"
        )
    };
    let routes = "routes:\n  a: { incoming: a, outgoing: nowhere }\n  b: { incoming: b, outgoing: nowhere }\n";
    let outgoing = "outgoing:\n  nowhere: { publisher: { type: none } }\n";
    world.write(
        "flow.yaml",
        format!("storages:\n  seen: {{}}\nincoming:\n{}{}{outgoing}{routes}", incoming("a"), incoming("b")),
    );
    let command = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("TRAMONTANE_DATABASE", &url);
        command
    };
    assert!(command(&["apply", "flow.yaml"]).status().unwrap().success());
    let racing: Vec<_> = ["a", "b"].map(|name| command(&["run", name]).spawn().unwrap()).into();
    for mut engine in racing {
        assert!(engine.wait().unwrap().success());
    }
    // One may have left tasks to the other that had ended.
    for name in ["a", "b"] {
        assert!(command(&["run", name]).status().unwrap().success());
    }
    let usage = command(&["storages", "list", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&usage.stdout).unwrap();
    assert_eq!(listed[0]["entries"], 8_000);
    let mut passed = Vec::new();
    for route in ["a", "b"] {
        let arguments = ["tasks", "list", "--route", route, "--state", "finished", "--limit", "10000", "--json"];
        let tasks: Value = serde_json::from_slice(&command(&arguments).output().unwrap().stdout).unwrap();
        passed.push(tasks.as_array().unwrap().len());
    }
    assert_eq!(passed.iter().sum::<usize>(), 8_000, "{passed:?}");
}

#[test]
fn mistakes_are_said_with_their_place() {
    let world = World::new();
    world.write("rows.jsonl", "");
    let cases = [
        ("{ type: only_new, storage: sen, key: id }", "reference_unknown", "incoming.rows.transformers[0].storage"),
        ("{ type: only_new, storage: seen, key: 7 }", "schema_type", "incoming.rows.transformers[0].key"),
        ("{ type: only_new, storage: seen }", "", "incoming.rows.transformers[0]"),
    ];
    for (chain, code, place) in cases {
        world.write("flow.yaml", flow(chain));
        let ran = world.run(&["apply", "flow.yaml", "--json"]).expect(3).json();
        let problem = &ran["problems"][0];
        assert!(problem["place"].as_str().unwrap().starts_with(place), "{problem}");
        assert!(code.is_empty() || problem["code"] == code, "{problem}");
    }
    let misplaced = flow("")
        .replace("file: { publisher", "file: { transformers: [ { type: forget, storage: seen, key: id } ], publisher");
    world.write("flow.yaml", misplaced);
    let ran = world.run(&["apply", "flow.yaml", "--json"]).expect(3).json();
    assert_eq!(ran["problems"][0]["code"], "storage_write_misplaced");
    assert_eq!(ran["problems"][0]["place"], "outgoing.file.transformers[0]");
}

#[test]
fn people_read_search_write_and_delete_entries() {
    let world = World::new();
    world.write("rows.jsonl", "");
    world.write("flow.yaml", flow("").replace("seen: {}", "seen: {}\n  old: { ttl: 1s }"));
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["storages", "set", "seen", "sku-1", r#"{"price": 2}"#]).expect(0);
    world.run(&["storages", "set", "seen", "sku-2", "\"two\""]).expect(0);
    world.run(&["storages", "set", "seen", "odd '\"key", "null"]).expect(0);
    assert_eq!(world.run(&["storages", "get", "seen", "sku-1"]).expect(0).stdout.trim(), r#"{"price":2}"#);
    assert_eq!(entries(&world, "price").into_keys().collect::<Vec<_>>(), ["sku-1"]);
    assert_eq!(entries(&world, "sku-").len(), 2);
    let listed = world.run(&["storages", "list", "--json"]).expect(0).json();
    assert_eq!(listed[1], json!({"name": "seen", "entries": 3, "ttl": null, "defined": true}));
    assert_eq!(listed[0]["ttl"], "1s");
    for (arguments, code) in [
        (&["storages", "get", "sen", "a"][..], "storage_unknown"),
        (&["storages", "get", "seen", "a"], "entry_unknown"),
        (&["storages", "set", "seen", "a", "text"], "value_wrong"),
        (&["storages", "set", "seen", "", "1"], "wrong_key"),
        (&["storages", "delete", "seen", "sku-1", "a"], "entry_unknown"),
    ] {
        let ran = world.run(&[arguments, &["--json"]].concat()).expect(3).json();
        assert_eq!(ran["problems"][0]["code"], code, "{arguments:?}");
    }
    assert_eq!(
        world.run(&["storages", "delete", "seen", "--all", "--dry-run", "--json"]).expect(0).json(),
        json!({"would_delete": 3})
    );
    assert_eq!(
        world.run(&["storages", "delete", "seen", "--search", "sku", "--json"]).expect(0).json(),
        json!({"deleted": 2})
    );
    assert_eq!(entries(&world, "").len(), 1);
}
