//! A backup made while work goes on is the store of one moment, and can go on elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod world;

use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use world::{Simulator, World};

const ROWS: usize = 150;

const FLOW: &str = r#"
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
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", max_tokens: 5, messages: [{role: "user", content: "row \(.id)"}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
routes:
  ask: { incoming: rows, outgoing: ask, parallel: 4 }
"#;

/// Some rows are so long that they are blobs.
fn row(id: usize) -> String {
    let more = if id.is_multiple_of(25) { 300_000 } else { 10 };
    format!("{{\"id\": {id}, \"text\": \"{}\"}}\n", "x".repeat(more))
}

fn prepared(world: &World, simulator: &Simulator) {
    world.write("rows.jsonl", (0..ROWS).map(row).collect::<String>());
    world.write("flow.yaml", FLOW);
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    world.run(&["prices", "init"]).expect(0);
}

/// Number and state of each task of a store, and of tasks with data its id.
fn tasks(world: &World, data: &str) -> BTreeMap<i64, String> {
    let listed = world.run(&["--data", data, "tasks", "list", "--limit", "9999", "--json"]).expect(0).json();
    let tasks = listed.as_array().unwrap().iter();
    tasks.map(|task| (task["id"].as_i64().unwrap(), task["state"].as_str().unwrap().to_owned())).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_backup_made_under_load_goes_on_elsewhere() {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--latency", "20ms"]);
    prepared(&world, &simulator);
    let mut running = world
        .command(&["run", "rows"])
        .env("MISTRAL_BASE_URI", &simulator.url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut made: Vec<Value> = Vec::new();
    for number in 0..3 {
        std::thread::sleep(Duration::from_millis(150));
        made.push(world.run(&["backup", &format!("{number}.backup"), "--json"]).expect(0).json());
    }
    assert!(running.wait().unwrap().success());
    let finished = tasks(&world, "data");
    assert_eq!(finished.len(), ROWS + 1);

    for (number, made) in made.iter().enumerate() {
        assert_eq!(mode(&world.path(&format!("{number}.backup"))), 0o600);
        let data = format!("restored-{number}");
        let restored = world.run(&["--data", &data, "restore", &format!("{number}.backup"), "--json"]).expect(0).json();
        assert_eq!(restored["backup"], made["backup"]);
        assert_eq!((mode(&world.path(&data)), mode(&world.path(&data).join("tramontane.db"))), (0o700, 0o600));
        assert!(world.path(&data).join("prices.yaml").exists());
        let examined = world.command(&["--data", &data, "doctor"]).env("MISTRAL_BASE_URI", &simulator.url).output();
        world::Ran::of(examined.unwrap()).expect(0);
        let found = tasks(&world, &data);
        assert!(found.keys().copied().eq(1..=i64::try_from(found.len()).unwrap()), "all tasks up to some moment");
        assert_eq!(found.len() as u64, made["backup"]["tasks"].as_u64().unwrap());
        for (id, state) in &found {
            assert!(finished.contains_key(id), "no task that never was: {id} {state}");
        }
        let ran = world.command(&["--data", &data, "run", "rows"]).env("MISTRAL_BASE_URI", &simulator.url).output();
        let ran = world::Ran::of(ran.unwrap());
        assert!(matches!(ran.code, Some(0 | 7)), "calls that were under way are unknown to the copy: {ran:?}");
        let after = tasks(&world, &data);
        // A second pull where the first had ended.
        let pulls = world.run(&["--data", &data, "tasks", "list", "--incoming", "rows", "--json"]).expect(0).json();
        let pulls = pulls.as_array().unwrap().len();
        assert_eq!(after.len(), ROWS + pulls, "it takes in what it had not");
        let ended = after.values().filter(|state| *state == "finished").count();
        let unknown = after.values().filter(|state| *state == "unknown").count();
        assert_eq!(ended + unknown, ROWS + pulls, "{after:?}");
        assert!(unknown <= 16, "only what was under way: {unknown}");
    }
}

#[test]
fn a_backup_is_never_written_over() {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    prepared(&world, &simulator);
    world.write("taken", "mine");
    let refused = world.run(&["backup", "taken", "--json"]).expect(3).json();
    assert_eq!(refused["problems"][0]["code"], "file_exists");
    assert_eq!(std::fs::read_to_string(world.path("taken")).unwrap(), "mine");
    let absent = world.run(&["--data", "nothing", "backup", "new", "--json"]).expect(1).json();
    assert_eq!(absent["problems"][0]["code"], "store_absent");
    let mut left: Vec<_> =
        std::fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["data", "flow.yaml", "rows.jsonl", "taken"], "nothing half made is left");
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    prepared(&world, &simulator);
    world.run_at(&simulator.url, &["run", "rows", "--limit", "30"]).expect(0);
    world.run(&["backup", "whole"]).expect(0);
    let code = |data: &str, file: &str, exit: i32| {
        let said = world.run(&["--data", data, "restore", file, "--json"]).expect(exit).json();
        said["problems"][0]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("data", "whole", 3), "folder_not_empty");
    assert_eq!(code("new", "missing", 1), "store_io");
    assert_eq!(code("new", "rows.jsonl", 3), "not_a_backup");
    std::fs::copy(world.path("data/tramontane.db"), world.path("database")).unwrap();
    assert_eq!(code("new", "database", 3), "not_a_backup");
    assert!(!world.path("new").exists(), "nothing is made for what is refused");

    let change = |file: &str, sql: &str| {
        std::fs::copy(world.path("whole"), world.path(file)).unwrap();
        rusqlite::Connection::open(world.path(file)).unwrap().execute_batch(sql).unwrap();
    };
    change("newer", "PRAGMA user_version = 99");
    assert_eq!(code("newer-data", "newer", 3), "store_newer");
    change("unfinished", "DELETE FROM backup");
    assert_eq!(code("unfinished-data", "unfinished", 3), "not_a_backup");
    change("fewer", "DELETE FROM payload; DELETE FROM task WHERE id = 7");
    assert_eq!(code("fewer-data", "fewer", 3), "backup_broken");
    change("shorter", "DELETE FROM backup_piece WHERE key = (SELECT max(key) FROM backup_piece)");
    assert_eq!(code("shorter-data", "shorter", 3), "backup_broken");
    change("outside", "UPDATE backup_file SET name = '../prices.yaml' WHERE name IS NOT NULL");
    assert_eq!(code("outside-data", "outside", 3), "backup_broken");
    for data in ["fewer-data", "shorter-data", "outside-data"] {
        assert!(!world.path(data).join("tramontane.db").exists(), "{data} is no store");
    }
    let mut cut = std::fs::read(world.path("whole")).unwrap();
    cut.truncate(cut.len() / 2);
    world.write("cut", cut);
    assert!(world.run(&["--data", "cut-data", "restore", "cut"]).code.unwrap() > 0);
    assert!(!world.path("cut-data/tramontane.db").exists());
}
