//! A full store is brought down to what is to be kept, while others go on sending.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a panic is how a test fails; tests start processes, and say what they saw"
)]

mod world;

use serde_json::json;
use world::serving::{Serving, lines_so_far, wait_for};
use world::{World, lines};

/// Orders under way at most.
const AHEAD: usize = 200;

/// Tasks that are there, one in twenty of which is kept.
fn tasks() -> usize {
    std::env::var("TRAMONTANE_RETENTION_TASKS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

fn flow(keep: &str) -> String {
    format!(
        r#"
incoming:
  rows: {{ subscriber: {{ type: file, path: rows.jsonl }} }}
  orders: {{ subscriber: {{ type: webhook, token: "${{secret:TOKEN}}" }} }}
outgoing:
  nothing: {{ publisher: {{ type: none }} }}
  file: {{ publisher: {{ type: file, path: orders.jsonl }} }}
routes:
  rows: {{ incoming: rows, outgoing: nothing, keep: {keep} }}
  orders: {{ incoming: orders, outgoing: file }}
"#
    )
}

#[test]
fn old_tasks_go_in_slices_while_new_ones_come() {
    let (world, tasks) = (World::new(), tasks());
    let text = "x".repeat(300);
    let rows = (0..tasks).map(|row| format!("{{\"n\":{row},\"text\":\"{text}\"}}\n"));
    world.write("rows.jsonl", rows.collect::<String>());
    world.write("flow.yaml", flow("{ days: 90 }"));
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows", "--wait", "1h"]).expect(0);
    let size = || std::fs::metadata(world.path("data/tramontane.db")).unwrap().len();
    let full = size();
    let keep = tasks / 20;
    world.write("flow.yaml", flow(&format!("{{ tasks: {keep}, bytes: 268435456 }}")));
    world.run(&["apply", "flow.yaml"]).expect(0);
    let path = world.run(&["webhooks", "--json"]).expect(0).json()[0]["path"].as_str().unwrap().to_owned();
    let serving = Serving::start(world.command(&[]).env("TOKEN", "let-me-in"));
    let kept = || {
        let counted = world.run(&["tasks", "list", "--route", "rows", "--limit", "2000000", "--json"]).expect(0).json();
        counted.as_array().unwrap().len()
    };
    let orders = world.path("orders.jsonl");
    let (mut accepted, mut latencies) = (0, Vec::new());
    while accepted < 200 || size() > full / 4 {
        let began = std::time::Instant::now();
        let body = json!({ "order": accepted }).to_string();
        let (status, _) = serving.send("POST", &path, &[("authorization", "Bearer let-me-in")], body.as_bytes());
        assert_eq!(status, 202, "nothing is refused while old tasks go");
        latencies.push(began.elapsed().as_millis());
        accepted += 1;
        if accepted % AHEAD == 0 {
            wait_for("orders", || (lines_so_far(&orders) + AHEAD >= accepted).then_some(()));
        }
        assert!(accepted < 2_000_000, "the file is not given back: {} of {full} bytes", size());
    }
    wait_for("the end of retention", || (kept() == keep).then_some(()));
    wait_for("every order", || (lines_so_far(&orders) == accepted).then_some(()));
    serving.stop();
    assert_eq!(lines(&orders).len(), accepted);
    latencies.sort_unstable();
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 100];
    println!(
        "{tasks} tasks to {keep}: {full} to {} bytes; {accepted} webhooks meanwhile, p50 {} ms, p99 {} ms, longest {} ms",
        size(),
        at(50),
        at(99),
        at(100)
    );
    world.run(&["doctor"]);
}
