//! The fault matrix: what each fault of a service leaves behind for each effect of a call. The expected values stand in
//! `matrix.tsv`; the requests are counted by the service's own ledger.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it saw")]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod faults;
mod service;
mod streams;
#[path = "../world/mod.rs"]
mod world;

use faults::{Fault, faults};
use serde_json::Value;
use service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use world::World;

const TABLE: &str = include_str!("matrix.tsv");

/// What goes wrong between a client and a service, each a section of the table.
const HAZARDS: [&str; 14] = [
    "TLS and unreachable",
    "Time-outs",
    "Broken connections",
    "Reused connections",
    "Wrong lengths and chunks",
    "Wrong JSON and huge bodies",
    "Packed answers",
    "Interim answers",
    "Statuses",
    "Retry-After",
    "Redirects",
    "Second attempts",
    "Files",
    "Streams",
];

/// A row: what is expected, or what was got.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    evidence: String,
    state: String,
    requests: String,
    problem: String,
}

/// Rows by fault and effect.
type Rows = BTreeMap<(String, String), Outcome>;

/// One operation of each effect: its method, title and parameters.
const OPERATIONS: [(&str, &str, &str, &str); 5] = [
    ("read", "GET", "Retrieve Model", "path: { model_id: m }"),
    ("idempotent", "DELETE", "Delete Model", "path: { model_id: m }"),
    (
        "findable",
        "POST",
        "Create Batch Job",
        "payload: { endpoint: /v1/chat/completions, model: m, requests: [{ body: {} }] }",
    ),
    (
        "compute",
        "POST",
        "Chat Completion",
        "payload: { model: m, stream: STREAM, messages: [{ role: user, content: hi }] }",
    ),
    ("create", "POST", "Start Conversation", "payload: { model: m, stream: STREAM, inputs: hi }"),
];

fn expected() -> Rows {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut rows = Rows::new();
    for line in lines {
        let [fault, effect, evidence, state, requests, problem] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("not six columns: {line}"));
        let outcome = Outcome {
            evidence: evidence.to_owned(),
            state: state.to_owned(),
            requests: requests.to_owned(),
            problem: problem.to_owned(),
        };
        let is_new = rows.insert((fault.to_owned(), effect.to_owned()), outcome).is_none();
        assert!(is_new, "twice in the table: {line}");
    }
    rows
}

/// One route for each row, each over an HTTP client of its own: no row pauses another.
fn flow(faults: &[Fault], rows: &Rows, service: &Service) -> String {
    let (mut clients, mut outgoing, mut routes) = (String::new(), String::new(), String::new());
    for (place, fault) in faults.iter().enumerate() {
        for (effect, method, title, parameters) in OPERATIONS {
            if !rows.contains_key(&(fault.name.clone(), effect.to_owned())) {
                continue;
            }
            let base = fault.base.map_or(service.url.clone(), |base| {
                let door = base.contains("DOOR").then(|| service.door(&fault.act).to_string());
                base.replace("DOOR", &door.unwrap_or_default())
            });
            let parameters = parameters.replace("STREAM", if fault.stream { "true" } else { "false" });
            let (title, parameters) = match fault.file {
                true => ("Download File", "path: { file_id: 123e4567-e89b-12d3-a456-426614174000 }".to_owned()),
                false => (title, parameters),
            };
            let name = format!("{effect}_{place}");
            // Time-outs are short: those rows are alone, so that a busy machine does not send late.
            let incoming = if fault.client.is_empty() { "once" } else { "timed" };
            writeln!(
                clients,
                "  {name}: {{ prototype: mistral, base_uri: \"{base}/{place}/{effect}\", api_key: \"${{secret:MISTRAL_API_KEY}}\", allow_private_addresses: true, max_answer_bytes: 100000, limits: {{ breaker: {{ pause: 1s }} }}, {} }}",
                fault.client
            )
            .unwrap();
            writeln!(outgoing, "  {name}: {{ publisher: {{ type: mistral, http_client: {name}, method: {method}, entity: {title}, request_parameters: {{ {parameters} }} }} }}").unwrap();
            writeln!(
                routes,
                "  {name}: {{ incoming: {incoming}, outgoing: {name}, retry: {{ attempts: 2, first: 1ms, max: 1ms }} }}"
            )
            .unwrap();
        }
    }
    format!(
        "http_clients:\n{clients}incoming:\n  once: {{ subscriber: {{ type: inline, payloads: [{{}}] }} }}\n  timed: {{ subscriber: {{ type: inline, payloads: [{{}}] }} }}\noutgoing:\n{outgoing}routes:\n{routes}"
    )
}

