//! `simulator check`: a true ledger passes, and each kind of lie is found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::{Value, json};
use world::{Simulator, World, lines};

const FLOW: &str = r#"
http_clients:
  m: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true, request_id_header: X-Request-Id }
incoming: { rows: { subscriber: { type: file, path: rows.jsonl } } }
outgoing:
  ask:
    transformers: [{ type: jq, filter: "{payload: {model: \"m\", max_tokens: 2, messages: [{role: \"user\", content: .name}]}}" }]
    publisher: { type: mistral, http_client: m, method: POST, entity: Chat Completion }
routes: { ask: { incoming: rows, outgoing: ask } }
"#;

/// Two calls, their ledger, and the world that has their tasks.
fn called() -> (World, Vec<Value>) {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    world.write("rows.jsonl", "{\"name\": \"a\"}\n{\"name\": \"b\"}\n");
    let simulator = Simulator::start(&world, &["--ledger", "ledger.jsonl"]);
    let run = |arguments: &[&str]| world.run_at(&simulator.url, arguments).expect(0);
    run(&["apply", "flow.yaml"]);
    run(&["run", "rows"]);
    // A simulator that is killed may not have written its last answers; one that is asked once more has.
    run(&["call", "List Models"]);
    drop(simulator);
    let ledger = lines(&world.path("ledger.jsonl"));
    (world, ledger)
}

fn check(world: &World, ledger: &[Value]) -> Vec<String> {
    let text: String = ledger.iter().map(|line| format!("{line}\n")).collect();
    world.write("changed.jsonl", text);
    let ran = world.run(&["simulator", "check", "--ledger", "changed.jsonl", "--json"]);
    let report = ran.json();
    assert_eq!(ran.code, Some(if report["violations"] == 0 { 0 } else { 6 }), "{ran:?}");
    report["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_lie_is_found() {
    let (world, ledger) = called();
    assert_eq!(check(&world, &ledger), Vec::<String>::new());
    let request = ledger.iter().position(|line| line["event"] == "request").unwrap();
    let n = &ledger[request]["n"];
    let answer = ledger.iter().position(|line| line["event"] == "answer" && line["n"] == *n).unwrap();

    let mut without_answer = ledger.clone();
    without_answer.remove(answer);
    assert_eq!(check(&world, &without_answer), ["answer_unseen"]);

    let mut other_answer = ledger.clone();
    other_answer[answer]["status"] = json!(500);
    assert_eq!(check(&world, &other_answer), ["answer_unseen"]);

    let mut twice = ledger.clone();
    twice.push(ledger[request].clone());
    assert_eq!(check(&world, &twice), ["request_twice"]);

    let mut unrecorded = ledger.clone();
    let id = ledger[request]["request_id"].as_str().unwrap();
    let (store, _) = id.split_once('-').unwrap();
    unrecorded.push(json!({"event": "request", "n": 99, "method": "POST", "path": "/v1/chat/completions", "request_id": format!("{store}-999-1")}));
    assert_eq!(check(&world, &unrecorded), ["request_unrecorded"]);

    let strangers: Vec<Value> =
        ledger.iter().filter(|line| line.get("request_id").is_none() && line["event"] == "request").cloned().collect();
    assert_eq!(check(&world, &strangers), ["answer_unseen", "answer_unseen"], "no call of ours is in it");
}

#[test]
fn a_ledger_that_is_none_is_told_with_its_line() {
    let (world, _) = called();
    world.write("bad.jsonl", "{\"event\": \"request\", \"n\": 1}\nno ledger\n");
    let ran = world.run(&["simulator", "check", "--ledger", "bad.jsonl"]).expect(1);
    assert!(ran.stderr.contains("bad.jsonl: line 2:"), "{}", ran.stderr);
    world.run(&["simulator", "check", "--ledger", "missing.jsonl"]).expect(1);
}
