//! Canaries: values of every kind of secret go through success and every kind of failure, with the log at trace level.
//! Afterwards they are looked for in everything that is kept, written, printed or answered, in every way in which a value
//! is commonly written. None may be found.
//!
//! A new kind is a line in [`KINDS`] and a place in the world where it is used. A new way in which a service misbehaves is
//! an arm in `service.rs` and a word in [`ROWS`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes and look at files")]

mod search;
mod service;
#[path = "../world/mod.rs"]
mod world;

use search::Haystack;
use serde_json::json;
use service::Service;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use world::serving::{Serving, exchange, wait_for};
use world::{Ran, World, people};

/// Kinds of secrets. Each has a value of its own: long, random, with letters that are written otherwise in URLs and JSON.
const KINDS: [&str; 15] = [
    "an api_key, stored",
    "an admin_key, from a file",
    "a user_key, from a command",
    "a key from the environment, sent over broken TLS",
    "the signing secret of a webhook, stored",
    "the token of a webhook, stored",
    "a signing secret given as a wrong token",
    "a stored secret that nothing uses",
    "a secret that was overwritten",
    "the password of a database",
    "user and password in a base URI",
    "the key that seals",
    "the key that sealed before",
    "somebody's password",
    "a password that is wrong",
];
// Further ones are made while it goes on: a token, a session, a link. To be added where it can be asked for: what a second
// factor is made from, as a request in `sign_in`.

/// What the service does with a row that has this word; `panic` is done to it by a transformer before it is sent.
const ROWS: [&str; 16] = [
    "echo", "file", "refuse", "bad", "busy", "broken", "html", "event", "redirect", "cut", "stall", "silent", "reset",
    "large", "gzip", "panic",
];
/// Not secret, and to be found: else the search finds nothing at all.
const MARK: &str = "a-mark-that-everybody-may-see";

/// The values: the same in each run but for a number of the process, and as odd as keys may be.
fn canaries() -> BTreeMap<&'static str, String> {
    let letters = |index: usize| {
        format!("Cnry{index:02}/{}+{:08x}~Zq{index}x", std::process::id(), 0x9E37_79B9_u32 ^ (index as u32 * 7_919))
    };
    let mut all: BTreeMap<_, _> = KINDS.iter().enumerate().map(|(index, kind)| (*kind, letters(index))).collect();
    // Keys that seal have a form of their own.
    for (kind, byte) in [(KINDS[11], 0xA7_u8), (KINDS[12], 0xB3)] {
        let hex: String = (0..32_u8).map(|at| format!("{:02x}", byte ^ at.wrapping_mul(29))).collect();
        all.insert(kind, hex);
    }
    all
}

const DEFINITIONS: &str = r#"
http_clients:
  service:
    prototype: mistral
    base_uri: ${SERVICE}
    api_key: ${secret:STORED_KEY}
    admin_key: ${secret:MOUNTED_KEY}
    user_key: ${secret:VAULT_KEY}
    allow_private_addresses: true
    timeouts: { first_byte: 700ms, idle: 700ms, total: 3s }
    max_answer_bytes: 20000
    limits: { breaker: { after: 1000, after_unknown: 1000 } }
  no_tls:
    prototype: mistral
    base_uri: ${SERVICE_TLS}
    api_key: Key-${secret:ENVIRONMENT_KEY}
    allow_private_addresses: true
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl } }
  signed: { subscriber: { type: webhook, signing_secret: "${secret:SIGNING}" } }
  guarded: { subscriber: { type: webhook, token: "${secret:HOOK_TOKEN}" } }
  answers: { subscriber: { type: answers, route: ask, on: all } }
  models: { subscriber: { type: mistral, http_client: service, method: GET, entity: List Models } }
