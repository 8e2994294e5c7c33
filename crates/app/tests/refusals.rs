//! Bad input: each a clear problem with code, place and reason, an exit code, and nothing half applied.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary")]

mod world;

use world::{Ran, World};

const GOOD: &str = "
incoming: { rows: { subscriber: { type: file, path: rows.jsonl } } }
outgoing: { out: { publisher: { type: file, path: out.jsonl } } }
routes: { copy: { incoming: rows, outgoing: out } }
";

#[track_caller]
fn refused(ran: &Ran, code: &str, place: &str) {
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let problems = ran.json()["problems"].as_array().unwrap().clone();
    let found =
        problems.iter().find(|problem| problem["code"] == code && problem["place"].as_str().unwrap_or("") == place);
    assert!(found.is_some(), "no {code} at {place:?} among {problems:#?}");
}

#[test]
fn definitions_are_refused_whole() {
    let table = [
        (
            "routes: { copy: { incoming: rows, outgoing: out, paralel: 3 } }",
            "schema_unknown_field",
            "routes.copy.paralel",
        ),
        ("routes: { copy: { incoming: rows, outgoing: out, parallel: many } }", "schema_type", "routes.copy.parallel"),
        ("routes: { copy: { incoming: rowz, outgoing: out } }", "reference_unknown", "routes.copy.incoming"),
        (
            "outgoing: { out: { publisher: { type: mistral, http_client: none, method: POST, entity: Chat Completion } } }",
            "reference_unknown",
            "outgoing.out.publisher.http_client",
        ),
    ];
    for (bad, code, place) in table {
        let world = World::new();
        world.write("good.yaml", GOOD);
        world.run(&["apply", "good.yaml"]).expect(0);
        let before = world.run(&["export"]).expect(0).stdout;
        world.write(
            "bad.yaml",
            format!("{bad}\nincoming: {{ extra: {{ subscriber: {{ type: inline, payloads: [1] }} }} }}"),
        );
        let ran = world.run(&["apply", "bad.yaml", "--json"]);
        refused(&ran, code, place);
        assert!(ran.stderr.contains("bad.yaml:"), "names file and line: {}", ran.stderr);
        assert_eq!(world.run(&["export"]).expect(0).stdout, before, "nothing is half applied");
    }
}

