//! Two minutes of `serve`, twenty times as fast as the world: a schedule, a webhook, a file and a service with faults, and
//! the process is killed twice and told to stop once on the way. Whatever happens when, everything comes once.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a panic is how a test fails; tests start processes, and say what they saw"
)]

mod world;

use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use world::serving::{Serving, lines_so_far, request, wait_for};
use world::{Simulator, World, lines};

const SPEED: &str = "20";
const ROWS: usize = 200;
/// Twelve ticks of ten seconds.
const TICKS: usize = 12;
/// Events under way: one is sent once the one so many before has come through.
const AHEAD: usize = 4;

const FLOW: &str = r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
    limits: { requests_per_second: 2 }
incoming:
  tick: { subscriber: { type: inline, payloads: [{ tick: true }] } }
  orders: { subscriber: { type: webhook, token: "${secret:TOKEN}", id_header: x-event } }
  rows: { subscriber: { type: file, path: rows.jsonl } }
outgoing:
  ticks: { publisher: { type: file, path: ticks.jsonl } }
  orders: { publisher: { type: file, path: orders.jsonl } }
  ask:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: ("row " + (.n | tostring))}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
routes:
  ticks: { incoming: tick, outgoing: ticks }
  orders: { incoming: orders, outgoing: orders }
  ask: { incoming: rows, outgoing: ask, parallel: 4, retry: { attempts: 20 } }
schedules:
  often: { run: tick, cron: "*/10 * * * * *", misfire: all, overlap: queue }
"#;

/// What a service does in a bad hour. Complete error answers may be repeated; lost answers must not be.
const FAULTS: &str = r#"
seed: 3
rules:
  - { match: { nth: [5, 60, 61] }, do: { status: 429, retry_after: 1 } }
  - { match: { nth: [9, 30, 90] }, do: { status: 500 } }
  - { match: { nth: [14, 70] }, do: { cut: { after: 40 } } }
  - { match: { nth: [22, 110] }, do: { reset: after_reading } }
  - { match: { every: 17 }, do: { latency: 100ms } }
"#;