outgoing:
  ask:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: .word}]}}' }
    publisher: { type: mistral, http_client: service, method: POST, entity: Chat Completion }
  ask_no_tls:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: .word}]}}' }
    publisher: { type: mistral, http_client: no_tls, method: POST, entity: Chat Completion }
  fetch:
    transformers: [ { type: jq, filter: '{path: {file_id: ("do-" + .word)}}' } ]
    publisher: { type: mistral, http_client: service, method: GET, entity: Download File }
  administer:
    transformers: [ { type: jq, filter: '{payload: {do: .word}}' } ]
    publisher: { type: mistral, http_client: service, entity: custom, method: POST, path_template: /v1/admin/things, credential: admin_key, effect: idempotent }
  act:
    transformers: [ { type: jq, filter: '{payload: {do: .word}}' } ]
    publisher: { type: mistral, http_client: service, entity: custom, method: POST, path_template: /v1/my/things, credential: user_key, effect: idempotent }
  keep: { publisher: { type: file, path: answers.jsonl } }
  nothing: { publisher: { type: none } }
routes:
  ask: { incoming: rows, outgoing: ask, parallel: 8, retry: { attempts: 1 } }
  ask_no_tls: { incoming: rows, outgoing: ask_no_tls, retry: { attempts: 1 } }
  fetch: { incoming: rows, outgoing: fetch, parallel: 8, retry: { attempts: 1 } }
  administer: { incoming: rows, outgoing: administer, parallel: 8, retry: { attempts: 1 } }
  act: { incoming: rows, outgoing: act, parallel: 8, retry: { attempts: 1 } }
  keep: { incoming: answers, outgoing: keep }
  signed: { incoming: signed, outgoing: nothing }
  listed: { incoming: models, outgoing: nothing }
  guarded: { incoming: guarded, outgoing: nothing }
"#;

/// The world in which everything happens, and everything that it said.
struct Stage {
    world: World,
    service: Service,
    values: BTreeMap<&'static str, String>,
    said: Haystack,
}

impl Stage {
    fn new() -> Self {
        let (world, values) = (World::new(), canaries());
        let stage = Self { world, service: Service::start(MARK), values, said: Haystack::default() };
        // What secrets come from is not what is searched.
        stage.world.write("given/MOUNTED_KEY", &stage.values["an admin_key, from a file"]);
        let printed = &stage.values["a user_key, from a command"];
        let vault =
            stage.world.write("given/vault", format!("#!/bin/sh\n[ \"$1\" = VAULT_KEY ] && echo '{printed}'\n"));
        fs::set_permissions(vault, Permissions::from_mode(0o700)).unwrap();
        let row = |word: &&str| format!("{}\n", json!({ "word": format!("do-{word}"), "mark": MARK }));
        stage.world.write("rows.jsonl", ROWS.iter().map(row).collect::<String>());
        stage.world.write("flow.yaml", DEFINITIONS);
        stage
    }

    fn value(&self, kind: &str) -> &str {
        &self.values[kind]
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        command
            .env_remove("MISTRAL_API_KEY")
            .env("TRAMONTANE_LOG", "trace")
            .env("TRAMONTANE_PANIC_ON", "do-panic")
            .env("TRAMONTANE_KEY", self.value("the key that sealed before"))
            .env("TRAMONTANE_SECRETS_DIR", self.world.path("given"))
            .env("TRAMONTANE_SECRETS_COMMAND", self.world.path("given/vault"))
            .env("PATH", "/usr/bin:/bin")
            .env("ENVIRONMENT_KEY", self.value("a key from the environment, sent over broken TLS"))
            .env("SERVICE", &self.service.url)
            .env("SERVICE_TLS", self.service.url.replace("http:", "https:"));
        command
    }

    /// Runs a command and keeps what it says.
    fn run(&mut self, command: &mut Command) -> Ran {
        let ran = Ran::of(command.stdin(Stdio::null()).output().unwrap());
        self.hear(&ran);
        ran
    }

    fn hear(&mut self, ran: &Ran) {
        self.said.add("stdout of a command", ran.stdout.as_bytes());
        self.said.add("stderr of a command", ran.stderr.as_bytes());
    }

