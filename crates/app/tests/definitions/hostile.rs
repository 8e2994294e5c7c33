//! Hostile names, paths and bundles.

use crate::desk::Desk;
use crate::world::World;
use crate::world::serving::Serving;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Forms of names and paths that lead elsewhere, a JSON text in each line; `{root}` stands for the folder of files and
/// `{abs}` for a file outside of it.
const TRAVERSAL: &str = include_str!("traversal.txt");

const FLOW: &str = r#"
http_clients:
  mistral: { prototype: mistral, base_uri: "https://api.mistral.ai", api_key: "${secret:MISTRAL_API_KEY}" }
  open: { prototype: mistral, base_uri: "https://open.example", api_key: hunter2 }
incoming:
  rows: { subscriber: { type: inline, payloads: [{ n: 1 }] } }
outgoing:
  ask: { publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion } }
  nothing: { publisher: { type: none } }
routes:
  fine: { incoming: rows, outgoing: nothing }
"#;

/// Everything below a folder with its content, but what the server itself keeps in its data folder.
fn tree(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        let content = if kind.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        found.insert(path.display().to_string(), content);
        if kind.is_dir() {
            tree(&path, found);
        }
    }
}

fn outside(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    tree(world.folder.path(), &mut found);
    let files = world.path("data/files").display().to_string();
    let own = ["tramontane.db", "engine.", "blobs"].map(|name| world.path("data").join(name).display().to_string());
    found.retain(|path, _| !path.starts_with(&files) && !own.iter().any(|own| path.starts_with(own)));
    found
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn no_name_and_no_path_of_a_client_leads_to_a_file_outside_the_roots() {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    let serving = Serving::start(&mut world.command(&[]));
    let desk = Desk::over(world, serving);
    let world = &desk.world;
    let canary = world.write("outside/canary.jsonl", "{\"canary\": \"SESAME\"}\n");
    let root = world.path("data/files");
    std::fs::create_dir_all(root.join("deep")).unwrap();
    for (link, to) in [
        ("link", "../../outside"),
        ("dangling", "../../outside/none"),
        ("loop", "loop"),
        ("deep/link", "../../../outside"),
    ] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    let before = outside(world);
    let canary = canary.canonicalize().unwrap();
    let root = root.canonicalize().unwrap();
    let (mut probes, mut bundle) = (0, Map::new());
    let mut routes = Map::new();
    for (at, line) in TRAVERSAL.lines().enumerate() {
        let form: String = serde_json::from_str(line).unwrap();
        let form = form.replace("{abs}", canary.to_str().unwrap()).replace("{root}", root.to_str().unwrap());
        let mut probe = |method: &str, path: &str, more: &[(&str, &str)], body: &Value| {
            let (status, answer) = desk.send("admin", method, path, more, body);
            assert!(
                (200..500).contains(&status) && !answer.to_string().contains("SESAME"),
                "{method} {path:.200} {form:?}: {status} {answer}"
            );
            probes += 1;
            status
        };
        let new = [("if-none-match", "*")];
        let name = percent(&form);
        if name.len() < 20_000 {
            for kind in ["incoming", "routes", &name] {
                probe(
                    "PUT",
                    &format!("/definitions/{kind}/{name}"),
                    &new,
                    &json!({ "definition": { "publisher": { "type": "none" } } }),
                );
                probe("GET", &format!("/definitions/{kind}/{name}"), &[], &Value::Null);
                probe("GET", &format!("/definitions/{kind}/{name}/revisions/{name}"), &[], &Value::Null);
                probe("GET", &format!("/definitions/{kind}/{name}/diff?from={name}"), &[], &Value::Null);
                probe("GET", &format!("/export?kind={kind}&name={name}"), &[], &Value::Null);
            }
        }
        probe("POST", "/plan", &[], &json!({ "files": [{ "name": form, "text": "" }] }));
        probe("POST", "/plan", &[], &json!({ "definitions": { "incoming": { form.clone(): {} } } }));
        probe("POST", "/plan", &[], &json!({ "definitions": { form.clone(): { "x": {} } } }));
        probe("POST", "/test", &[], &json!({ "definition": { "kind": "incoming", "name": form } }));
        probe("POST", "/test", &[], &json!({ "definition": { "kind": form, "name": form } }));
        probe("PUT", "/settings/variables", &[], &json!({ "variables": { form.clone(): form } }));
        for body in [
            json!({ "subscriber": { "type": "file", "path": form, "format": "jsonl" } }),
            json!({ "subscriber": { "type": "folder", "path": form } }),
            json!({ "subscriber": { "type": "folder", "path": ".", "glob": form } }),
        ] {
            // Read at once, and shown to somebody who may see everything.
            probe("POST", "/test", &[], &json!({ "definition": { "kind": "incoming", "body": body }, "call": "send" }));
        }
        let target = json!({ "publisher": { "type": "file", "path": form } });
        let planned = json!({ "definitions": { "outgoing": { format!("o{at}"): target } } });
        if desk.post("admin", "/plan", &planned).1["problems"] == json!([]) {
            bundle.insert(format!("o{at}"), target);
            routes.insert(format!("r{at}"), json!({ "incoming": "rows", "outgoing": format!("o{at}") }));
        }
    }
    assert!(probes > 80 * 15, "{probes}");
    // What was let through is written to.
    let allowed = routes.len();
    let (status, answer) =
        desk.post("admin", "/apply", &json!({ "definitions": { "outgoing": bundle, "routes": routes } }));
    assert_eq!(status, 200, "{answer}");
    assert!(allowed > 0 && allowed < 80, "{allowed}");
    assert_eq!(desk.post("admin", "/runs", &json!({ "incoming": "rows" })).0, 202);
    crate::world::serving::wait_for("all of it is written or refused", || {
        let open = ["new", "processing", "retry", "waiting"].iter().map(|state| {
            desk.get("viewer", &format!("/tasks?state={state}"))["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|task| task["attempts"] == 0 || *state != "retry")
                .count()
        });
        (open.sum::<usize>() == 0).then_some(())
    });
    assert_eq!(outside(world).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "no file came or went");
    assert!(outside(world) == before, "and none was changed");
}

/// Chance from a seed (SplitMix64), the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const TOKENS: &[&str] = &[
    "${secret:MISTRAL_API_KEY}",
    "${MISTRAL_API_KEY}",
    "${PATH}",
    "${",
    "$${",
    "***",
    "../",
    "/etc/passwd",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "\t",
    "\n",
    "\r",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "---\n",
    "...\n",
    "? ",
    "| \n",
    "1e999",
    "-0",
    "99999999999999999999",
    "~",
    "true",
    "https://evil.example",
    "http://127.0.0.1",
    "mistral",
    "rows",
    "# ",
    "\"",
];

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("x".repeat(10_000)),
        json!("https://evil.example"),
        json!("https://api.mistral.ai@evil.example"),
        json!("https://api.mistral.ai.evil.example"),
        json!("http://169.254.169.254"),
        json!("${secret:MISTRAL_API_KEY}"),
        json!("${MISTRAL_API_KEY}"),
        json!("***"),
        json!("/etc/passwd"),
        json!("../../x"),
        json!([]),
        json!({}),
        json!([[[[[[1]]]]]]),
        json!({ "type": "file", "path": "/etc/passwd" }),
        json!({ "type": "mistral", "http_client": "open", "method": "GET", "entity": "List Models" }),
        json!({ "prototype": "mistral", "base_uri": "https://evil.example", "api_key": "${secret:MISTRAL_API_KEY}" }),
        json!({ "prototype": "mistral", "base_uri": "https://evil.example", "api_key": "***" }),
    ]
}