#[test]
fn everything_comes_once_whatever_happens_when() {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    world.write("faults.yaml", FAULTS);
    world.write("rows.jsonl", (0..ROWS).map(|row| format!("{{\"n\":{row}}}\n")).collect::<String>());
    let (ledger, orders) = (world.path("ledger.jsonl"), world.path("orders.jsonl"));
    let arguments = ["--ledger", ledger.to_str().unwrap(), "--faults", "faults.yaml", "--speed", SPEED];
    let simulator = Simulator::start(&world, &arguments);
    let command = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("TRAMONTANE_CLOCK_SPEED", SPEED).env("MISTRAL_BASE_URI", &simulator.url).env("TOKEN", "let-me-in");
        command
    };
    assert!(command(&["apply", "flow.yaml"]).status().unwrap().success());
    let path = world.run(&["webhooks", "--json"]).expect(0).json()[0]["path"].as_str().unwrap().to_owned();
    let serve = || Serving::start(&mut command(&[]));
    let mut serving = serve();
    let sender = Sender::start(&serving.address, path, orders.clone());
    let mut rows = command(&["run", "rows", "--wait", "10m"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    for (stop, came) in [("-KILL", 30), ("-TERM", 60), ("-KILL", 90)] {
        wait_for("events", || (lines_so_far(&orders) >= came).then_some(()));
        serving.signal(stop);
        serving.child.wait().unwrap();
        serving = serve();
        *sender.address.lock().unwrap() = serving.address.clone();
    }
    wait_for("twelve ticks", || (lines_so_far(&world.path("ticks.jsonl")) >= TICKS).then_some(()));
    let accepted = sender.end();
    wait_for("every event", || (lines_so_far(&orders) >= accepted).then_some(()));
    let open = || -> usize {
        ["new", "processing", "retry", "waiting"]
            .into_iter()
            .map(|state| world.run(&["tasks", "list", "--route", "ask", "--state", state, "--json"]).expect(0).json())
            .map(|tasks| tasks.as_array().unwrap().len())
            .sum()
    };
    rows.wait().unwrap();
    wait_for("every row", || (open() == 0).then_some(()));
    serving.stop();
    command(&["serve", "--once"]).output().unwrap();

    let mut came: Vec<u64> = lines(&orders).iter().map(|line| line["event"].as_u64().unwrap()).collect();
    came.sort_unstable();
    assert_eq!(came, (0..accepted as u64).collect::<Vec<_>>(), "every accepted event once");
    let occurrences = occurrences(&world.path("data/tramontane.db"));
    assert!(occurrences.len() >= TICKS);
    for next in occurrences.windows(2) {
        assert_eq!(next[1] - next[0], 10_000, "no occurrence is left out or comes twice: {occurrences:?}");
    }
    assert_eq!(lines(&world.path("ticks.jsonl")).len(), occurrences.len(), "one line for each occurrence");
    let unknown = judge_rows(&world, &ledger);
    println!(
        "{} ticks, {accepted} events: 0 lost, 0 unsafe repeats, {unknown} unknown (all listed)",
        occurrences.len()
    );
}

/// The times of the schedule that became runs, in order.
fn occurrences(database: &Path) -> Vec<i64> {
    let db = rusqlite::Connection::open(database).unwrap();
    let mut keys = db.prepare("SELECT unique_key FROM task WHERE unique_key LIKE 'schedule/%'").unwrap();
    let keys = keys.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut times: Vec<i64> = keys.map(|key| key.unwrap().rsplit('/').next().unwrap().parse().unwrap()).collect();
    times.sort_unstable();
    times
}

/// Every row was asked about until it was answered, and not once more; what was lost on the way is listed as unknown.
fn judge_rows(world: &World, ledger: &Path) -> usize {
    let state = |state: &str| {
        let listed = world.run(&["tasks", "list", "--route", "ask", "--state", state, "--limit", "1000", "--json"]);
        listed.expect(0).json().as_array().unwrap().len()
    };
    let (finished, unknown) = (state("finished"), state("unknown"));
    assert_eq!(finished + unknown, ROWS, "every row is somewhere");
    // Each row has a body of its own; requests and their answers share a number.
    let mut statuses: BTreeMap<u64, u64> = BTreeMap::new();
    let mut calls: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in lines(ledger) {
        let number = line["n"].as_u64().unwrap();
        match line["event"].as_str().unwrap() {
            "request" => calls.entry(line["body_sha256"].as_str().unwrap().to_owned()).or_default().push(number),
            "answer" => drop(statuses.insert(number, line["status"].as_u64().unwrap())),
            _ => {}
        }
    }
    assert!(calls.len() >= finished);
    for (row, numbers) in &calls {
        let (_, earlier) = numbers.split_last().unwrap();
        for number in earlier {
            let status = statuses.get(number);
            assert!(matches!(status, Some(429 | 500)), "{row} was sent again after {status:?}");
        }
    }
    let answered = calls.values().filter(|numbers| statuses.get(numbers.last().unwrap()) == Some(&200)).count();
    assert!(answered >= finished, "finished without an answer");
    unknown
}

/// Sends events, each until it is accepted, under one id.
struct Sender {
    address: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Sender {
    fn start(address: &str, path: String, out: std::path::PathBuf) -> Self {
        let address = Arc::new(Mutex::new(address.to_owned()));
        let stop = Arc::new(AtomicBool::new(false));
        let (to, until) = (address.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut sent = 0;
            while !until.load(Ordering::Acquire) {
                if lines_so_far(&out) + AHEAD <= sent {
                    std::thread::yield_now();
                    continue;
                }
                let headers = [("authorization", "Bearer let-me-in"), ("x-event", &*format!("event-{sent}"))];
                let body = json!({ "event": sent }).to_string();
                let to = to.lock().unwrap().clone();
                match request(&to, "POST", &path, &headers, body.as_bytes()) {
                    Some((202, _)) => sent += 1,
                    // Its first answer was lost with the process that gave it.
                    Some((200, answer)) if answer == json!({ "duplicate": true }) => sent += 1,
                    // The process is gone or not ready: the same event again.
                    None | Some((0 | 503, _)) => {}
                    Some((status, answer)) => panic!("{status} {answer}"),
                }
            }
            sent
        });
        Self { address, stop, thread }
    }

    /// How many were accepted.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}
