//! `serve` as its users meet it: real processes, real sockets, the files and the simulator's ledger as judges.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use world::serving::{Serving, lines_so_far, wait_for};
use world::{World, lines};

const HOOK: &str = r#"
incoming:
  orders: { subscriber: { type: webhook, token: "${secret:TOKEN}", id_header: x-event, max_bytes: 1000 } }
outgoing:
  file: { publisher: { type: file, path: orders.jsonl } }
routes:
  save: { incoming: orders, outgoing: file, order_by: customer }
"#;

fn hook_path(world: &World) -> String {
    world.run(&["webhooks", "--json"]).expect(0).json()[0]["path"].as_str().unwrap().to_owned()
}

#[test]
fn an_accepted_webhook_is_never_lost_and_comes_once() {
    let world = World::new();
    world.write("flow.yaml", HOOK);
    let serve = || Serving::start(world.command(&[]).env("TOKEN", "let-me-in"));
    world.run(&["apply", "flow.yaml"]).expect(0);
    let path = hook_path(&world);
    let mut serving = serve();
    let token = ("authorization", "Bearer let-me-in");
    for round in 0..5 {
        for number in 0..20 {
            let id = format!("{round}-{number}");
            let body = json!({ "id": id, "customer": number % 3 }).to_string();
            let (status, _) = serving.send("POST", &path, &[token, ("x-event", &id)], body.as_bytes());
            assert_eq!(status, 202);
        }
        // Ended without a word, right after what it said.
        serving.signal("-KILL");
        serving.child.wait().unwrap();
        serving = serve();
        let again = json!({ "id": "again" }).to_string();
        let (status, answer) =
            serving.send("POST", &path, &[token, ("x-event", &format!("{round}-3"))], again.as_bytes());
        assert_eq!((status, answer), (200, json!({ "duplicate": true })));
    }
    let out = world.path("orders.jsonl");
    wait_for("every order", || {
        let tally = world.run(&["tasks", "list", "--json", "--state", "new"]).json();
        (tally.as_array().is_some_and(Vec::is_empty) && lines_so_far(&out) >= 100).then_some(())
    });
    serving.stop();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut last: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for line in lines(&out) {
        let id = line["id"].as_str().unwrap().to_owned();
        let (round, number) = id.split_once('-').unwrap();
        let at = (round.parse().unwrap(), number.parse().unwrap());
        let before = last.insert(line["customer"].as_u64().unwrap(), at);
        assert!(before.is_none_or(|before| before < at), "orders of one customer keep their order: {before:?} {at:?}");
        *seen.entry(id).or_default() += 1;
    }
    assert_eq!(seen.len(), 100);
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
}

#[test]
fn what_is_not_right_is_refused_and_nothing_is_kept() {
    let world = World::new();
    world.write("flow.yaml", HOOK);
    world.run(&["apply", "flow.yaml"]).expect(0);
    let path = hook_path(&world);
    let serving = Serving::start(world.command(&[]).env("TOKEN", "let-me-in"));
    let token = ("authorization", "Bearer let-me-in");
    let deep = "[".repeat(100_000);
    let long = vec![b' '; 1_001];
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], u16);
    let cases: [Case<'_>; 9] = [
        ("POST", "/webhooks/00000000000000000000000000000000", &[token], b"{}", 404),
        ("POST", "/webhooks/..%2f..%2fetc", &[token], b"{}", 404),
        ("GET", &path, &[token], b"", 405),
        ("POST", &path, &[], b"{}", 401),
        ("POST", &path, &[("authorization", "Bearer let-me-i")], b"{}", 401),
        ("POST", &path, &[("authorization", "let-me-in")], b"{}", 401),
        ("POST", &path, &[token], b"{", 400),
        ("POST", &path, &[token], &deep.as_bytes()[..900], 400),
        ("POST", &path, &[token], &long, 413),
    ];
    for (method, path, headers, body, expected) in cases {
        assert_eq!(serving.send(method, path, headers, body).0, expected, "{method} {path} {headers:?}");
    }
    assert_eq!(serving.send("GET", "/healthz", &[], b"").0, 200);
    assert_eq!(serving.send("GET", "/readyz", &[], b"").0, 200);
    assert_eq!(serving.send("GET", "/", &[], b"").0, 404);
    serving.stop();
    assert_eq!(world.run(&["tasks", "list", "--json"]).expect(0).json(), json!([]));
    // Without a value for its secret it accepts nothing.
    let serving = Serving::start(&mut world.command(&[]));
    assert_eq!(serving.send("POST", &path, &[("authorization", "Bearer ")], b"{}").0, 401);
}

