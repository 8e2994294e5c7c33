//! What is measured, as a collector reads it, and the files that are made for it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use world::serving::{Serving, lines_so_far, wait_for};
use world::{Simulator, World};

const FLOW: &str = r#"
http_clients:
  mistral: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true }
incoming:
  rows: { subscriber: { type: inline, payloads: [{ q: one }, { q: two }, { q: three }, { q: no }] } }
  answers: { subscriber: { type: answers, route: chat } }
outgoing:
  ask:
    transformers:
      - { type: jq, filter: 'if .q == "no" then error("no") else {payload: {model: "mistral-small-latest", messages: [{role: "user", content: .q}]}} end' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
  out: { publisher: { type: file, path: out.jsonl } }
routes:
  chat: { incoming: rows, outgoing: ask, retry: { attempts: 3, first: 1ms } }
  keep: { incoming: answers, outgoing: out }
"#;

/// Whole text of `/metrics`.
fn metrics(serving: &Serving, token: &str) -> String {
    let mut socket = TcpStream::connect(&serving.address).unwrap();
    let head = format!(
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/openmetrics-text"), "{head}");
    body.to_owned()
}

/// Names of samples, and one value of each line.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Every name of ours in a text.
fn named(text: &str) -> Vec<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character: char| !is_name(character));
    let ours = |word: &&str| word.starts_with("tramontane_") || word.starts_with("process_");
    let mut names: Vec<String> = words.filter(ours).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn a_collector_is_shown_what_happens_and_the_files_made_for_it_name_nothing_else() {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    let simulator = Simulator::start(&world, &[]);
    let apply = world.run_at(&simulator.url, &["apply", "flow.yaml"]);
    apply.expect(0);
    world.run(&["people", "add", "collector", "--role", "viewer", "--no-payloads"]).expect(0);
    let token =
        world.run(&["tokens", "add", "collector", "--json"]).expect(0).json()["token"].as_str().unwrap().to_owned();
    let serving = Serving::start(world.command(&[]).env("MISTRAL_BASE_URI", &simulator.url));
    assert_eq!(serving.send("GET", "/metrics", &[], b"").0, 401, "not for everybody");
    world.run_at(&simulator.url, &["run", "rows"]);
    wait_for("the answers", || (lines_so_far(&world.path("out.jsonl")) == 3).then_some(()));
    let mut text = String::new();
    wait_for("the counts", || {
        text = metrics(&serving, &token);
        let samples = samples(&text);
        let one = |name: &str| samples.get(name).copied().unwrap_or(0.0);
        (one(r#"tramontane_tasks_ended_total{kind="route",name="keep",state="finished"}"#) == 3.0).then_some(())
    });
    let samples = samples(&text);
    let one = |name: &str| samples.get(name).copied().unwrap_or_else(|| panic!("no {name} in {text}"));
    for (name, value) in [
        (r#"tramontane_tasks_ended_total{kind="route",name="chat",state="finished"}"#, 3.0),
        (r#"tramontane_tasks_ended_total{kind="route",name="chat",state="failed"}"#, 1.0),
        (r#"tramontane_tasks_ended_total{kind="incoming",name="rows",state="finished"}"#, 1.0),
        (r#"tramontane_tasks{kind="route",name="chat",state="failed"}"#, 1.0),
        (r#"tramontane_calls_total{client="mistral",evidence="answered"}"#, 3.0),
        (r#"tramontane_answers_total{client="mistral",code="2xx"}"#, 3.0),
        (r#"tramontane_call_duration_seconds_count{client="mistral"}"#, 3.0),
        ("tramontane_engine_up", 1.0),
        ("tramontane_store_up", 1.0),
        ("tramontane_queue_tasks", 0.0),
    ] {
        assert_eq!(one(name), value, "{name}");
    }
    assert!(one("tramontane_cost_total{client=\"mistral\"}") > 0.0);
    assert!(one(r#"tramontane_requests_total{path="/metrics",method="GET",code="4xx"}"#) >= 1.0);
    assert!(one("process_resident_memory_bytes") > 1e6 && one("process_open_fds") > 3.0);
    // Conventions: whoever has a unit says so, and every sample belongs to what was described.
    let described: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in samples.keys() {
        let name = name.split('{').next().unwrap();
        assert!(
            described.iter().any(|family| name
                .strip_prefix(family)
                .is_some_and(|rest| matches!(rest, "" | "_total" | "_bucket" | "_sum" | "_count"))),
            "{name}"
        );
    }
    // The files. What has not happened here has no samples: it is known to be there all the same.
    let quiet = ["tramontane_retries_total", "tramontane_connections_refused_total"];
    let known: Vec<&str> =
        samples.keys().map(|name| name.split('{').next().unwrap()).chain(quiet).chain(described).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in ["deploy/grafana/tramontane.json", "deploy/prometheus/alerts.yaml", "docs/observe.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let names = named(&text);
        assert!(names.len() >= 8, "{file}: {names:?}");
        let missing: Vec<_> = names.iter().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "{file} names what is not measured: {missing:?}");
    }
    let board: Value =
        serde_json::from_str(&std::fs::read_to_string(root.join("deploy/grafana/tramontane.json")).unwrap()).unwrap();
    assert!(board["panels"].as_array().unwrap().len() >= 12);
    serving.stop();
}

#[test]
fn a_machine_of_ones_own_may_show_it_to_all_who_are_on_it() {
    let world = World::new();
    let serving = Serving::start_with(&mut world.command(&[]), &["--open-metrics"]);
    assert!(!metrics(&serving, "none").is_empty());
    serving.stop();
}