/// A text with a few things done to it.
fn spoiled(text: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(letters.len().max(1)).min(letters.len());
        let end = (at + 1 + dice.below(20)).min(letters.len());
        match dice.below(5) {
            0 => drop(letters.drain(at..end)),
            1 => {
                let again: Vec<char> = letters[at..end].to_vec();
                letters.splice(at..at, again);
            }
            2 => letters.truncate(at),
            _ => drop(letters.splice(at..at, dice.pick(TOKENS).chars())),
        }
    }
    letters.into_iter().collect()
}

/// A tree with a few of its values exchanged, taken away, or under another name.
fn shaken(value: &mut Value, dice: &mut Dice, values: &[Value]) {
    for _ in 0..=dice.below(3) {
        shake(value, dice, values);
    }
}

fn shake(value: &mut Value, dice: &mut Dice, values: &[Value]) {
    let stops = dice.below(4) == 0;
    match value {
        Value::Object(members) if !members.is_empty() && !stops => {
            let key = dice.pick(&members.keys().cloned().collect::<Vec<_>>()).clone();
            let within = dice.below(12);
            let taken = members[&key].clone();
            match within {
                0 => drop(members.remove(&key)),
                1 => drop(members.insert(format!("{key}{}", dice.pick(TOKENS)), taken)),
                2 => drop(members.insert((*dice.pick(&["mistral", "open", "x", "fine", "rows"])).to_owned(), taken)),
                _ => shake(members.get_mut(&key).unwrap(), dice, values),
            }
        }
        Value::Array(items) if !items.is_empty() && !stops => {
            let index = dice.below(items.len());
            shake(&mut items[index], dice, values);
        }
        other => *other = dice.pick(values).clone(),
    }
}

