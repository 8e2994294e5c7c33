//! Webhooks against those who may not send: each attempt is a line of a table.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::time::SystemTime;
use world::World;
use world::serving::{Serving, wait_for};

const ATTEMPTS: &str = include_str!("webhooks.jsonl");

const FLOW: &str = r#"
incoming:
  standard: { subscriber: { type: webhook, signing_secret: "${secret:SIGNING}" } }
  body: { subscriber: { type: webhook, signing_secret: "${secret:SIGNING}", signature: body } }
  token: { subscriber: { type: webhook, token: "${secret:TOKEN}", max_bytes: 1000 } }
  unset: { subscriber: { type: webhook, token: "${secret:NOBODY_SET_IT}" } }
outgoing:
  nothing: { publisher: { type: none } }
routes:
  a: { incoming: standard, outgoing: nothing }
  b: { incoming: body, outgoing: nothing }
  c: { incoming: token, outgoing: nothing }
  d: { incoming: unset, outgoing: nothing }
"#;
const SECRET: &str = "the secret that signs";
const BODY: &str = r#"{"n":1}"#;

/// `{right}`, `{now}` and the like are filled in; the rest is sent as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    why: String,
    hook: String,
    status: u16,
    headers: BTreeMap<String, String>,
    /// The secret that it is signed with.
    secret: Option<String>,
    /// The id and the time that are signed, where they are not those of the headers.
    signed_id: Option<String>,
    signed_time: Option<String>,
    /// The body that is sent, where it is not the one that is signed.
    sent: Option<String>,
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

fn sign(secret: &str, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the words of the table stand for in one attempt.
fn words(attempt: &Attempt, id: &str, path: &str) -> Vec<(&'static str, String)> {
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let times = [("{now}", now), ("{old}", now - 3_600), ("{future}", now + 86_400)];
    let mut words: Vec<(&str, String)> = times.iter().map(|(word, time)| (*word, time.to_string())).collect();
    words.push(("{id}", id.to_owned()));
    let fill = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    let header = |name: &str| attempt.headers.get(name).cloned().unwrap_or_default();
    let signed_id = fill(&attempt.signed_id.clone().unwrap_or_else(|| header("webhook-id")));
    let signed_time = fill(&attempt.signed_time.clone().unwrap_or_else(|| header("webhook-timestamp")));
    let secret = attempt.secret.as_deref().unwrap_or(SECRET);
    let right = sign(secret, &format!("{signed_id}.{signed_time}.{BODY}"));
    let body_only = sign(secret, BODY);
    let text = STANDARD.encode(&right);
    let mut wrong = body_only.clone();
    wrong[31] ^= 1;
    words.extend([
        ("{short}", text[..40].to_owned()),
        ("{upper}", text.to_uppercase()),
        ("{right}", text),
        ("{body_only}", STANDARD.encode(&body_only)),
        ("{short_hex}", hex(&body_only)[..63].to_owned()),
        ("{wrong_hex}", hex(&wrong)),
        ("{body_only_hex}", hex(&body_only)),
        ("{path_short}", path[..path.len() - 1].to_owned()),
        ("{path_upper}", format!("/webhooks/{}", path.trim_start_matches("/webhooks/").to_uppercase())),
        ("{path}", path.to_owned()),
    ]);
    words
}

#[test]
fn nobody_sends_who_may_not() {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    let paths = world.run(&["webhooks", "--json"]).expect(0).json();
    let path_of = |hook: &str| {
        let found = paths.as_array().unwrap().iter().find(|one| one["incoming"] == hook);
        found.unwrap_or_else(|| panic!("{hook} in {paths}"))["path"].as_str().unwrap().to_owned()
    };
    let serving = Serving::start(world.command(&[]).env("SIGNING", SECRET).env("TOKEN", "let-me-in"));
    let attempts: Vec<Attempt> = ATTEMPTS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = attempts.iter().filter(|attempt| attempt.status >= 400).count();
    assert!(refused >= 75, "{refused}");
    let mut wrong = Vec::new();
    for (number, attempt) in attempts.iter().enumerate() {
        let own = path_of(&attempt.hook);
        let words = words(attempt, &format!("msg_{number}"), &own);
        let fill = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
        let headers: Vec<(String, String)> =
            attempt.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let path = fill(attempt.path.as_deref().unwrap_or(&own)) + &fill(attempt.query.as_deref().unwrap_or_default());
        let method = attempt.method.as_deref().unwrap_or("POST");
        let body = attempt.sent.as_deref().unwrap_or(BODY);
        let mut status = 0;
        for _ in 0..attempt.times {
            status = serving.send(method, &path, &headers, body.as_bytes()).0;
        }
        if status != attempt.status {
            wrong.push(format!("{} ({}): {status}, not {}", attempt.why, attempt.hook, attempt.status));
        }
    }
    assert!(wrong.is_empty(), "{} attempts went otherwise:\n{}", wrong.len(), wrong.join("\n"));
    // What was refused left nothing behind: one run for each event that was accepted, in as many lanes as there are.
    let accepted = attempts.iter().filter(|attempt| attempt.status < 400).count();
    let tasks = || world.run(&["tasks", "list", "--json", "--limit", "1000"]).expect(0).json();
    wait_for("the end of what was accepted", || {
        tasks().as_array().unwrap().iter().all(|task| task["state"] == "finished").then_some(())
    });
    serving.stop();
    let pulls = tasks().as_array().unwrap().iter().filter(|task| task["kind"] == "pull").count();
    assert_eq!(pulls, accepted);
}
