//! `kill -9` at every named step and at random moments. The judge is the simulator's ledger, never the engine's word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes, and time and chance come from a printed seed")]

mod world;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use world::{Simulator, World, lines};

/// All but the last two, which only the opening of an older store and a change of keys pass.
const POINTS: &[&str] = store::crash::POINTS.split_at(10).0;
/// Rows that each cycle adds.
const ROWS: usize = 12;

const DEFINITIONS: &str = r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
    request_id_header: X-Request-Id
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl } }
  answers:
    subscriber: { type: answers, route: ask }
    transformers: [ { type: jq, filter: '{id: .data.id, text: .answer.choices[0].message.content}' } ]
outgoing:
  ask:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", max_tokens: 5, messages: [{role: "user", content: "row \(.id)"}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
  file: { publisher: { type: file, path: result.jsonl } }
routes:
  ask: { incoming: rows, outgoing: ask, parallel: 6 }
  save: { incoming: answers, outgoing: file }
"#;

/// SplitMix64: the whole test follows from one seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_is_lost_and_nothing_is_sent_twice() {
    let seed = setting("TRAMONTANE_KILL_SEED", u64::from(std::process::id()));
    let cycles = setting("TRAMONTANE_KILL_CYCLES", 27);
    println!("TRAMONTANE_KILL_SEED={seed} TRAMONTANE_KILL_CYCLES={cycles}");
    let mut chance = Chance(seed);
    let world = World::new();
    world.write("definitions.yaml", DEFINITIONS);
    let ledger = world.path("ledger.jsonl");
    let simulator = Simulator::start(&world, &["--latency", "3ms", "--ledger", ledger.to_str().unwrap()]);
    world.command(&["apply", "definitions.yaml"]).env("MISTRAL_BASE_URI", &simulator.url).output().unwrap();

    let mut rows = String::new();
    let mut killed: BTreeMap<&str, u64> = BTreeMap::new();
    for cycle in 0..cycles {
        for row in 0..ROWS {
            rows.push_str(&format!("{{\"id\": {}}}\n", usize::try_from(cycle).unwrap() * ROWS + row));
        }
        world.write("rows.jsonl", &rows);
        let step = usize::try_from(cycle).unwrap() % (POINTS.len() + 1);
        match POINTS.get(step) {
            Some(point) => {
                let count = 1 + chance.below(4);
                let ended = run(&world, &simulator, Some(&format!("{point}:{count}"))).output().unwrap();
                *killed.entry(*point).or_default() += u64::from(ended.status.code().is_none());
            }
            None => {
                let mut child =
                    run(&world, &simulator, None).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                std::thread::sleep(Duration::from_micros(chance.below(150_000)));
                child.kill().unwrap();
                child.wait().unwrap();
                *killed.entry("a random moment").or_default() += 1;
            }
        }
    }
    // The last runs are left alone: the first ends what is open, the second takes in what came since.
    for _ in 0..2 {
        run(&world, &simulator, None).output().unwrap();
        retry_parked(&world);
    }
    let ended = run(&world, &simulator, None).output().unwrap();
    assert!(matches!(ended.status.code(), Some(0 | 7)), "{}", String::from_utf8_lossy(&ended.stderr));
    println!("killed: {killed:?}");
    assert_eq!(killed.len(), POINTS.len() + 1, "every step was hit at least once: {killed:?}");
    judge(&world, &ledger, ROWS * usize::try_from(cycles).unwrap());
}

/// A task that was in hand at three crashes is parked, and says so: a person lets it go on. It was never sent.
fn retry_parked(world: &World) {
    let failed = world.run(&["tasks", "list", "--state", "failed", "--limit", "100000", "--json"]).expect(0).json();
    for task in failed.as_array().unwrap() {
        assert_eq!(task["problem"]["code"], "claimed_too_often", "{task}");
        world.run(&["tasks", "retry", &task["id"].to_string()]).expect(0);
    }
    println!("parked and let go on: {}", failed.as_array().unwrap().len());
}

fn run(world: &World, simulator: &Simulator, crash: Option<&str>) -> std::process::Command {
    let mut command = world.command(&["run", "rows"]);
    command.env("MISTRAL_BASE_URI", &simulator.url);
    if let Some(crash) = crash {
        command.env("TRAMONTANE_CRASH_AT", crash);
    }
    command
}

fn judge(world: &World, ledger: &Path, rows: usize) {
    let tasks = world.run(&["tasks", "list", "--route", "ask", "--limit", "100000", "--json"]).expect(0).json();
    let in_state = |state: &str| -> Vec<&Value> {
        tasks.as_array().unwrap().iter().filter(|task| task["state"] == state).collect()
    };
    let (finished, unknown) = (in_state("finished"), in_state("unknown"));
    assert_eq!(tasks.as_array().unwrap().len(), rows, "every row is one task");
    assert_eq!(finished.len() + unknown.len(), rows, "every task ended well or is unknown");
    let listed = world.run(&["tasks", "list", "--state", "unknown", "--limit", "100000", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().unwrap().len(), unknown.len(), "every unknown is listed");

    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut answered = 0;
    for line in lines(ledger) {
        match line["event"].as_str().unwrap() {
            "request" => *seen.entry(line["body_sha256"].as_str().unwrap().to_owned()).or_default() += 1,
            "answer" => answered += u64::from(line["status"] == 200),
            _ => {}
        }
    }
    let repeated: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(repeated.is_empty(), "calls were repeated without a decision: {repeated:?}");
    assert!(answered >= finished.len() as u64, "finished without an answer in the ledger");
    assert!(seen.len() >= finished.len(), "finished without a request in the ledger");

    let written: Vec<i64> =
        lines(&world.path("result.jsonl")).iter().map(|line| line["id"].as_i64().unwrap()).collect();
    let distinct: BTreeSet<i64> = written.iter().copied().collect();
    assert_eq!(distinct.len(), written.len(), "no line stands twice");
    assert_eq!(written.len(), finished.len(), "every finished call has its line");
    println!("{rows} rows: {} finished, {} unknown, {} calls seen", finished.len(), unknown.len(), seen.len());

    let checked = world.run(&["simulator", "check", "--ledger", ledger.to_str().unwrap(), "--json"]).expect(0).json();
    assert_eq!((&checked["violations"], &checked["others"]), (&Value::from(0), &Value::from(0)), "{checked}");
    assert!(checked["matched"].as_u64().unwrap() >= seen.len() as u64, "{checked}");

    let database = std::fs::read_dir(world.path("data")).unwrap().flatten().map(|entry| entry.path());
    let database = database.into_iter().find(|path| path.extension().is_some_and(|end| end == "db")).unwrap();
    let check: String = rusqlite::Connection::open(database)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}
