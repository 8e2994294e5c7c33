//! The service is away for five minutes, and thousands of tasks wait. Twenty times as fast as the world.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a panic is how a test fails; tests start processes, and say what they saw"
)]

mod world;

use serde_json::Value;
use std::path::Path;
use world::serving::{Serving, calls_once, lines_so_far, wait_for};
use world::{Simulator, World, lines};

const SPEED: &str = "20";
/// Real milliseconds that are five minutes at that speed.
const AWAY: i64 = 15_000;
/// Calls a second that the HTTP client may send.
const RATE: usize = 20;
const PARALLEL: usize = 16;

fn rows() -> usize {
    std::env::var("TRAMONTANE_OUTAGE_TASKS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

#[test]
fn an_outage_costs_few_attempts_and_ends_without_a_second_peak() {
    let (world, rows) = (World::new(), rows());
    world.write("rows.jsonl", (0..rows).map(|row| format!("{{\"n\":{row}}}\n")).collect::<String>());
    world.write("flow.yaml", flow());
    let ledgers = [world.path("before.jsonl"), world.path("after.jsonl")];
    let start = |ledger: &Path, port: &str| {
        Simulator::start(&world, &["--ledger", ledger.to_str().unwrap(), "--speed", SPEED, "--port", port])
    };
    let before = start(&ledgers[0], "0");
    let url = before.url.clone();
    let command = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("TRAMONTANE_CLOCK_SPEED", SPEED).env("MISTRAL_BASE_URI", &url);
        command
    };
    assert!(command(&["apply", "flow.yaml"]).status().unwrap().success());
    let serving = Serving::start(&mut command(&[]));
    let mut run = command(&["run", "rows", "--wait", "1h"]).spawn().unwrap();
    wait_for("the first calls", || (lines_so_far(&ledgers[0]) > 200).then_some(()));
    drop(before);
    let gone_at = jiff::Timestamp::now().as_millisecond();
    wait_for("five minutes", || (jiff::Timestamp::now().as_millisecond() >= gone_at + AWAY).then_some(()));
    let _after = start(&ledgers[1], url.rsplit(':').next().unwrap());
    run.wait().unwrap();
    serving.stop();

    let tasks = world.run(&["tasks", "list", "--route", "ask", "--json", "--limit", "100000"]).expect(0).json();
    let tasks = tasks.as_array().unwrap();
    let count = |state: &str| tasks.iter().filter(|task| task["state"] == state).count();
    let unknown = count("unknown");
    assert_eq!(count("finished") + unknown, rows, "every row is done, or listed as unknown");
    assert!(unknown <= PARALLEL, "only what was under way can be unknown: {unknown}");
    let calls = calls_once(&[&ledgers[0], &ledgers[1]]);
    let attempts: u64 = tasks.iter().map(|task| task["attempts"].as_u64().unwrap()).sum();
    let in_vain = usize::try_from(attempts).unwrap() - calls;
    // Those that were under way, those until twenty in a row had failed, and one each half minute.
    assert!(in_vain <= PARALLEL + 20 + PARALLEL + 12, "{in_vain} attempts found nobody");
    no_peak(&ledgers[1]);
    println!("{rows} tasks, {in_vain} attempts in vain: 0 lost, 0 unsafe repeats, {unknown} unknown (all listed)");
}

/// In no minute (three seconds of the world, by which the ledger goes) more than the rate allows, two per cent, what may
/// come early, and what was under way.
fn no_peak(ledger: &Path) {
    let of = |line: &Value| line["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let at: Vec<i64> = lines(ledger).iter().filter(|line| line["event"] == "request").map(of).collect();
    let most = 60 * RATE + 60 * RATE / 50 + RATE / 10 + PARALLEL;
    for minute in at.windows(most + 1) {
        assert!(minute[most] - minute[0] >= 60_000 / 20, "{} calls in {} ms", most + 1, minute[most] - minute[0]);
    }
}

fn flow() -> String {
    format!(
        r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${{MISTRAL_BASE_URI}}
    api_key: ${{secret:MISTRAL_API_KEY}}
    allow_private_addresses: true
    limits: {{ requests_per_second: {RATE}, breaker: {{ after: 20, pause: 30s }} }}
incoming:
  rows: {{ subscriber: {{ type: file, path: rows.jsonl }} }}
outgoing:
  ask:
    transformers:
      - {{ type: jq, filter: '{{payload: {{model: "mistral-small-latest", messages: [{{role: "user", content: ("row " + (.n | tostring))}}]}}}}' }}
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
routes:
  ask: {{ incoming: rows, outgoing: ask, parallel: {PARALLEL} }}
"#
    )
}