#[test]
fn schedules_come_once_each_whatever_happens_to_the_process() {
    let world = World::new();
    world.write(
        "flow.yaml",
        r#"
incoming:
  tick: { subscriber: { type: inline, payloads: [{ tick: true }] } }
outgoing:
  file: { publisher: { type: file, path: ticks.jsonl } }
routes:
  save: { incoming: tick, outgoing: file }
schedules:
  often: { run: tick, cron: "* * * * *", misfire: all, overlap: queue }
  never: { run: tick, cron: "* * * * *" }
"#,
    );
    world.run(&["apply", "flow.yaml"]).expect(0);
    // A minute takes a second.
    let fast = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("TRAMONTANE_CLOCK_SPEED", "60");
        command
    };
    assert!(fast(&["schedules", "pause", "never"]).status().unwrap().success());
    let out = world.path("ticks.jsonl");
    for stop in ["-KILL", "-TERM", "-KILL"] {
        let before = lines_so_far(&out);
        let mut serving = Serving::start(&mut fast(&[]));
        wait_for("three ticks", || (lines_so_far(&out) >= before + 3).then_some(()));
        serving.signal(stop);
        serving.child.wait().unwrap();
    }
    fast(&["serve", "--once"]).status().unwrap();
    let tasks = world.run(&["tasks", "list", "--json", "--limit", "1000"]).expect(0).json();
    let pulls: Vec<&Value> = tasks.as_array().unwrap().iter().filter(|task| task["kind"] == "pull").collect();
    assert!(pulls.len() >= 9, "{}", pulls.len());
    assert!(pulls.iter().all(|pull| pull["state"] == "finished"), "{pulls:?}");
    assert_eq!(lines(&out).len(), pulls.len(), "one line for each occurrence");
}

#[test]
fn other_commands_work_beside_it() {
    let world = World::new();
    world.write("flow.yaml", HOOK);
    world.run(&["apply", "flow.yaml"]).expect(0);
    let serving = Serving::start(world.command(&[]).env("TOKEN", "t"));
    let second = world.run(&["serve", "--listen", "127.0.0.1:0"]).expect(1);
    assert!(second.stderr.contains("is held by process"), "{second:?}");
    world.write(
        "more.yaml",
        "incoming:\n  two: { subscriber: { type: inline, payloads: [1, 2] } }\noutgoing:\n  out: { publisher: { type: file, path: two.jsonl } }\nroutes:\n  both: { incoming: two, outgoing: out }\n",
    );
    world.run(&["apply", "more.yaml"]).expect(0);
    world.run(&["run", "two"]).expect(0);
    assert_eq!(lines(&world.path("two.jsonl")), [json!(1), json!(2)]);
    world.run(&["tasks", "retry", "2"]).expect(0);
    wait_for("the retried task", || (lines_so_far(&world.path("two.jsonl")) == 3).then_some(()));
    serving.stop();
}

/// A small disk that goes away with its guard; `None` where this machine lets nobody mount one.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_politely_and_goes_on_when_it_is_freed() {
    let world = World::new();
    let Some(_disk) = Disk::mount(world.path("data")) else {
        eprintln!("NOT TESTED: a full disk; this user may not mount a tmpfs");
        return;
    };
    world.write("flow.yaml", HOOK);
    world.run(&["apply", "flow.yaml"]).expect(0);
    let path = hook_path(&world);
    let serving = Serving::start(world.command(&[]).env("TOKEN", "let-me-in"));
    let mut accepted = 0;
    let mut send = || {
        let body = json!({ "id": accepted, "text": "x".repeat(900) }).to_string();
        let headers = [("authorization", "Bearer let-me-in")];
        let (status, _) = serving.send("POST", &path, &headers, body.as_bytes());
        accepted += usize::from(status == 202);
        status
    };
    assert_eq!(send(), 202);
    let filler = world.path("data/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[b'x'; 4096]).is_ok() {}
    let refused = (0..5_000).map(|_| send()).find(|status| *status != 202);
    assert_eq!(refused, Some(503), "a full disk is said, and nothing is accepted that is not on it");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    wait_for("the disk to be used again", || (send() == 202).then_some(()));
    wait_for("every accepted event", || (lines_so_far(&world.path("orders.jsonl")) == accepted).then_some(()));
    serving.stop();
    for state in ["failed", "unknown"] {
        assert_eq!(world.run(&["tasks", "list", "--json", "--state", state]).expect(0).json(), json!([]), "{state}");
    }
}
