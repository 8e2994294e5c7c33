//! What `doctor` finds, and that it finds nothing where nothing is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod world;

use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use world::{Simulator, World};

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
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", max_tokens: 5, messages: [{role: "user", content: .text[0:9]}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
routes:
  ask: { incoming: rows, outgoing: ask }
"#;

/// A store in which three tasks have run, one with a blob.
fn used() -> (World, Simulator) {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    let long = "x".repeat(300_000);
    world.write("rows.jsonl", format!("{{\"text\": \"one\"}}\n{{\"text\": \"two\"}}\n{{\"text\": \"{long}\"}}\n"));
    world.write("flow.yaml", FLOW);
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    world.run_at(&simulator.url, &["run", "rows"]).expect(0);
    (world, simulator)
}

/// Exit code, and the codes of what was found.
fn examine(world: &World) -> (i32, Vec<String>, Value) {
    let mut command = world.command(&["doctor", "--json"]);
    command.env("MISTRAL_BASE_URI", "http://127.0.0.1:1");
    let ran = world::Ran::of(command.output().unwrap());
    let said = ran.json();
    let problems = said["problems"].as_array().unwrap().iter();
    let codes = problems
        .inspect(|problem| assert!(problem["hint"].is_string(), "{problem} says what to do"))
        .map(|problem| problem["code"].as_str().unwrap().to_owned())
        .filter(|code| code != "space_low");
    (ran.code.unwrap(), codes.collect(), said.clone())
}

fn change(world: &World, sql: &str) {
    let db = rusqlite::Connection::open(world.path("data/tramontane.db")).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute_batch(sql).unwrap();
}

#[track_caller]
fn finds(world: &World, exit: i32, codes: &[&str]) -> Value {
    let (code, found, said) = examine(world);
    assert_eq!((code, found.iter().map(String::as_str).collect::<Vec<_>>()), (exit, codes.to_vec()), "{said:#}");
    said
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let (world, simulator) = used();
    let said = finds(&world, 0, &[]);
    assert_eq!(
        (said["clean"].as_bool(), said["tasks"].as_u64(), said["blobs"].as_u64()),
        (Some(true), Some(4), Some(1))
    );
    assert_eq!(said["held_by"], Value::Null);
    let text = world.run_at(&simulator.url, &["doctor"]).expect(0);
    assert!(text.stderr.ends_with("nothing is wrong\n"), "{text:?}");
    assert!(text.stdout.contains("held by     nobody\n"), "{text:?}");

    let mut serving = world
        .command(&["serve", "--listen", "127.0.0.1:0", "--json"])
        .env("MISTRAL_BASE_URI", &simulator.url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let said = finds(&world, 0, &[]);
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert!(said["held_by"].as_str().unwrap().starts_with(&format!("process {}", serving.id())), "{said:#}");
    finds(&world, 0, &[]);
}

#[test]
fn what_others_can_open_is_found() {
    let (world, _simulator) = used();
    let open = |name: &str, mode| fs::set_permissions(world.path(name), fs::Permissions::from_mode(mode)).unwrap();
    open("data", 0o755);
    open("data/tramontane.db", 0o640);
    let said = finds(&world, 6, &["not_private", "not_private"]);
    assert!(said["problems"][0]["hint"].as_str().unwrap().starts_with("chmod 700 "), "{said:#}");
    assert!(said["problems"][1]["hint"].as_str().unwrap().starts_with("chmod 600 "), "{said:#}");
}

#[test]
fn blobs_that_are_missing_or_belong_to_nothing_are_found() {
    let (world, _simulator) = used();
    let shard = fs::read_dir(world.path("data/blobs")).unwrap().next().unwrap().unwrap().path();
    let blob = fs::read_dir(&shard).unwrap().next().unwrap().unwrap().path();
    let other = shard.join("0123456789abcdef0123456789abcdef");
    fs::rename(&blob, &other).unwrap();
    let said = finds(&world, 6, &["blob_missing"]);
    let id = blob.file_name().unwrap().to_str().unwrap();
    assert!(said["problems"][0]["reason"].as_str().unwrap().contains(id), "{said:#}");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100_000);
    fs::File::options().write(true).open(&other).unwrap().set_modified(old).unwrap();
    let right = world.path("data/blobs/01/0123456789abcdef0123456789abcdef");
    fs::create_dir_all(right.parent().unwrap()).unwrap();
    fs::rename(&other, &right).unwrap();
    finds(&world, 6, &["blob_missing", "blob_orphaned"]);
    world.run(&["prune"]).expect(0);
    finds(&world, 6, &["blob_missing"]);
}

#[test]
fn what_keeps_work_from_going_on_is_found() {
    let (world, _simulator) = used();
    let ran = world.run(&["doctor", "--json"]).expect(6).json();
    assert_eq!(ran["problems"][0]["code"], "variable_missing", "{ran:#}");
    let mut command = world.command(&["doctor", "--json"]);
    command.env_remove("MISTRAL_API_KEY").env("MISTRAL_BASE_URI", "http://127.0.0.1:1");
    let ran = world::Ran::of(command.output().unwrap()).expect(6).json();
    assert_eq!(ran["problems"][0]["code"], "secret_missing", "{ran:#}");

    change(
        &world,
        "UPDATE task SET state = 8 WHERE id = 2; UPDATE tally SET count = count - 1 WHERE lane = 2 AND state = 4;
                    INSERT INTO tally SELECT run, 2, 8, 1 FROM (SELECT 0 AS run UNION SELECT 1)",
    );
    assert_eq!(finds(&world, 0, &["tasks_unknown"])["unknown"], 1);
    change(&world, "UPDATE tally SET count = count + 1 WHERE run = 0 AND lane = 2 AND state = 4");
    finds(&world, 6, &["counts_wrong", "tasks_unknown"]);
    change(
        &world,
        "UPDATE tally SET count = count - 1 WHERE run = 0 AND lane = 2 AND state = 4;
                    UPDATE task SET created_at = created_at + 86400000 WHERE id = 3",
    );
    finds(&world, 6, &["clock_behind", "tasks_unknown"]);
}

#[test]
fn damaged_files_are_findings() {
    let (world, _simulator) = used();
    let path = world.path("data/tramontane.db");
    let whole = fs::read(&path).unwrap();
    change(&world, "UPDATE definition SET body = '{\"of\": \"another version\"}' WHERE kind = 'routes'");
    let (exit, codes, said) = {
        let ran = world::Ran::of(world.command(&["doctor", "--json"]).output().unwrap());
        (ran.code, ran.json()["problems"][0]["code"].clone(), ran.json())
    };
    assert_eq!((exit, codes.as_str()), (Some(6), Some("definition_unreadable")), "{said:#}");

    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
        fs::write(&path, bytes).unwrap();
        let ran = world.command(&["doctor", "--json"]).env("MISTRAL_BASE_URI", "http://127.0.0.1:1").output().unwrap();
        let ran = world::Ran::of(ran);
        assert_eq!(ran.code, Some(6), "page {page}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "page {page}: {ran:?}");
    }
    fs::write(&path, "name,price\n".repeat(1_000)).unwrap();
    finds(&world, 6, &["not_a_store"]);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (exit, found, _) = examine(&world);
    assert_eq!((exit, found.is_empty()), (6, false));
    fs::write(&path, &whole).unwrap();
    finds(&world, 0, &[]);
    change(&world, "PRAGMA user_version = 99");
    finds(&world, 6, &["store_newer"]);
    fs::remove_dir_all(world.path("data")).unwrap();
    finds(&world, 6, &["store_absent"]);
    assert!(!world.path("data").exists(), "nothing was made");
}
