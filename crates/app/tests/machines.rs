//! Several engines on one PostgreSQL: killed, stopped, without their database. The simulator's ledger is the judge.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

#[path = "../../store/tests/cluster/mod.rs"]
mod cluster;
mod world;

use serde_json::{Value, json};
use std::process::Stdio;
use world::listener::Listener;
use world::serving::{Serving, calls_once, lines_so_far, wait_for};
use world::{Simulator, World, lines};

/// Each row is a call of its own.
const ASK: &str = r#"
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
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: ("row " + (.n | tostring))}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
routes:
  ask: { incoming: rows, outgoing: ask, parallel: 4 }
"#;

/// Three processes on one database. One is killed; one is stopped for longer than its claims hold, and goes on.
#[test]
fn three_processes_on_one_database_do_every_row_once() {
    if !cluster::available() {
        return;
    }
    let cluster = cluster::Cluster::start();
    let world = World::new();
    let rows = 600;
    let text: String = (0..rows).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    world.write("rows.jsonl", text);
    world.write("flow.yaml", ASK);
    let ledger = world.path("ledger.jsonl");
    let simulator = Simulator::start(&world, &["--ledger", ledger.to_str().unwrap(), "--latency", "40ms"]);
    let url = cluster.url();
    let command = || {
        let mut command = world.command(&[]);
        // Twenty times as fast, so that a claim runs out after three seconds.
        command.env("TRAMONTANE_DATABASE", &url).env("MISTRAL_BASE_URI", &simulator.url);
        command.env("TRAMONTANE_CLOCK_SPEED", "20");
        command
    };
    assert!(command().args(["apply", "flow.yaml"]).status().unwrap().success());
    let mut all: Vec<Serving> = (0..3).map(|_| Serving::start(&mut command())).collect();
    let mut begun = command().args(["run", "rows", "--wait", "2m"]).spawn().unwrap();
    let seen = || lines_so_far(&ledger);
    wait_for("the first calls", || (seen() > 60).then_some(()));
    all[0].signal("-KILL");
    all[0].child.wait().unwrap();
    all[1].signal("-STOP");
    begun.wait().unwrap();
    let left = |state: &str| {
        let out = command().args(["tasks", "list", "--json", "--limit", "5000", "--state", state]).output().unwrap();
        serde_json::from_slice::<Value>(&out.stdout).unwrap().as_array().unwrap().len()
    };
    // Claims of the killed and of the stopped one run out, and the third takes them over.
    for _ in 0..1_200 {
        if left("new") + left("processing") + left("retry") == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    all[1].signal("-CONT");
    let (finished, unknown) = (left("finished"), left("unknown"));
    assert_eq!(finished + unknown, rows + 1, "every row is somewhere, and the pull");
    let calls = calls_once(&[&ledger]);
    assert!(calls >= finished - 1, "{calls} calls for {finished} finished");
    println!("0 lost, 0 unsafe repeats, {unknown} unknown of {rows}");
}

/// The database goes away under load, twice, with calls under way. The engine is never restarted.
#[test]
fn postgresql_is_restarted_under_load_and_work_goes_on_by_itself() {
    if !cluster::available() {
        return;
    }
    let mut cluster = cluster::Cluster::start();
    let world = World::new();
    let rows = 500;
    world.write("rows.jsonl", (0..rows).map(|number| format!("{{\"n\":{number}}}\n")).collect::<String>());
    world.write("flow.yaml", ASK);
    let ledger = world.path("ledger.jsonl");
    let simulator = Simulator::start(&world, &["--ledger", ledger.to_str().unwrap(), "--latency", "40ms"]);
    let url = cluster.url();
    let command = || {
        let mut command = world.command(&[]);
        command.env("TRAMONTANE_DATABASE", &url).env("MISTRAL_BASE_URI", &simulator.url);
        command
    };
    assert!(command().args(["apply", "flow.yaml"]).status().unwrap().success());
    let serving = Serving::start(&mut command());
    // Begins the run; the engine that serves does the work with it until the database is gone under both.
    let mut begun = command().args(["run", "rows"]).stderr(Stdio::null()).spawn().unwrap();
    for calls in [60, 200] {
        wait_for("calls", || (lines_so_far(&ledger) > 2 * calls).then_some(()));
        cluster.crash();
        let (status, _) = serving.send("GET", "/healthz", &[], b"");
        assert_eq!(status, 200, "the process lives without its database");
        cluster.restart();
    }
    begun.wait().unwrap();
    let count = |state: &str| {
        let counted =
            cluster.ask(&format!("SELECT coalesce(sum(count), 0) FROM tally WHERE run = 0 AND state = {state}"));
        counted.parse::<usize>().unwrap()
    };
    let unknown = model::TaskState::Unknown.number();
    let finished = model::TaskState::Finished.number();
    wait_for("the end of all tasks", || {
        (count(&finished.to_string()) + count(&unknown.to_string()) == rows + 1).then_some(())
    });
    let unknown = count(&unknown.to_string());
    assert!(calls_once(&[&ledger]) + unknown >= rows);
    println!("0 lost, 0 unsafe repeats, {unknown} unknown of {rows}");
    serving.stop();
}

/// Engines come, are killed, and come again; at no time are more calls under way than the HTTP client may have.
#[test]
fn what_may_be_under_way_is_shared_by_all_engines() {
    if !cluster::available() {
        return;
    }
    let cluster = cluster::Cluster::start();
    let world = World::new();
    let rows = 400;
    world.write("rows.jsonl", (0..rows).map(|number| format!("{{\"n\":{number}}}\n")).collect::<String>());
    let limited = "allow_private_addresses: true\n    limits: { parallel: 7 }";
    world.write(
        "flow.yaml",
        ASK.replace("allow_private_addresses: true", limited).replace("parallel: 4", "parallel: 16"),
    );
    let ledger = world.path("ledger.jsonl");
    let latency = 50;
    let simulator =
        Simulator::start(&world, &["--ledger", ledger.to_str().unwrap(), "--latency", &format!("{latency}ms")]);
    let url = cluster.url();
    let command = || {
        let mut command = world.command(&[]);
        command.env("TRAMONTANE_DATABASE", &url).env("MISTRAL_BASE_URI", &simulator.url);
        command.env("TRAMONTANE_CLOCK_SPEED", "20");
        command
    };
    assert!(command().args(["apply", "flow.yaml"]).status().unwrap().success());
    let mut first = Serving::start(&mut command());
    let mut begun = command().args(["run", "rows", "--wait", "2m"]).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the first calls", || (lines_so_far(&ledger) > 40).then_some(()));
    let others = [Serving::start(&mut command()), Serving::start(&mut command())];
    wait_for("more calls", || (lines_so_far(&ledger) > 240).then_some(()));
    first.signal("-KILL");
    first.child.wait().unwrap();
    let late = Serving::start(&mut command());
    begun.wait().unwrap();
    let left = |state: &str| {
        let out = command().args(["tasks", "list", "--json", "--limit", "5000", "--state", state]).output().unwrap();
        serde_json::from_slice::<Value>(&out.stdout).unwrap().as_array().unwrap().len()
    };
    wait_for("the end of all tasks", || (left("finished") + left("unknown") == rows + 1).then_some(()));
    late.stop();
    others.into_iter().for_each(Serving::stop);
    assert!(calls_once(&[&ledger]) + left("unknown") >= rows);
    // Each call takes as long as the service does, so of any eight the last began after an answer to one of the others.
    let at: Vec<i64> = lines(&ledger)
        .iter()
        .filter(|line| line["event"] == "request")
        .map(|line| line["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond())
        .collect();
    for calls in at.windows(8) {
        assert!(calls[7] - calls[0] >= latency - 1, "eight calls within {} ms", calls[7] - calls[0]);
    }
}

/// Who listens to one machine hears that another did something.
#[test]
fn what_other_machines_do_is_found_and_told() {
    if !cluster::available() {
        return;
    }
    let cluster = cluster::Cluster::start();
    let world = World::new();
    let url = cluster.url();
    let run = |arguments: &[&str]| {
        let output = world.command(arguments).env("TRAMONTANE_DATABASE", &url).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    world.write("flow.yaml", "incoming:\n  two: { subscriber: { type: inline, payloads: [1, 2] } }\noutgoing:\n  nothing: { publisher: { type: none } }\nroutes:\n  both: { incoming: two, outgoing: nothing }\n");
    run(&["people", "add", "ann", "--role", "viewer"]);
    let made: Value = serde_json::from_slice(&run(&["tokens", "add", "ann", "--json"])).unwrap();
    let serving = Serving::start(world.command(&[]).env("TRAMONTANE_DATABASE", &url));
    let listener = Listener::begin(&serving.address, "/api/v1/events", made["token"].as_str().unwrap(), None);
    listener.wait_for("reset");
    // Applied, and run, by processes of their own.
    run(&["apply", "flow.yaml"]);
    let changed = listener.wait_for("definition.changed").data;
    assert!(changed["changed"].as_array().unwrap().contains(&json!({ "kind": "routes", "name": "both" })), "{changed}");
    run(&["run", "two"]);
    wait_for("the counts", || (listener.wait_for("counts").data["states"] == json!({ "finished": 3 })).then_some(()));
    serving.stop();
}