/// How many bundles are tried: `TRAMONTANE_HOSTILE` says another number.
fn rounds() -> u64 {
    std::env::var("TRAMONTANE_HOSTILE").ok().and_then(|text| text.parse().ok()).unwrap_or(1_500)
}

#[test]
fn hostile_bundles_break_nothing_and_move_no_key() {
    let desk = Desk::with(FLOW);
    let base: Value = json!({
        "http_clients": {
            "mistral": { "prototype": "mistral", "base_uri": "https://api.mistral.ai", "api_key": "${secret:MISTRAL_API_KEY}" },
            "open": { "prototype": "mistral", "base_uri": "https://open.example", "api_key": "***" },
        },
        "incoming": { "rows": { "subscriber": { "type": "inline", "payloads": [{ "n": 1 }] }, "transformers": [{ "type": "jq", "filter": ".n" }] } },
        "outgoing": { "nothing": { "publisher": { "type": "none" } }, "ask": { "publisher": { "type": "mistral", "http_client": "mistral", "method": "POST", "entity": "Chat Completion" } } },
        "routes": { "fine": { "incoming": "rows", "outgoing": "nothing", "retry": { "attempts": 3, "first": "1s" } } },
        "schedules": { "s": { "run": "rows", "cron": "@daily", "time_zone": "Europe/Berlin" } },
        "storages": { "seen": { "ttl": "1d" } },
    });
    let values = values();
    let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
    for round in 0..rounds() {
        let dice = &mut Dice(round);
        let mut bundle = if dice.below(2) == 0 {
            json!({ "files": [{ "name": if dice.below(2) == 0 { "a.yaml" } else { "a.json" }, "text": spoiled(FLOW, dice) }] })
        } else {
            let mut definitions = base.clone();
            shaken(&mut definitions, dice, &values);
            json!({ "definitions": definitions })
        };
        bundle["prune"] = json!(dice.below(8) == 0);
        let path = if dice.below(2) == 0 { "/plan" } else { "/apply" };
        let (status, answer) = desk.post("editor", path, &bundle);
        assert!(matches!(status, 200 | 403 | 409 | 413 | 422), "seed {round}: {status} {answer}");
        let knows_it = bundle.to_string().contains("hunter2");
        assert!(knows_it || !answer.to_string().contains("hunter2"), "seed {round}: {answer}");
        *answers.entry(status).or_default() += 1;
        if status == 200 && path == "/apply" {
            hosts_are_kept(&desk.world, round);
        }
    }
    assert!(answers[&200] > 20 && answers[&422] > 100, "{answers:?}");
    assert_eq!(desk.serving.send("GET", "/healthz", &[], b"").0, 200);
}

/// Each key goes where it went before, if anywhere.
#[track_caller]
fn hosts_are_kept(world: &World, seed: u64) {
    let db = Connection::open_with_flags(world.path("data/tramontane.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut clients = db.prepare("SELECT body FROM definition WHERE kind = 'http_clients'").unwrap();
    for body in clients.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        let client: Value = serde_json::from_str(&body.unwrap()).unwrap();
        for (key, origin) in
            [("${secret:MISTRAL_API_KEY}", "https://api.mistral.ai"), ("hunter2", "https://open.example")]
        {
            let has_key = ["api_key", "admin_key", "user_key"]
                .iter()
                .any(|field| client[field].as_str().is_some_and(|text| text.contains(key)));
            let rest = client["base_uri"].as_str().unwrap().strip_prefix(origin);
            let is_there = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            assert!(!has_key || is_there, "seed {seed}: {client}");
        }
    }
}
