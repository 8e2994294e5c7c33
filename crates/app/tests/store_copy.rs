//! A store moved to PostgreSQL and back: the same, and work goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start processes and look at files")]

#[path = "../../store/tests/cluster/mod.rs"]
mod cluster;
mod world;

use serde_json::{Value, json};
use std::fs;
use world::{Ran, Simulator, World, lines};

const FLOW: &str = r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
    limits: { calls_per_day: 1000 }
storages:
  seen: {}
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl }, transformers: [ { type: only_new, storage: seen, key: id } ] }
  hook: { subscriber: { type: webhook, token: "${secret:MISTRAL_API_KEY}" } }
outgoing:
  ask:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", max_tokens: 5, messages: [{role: "user", content: .text}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
routes:
  ask: { incoming: rows, outgoing: ask, order_by: "text" }
schedules:
  nightly: { run: rows, cron: "0 2 * * *" }
"#;

struct Moved {
    world: World,
    simulator: Simulator,
}

impl Moved {
    /// A store with something in every table that a run fills: 30 rows, one of them too large for a row of the database,
    /// one with an odd text, and one whose answer is lost.
    fn new() -> Self {
        let world = World::new();
        world.write("faults.yaml", "rules:\n  - match: { row: \"row 7\" }\n    do: { reset: after_reading }\n");
        let faults = world.path("faults.yaml");
        let ledger = world.path("ledger.jsonl");
        let simulator =
            Simulator::start(&world, &["--faults", faults.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()]);
        let moved = Self { world, simulator };
        moved.world.write("flow.yaml", FLOW);
        moved.add(0..30);
        moved.run(&["apply", "flow.yaml"]).expect(0);
        moved.run(&["webhooks"]).expect(0);
        moved.run(&["schedules", "pause", "nightly"]).expect(0);
        moved.run(&["run", "rows"]).expect(7);
        moved
    }

    fn add(&self, rows: std::ops::Range<usize>) {
        let mut text = fs::read_to_string(self.world.path("rows.jsonl")).unwrap_or_default();
        for row in rows {
            let words = match row {
                3 => "word ".repeat(100_000),
                5 => "Ä \u{0} \u{1f600} \"".to_owned(),
                _ => format!("row {row}."),
            };
            text.push_str(&format!("{}\n", json!({ "id": row, "text": words })));
        }
        self.world.write("rows.jsonl", text);
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.world.run_at(&self.simulator.url, arguments)
    }

    /// What a store says of itself.
    fn told(&self, at: &[&str]) -> Vec<Value> {
        let ask = |arguments: &[&str]| self.run(&[at, arguments, &["--json"]].concat()).expect(0).json();
        vec![
            ask(&["tasks", "list", "--limit", "1000"]),
            ask(&["usage", "--by", "day"]),
            ask(&["storages", "show", "seen", "--limit", "1000"]),
            ask(&["webhooks"]),
            ask(&["schedules", "list"])[0]["paused"].clone(),
            ask(&["tasks", "show", "5"]),
            ask(&["tasks", "show", "7"]),
        ]
    }
}

#[test]
fn a_store_goes_to_postgresql_and_back() {
    if !cluster::available() {
        return;
    }
    let cluster = cluster::Cluster::start();
    let url = cluster.url();
    let moved = Moved::new();
    let here = moved.told(&[]);
    let data = moved.world.path("data").to_str().unwrap().to_owned();
    let there = moved.world.path("there").to_str().unwrap().to_owned();
    let back = moved.world.path("back").to_str().unwrap().to_owned();
    let at_there = ["--data", &there, "--database", &url];

    let foreseen = moved.run(&["store", "copy", "--from", &data, "--to", &url, "--dry-run", "--json"]).expect(0).json();
    let copied =
        moved.run(&["--data", &there, "store", "copy", "--from", &data, "--to", &url, "--json"]).expect(0).json();
    let rows = |table: &str| {
        copied["tables"].as_array().unwrap().iter().find(|copied| copied["table"] == table).unwrap()["rows"].clone()
    };
    assert_eq!(rows("task"), 31);
    assert_eq!(rows("entry"), 30);
    assert_eq!(foreseen["would_copy"]["tables"]["task"], 31);
    assert!(copied["blobs"].as_u64().unwrap() >= 2, "{copied}");
    assert_eq!(moved.told(&at_there), here);

    // Into what is not empty nothing is copied.
    let again =
        moved.run(&["--data", &there, "store", "copy", "--from", &data, "--to", &url, "--json"]).expect(3).json();
    assert_eq!(again["problems"][0]["code"], "store_not_empty");

    // Work goes on there, with new numbers, and nothing of the old is done again.
    let sent = lines(&moved.world.path("ledger.jsonl")).len();
    moved.add(30..32);
    moved.run(&[&at_there[..], &["run", "rows"]].concat());
    let tasks = moved.run(&[&at_there[..], &["tasks", "list", "--limit", "1000", "--json"]].concat()).expect(0).json();
    let mut ids: Vec<i64> = tasks.as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 31 + 3, "two rows and their pull");
    assert!(lines(&moved.world.path("ledger.jsonl")).len() > sent);

    // And back, into a new folder.
    let here = moved.told(&at_there);
    moved.run(&["--data", &there, "store", "copy", "--from", &url, "--to", &back]).expect(0);
    assert_eq!(moved.told(&["--data", &back]), here);
    moved.run(&["--data", &back, "doctor"]).expect(0);
    moved.add(32..33);
    moved.run(&["--data", &back, "run", "rows"]);
    let last = moved.run(&["--data", &back, "tasks", "list", "--limit", "1", "--json"]).expect(0).json();
    assert_eq!(last[0]["id"], ids.len() + 2, "numbers go on");
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let moved = Moved::new();
    let data = moved.world.path("data").to_str().unwrap().to_owned();
    let new = moved.world.path("new").to_str().unwrap().to_owned();
    let code = |ran: Ran| ran.expect(3).json()["problems"][0]["code"].as_str().unwrap().to_owned();
    let absent = moved.world.path("absent").to_str().unwrap().to_owned();
    assert_eq!(code(moved.run(&["store", "copy", "--from", &absent, "--to", &new, "--json"])), "store_absent");
    assert_eq!(code(moved.run(&["store", "copy", "--from", &data, "--to", &data, "--json"])), "same_store");
    // Somebody holds the source.
    let lock = fs::File::open(moved.world.path("data/engine.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(code(moved.run(&["store", "copy", "--from", &data, "--to", &new, "--json"])), "store_held");
    drop(lock);
    // From folder to folder, and a second time into it.
    moved.run(&["store", "copy", "--from", &data, "--to", &new]).expect(0);
    assert_eq!(moved.told(&["--data", &new]), moved.told(&[]));
    assert_eq!(code(moved.run(&["store", "copy", "--from", &data, "--to", &new, "--json"])), "store_not_empty");
}
