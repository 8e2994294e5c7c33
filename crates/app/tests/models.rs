//! Models that go: seen in the service's list, and told of where they are in use.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use world::serving::{Serving, wait_for};
use world::{Ran, Simulator, World, lines};

fn flow(url: &str, model: &str) -> String {
    format!(
        r#"
http_clients:
  mistral: {{ prototype: mistral, base_uri: "{url}", api_key: "${{secret:KEY}}", allow_private_addresses: true }}
incoming:
  rows: {{ subscriber: {{ type: inline, payloads: [{{ model: mistral-ocr-2505 }}] }} }}
outgoing:
  fixed:
    transformers:
      - {{ type: jq, filter: '{{payload: {{model: "{model}", messages: [{{role: "user", content: "hello"}}]}}}}' }}
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
  open:
    transformers:
      - {{ type: jq, filter: '{{payload: {{model: ("mistral-" + "small-latest"), messages: [{{role: "user", content: "hello"}}]}}}}' }}
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
routes:
  fixed: {{ incoming: rows, outgoing: fixed }}
  open: {{ incoming: rows, outgoing: open }}
"#
    )
}

fn check(world: &World, arguments: &[&str]) -> Ran {
    let mut all = vec!["models", "check", "--json"];
    all.extend(arguments);
    Ran::of(world.command(&all).env("KEY", "any").output().unwrap())
}

/// Ids of the models in use, and the date on which each goes.
fn used(shown: &Value) -> Vec<(String, bool)> {
    let items = shown["items"].as_array().unwrap().iter();
    items.map(|item| (item["id"].as_str().unwrap().to_owned(), item["retires_at"].is_string())).collect()
}

#[test]
fn a_model_in_use_that_goes_is_shown_with_its_routes() {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--since", "now", "--ledger", "ledger.jsonl"]);
    world.write("flow.yaml", flow(&simulator.url, "mistral-small-2506"));
    world.run(&["apply", "flow.yaml"]).expect(0);
    let ran = check(&world, &[]).expect(6);
    assert!(ran.stderr.contains("the model mistral-small-2506 of mistral goes on "), "{}", ran.stderr);
    assert!(ran.stderr.contains("the service names mistral-small-latest for it; used by fixed"), "{}", ran.stderr);
    let shown = ran.json();
    assert_eq!(used(&shown), [("mistral-ocr-2505".to_owned(), true), ("mistral-small-2506".to_owned(), true)]);
    let small = &shown["items"][1];
    assert_eq!(small["places"], json!(["outgoing.fixed.transformers[0].filter"]));
    assert_eq!((&small["routes"], &small["replacement"]), (&json!(["fixed"]), &json!("mistral-small-latest")));
    assert_eq!(shown["not_visible"], json!(["outgoing.open"]), "a name that is put together is not seen");
    assert_eq!((&shown["clients"][0]["client"], &shown["clients"][0]["problem"]), (&json!("mistral"), &Value::Null));
    // In three weeks; not within ten days. One that is not used is nobody's concern.
    check(&world, &["--within", "10d"]).expect(0);
    check(&world, &["--within", "200d"]).expect(6);
    world.write("flow.yaml", flow(&simulator.url, "mistral-small-2603"));
    world.run(&["apply", "flow.yaml"]).expect(0);
    check(&world, &[]).expect(0);
    // What answered counts too, and brings to light what no definition says.
    assert_eq!(Ran::of(world.command(&["run", "rows"]).env("KEY", "any").output().unwrap()).code, Some(0));
    let shown = check(&world, &[]).expect(0).json();
    let latest = shown["items"].as_array().unwrap().iter().find(|item| item["id"] == "mistral-small-2603").unwrap();
    assert_eq!((&latest["calls"], &latest["routes"]), (&json!(2), &json!(["fixed", "open"])), "{shown}");
    let all = world.run(&["models", "list", "--all", "--json"]).expect(0).json();
    assert!(all["items"].as_array().unwrap().len() > 10);
    let table = world.run(&["models", "list"]).expect(0);
    assert!(table.stdout.contains("mistral-small-2603") && !table.stdout.contains("codestral"), "{table:?}");
    let asked = lines(&world.path("ledger.jsonl")).iter().filter(|line| line["path"] == "/v1/models").count();
    assert!(asked >= 5, "each check asks the service");
}

#[test]
fn a_list_that_cannot_be_read_is_said_and_the_one_before_stays() {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--since", "now"]);
    world.write("flow.yaml", flow(&simulator.url, "mistral-small-2506"));
    world.run(&["apply", "flow.yaml"]).expect(0);
    check(&world, &[]).expect(6);
    let refused = Ran::of(world.command(&["models", "check"]).env("KEY", "wrong").output().unwrap()).expect(6);
    assert!(refused.stderr.contains("http_clients.mistral"), "{refused:?}");
    let shown = world.run(&["models", "list", "--json"]).expect(0).json();
    assert_eq!(used(&shown).len(), 2, "what was known is known still: {shown}");
    assert!(shown["clients"][0]["problem"]["code"].is_string(), "{shown}");
    let empty = World::new();
    empty.write("flow.yaml", "storages:\n  seen: {}\n");
    empty.run(&["apply", "flow.yaml"]).expect(0);
    empty.run(&["models", "check"]).expect(3);
}

#[test]
fn a_server_looks_by_itself_and_an_alert_tells_of_what_it_finds() {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--since", "now"]);
    // Found where it leads to, nobody takes it: what counts is that it is said.
    let alert = "alerts:\n  goes: { when: { type: model_retirement }, send: [{ type: webhook, url: \"http://127.0.0.1:9/\", allow_private_addresses: true }] }\n";
    world.write("flow.yaml", flow(&simulator.url, "mistral-small-2506") + alert);
    world.run(&["apply", "flow.yaml"]).expect(0);
    // An hour takes six seconds: the first look comes an hour after the client is new. The clock is some years ahead, so
    // that the models have gone.
    let fast = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("TRAMONTANE_CLOCK_SPEED", "600").env("KEY", "any");
        command
    };
    let serving = Serving::start(&mut fast(&[]));
    let list = || Ran::of(fast(&["alerts", "list", "--json"]).output().unwrap()).expect(0).json();
    let subjects = wait_for("the alert", || {
        let alerts = list();
        (alerts[0]["state"] == "firing").then(|| alerts[0]["subjects"].clone())
    });
    let names: Vec<&str> = subjects.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"model mistral-small-2506 of mistral"), "{subjects}");
    serving.stop();
}
