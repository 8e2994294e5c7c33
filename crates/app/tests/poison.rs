//! A task that kills the process each time it is worked on: parked after three times, and no other goes with it.
#![cfg(feature = "crash-points")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use world::serving::calls_once;
use world::{Simulator, World};

const ROWS: usize = 400;

#[test]
fn a_poison_task_is_parked_and_takes_no_other_with_it() {
    let world = World::new();
    let text = |row| if row == 150 { "arsenic" } else { "bread" };
    let rows = (0..ROWS).map(|row| format!("{{\"text\": \"{} {row}\"}}\n", text(row)));
    world.write("rows.jsonl", rows.collect::<String>());
    world.write(
        "flow.yaml",
        r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl } }
outgoing:
  ask:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: .text}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
routes:
  ask: { incoming: rows, outgoing: ask }
"#,
    );
    let ledger = world.path("ledger.jsonl");
    let simulator = Simulator::start(&world, &["--ledger", ledger.to_str().unwrap()]);
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    let mut deaths = 0;
    let run = || {
        let mut command = world.command(&["run", "rows"]);
        command.env("MISTRAL_BASE_URI", &simulator.url).env("TRAMONTANE_CRASH_ON", "arsenic");
        command.output().unwrap().status.code()
    };
    while run().is_none() {
        deaths += 1;
        assert!(deaths <= 3, "the task is worked on for ever");
    }
    assert_eq!(deaths, 3);
    let state = |state: &str| {
        let listed = world.run(&["tasks", "list", "--route", "ask", "--state", state, "--limit", "1000", "--json"]);
        listed.expect(0).json().as_array().unwrap().clone()
    };
    let failed = state("failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["problem"]["code"], "claimed_too_often");
    // A call that was under way when the process died may have worked; no other is missing.
    assert_eq!(state("finished").len() + state("unknown").len(), ROWS - 1);
    assert!(calls_once(&[&ledger]) >= state("finished").len());
    // Where it no longer kills, it is done like any other.
    world.run(&["tasks", "retry", &failed[0]["id"].to_string()]).expect(0);
    world.run_at(&simulator.url, &["run", "rows"]);
    assert!(state("failed").is_empty());
}