/// How each route's one task ended, and the last of its attempts that came to the service; later ones only looked.
fn got(world: &World, faults: &[Fault], service: &Service) -> Rows {
    let db = rusqlite::Connection::open(world.path("data/tramontane.db")).unwrap();
    let sql = "SELECT evidence, problem FROM attempt_end WHERE key >> 24 = ?1 ORDER BY key LIMIT 1 OFFSET ?2";
    let mut nth = db.prepare(sql).unwrap();
    let tasks = world.run(&["tasks", "list", "--json", "--limit", "100000"]).expect(0).json();
    let mut rows = Rows::new();
    for task in tasks.as_array().unwrap() {
        let Some((effect, place)) = task["route"].as_str().and_then(|route| route.split_once('_')) else { continue };
        let (_, method, ..) = OPERATIONS.iter().find(|operation| operation.0 == effect).unwrap();
        let requests = service.requests(method, &format!("{place}/{effect}"));
        let end = nth.query_row((task["id"].as_i64(), requests.max(1) - 1), |row| {
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?))
        });
        let (evidence, problem) = end.unwrap_or_default();
        let problem: Value = serde_json::from_str(&problem.unwrap_or_default()).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let outcome = Outcome {
            evidence,
            state: text(&task["state"]),
            requests: requests.to_string(),
            problem: text(&problem["code"]),
        };
        let fault = &faults[place.parse::<usize>().unwrap()].name;
        rows.insert((fault.clone(), effect.to_owned()), outcome);
    }
    rows
}

/// Requests that the ledger has and the store does not know: sent without a START, by a library that repeats on its own,
/// or to a place that a redirect named.
fn unrecorded(world: &World, service: &Service) -> String {
    let db = rusqlite::Connection::open(world.path("data/tramontane.db")).unwrap();
    let sql = "SELECT lane.name, count(attempt_start.key) FROM lane JOIN task ON task.lane = lane.id
               LEFT JOIN attempt_start ON attempt_start.key >> 24 = task.id WHERE lane.kind = 'push' GROUP BY lane.name";
    let mut read = db.prepare(sql).unwrap();
    let started = read.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))).unwrap();
    let started: BTreeMap<String, u32> = started.map(Result::unwrap).collect();
    let mut wrong = String::new();
    for (path, requests) in service.all_requests() {
        let route = path.split_once('/').map(|(place, effect)| format!("{effect}_{place}")).unwrap_or_default();
        let started = started.get(&route).copied().unwrap_or(0);
        if requests != started {
            writeln!(wrong, "/{path}: {requests} requests came, {started} attempts were started").unwrap();
        }
    }
    wrong
}

#[test]
fn every_fault_by_every_effect() {
    let (expected, faults) = (expected(), faults());
    assert!(expected.len() >= 400, "{} rows", expected.len());
    let known: BTreeSet<&str> = faults.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(known.len(), faults.len(), "a fault has one name");
    let told: BTreeSet<&str> = expected.keys().map(|(fault, _)| fault.as_str()).collect();
    assert_eq!(told, known, "the table and the service know the same faults");

    for hazard in HAZARDS {
        assert!(TABLE.contains(&format!("\n# {hazard}: ")), "the table says nothing of {hazard}");
    }

    let service = Service::start(faults.iter().map(|fault| fault.act.clone()).collect());
    let world = World::new();
    world.write("flow.yaml", flow(&faults, &expected, &service));
    world.run(&["apply", "flow.yaml"]).expect(0);
    let ran = ["once", "timed"].map(|incoming| {
        let mut run = world.command(&["run", incoming, "--wait", "30s"]);
        // The environment's proxy is nobody's to ask.
        run.env("HTTP_PROXY", "http://127.0.0.1:1").env("ALL_PROXY", "http://127.0.0.1:1").output().unwrap().status
    });
    let got = got(&world, &faults, &service);
    let mut wrong = String::new();
    for (row, expected) in &expected {
        if got.get(row) != Some(expected) {
            writeln!(wrong, "{} × {}\n  expected {expected:?}\n  got      {:?}", row.0, row.1, got.get(row)).unwrap();
        }
    }
    wrong += &unrecorded(&world, &service);
    assert!(wrong.is_empty(), "of {} rows these are wrong:\n{wrong}\nthe runs ended with {:?}", expected.len(), ran);
    println!("{} rows of {} faults are as expected", expected.len(), faults.len());
}

/// The process dies between START and the send: nobody knows whether the delete went out, so a 404 means that it did.
#[test]
fn a_delete_that_was_under_way_may_have_worked() {
    let faults: Vec<Fault> = faults().into_iter().filter(|fault| fault.name == "status 404").collect();
    let row = ("status 404".to_owned(), "idempotent".to_owned());
    let rows: Rows = expected().into_iter().filter(|(key, _)| *key == row).collect();
    let service = Service::start(faults.iter().map(|fault| fault.act.clone()).collect());
    let world = World::new();
    world.write("flow.yaml", flow(&faults, &rows, &service));
    world.run(&["apply", "flow.yaml"]).expect(0);
    let killed = world.command(&["run", "once"]).env("TRAMONTANE_CRASH_AT", "after_start:1").output().unwrap().status;
    assert_eq!((killed.code(), service.all_requests().len()), (None, 0), "killed before anything was sent");
    // The run takes the same delete in once more; nothing of that one was ever sent before.
    world.run(&["run", "once"]).expect(6);
    let ended = world.run(&["tasks", "list", "--json", "--route", "idempotent_0"]).expect(0).json();
    let ends: Vec<_> =
        ended.as_array().unwrap().iter().map(|task| (&task["state"], &task["problem"]["code"])).collect();
    assert_eq!(ends, [(&"failed".into(), &"http_404".into()), (&"finished".into(), &"already_gone".into())]);
    assert_eq!(service.requests("DELETE", "0/idempotent"), 2);
}
