//! Secrets: sealed, used, changed under load, and never shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes and look at files")]

mod world;

use rusqlite::Connection;
use serde_json::json;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use world::serving::{Serving, wait_for};
use world::{Ran, World, server};

const CLIENT: &str = r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:SOME_KEY}
    allow_private_addresses: true
"#;
const HOOK: &str = r#"
incoming:
  hook: { subscriber: { type: webhook, token: "${secret:HOOK_TOKEN}" } }
outgoing:
  nothing: { publisher: { type: none } }
routes:
  take: { incoming: hook, outgoing: nothing }
"#;

/// A command of a world without the environment's own key.
fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    command.env_remove("MISTRAL_API_KEY");
    command
}

fn run(world: &World, arguments: &[&str]) -> Ran {
    Ran::of(command(world, arguments).stdin(Stdio::null()).output().unwrap())
}

/// Sets a secret by stdin; whether that was acknowledged.
fn set(command: &mut Command, value: &str) -> Ran {
    let piped =
        |command: &mut Command| command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = piped(command).unwrap();
    // Whoever refuses before reading closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(value.as_bytes());
    Ran::of(child.wait_with_output().unwrap())
}

fn codes(ran: &Ran) -> Vec<String> {
    let problems = ran.json()["problems"].as_array().cloned().unwrap_or_default();
    problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_secret_is_set_listed_used_and_deleted() {
    let world = World::new();
    let (url, requests) = server::follow(vec![server::json("200 OK", r#"{"object":"list","data":[]}"#)]);
    let at = |arguments: &[&str]| Ran::of(command(&world, arguments).env("MISTRAL_BASE_URI", &url).output().unwrap());
    world.write("flow.yaml", CLIENT);
    let missing = at(&["apply", "flow.yaml"]).expect(0);
    assert!(missing.stderr.contains("secret_missing"), "{missing:?}");

    for (name, value, code) in [
        ("SOME_KEY", "", "secret_empty"),
        ("../x", "v", "secret_name"),
        ("a b", "v", "secret_name"),
        ("1A", "v", "secret_name"),
    ] {
        let refused = set(&mut command(&world, &["secrets", "set", name, "--json"]), value).expect(3);
        assert_eq!(codes(&refused), [code], "{name}");
    }
    let long = "x".repeat((64 << 10) + 1);
    set(&mut command(&world, &["secrets", "set", "SOME_KEY"]), &long).expect(3);
    assert_eq!(run(&world, &["secrets", "list", "--json"]).expect(0).json(), json!([]));

    let first = set(&mut command(&world, &["secrets", "set", "SOME_KEY"]), "sk-first-value\n").expect(0);
    assert!(first.stderr.contains("keep a copy"), "{first:?}");
    let mode = fs::metadata(world.path("data/secrets.key")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    at(&["call", "List Models", "--client", "mistral"]).expect(0);
    assert!(requests.recv().unwrap().contains("authorization: bearer sk-first-value"));

    world.write("value.txt", "sk-second-value");
    run(&world, &["secrets", "set", "SOME_KEY", "--file", "value.txt"]).expect(0);
    at(&["call", "List Models", "--client", "mistral"]).expect(0);
    assert!(requests.recv().unwrap().contains("authorization: bearer sk-second-value"));

    let listed = run(&world, &["secrets", "list", "--json"]).expect(0);
    assert!(!listed.stdout.contains("sk-"), "{listed:?}");
    let listed = listed.json();
    assert_eq!(listed[0]["name"], "SOME_KEY");
    assert_eq!(listed[0]["used_by"], json!(["http_clients.mistral.api_key"]));
    assert_eq!(listed[0]["by"], "cli");
    assert!(listed[0]["created_at"].as_str().unwrap() < listed[0]["rotated_at"].as_str().unwrap());
    assert!(at(&["plan", "flow.yaml"]).expect(0).stderr.is_empty(), "nothing is missing");

    let refused = run(&world, &["secrets", "delete", "SOME_KEY", "--json"]).expect(3);
    assert_eq!(codes(&refused), ["secret_in_use"]);
    assert_eq!(codes(&run(&world, &["secrets", "delete", "SOME_KEX", "--json"]).expect(3)), ["secret_unknown"]);
    run(&world, &["secrets", "delete", "SOME_KEY", "--force"]).expect(0);
    assert_eq!(run(&world, &["secrets", "list", "--json"]).expect(0).json(), json!([]));
    at(&["call", "List Models", "--client", "mistral"]).expect(3);
}

/// The first of the store, the environment, a file and a command that has it.
#[test]
fn a_secret_comes_from_the_first_that_has_it() {
    let world = World::new();
    let (url, requests) = server::follow(vec![server::json("200 OK", r#"{"object":"list","data":[]}"#)]);
    world.write("flow.yaml", CLIENT);
    let vault = world.write("vault", "#!/bin/sh\n[ \"$1\" = SOME_KEY ] && echo from-a-command\n");
    fs::set_permissions(&vault, Permissions::from_mode(0o700)).unwrap();
    let with = |arguments: &[&str], has: &[&str]| {
        let mut command = command(&world, arguments);
        command.env("MISTRAL_BASE_URI", &url).env("PATH", "/usr/bin:/bin");
        if has.contains(&"environment") {
            command.env("SOME_KEY", "from-the-environment");
        }
        if has.contains(&"file") {
            command.env("TRAMONTANE_SECRETS_DIR", world.path("mounted"));
        }
        if has.contains(&"command") {
            command.env("TRAMONTANE_SECRETS_COMMAND", &vault);
        }
        Ran::of(command.output().unwrap())
    };
    world.write("mounted/SOME_KEY", "from-a-file\n");
    with(&["apply", "flow.yaml"], &[]).expect(0);
    let all = ["environment", "file", "command"];
    let table: [(&[&str], Option<&str>); 6] = [
        (&[], None),
        (&all[2..], Some("from-a-command")),
        (&all[1..], Some("from-a-file")),
        (&all, Some("from-the-environment")),
        (&["environment", "command"], Some("from-the-environment")),
        (&["file"], Some("from-a-file")),
    ];
    for (has, expected) in table {
        let ran = with(&["call", "List Models", "--client", "mistral", "--json"], has);
        match expected {
            None => assert_eq!(codes(&ran.expect(3)), ["secret_missing"]),
            Some(value) => {
                ran.expect(0);
                assert!(requests.recv().unwrap().contains(&format!("authorization: bearer {value}\r\n")), "{has:?}");
            }
        }
    }
    set(&mut command(&world, &["secrets", "set", "SOME_KEY"]), "from-the-store").expect(0);
    with(&["call", "List Models", "--client", "mistral"], &all).expect(0);
    assert!(requests.recv().unwrap().contains("authorization: bearer from-the-store\r\n"));
    let checked = with(&["secrets", "check", "--json"], &all).expect(0).json();
    assert_eq!(checked["used"], json!({ "SOME_KEY": "the store" }));
}

/// What opens the server is nothing that definitions may send away.
#[test]
fn the_servers_own_key_is_no_secret_of_definitions() {
    let world = World::new();
    world.write("flow.yaml", CLIENT.replace("SOME_KEY", "TRAMONTANE_KEY"));
    let mut command = command(&world, &["apply", "flow.yaml"]);
    let applied = Ran::of(command.env("TRAMONTANE_KEY", "0f".repeat(32)).output().unwrap()).expect(0);
    assert!(applied.stderr.contains("secret_missing"), "{applied:?}");
}

/// A sealed store does not open with another key, nor without one, and says where it looked.
#[test]
fn a_wrong_key_refuses_to_start() {
    let world = World::new();
    world.write("flow.yaml", HOOK);
    run(&world, &["apply", "flow.yaml"]).expect(0);
    // Nothing is sealed: no key is needed, and a wrong one is none yet.
    Serving::start(&mut command(&world, &[])).stop();
    set(&mut command(&world, &["secrets", "set", "HOOK_TOKEN"]), "let-me-in-please").expect(0);
    let file = world.path("data/secrets.key");
    let right = fs::read_to_string(&file).unwrap();
    let right = right.lines().last().unwrap().to_owned();
    let other = world.write("other.key", "0f".repeat(32));
    fs::set_permissions(&other, Permissions::from_mode(0o600)).unwrap();
    let open = world.write("open.key", &right);
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    let (zeros, half) = ("00".repeat(32), right[..20].to_owned());

    let table: [(&str, &str, &str, &str); 8] = [
        ("TRAMONTANE_KEY", &zeros, "store_key_wrong", "TRAMONTANE_KEY"),
        ("TRAMONTANE_KEY", &half, "store_key_malformed", "TRAMONTANE_KEY"),
        ("TRAMONTANE_KEY_FILE", other.to_str().unwrap(), "store_key_wrong", "other.key"),
        ("TRAMONTANE_KEY_FILE", open.to_str().unwrap(), "store_key_open", "open.key"),
        ("TRAMONTANE_KEY_FILE", "/there/is/none", "store_key_missing", "/there/is/none"),
        ("TRAMONTANE_KEY_COMMAND", "/bin/echo aa", "store_key_malformed", "TRAMONTANE_KEY_COMMAND"),
        ("TRAMONTANE_KEY_COMMAND", "/bin/false", "store_key_missing", "TRAMONTANE_KEY_COMMAND"),
        ("TRAMONTANE_KEY_COMMAND", "/there/is/none", "command_failed", "/there/is/none"),
    ];
    for (name, value, code, said) in table {
        for verb in [&["serve", "--json", "--listen", "127.0.0.1:0"][..], &["run", "hook", "--json"]] {
            let ran = Ran::of(command(&world, verb).env(name, value).output().unwrap()).expect(3);
            assert_eq!(codes(&ran), [code], "{name}={value}");
            assert!(ran.stderr.contains(said), "{ran:?}");
            assert!(!ran.stderr.contains(value) || value.starts_with('/'), "{ran:?}");
        }
    }
    for (name, value) in [("TRAMONTANE_KEY", right.clone()), ("TRAMONTANE_KEY_COMMAND", format!("/bin/echo {right}"))] {
        Serving::start(command(&world, &[]).env(name, value)).stop();
    }
    fs::remove_file(&file).unwrap();
    let ran = run(&world, &["serve", "--json", "--listen", "127.0.0.1:0"]).expect(3);
    assert_eq!(codes(&ran), ["store_key_missing"]);
    // Setting one more makes no new key beside a store that has one.
    let ran = set(&mut command(&world, &["secrets", "set", "MORE", "--json"]), "value").expect(3);
    assert_eq!(codes(&ran), ["store_key_missing"]);
    assert!(!file.exists());
}

/// Whoever can write to the store cannot put one secret into the place of another.
#[test]
fn swapped_values_do_not_open() {
    let world = World::new();
    for (name, value) in [("HOOK_TOKEN", "value-of-the-hook"), ("OTHER", "value-of-the-other")] {
        set(&mut command(&world, &["secrets", "set", name]), value).expect(0);
    }
    world.write("flow.yaml", HOOK);
    run(&world, &["apply", "flow.yaml"]).expect(0);
    let db = Connection::open(world.path("data/tramontane.db")).unwrap();
    db.execute_batch(
        "CREATE TEMP TABLE was AS SELECT * FROM secret;
         UPDATE secret SET value = (SELECT value FROM was WHERE was.name <> secret.name);",
    )
    .unwrap();
    drop(db);
    let checked = run(&world, &["secrets", "check", "--json"]).expect(6);
    assert_eq!(codes(&checked), ["seal_broken", "seal_broken"]);
    let ran = run(&world, &["serve", "--json", "--listen", "127.0.0.1:0"]).expect(3);
    assert_eq!(codes(&ran), ["seal_broken"]);
    assert_eq!(codes(&run(&world, &["secrets", "rotate", "--json"]).expect(3)), ["seal_broken"]);
}

fn knock(serving: &Serving, path: &str, token: &str) -> u16 {
    serving.send("POST", path, &[("authorization", &format!("Bearer {token}"))], b"{}").0
}

/// A running engine takes a changed secret and a changed key up, and goes on.
#[test]
fn a_running_engine_hears_of_changes() {
    let world = World::new();
    world.write("flow.yaml", HOOK);
    set(&mut command(&world, &["secrets", "set", "HOOK_TOKEN"]), "the-first-token").expect(0);
    run(&world, &["apply", "flow.yaml"]).expect(0);
    let path = run(&world, &["webhooks", "--json"]).expect(0).json()[0]["path"].as_str().unwrap().to_owned();
    let serving = Serving::start(&mut command(&world, &[]));
    assert_eq!(knock(&serving, &path, "the-first-token"), 202);
    let key = fs::read_to_string(world.path("data/secrets.key")).unwrap();

    for (token, rotated) in [("the-second-token", false), ("the-third-token", true), ("the-fourth-token", false)] {
        if rotated {
            let ran = run(&world, &["secrets", "rotate", "--json"]).expect(0).json();
            assert_eq!(ran["resealed"], 1);
        }
        set(&mut command(&world, &["secrets", "set", "HOOK_TOKEN"]), token).expect(0);
        wait_for("the new token", || (knock(&serving, &path, token) == 202).then_some(()));
        assert_eq!(knock(&serving, &path, "the-first-token"), 401);
    }
    assert_ne!(fs::read_to_string(world.path("data/secrets.key")).unwrap(), key);
    serving.stop();
    // The old key opens nothing any more.
    let old = key.lines().last().unwrap();
    let ran = Ran::of(command(&world, &["secrets", "check", "--json"]).env("TRAMONTANE_KEY", old).output().unwrap());
    assert_eq!(codes(&ran.expect(6)), ["store_key_wrong"]);
    run(&world, &["secrets", "check"]).expect(0);
}

/// A key that is given from outside is changed to the one that is given behind it.
#[test]
fn a_given_key_is_changed_by_giving_both() {
    let world = World::new();
    let (old, new) = ("0a".repeat(32), "0b".repeat(32));
    let with = |key: &str, arguments: &[&str]| {
        Ran::of(command(&world, arguments).env("TRAMONTANE_KEY", key).stdin(Stdio::null()).output().unwrap())
    };
    set(command(&world, &["secrets", "set", "A"]).env("TRAMONTANE_KEY", &old), "value").expect(0);
    assert_eq!(codes(&with(&old, &["secrets", "rotate", "--json"]).expect(3)), ["store_key_single"]);
    let both = format!("{old} {new}");
    let rotated = with(&both, &["secrets", "rotate", "--json"]).expect(0);
    assert_eq!(rotated.json()["resealed"], 1);
    assert!(rotated.stderr.contains("the new key alone"), "{rotated:?}");
    assert_eq!(with(&both, &["secrets", "rotate", "--json"]).expect(0).json()["resealed"], 0, "done is done");
    with(&new, &["secrets", "check"]).expect(0);
    with(&old, &["secrets", "check"]).expect(6);
    assert!(!world.path("data/secrets.key").exists());
}

/// A backup has the secrets sealed, and not the key.
#[test]
fn a_backup_is_of_no_use_without_the_key() {
    let world = World::new();
    set(&mut command(&world, &["secrets", "set", "A"]), "value-of-a").expect(0);
    let made = run(&world, &["backup", "all.backup"]).expect(0);
    assert!(made.stderr.contains("keep a copy apart"), "{made:?}");
    let data = world.path("restored");
    run(&world, &["--data", data.to_str().unwrap(), "restore", "all.backup"]).expect(0);
    assert!(!data.join("secrets.key").exists());
    let restored = ["--data", data.to_str().unwrap(), "secrets", "check", "--json"];
    assert_eq!(codes(&run(&world, &restored).expect(6)), ["store_key_missing"]);
    fs::copy(world.path("data/secrets.key"), data.join("secrets.key")).unwrap();
    run(&world, &restored).expect(0);
}

fn admin(world: &World) -> String {
    run(world, &["people", "add", "ann", "--role", "admin"]).expect(0);
    let token = run(world, &["tokens", "add", "ann", "--json"]).expect(0).json()["token"].as_str().unwrap().to_owned();
    format!("Bearer {token}")
}

/// Through the API a value goes in and never comes out, whatever is wrong with the request.
#[test]
fn the_api_takes_values_and_gives_none() {
    let world = World::new();
    world.write("flow.yaml", HOOK);
    run(&world, &["apply", "flow.yaml"]).expect(0);
    let bearer = admin(&world);
    let path = run(&world, &["webhooks", "--json"]).expect(0).json()[0]["path"].as_str().unwrap().to_owned();
    let serving = Serving::start(&mut command(&world, &[]));
    let ask = |method: &str, path: &str, body: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let (status, answer) = serving.send(method, &format!("/api/v1/secrets{path}"), &headers, body.as_bytes());
        assert!(!answer.to_string().contains("sesame"), "{method} {path} {body}: {answer}");
        (status, answer)
    };
    assert_eq!(ask("GET", "", ""), (200, json!({ "items": [] })));
    assert_eq!(knock(&serving, &path, "open-sesame"), 401, "the secret has no value yet");

    let (status, set) = ask("PUT", "/HOOK_TOKEN", r#"{"value":"open-sesame"}"#);
    assert_eq!((status, &set["name"], &set["by"]), (200, &json!("HOOK_TOKEN"), &json!("ann")));
    assert_eq!(set["used_by"], json!(["incoming.hook.subscriber.token"]));
    wait_for("the new token", || (knock(&serving, &path, "open-sesame") == 202).then_some(()));
    assert_eq!(ask("GET", "", "").1["items"], json!([set]));

    let long = json!({ "value": "sesame".repeat(11_000) }).to_string();
    let huge = json!({ "value": "sesame".repeat(300_000) }).to_string();
    let table: [(&str, &str, &str, u16, &str); 15] = [
        ("PUT", "/HOOK_TOKEN", r#"{"value":""}"#, 422, "secret_empty"),
        ("PUT", "/HOOK_TOKEN", &long, 422, "secret_too_long"),
        ("PUT", "/HOOK_TOKEN", &huge, 413, "body_wrong"),
        ("PUT", "/HOOK_TOKEN", r#""sesame""#, 422, "body_wrong"),
        ("PUT", "/HOOK_TOKEN", r#"{"value":["sesame"]}"#, 422, "body_wrong"),
        ("PUT", "/HOOK_TOKEN", r#"{"value":"a","sesame":1}"#, 422, "body_wrong"),
        ("PUT", "/HOOK_TOKEN", r#"{"value":"sesame"#, 400, "body_wrong"),
        ("PUT", "/HOOK_TOKEN", "", 400, "body_wrong"),
        ("PUT", "/a-b", r#"{"value":"sesame"}"#, 422, "secret_name"),
        ("PUT", "/%2e%2e%2fx", r#"{"value":"sesame"}"#, 422, "secret_name"),
        ("PUT", "/%0a", r#"{"value":"sesame"}"#, 422, "secret_name"),
        ("DELETE", "/HOOK_TOKEN", "", 409, "secret_in_use"),
        ("DELETE", "/HOOK_TOKEN?force=perhaps", "", 400, "query_wrong"),
        ("DELETE", "/HOOK_TOKEN?sesame=1", "", 400, "query_wrong"),
        ("DELETE", "/NONE", "", 404, "secret_unknown"),
    ];
    for (method, path, body, status, code) in table {
        let said = if code == "query_wrong" {
            serving.send(method, &format!("/api/v1/secrets{path}"), &[("authorization", &bearer)], b"")
        } else {
            ask(method, path, body)
        };
        assert_eq!((said.0, &said.1["code"]), (status, &json!(code)), "{method} {path} {body:.40}: {said:?}");
    }
    assert_eq!(knock(&serving, &path, "open-sesame"), 202, "nothing of that has changed it");
    assert_eq!(ask("DELETE", "/HOOK_TOKEN?force=true", "").0, 204);
    wait_for("the token to be gone", || (knock(&serving, &path, "open-sesame") == 401).then_some(()));

    let (_, audit) = serving.send("GET", "/api/v1/audit", &[("authorization", &bearer)], b"");
    let done = audit["items"].as_array().unwrap().iter().filter(|entry| entry["subject"] == "HOOK_TOKEN");
    let done: Vec<_> = done.map(|entry| (entry["what"].as_str().unwrap(), entry["who"].as_str().unwrap())).collect();
    assert_eq!(done, [("secret.delete", "ann"), ("secret.set", "ann")]);
    assert!(!audit.to_string().contains("sesame"), "{audit}");
    serving.stop();
}

/// How many secrets there are before the first kill.
const MANY: usize = 1_000;

/// Every secret with its value, opened with what is in the key file.
fn opened(data: &Path) -> Result<std::collections::BTreeMap<String, String>, String> {
    use secrecy::ExposeSecret as _;
    use store::Secrets as _;
    let ring = store::seal::Ring::parse(&fs::read_to_string(data.join("secrets.key")).unwrap()).unwrap();
    let store = store::SqliteStore::open(data, store::Access::Read).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let secrets = runtime.block_on(store.secrets()).unwrap();
    let open = |secret: store::StoredSecret| {
        let value = ring.open(&secret.value, &store::seal::SECRET, &secret.name);
        let value = value.map_err(|problem| format!("{}: {problem}", secret.name))?;
        Ok((secret.name, String::from_utf8(value.expose_secret().to_vec()).unwrap()))
    };
    secrets.into_iter().map(open).collect()
}

/// Fills a store with secrets, without a process for each.
fn fill(data: &Path) {
    use store::Secrets as _;
    let ring = store::seal::Ring::parse(&fs::read_to_string(data.join("secrets.key")).unwrap()).unwrap();
    let store = store::SqliteStore::open(data, store::Access::Engine("a test".to_owned())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for number in 0..MANY {
        let name = format!("MANY_{number}");
        let value = ring.keys()[0].sealed(format!("value {number}").as_bytes(), &store::seal::SECRET, &name).unwrap();
        let text = str::to_owned;
        let audit = store::AuditEntry {
            id: 0,
            at: 1,
            who: text("a test"),
            origin: text(""),
            what: text("secret.set"),
            subject: name.clone(),
            details: None,
        };
        runtime.block_on(store.write_secret(store::NewSecret { name, value }, audit)).unwrap();
    }
}

/// The key is changed again and again while secrets are set through a running engine, and the one or the other is killed
/// at every named step and at random moments. What was acknowledged is there with its value.
#[test]
#[cfg(feature = "crash-points")]
fn no_secret_is_lost_when_a_change_of_keys_is_killed() {
    let cycles: u32 = std::env::var("TRAMONTANE_KILL_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(50);
    let world = World::new();
    let data = world.path("data");
    set(&mut command(&world, &["secrets", "set", "FIRST"]), "the first").expect(0);
    fill(&data);
    let mut known: std::collections::BTreeMap<String, String> =
        (0..MANY).map(|number| (format!("MANY_{number}"), format!("value {number}"))).collect();
    known.insert("FIRST".to_owned(), "the first".to_owned());
    let (mut killed, mut keys) = (0, std::collections::BTreeSet::new());
    let mut serving: Option<Serving> = None;
    for cycle in 0..cycles {
        // Of five: the command at its three steps; without an engine, in the commit that reseals; both at any moment.
        let step = cycle % 5;
        let mut engine = match step {
            3 => {
                drop(serving.take());
                None
            }
            _ => serving.take().or_else(|| Some(Serving::start(&mut command(&world, &[])))),
        };
        let mut rotate = command(&world, &["secrets", "rotate"]);
        if step < 4 {
            let point = if step == 3 { "in_commit:1".to_owned() } else { format!("in_rotation:{}", step + 1) };
            rotate.env("TRAMONTANE_CRASH_AT", point);
        }
        let mut rotating = rotate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // One that is new and one that was there.
        let written =
            [(format!("NEW_{cycle}"), format!("new {cycle}")), ("FIRST".to_owned(), format!("first {cycle}"))];
        for (name, value) in written {
            let before = known.get(&name).cloned();
            let ran = set(&mut command(&world, &["secrets", "set", &name]), &value);
            if ran.code == Some(0) {
                known.insert(name, value);
            } else if let Some(after) = opened(&data).unwrap().get(&name) {
                // Not acknowledged, and done or not.
                assert!(*after == value || before.as_ref() == Some(after), "{name} is {after}: {ran:?}");
                known.insert(name, after.clone());
            }
            if step == 4 {
                // The engine first, then the command, wherever they are.
                engine = None;
                let _ = rotating.kill();
            }
        }
        killed += u32::from(rotating.wait().unwrap().code().is_none());
        serving = engine;
        keys.insert(fs::read_to_string(data.join("secrets.key")).unwrap());
        let found = opened(&data).unwrap_or_else(|broken| panic!("cycle {cycle}: {broken}"));
        assert_eq!(found, known, "cycle {cycle}");
    }
    drop(serving);
    println!("{cycles} cycles, {killed} kills, {} states of the key file, {} secrets", keys.len(), known.len());
    assert!(killed >= cycles / 2 && keys.len() > usize::try_from(cycles / 3).unwrap(), "it was cut again and again");
    // The last change is left alone, and ends what is begun.
    run(&world, &["secrets", "rotate"]).expect(0);
    let file = fs::read_to_string(data.join("secrets.key")).unwrap();
    assert_eq!(file.lines().filter(|line| !line.starts_with('#')).count(), 1);
    assert_eq!(opened(&data).unwrap(), known);
    let mode = fs::metadata(data.join("secrets.key")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(!data.join("secrets.key.part").exists());
    run(&world, &["secrets", "check"]).expect(0);
}
