//! Retention through the binary: what `prune` says, and what it does beside a running engine.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start the binary")]

mod world;

use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};
use world::{Simulator, World};

fn flow(keep: &str) -> String {
    format!(
        r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${{MISTRAL_BASE_URI}}
    api_key: ${{secret:MISTRAL_API_KEY}}
    allow_private_addresses: true
incoming:
  rows: {{ subscriber: {{ type: file, path: rows.jsonl }}, keep: {{ tasks: 0 }} }}
outgoing:
  ask:
    transformers:
      - {{ type: jq, filter: '{{payload: {{model: "mistral-small-latest", max_tokens: 5, messages: [{{role: "user", content: .text}}]}}}}' }}
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
routes:
  ask: {{ incoming: rows, outgoing: ask, keep: {keep} }}
"#
    )
}

#[test]
fn prune_deletes_what_a_dry_run_says() {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    let rows: String = (0..20).map(|row| format!("{{\"text\": \"row {row}\"}}\n")).collect();
    world.write("rows.jsonl", rows);
    world.write("flow.yaml", flow("{ tasks: 5 }"));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    world.run_at(&simulator.url, &["run", "rows"]).expect(0);
    let foreseen = world.run(&["prune", "--dry-run", "--json"]).expect(0).json();
    let tasks = |value: &serde_json::Value| -> Vec<serde_json::Value> {
        value.as_array().unwrap().iter().map(|lane| json!([lane["kind"], lane["name"], lane["tasks"]])).collect()
    };
    let expected = [json!(["pull", "rows", 1]), json!(["push", "ask", 15])];
    assert_eq!(tasks(&foreseen["would_delete"]), expected);
    assert!(foreseen["would_delete"][1]["bytes"].as_u64().unwrap() > 15 * 100);
    let listed = || world.run(&["tasks", "list", "--json"]).expect(0).json().as_array().unwrap().len();
    assert_eq!(listed(), 21);
    let pruned = world.run(&["prune", "--json"]).expect(0).json();
    assert_eq!(tasks(&pruned["deleted"]), expected);
    assert_eq!(listed(), 5);
    let again = world.run(&["prune"]).expect(0);
    assert!(again.stderr.starts_with("0 tasks of 0 bytes deleted"), "{again:?}");
}

/// A store in which 20 rows have run and everything is kept.
fn used() -> (World, Simulator) {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    let rows: String = (0..20).map(|row| format!("{{\"text\": \"row {row}\"}}\n")).collect();
    world.write("rows.jsonl", rows);
    world.write("flow.yaml", flow("{ days: 90 }"));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    world.run_at(&simulator.url, &["run", "rows"]).expect(0);
    (world, simulator)
}

fn listed(world: &World) -> usize {
    world.run(&["tasks", "list", "--json"]).expect(0).json().as_array().unwrap().len()
}

#[test]
fn a_running_engine_prunes_by_itself_and_when_it_is_asked() {
    let (world, simulator) = used();
    assert_eq!(listed(&world), 21);
    let mut serving = world
        .command(&["serve", "--listen", "127.0.0.1:0", "--json"])
        .env("MISTRAL_BASE_URI", &simulator.url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let began = Instant::now();
    while listed(&world) > 20 {
        assert!(began.elapsed() < Duration::from_secs(20), "the pull, of which none are kept, is deleted at the start");
        std::thread::sleep(Duration::from_millis(20));
    }
    world.write("flow.yaml", flow("{ tasks: 3 }"));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    let pruned = world.run(&["prune", "--json"]).expect(0).json();
    assert_eq!((&pruned["deleted"][0]["name"], &pruned["deleted"][0]["tasks"]), (&json!("ask"), &json!(17)));
    assert_eq!(listed(&world), 3);
    serving.kill().unwrap();
    serving.wait().unwrap();
}

#[cfg(feature = "crash-points")]
#[test]
fn a_kill_while_old_tasks_are_deleted_leaves_a_whole_store() {
    let (world, simulator) = used();
    world.write("flow.yaml", flow("{ tasks: 3 }"));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    let killed = world.command(&["prune"]).env("TRAMONTANE_CRASH_AT", "in_commit:1").output().unwrap();
    assert_eq!(killed.status.code(), None);
    assert_eq!(listed(&world), 21, "a slice is deleted whole or not at all");
    world.run_at(&simulator.url, &["doctor"]).expect(0);
    world.run(&["prune"]).expect(0);
    assert_eq!(listed(&world), 3);
    world.run_at(&simulator.url, &["doctor"]).expect(0);
}
