//! Limits of an HTTP client, judged by the simulator's ledger.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::Value;
use std::path::Path;
use world::{Simulator, World, lines};

/// Ten routes over one client, each with as many rows.
fn flow(limits: &str, rows: usize) -> String {
    let mut text = format!(
        "http_clients:\n  m: {{ prototype: mistral, base_uri: \"${{MISTRAL_BASE_URI}}\", api_key: \"${{secret:MISTRAL_API_KEY}}\", allow_private_addresses: true, limits: {limits} }}\n"
    );
    let payloads = (0..rows).map(|n| format!("{{ n: {n} }}")).collect::<Vec<_>>().join(", ");
    text.push_str(&format!("incoming:\n  rows: {{ subscriber: {{ type: inline, payloads: [{payloads}] }} }}\n"));
    text.push_str("outgoing:\n  ask:\n    transformers: [{ type: jq, filter: '{payload: {model: \"mistral-small-latest\", messages: [{role: \"user\", content: (.n | tostring)}]}}' }]\n    publisher: { type: mistral, http_client: m, method: POST, entity: Chat Completion }\nroutes:\n");
    (0..10).for_each(|n| text.push_str(&format!("  r{n}: {{ incoming: rows, outgoing: ask, parallel: 8 }}\n")));
    text
}

/// When each request came, in milliseconds.
fn requests(ledger: &Path) -> Vec<i64> {
    let of = |line: &Value| line["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    lines(ledger).iter().filter(|line| line["event"] == "request").map(of).collect()
}

#[test]
fn ten_routes_share_one_rate() {
    let world = World::new();
    let ledger = world.path("ledger.jsonl");
    let simulator = Simulator::start(&world, &["--ledger", ledger.to_str().unwrap()]);
    world.write("flow.yaml", flow("{ requests_per_second: 100 }", 30));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    world.run_at(&simulator.url, &["run", "rows"]).expect(0);
    let at = requests(&ledger);
    assert_eq!(at.len(), 300);
    // In no second more than a hundred, what may come a tenth of a second early, and two per cent. A slow machine
    // sends fewer: that fails nothing.
    for window in at.windows(100 + 10 + 2) {
        assert!(window.last().unwrap() - window[0] >= 1_000, "{}", window.last().unwrap() - window[0]);
    }
}

#[test]
fn a_day_is_full_when_it_is_full() {
    let world = World::new();
    let ledger = world.path("ledger.jsonl");
    let simulator = Simulator::start(&world, &["--ledger", ledger.to_str().unwrap()]);
    world.write("flow.yaml", flow("{ calls_per_day: 37 }", 10));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    // Twice, in processes of their own: what was drawn is remembered.
    for _ in 0..2 {
        let ran = world.run_at(&simulator.url, &["run", "rows", "--wait", "1s"]);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert_eq!(requests(&ledger).len(), 37);
    }
    let left = world.run(&["tasks", "list", "--json", "--state", "waiting", "--limit", "1000"]).expect(0).json();
    let left = left.as_array().unwrap();
    // Two runs of a hundred, but for the calls of the day.
    assert_eq!(left.len(), 163);
    assert!(left.iter().all(|task| task["problem"]["code"] == "day_full"), "each says why it waits");
}

/// The service refuses eighteen calls. Those that were under way at the first refusal may be among them; after that one
/// call at a time tries, and the rest come when one was answered.
#[test]
fn a_storm_of_refusals_costs_no_more_calls_than_it_must() {
    let world = World::new();
    let ledger = world.path("ledger.jsonl");
    world.write(
        "faults.yaml",
        format!(
            "seed: 1\nrules: [{{ match: {{ operation: Chat Completion, nth: {:?} }}, do: {{ status: 429, retry_after: 1 }} }}]\n",
            (1..=18).collect::<Vec<_>>()
        ),
    );
    let simulator = Simulator::start(
        &world,
        &["--ledger", ledger.to_str().unwrap(), "--faults", "faults.yaml", "--latency", "20ms"],
    );
    world.write("flow.yaml", flow("{ parallel: 16 }", 20));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    world.run_at(&simulator.url, &["run", "rows"]).expect(0);
    let (mut under_way, mut refused, mut is_trying, mut answered) = (0, 0, false, 0);
    for line in lines(&ledger) {
        if line["event"] == "request" {
            assert!(!is_trying || under_way == 0, "a second call went while one tried, after {refused} refusals");
            under_way += 1;
            continue;
        }
        under_way -= 1;
        if line["status"] == 429 {
            refused += 1;
            is_trying |= under_way == 0;
        } else {
            answered += 1;
            is_trying = false;
        }
    }
    assert_eq!((refused, answered), (18, 200), "nothing was asked twice that was answered");
}

/// A limit that nothing announces: found by being refused, then kept to. Twenty times as fast as the world.
#[test]
fn a_hidden_limit_is_learned_and_seldom_met() {
    let world = World::new();
    let ledger = world.path("ledger.jsonl");
    world.write("faults.yaml", "rate_limit: { requests_per_second: 50 }\n");
    let simulator =
        Simulator::start(&world, &["--ledger", ledger.to_str().unwrap(), "--faults", "faults.yaml", "--speed", "20"]);
    world.write("flow.yaml", flow("{ parallel: 16 }", 200));
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    let mut command = world.command(&["run", "rows"]);
    command.env("MISTRAL_BASE_URI", &simulator.url).env("TRAMONTANE_CLOCK_SPEED", "20");
    assert!(command.status().unwrap().success());
    let of = |status: u16| lines(&ledger).iter().filter(|line| line["status"] == status).count();
    let (answered, refused) = (of(200), of(429));
    assert_eq!(answered, 2_000, "nothing was asked twice that was answered");
    assert!(refused <= 60, "{refused} refusals, the learning included");
}