#[test]
fn broken_yaml_names_its_line() {
    let world = World::new();
    world.write("bad.yaml", "routes:\n  copy: { incoming: rows\n  other: 1\n");
    let ran = world.run(&["plan", "bad.yaml", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let problem = &ran.json()["problems"][0];
    assert!(problem["line"].as_u64().is_some_and(|line| (2..=4).contains(&line)), "{problem}");
}

#[test]
fn unknown_names_get_a_hint() {
    let world = World::new();
    let ran = world.run(&["call", "Retreive Model", "--path", "model_id=m", "--json"]);
    refused(&ran, "entity_unknown", "");
    assert!(ran.stderr.contains("did you mean \"Retrieve Model\"?"), "{}", ran.stderr);
    world.write("good.yaml", GOOD);
    world.run(&["apply", "good.yaml"]).expect(0);
    let ran = world.run(&["run", "row", "--json"]);
    refused(&ran, "incoming_unknown", "");
    assert!(ran.stderr.contains("did you mean \"rows\"?"), "{}", ran.stderr);
}

#[test]
fn path_slots_are_guarded() {
    let world = World::new();
    for value in [r#""""#, r#""..""#, r#"".""#, r#""a/b""#, r#""/""#, "{}", "[]", "null", "true"] {
        let request = format!(r#"{{"path": {{"model_id": {value}}}}}"#);
        let ran = world.run(&["call", "Retrieve Model", "--request", &request, "--dry-run", "--json"]);
        assert_eq!(ran.code, Some(3), "{value}: {ran:?}");
        assert_eq!(ran.json()["problems"][0]["place"], "/path/model_id", "{value}: {ran:?}");
    }
    let ran = world.run(&["call", "Retrieve Model", "--dry-run", "--json"]);
    assert_eq!(ran.json()["problems"][0]["place"], "/path/model_id", "{ran:?}");
}

#[test]
fn a_missing_secret_stops_the_run() {
    let world = World::new();
    world.write(
        "d.yaml",
        "
http_clients: { m: { prototype: mistral, base_uri: 'http://127.0.0.1:9', api_key: '${secret:NOWHERE}', allow_private_addresses: true } }
incoming: { models: { subscriber: { type: mistral, http_client: m, method: GET, entity: List Models } } }
",
    );
    let ran = world.run(&["apply", "d.yaml"]).expect(0);
    assert!(ran.stderr.contains("NOWHERE"), "apply says so: {}", ran.stderr);
    refused(&world.run(&["run", "models", "--json"]), "secret_missing", "http_clients.m.api_key");
}

#[test]
fn bad_rows_stop_where_they_stand() {
    let long = format!("{{\"a\": \"{}\"}}\n", "x".repeat(200 << 20));
    let table: [(&str, &[u8], &[u8], u64); 5] = [
        ("invalid UTF-8", b"{\"a\": 1}\n{\"a\": \"\xff\"}\n", b"{\"a\": 1}\n{\"a\": 2}\n", 2),
        ("no JSON", b"{\"a\": 1}\nhello\n", b"{\"a\": 1}\n{\"a\": 2}\n", 2),
        ("a torn last line", b"{\"a\": 1}\n{\"a\": ", b"{\"a\": 1}\n{\"a\": 2}\n", 2),
        (
            "nested too deep",
            &[b"{\"a\": 1}\n".as_slice(), &[b'['; 10_000], b"\n"].concat(),
            b"{\"a\": 1}\n{\"a\": 2}\n",
            2,
        ),
        ("a line of 200 MB", long.as_bytes(), b"", 1),
    ];
    for (name, bad, _repaired, line) in table {
        let world = World::new();
        world.write("d.yaml", GOOD.replace("path: rows.jsonl } }", "path: rows.jsonl }, retry: { attempts: 1 } }"));
        world.write("rows.jsonl", bad);
        world.run(&["apply", "d.yaml"]).expect(0);
        world.run(&["run", "rows"]).expect(6);
        let failed = world.run(&["tasks", "list", "--state", "failed", "--json"]).expect(0).json();
        assert_eq!(failed.as_array().unwrap().len(), 1, "{name}: {failed}");
        assert_eq!(failed[0]["problem"]["line"], line, "{name}: {failed}");
        assert_eq!(
            world::lines(&world.path("out.jsonl")).len() as u64,
            line - 1,
            "{name}: what was before it came through"
        );
    }
}

#[test]
fn a_csv_row_with_too_many_cells() {
    let world = World::new();
    world.write("d.yaml", GOOD.replace("rows.jsonl } }", "rows.csv }, retry: { attempts: 1 } }"));
    world.write("rows.csv", "a,b\n1,2\n3,4,5\n");
    world.run(&["apply", "d.yaml"]).expect(0);
    world.run(&["run", "rows"]).expect(6);
    let failed = world.run(&["tasks", "list", "--state", "failed", "--json"]).expect(0).json();
    assert_eq!(failed[0]["problem"]["line"], 3, "{failed}");
}

#[test]
fn a_second_engine_is_told_who_holds_the_folder() {
    let world = World::new();
    world.write("good.yaml", GOOD);
    world.run(&["apply", "good.yaml"]).expect(0);
    let lock = std::fs::File::options().write(true).open(world.path("data/engine.lock")).unwrap();
    lock.lock().unwrap();
    let ran = world.run(&["run", "rows", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.json()["problems"][0]["code"], "store_held");
    world.run(&["tasks", "list"]).expect(0);
}

#[test]
fn a_faults_file_is_refused_before_the_simulator_starts() {
    let world = World::new();
    world.write("bad.yaml", "rules:\n- {match: {operation: POST /v1/chat/completion}, do: {statsu: 429}}\n");
    let ran = world.run(&["simulator", "--faults", "bad.yaml", "--json"]);
    refused(&ran, "faults_wrong", "rule 1: match.operation");
    refused(&ran, "faults_wrong", "rule 1: do.statsu");
    for part in ["bad.yaml:2: ", "did you mean \"POST /v1/chat/completions\"?", "did you mean \"status\"?"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    refused(&world.run(&["simulator", "--faults", "none.yaml", "--json"]), "faults_unreadable", "");
}