    fn set(&mut self, name: &str, value: &str) {
        let mut child = self
            .command(&["secrets", "set", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap()).expect(0);
        self.hear(&ran);
    }

    fn set_all(&mut self) {
        for (name, kind) in [
            ("STORED_KEY", "a secret that was overwritten"),
            ("STORED_KEY", "an api_key, stored"),
            ("SIGNING", "the signing secret of a webhook, stored"),
            ("HOOK_TOKEN", "the token of a webhook, stored"),
            ("UNUSED", "a stored secret that nothing uses"),
        ] {
            let value = self.value(kind).to_owned();
            self.set(name, &value);
        }
    }

    fn serve(&self) -> Serving {
        let log = File::create(self.world.path("serve.log")).unwrap();
        Serving::start(self.command(&[]).stderr(log))
    }

    /// Everything there is to ask, as an admin who sees payloads.
    fn visit(&mut self, serving: &Serving, token: &str) {
        let bearer = format!("Bearer {token}");
        let admin = [("authorization", bearer.as_str())];
        let mut paths: Vec<String> = [
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/v1/me",
            "/api/v1/tasks",
            "/api/v1/runs",
            "/api/v1/schedules",
            "/api/v1/storages",
            "/api/v1/usage",
            "/api/v1/definitions",
            "/api/v1/secrets",
            "/api/v1/people",
            "/api/v1/tokens",
            "/api/v1/audit",
            "/api/v1/openapi.json",
            "/api/v1/logs",
            "/api/v1/health",
            "/api/v1/sessions",
            "/api/v1/settings",
        ]
        .map(str::to_owned)
        .to_vec();
        let tasks = self.run(&mut self.command(&["tasks", "list", "--limit", "1000", "--json"])).json();
        paths.extend(tasks.as_array().unwrap().iter().map(|task| format!("/api/v1/tasks/{}", task["id"])));
        for client in ["service", "no_tls"] {
            paths.push(format!("/api/v1/definitions/http_clients/{client}"));
        }
        for path in paths {
            let (_, body) = serving.send("GET", &path, &admin, b"");
            self.said.add(&format!("answer of {path}"), body.to_string().as_bytes());
        }
    }

    /// Others send with a right and with a wrong secret.
    fn knock(&mut self, serving: &Serving) {
        let hooks = self.run(&mut self.command(&["webhooks", "--json"])).json();
        let path = |name: &str| {
            let hook = hooks.as_array().unwrap().iter().find(|hook| hook["incoming"] == name).unwrap();
            hook["path"].as_str().unwrap().to_owned()
        };
        let right = format!("Bearer {}", self.value("the token of a webhook, stored"));
        let wrong = format!("Bearer {}", self.value("a signing secret given as a wrong token"));
        let body = json!({ "mark": MARK }).to_string();
        let table =
            [("guarded", right.as_str(), 202), ("guarded", wrong.as_str(), 401), ("signed", right.as_str(), 401)];
        for (name, authorization, expected) in table {
            let (status, answer) =
                serving.send("POST", &path(name), &[("authorization", authorization)], body.as_bytes());
            assert_eq!(status, expected, "{name}: {answer}");
            self.said.add("answer of a webhook", answer.to_string().as_bytes());
        }
        let wrong = serving.send("GET", "/api/v1/me", &[("authorization", wrong.as_str())], b"");
        assert_eq!(wrong.0, 401);
        self.said.add("answer to a wrong token", wrong.1.to_string().as_bytes());
    }
}

impl Stage {
    /// Somebody signs in, with a wrong password and with the right one. What is made for them.
    fn sign_in(&mut self, serving: &Serving) -> Vec<(String, String)> {
        let password = self.value("somebody's password").to_owned();
        let mut child = self
            .command(&["people", "password", "ann"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap()).expect(0);
        self.hear(&ran);
        let mut made = Vec::new();
        for (kind, expected) in [("a password that is wrong", 401), ("somebody's password", 200)] {
            let answer = people::sign_in(serving, "ann", self.value(kind), None);
            assert_eq!(answer.status, expected, "{kind}: {answer:?}");
            self.said.add("answer to somebody who signs in", answer.body.as_bytes());
            for cookie in answer.headers("set-cookie") {
                let pair = cookie.split(';').next().unwrap();
                let me = exchange(&serving.address, "GET", "/api/v1/me", &[("cookie", pair)], b"").unwrap();
                assert_eq!(me.status, 200, "{me:?}");
                self.said.add("answer to a session", format!("{}{}", me.head, me.body).as_bytes());
                made.push(("a session".to_owned(), pair.split_once('=').unwrap().1.to_owned()));
            }
        }
        // Shown once to whoever asked, so what it prints is not searched.
        let link = Ran::of(self.command(&["people", "link", "ann", "--json"]).output().unwrap()).expect(0).stdout;
        let bits = link.split("token=").nth(1).unwrap().split('"').next().unwrap();
        made.push(("a link to set a password".to_owned(), bits.to_owned()));
        made
    }
}

#[test]
fn no_canary_is_found_anywhere() {
    let mut stage = Stage::new();
    stage.set_all();
    let plan = stage.run(&mut stage.command(&["plan", "flow.yaml", "--json"])).expect(0);
    assert!(!plan.stderr.contains("secret_missing"), "{plan:?}");
    stage.run(&mut stage.command(&["apply", "flow.yaml"])).expect(0);
    stage.run(&mut stage.command(&["people", "add", "ann", "--role", "admin"])).expect(0);
    // The token is shown once, to whoever asked for it; what it prints is not searched.
    let token = Ran::of(stage.command(&["tokens", "add", "ann", "--json"]).output().unwrap()).expect(0).json();
    let token = token["token"].as_str().unwrap().to_owned();

    let serving = stage.serve();
    stage.run(&mut stage.command(&["run", "rows", "--wait", "1s"]));
    stage.run(&mut stage.command(&["run", "models", "--wait", "1s"]));
    wait_for("the answers", || {
        let tally = stage.run(&mut stage.command(&["tasks", "list", "--limit", "1000", "--json"])).json();
        let tasks = tally.as_array().unwrap();
        let is_open = |state: &str| matches!(state, "new" | "processing" | "retry" | "waiting");
        let done = tasks.len() > ROWS.len() && !tasks.iter().any(|task| is_open(task["state"].as_str().unwrap()));
        done.then_some(())
    });
    stage.knock(&serving);
    let made = stage.sign_in(&serving);
    stage.visit(&serving, &token);
    for verb in [
        &["secrets", "list", "--json"][..],
        &["secrets", "check"],
        &["secrets", "check", "--json"],
        &["export"],
        &["doctor", "--json"],
        &["plan", "flow.yaml"],
        &["call", "List Models", "--client", "service"],
        &["call", "List Models", "--client", "no_tls"],
        &["call", "Download File", "--client", "service", "--path", "file_id=do-refuse"],
        &["backup", "all.backup"],
        &["usage", "--json"],
    ] {
        stage.run(&mut stage.command(verb));
    }
    serving.stop();
    fail_at_the_start(&mut stage);

    let both = format!("{} {}", stage.value("the key that sealed before"), stage.value("the key that seals"));
    stage.run(stage.command(&["secrets", "rotate"]).env("TRAMONTANE_KEY", &both)).expect(0);
    stage.run(&mut stage.command(&["secrets", "check", "--json"])).expect(6);
    let new = stage.value("the key that seals").to_owned();
    stage.run(stage.command(&["secrets", "check"]).env("TRAMONTANE_KEY", &new)).expect(0);
    stage.run(stage.command(&["backup", "later.backup"]).env("TRAMONTANE_KEY", &new)).expect(0);

    look(stage, &token, made);
}

/// What is refused at the start says so without the value.
fn fail_at_the_start(stage: &mut Stage) {
    let password = stage.value("the password of a database").to_owned();
    // Where nobody listens, which is waited for; and a URL that is none.
    let silent = format!("postgres://ann:{}@127.0.0.1:1/none", search::percent(&password));
    let broken = format!("postgres://ann:{password}@[none");
    let copy = ["store", "copy", "--from", "data", "--to", &broken];
    for (verb, url) in
        [(&["tasks", "list"][..], &silent), (&["serve"], &broken), (&["secrets", "check"], &broken), (&copy, &broken)]
    {
        let ran = stage.run(stage.command(verb).env("TRAMONTANE_DATABASE", url));
        assert_ne!(ran.code, Some(0), "{ran:?}");
    }
    let user = stage.value("user and password in a base URI").to_owned();
    for base_uri in [
        format!("http://{}:x@127.0.0.1:1", search::percent(&user)),
        format!("http://x:{user}@"),
        format!("ftp://{user}@a"),
    ] {
        for verb in [
            &["call", "List Models", "--client", "service"][..],
            &["call", "List Models", "--client", "service", "--json"],
        ] {
            let ran = stage.run(stage.command(verb).env("SERVICE", &base_uri));
            assert_ne!(ran.code, Some(0), "{ran:?}");
        }
        let ran = stage.run(stage.command(&["call", "List Models"]).env("MISTRAL_BASE_URI", &base_uri));
        assert_ne!(ran.code, Some(0), "{ran:?}");
    }
    let wrong = stage.value("the key that seals").to_owned();
    stage.run(stage.command(&["serve", "--json"]).env("TRAMONTANE_KEY", &wrong)).expect(3);
    stage.run(stage.command(&["serve"]).env("TRAMONTANE_KEY", &wrong[1..])).expect(3);
}

/// Searches everything.
fn look(mut stage: Stage, token: &str, made: Vec<(String, String)>) {
    let sent = stage.service.requests();
    for kind in ["an api_key, stored", "an admin_key, from a file", "a user_key, from a command"] {
        assert!(sent.iter().any(|request| request.contains(stage.value(kind))), "{kind} was never sent");
    }
    for word in ROWS.iter().filter(|word| **word != "panic") {
        assert!(sent.iter().any(|request| request.contains(&format!("do-{word}"))), "do-{word} was never asked");
    }
    stage.said.add_folder(&stage.world.path("data"));
    for file in ["serve.log", "all.backup", "later.backup", "answers.jsonl"] {
        stage.said.add(file, &fs::read(stage.world.path(file)).unwrap());
    }
    let mut values: Vec<(String, String)> =
        stage.values.iter().map(|(kind, value)| ((*kind).to_owned(), value.clone())).collect();
    values.push(("a token of the API".to_owned(), token.to_owned()));
    let bits = token.strip_prefix("tramontane_").unwrap();
    values.extend(made);
    values.push(("the bits of a token of the API".to_owned(), bits.to_owned()));

    // What everybody may see is found where it should be: the search works, and the log is loud.
    for place in ["tramontane.db", "serve.log", "answers.jsonl", "all.backup", "/api/v1/tasks/"] {
        let text = if place == "serve.log" { "hyper" } else { MARK };
        assert!(stage.said.has(place, text), "{text} is not in {place}");
    }
    assert!(stage.said.has("tramontane.db", "[redacted]"), "no service has repeated a key");
    assert!(stage.said.has("tramontane.db", "transformer_panicked"), "no transformer has panicked");
    let hits = stage.said.hits(&values);
    println!(
        "{} kinds, {} places, {} bytes, {} hits",
        values.len(),
        stage.said.places(),
        stage.said.bytes(),
        hits.len()
    );
    assert!(hits.is_empty(), "{hits:#?}");
}
