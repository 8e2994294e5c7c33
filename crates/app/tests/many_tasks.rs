//! Many tasks through the API: found by filters, decided about by the hundred, read by range, exported.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use world::World;
use world::serving::{Serving, request, wait_for};

const FLOW: &str = r#"
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl }, identifier: order.id }
outgoing:
  nothing: { publisher: { type: none } }
  broken: { transformers: [{ type: jq, filter: 'error("no: " + (.n | tostring))' }], publisher: { type: none } }
storages:
  seen: {}
routes:
  fine: { incoming: rows, outgoing: nothing }
  wrong: { incoming: rows, outgoing: broken }
"#;

/// So many rows, each through both routes.
const ROWS: usize = 450;

struct Api {
    serving: Serving,
    token: String,
}

impl Api {
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.ask_with(method, path, body, &[])
    }

    fn ask_with(&self, method: &str, path: &str, body: &Value, more: &[(&str, &str)]) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        headers.extend(more);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.serving.send(method, &format!("/api/v1{path}"), &headers, body.as_bytes())
    }

    fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// All pages of tasks that a filter holds for.
    fn find(&self, filter: &str) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/tasks?limit=200&filter={}{cursor}", encoded(filter)));
            found.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// Waits for the end of an activity.
    fn ended(&self, activity: &Value) -> Value {
        let path = format!("/activities/{}", activity["id"]);
        wait_for("the end of an activity", || {
            let now = self.get(&path);
            (now["phase"] != "working").then_some(now)
        })
    }

    fn audit(&self) -> Vec<String> {
        let page = self.get("/audit?limit=1000");
        page["items"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap().to_owned()).collect()
    }

    /// An answer as it is: status, head, body.
    fn raw(&self, path: &str, more: &str) -> (u16, String, Vec<u8>) {
        let mut socket = TcpStream::connect(&self.serving.address).unwrap();
        let head = format!(
            "GET /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n{more}\r\n",
            self.token
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let split = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..split].to_vec()).unwrap().to_lowercase();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head, answer[split + 4..].to_vec())
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn world() -> World {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    let rows: String = (1..=ROWS).map(|n| format!("{{\"n\":{n},\"order\":{{\"id\":\"A{n}\"}}}}\n")).collect();
    world.write("rows.jsonl", rows);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows"]);
    world.run(&["people", "add", "anna", "--role", "admin"]).expect(0);
    world
}

fn token(world: &World, name: &str) -> String {
    let made = world.run(&["tokens", "add", name, "--json"]).expect(0).json();
    made["token"].as_str().unwrap().to_owned()
}

fn serve(world: &World) -> Api {
    let serving = Serving::start(&mut world.command(&[]));
    Api { serving, token: token(world, "anna") }
}

#[test]
fn tasks_are_found_by_filters() {
    let world = world();
    let api = serve(&world);
    let whole = i64::try_from(ROWS).unwrap();
    let cases: Vec<(&str, i64)> = vec![
        ("status:failed", whole),
        ("status:finished route:fine", whole),
        ("status:failed route:fine", 0),
        ("route:fine,wrong -status:failed", whole),
        ("kind:pull", 1),
        ("incoming:rows status:finished", 1),
        ("code:jq_failed", whole),
        ("code:nothing_like_it", 0),
        ("id:3", 1),
        ("identifier:A17", 2),
        ("identifier:A17 status:failed", 1),
        ("attempts:>1", 0),
        ("cost:>0.01", 0),
        ("age:<1d data.order.id:A17", 2),
        ("age:<1d data.n:17 status:failed", 1),
        ("age:<1d A450", 2),
        ("created:>2020-01-01 created:<2020-02-01", 0),
    ];
    for (filter, expected) in cases {
        let found = api.find(filter);
        assert_eq!(found.len() as i64, expected, "{filter}");
        let counted = api.get(&format!("/tasks?limit=1&count=true&filter={}", encoded(filter)));
        assert_eq!((&counted["count"], &counted["count_is_capped"]), (&json!(expected), &json!(false)), "{filter}");
    }
    let first = api.get("/tasks?limit=1&filter=status%3Afailed");
    assert_eq!(first["items"][0]["problem"]["code"], "jq_failed");
    assert_eq!(first["items"][0]["identifier"], json!(format!("A{ROWS}")));
    assert!(first["items"][0].get("payload").is_none(), "a list has no payloads");

    for (query, code, place) in [
        ("filter=statsu%3Afailed", "filter_wrong", json!("filter[1]")),
        ("filter=route%3Afin", "filter_wrong", json!("filter[1]")),
        ("filter=word", "filter_needs_time", json!("filter[1]")),
        ("since=yesterday", "query_wrong", Value::Null),
        ("cursor=x", "query_wrong", Value::Null),
        ("limit=1001", "query_wrong", Value::Null),
        ("colour=red", "query_wrong", Value::Null),
    ] {
        let (status, problem) = api.ask("GET", &format!("/tasks?{query}"), &Value::Null);
        assert_eq!((status, &problem["code"], &problem["place"]), (400, &json!(code), &place), "{query}: {problem}");
    }

    let drawn = api.get("/tasks/histogram?buckets=10");
    let sum: u64 = drawn["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|bar| bar["states"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()))
        .sum();
    assert_eq!(sum, 2 * ROWS as u64 + 1);
    let failed = api.get("/tasks/histogram?filter=status%3Afailed%20age%3A%3C1h");
    assert!(failed["items"].as_array().unwrap().iter().all(|bar| bar["states"].as_object().unwrap().len() == 1));
    for wrong in ["buckets=0", "buckets=301", "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"] {
        assert_eq!(api.ask("GET", &format!("/tasks/histogram?{wrong}"), &Value::Null).0, 400, "{wrong}");
    }

    let names = |path: &str| -> Vec<Value> {
        api.get(path)["items"].as_array().unwrap().iter().map(|one| one["value"].clone()).collect()
    };
    assert_eq!(names("/filters/suggest?text=st"), [json!("status")]);
    assert_eq!(names("/filters/suggest?key=route&text=wro"), [json!("wrong")]);
    assert_eq!(names("/filters/suggest?key=code"), [json!("jq_failed")]);
    assert!(names("/filters/suggest?key=status").contains(&json!("unknown")));
    assert_eq!(api.ask("GET", "/filters/suggest?key=colour", &Value::Null).0, 400);

    let listed = world.run(&["tasks", "list", "--filter", "route:wrong", "--limit", "1000", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().unwrap().len(), ROWS);
    let refused = world.run(&["tasks", "list", "--filter", "rote:wrong"]).expect(3);
    assert!(refused.stderr.contains("did you mean route:?"), "{}", refused.stderr);
}

#[test]
fn who_may_not_see_payloads_learns_nothing_of_them_by_filters_ranges_or_exports() {
    let world = world();
    let mut api = serve(&world);
    world.run(&["people", "add", "blind", "--role", "operator", "--no-payloads"]).expect(0);
    let admin = std::mem::replace(&mut api.token, token(&world, "blind"));
    let failed = api.get("/tasks?limit=1&filter=status%3Afailed");
    assert!(!failed.to_string().contains("no: "), "{failed}");
    let id = failed["items"][0]["id"].to_string();
    let paths = [
        "/tasks?filter=age%3A%3C1d%20data.n%3A17".to_owned(),
        "/tasks?filter=age%3A%3C1d%20A17".to_owned(),
        "/tasks/histogram?filter=A17".to_owned(),
        format!("/tasks/{id}/payload"),
        format!("/tasks/{id}/attempts/1/request"),
        format!("/tasks/{id}/attempts/1/answer"),
        format!("/tasks/{id}/blobs/{}", "0".repeat(32)),
        "/activities/1/result".to_owned(),
        "/storages/seen/a".to_owned(),
    ];
    for path in &paths {
        let (status, problem) = api.ask("GET", path, &Value::Null);
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{path}: {problem}");
    }
    let bodies = [
        ("/tasks/export", json!({ "filter": "" })),
        ("/tasks/bulk", json!({ "filter": "age:<1d A17", "decision": "retry", "dry_run": true })),
    ];
    for (path, body) in bodies {
        assert_eq!(api.ask("POST", path, &body).0, 403, "{path}");
    }
    api.token = admin;
    let denied = api.audit().iter().filter(|what| *what == "denied").count();
    assert_eq!(denied, paths.len() + 2, "each is recorded");
}

#[test]
fn a_decision_about_many_goes_on_by_itself_once() {
    let world = world();
    let api = serve(&world);
    let wish = |more: Value| {
        let mut wish = json!({ "filter": "status:failed", "decision": "skip", "why": "a test" });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wish
    };
    let (status, foreseen) = api.ask("POST", "/tasks/bulk", &wish(json!({ "dry_run": true })));
    assert_eq!((status, &foreseen["count"], &foreseen["spent"]), (200, &json!(ROWS), &json!(0.0)), "{foreseen}");
    for (more, code) in [(json!({}), "count_needed"), (json!({ "expected_count": 7 }), "count_differs")] {
        let (status, problem) = api.ask("POST", "/tasks/bulk", &wish(more));
        assert_eq!((status, &problem["code"]), (409, &json!(code)), "{problem}");
    }
    for wrong in [
        json!({ "decision": "skip" }),
        json!({ "decision": "skip", "filter": "", "ids": [1] }),
        json!({ "decision": "skip", "ids": [] }),
        json!({ "decision": "skip", "ids": vec![1; 10_001] }),
        json!({ "decision": "burn", "filter": "" }),
        json!({ "decision": "skip", "filter": "x:y" }),
        json!({ "decision": "skip", "filter": "word" }),
        json!({ "decision": "skip", "filter": "", "colour": 1 }),
        json!({ "decision": "skip", "filter": "", "why": "x".repeat(1_001) }),
    ] {
        let status = api.ask("POST", "/tasks/bulk", &wrong).0;
        assert!(matches!(status, 400 | 422), "{wrong}: {status}");
    }
    assert_eq!(api.find("status:failed").len(), ROWS, "nothing was decided yet");

    let key = [("idempotency-key", "once-and-only-once")];
    let body = wish(json!({ "expected_count": ROWS }));
    let (status, begun) = api.ask_with("POST", "/tasks/bulk", &body, &key);
    assert_eq!(status, 202, "{begun}");
    let (status, again) = api.ask_with("POST", "/tasks/bulk", &body, &key);
    assert_eq!((status, &again), (202, &begun), "the same answer, not another activity");
    let (status, other) = api.ask_with("POST", "/tasks/bulk", &wish(json!({ "dry_run": true })), &key);
    assert_eq!((status, &other["code"]), (422, &json!("idempotency_key_reused")));
    for wrong in ["", "with space", &"x".repeat(201)] {
        let (status, problem) = api.ask_with("POST", "/tasks/bulk", &body, &[("idempotency-key", wrong)]);
        assert_eq!((status, &problem["code"]), (400, &json!("idempotency_key_wrong")), "{wrong}");
    }

    let done = api.ended(&begun);
    assert_eq!((&done["phase"], &done["done"], &done["of"]), (&json!("done"), &json!(ROWS), &json!(ROWS)), "{done}");
    assert_eq!(api.find("status:skipped").len(), ROWS);
    assert_eq!(api.get("/activities")["items"].as_array().unwrap().len(), 1);
    let id = api.find("status:skipped")[0]["id"].to_string();
    assert_eq!(api.get(&format!("/tasks/{id}"))["decisions"].as_array().unwrap().len(), 1);
    let audit = api.audit();
    assert_eq!(audit.iter().filter(|what| *what == "task.bulk_skip").count(), 1);
    assert_eq!(audit.iter().filter(|what| *what == "activity.done").count(), 1);

    let (_, named) = api.ask("POST", "/tasks/bulk", &json!({ "ids": [999_999, 1, 3], "decision": "skip" }));
    let named = api.ended(&named);
    assert_eq!((&named["done"], &named["refused"]), (&json!(0), &json!(3)), "{named}");
    let codes: Vec<&Value> = named["problems"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert!(codes.contains(&&json!("task_not_found")) && codes.contains(&&json!("decision_misfit")));
    let (status, problem) = api.ask("POST", &format!("/activities/{}/pause", named["id"]), &Value::Null);
    assert_eq!((status, &problem["code"]), (409, &json!("activity_misfit")));
    let listed = world.run(&["activities", "list", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

/// A server that ends on the spot in its commit of this number; `None` where that comes before it listens.
fn doomed(world: &World, commit: u32, token: &str) -> Option<Api> {
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    command.env("TRAMONTANE_CRASH_AT", format!("in_commit:{commit}")).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let Ok(first) = serde_json::from_str::<Value>(&line) else {
        child.wait().unwrap();
        return None;
    };
    let address = first["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    Some(Api { serving: Serving { child, address }, token: token.to_owned() })
}

/// Killed in any commit, it goes on, and decides about each task once.
#[test]
fn an_activity_goes_on_after_a_kill() {
    let world = world();
    let token = token(&world, "anna");
    let wish = json!({ "filter": "status:failed", "decision": "skip", "expected_count": ROWS });
    let mut killed = 0;
    for commit in 1..=12 {
        let Some(mut api) = doomed(&world, commit, &token) else { continue };
        let body = wish.to_string();
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        // The server may end at any moment of this.
        let asked = request(&api.serving.address, "GET", "/api/v1/activities", &headers[..1], b"");
        if asked.is_some_and(|(_, answer)| answer["items"] == json!([])) {
            request(&api.serving.address, "POST", "/api/v1/tasks/bulk", &headers, body.as_bytes());
        }
        let ended = wait_for("the end of the process, or of its work", || {
            if api.serving.child.try_wait().unwrap().is_some() {
                return Some(true);
            }
            let asked = request(&api.serving.address, "GET", "/api/v1/activities", &headers[..1], b"");
            let answer = asked.filter(|(status, _)| *status == 200)?.1;
            let items = answer["items"].as_array()?;
            (!items.is_empty() && items.iter().all(|one| one["phase"] == "done")).then_some(false)
        });
        killed += u32::from(ended);
    }
    assert!(killed >= 3, "only {killed} of the processes were killed");
    let api = serve(&world);
    let all = api.get("/activities")["items"].as_array().unwrap().clone();
    let done: u64 = all.iter().map(|one| api.ended(one)["done"].as_u64().unwrap()).sum();
    assert_eq!(done, ROWS as u64, "{all:?}");
    let skipped = api.find("status:skipped");
    assert_eq!(skipped.len(), ROWS);
    for task in skipped.iter().step_by(20) {
        let story = api.get(&format!("/tasks/{}", task["id"]));
        assert_eq!(story["decisions"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_paused_activity_waits_and_a_cancelled_one_is_over() {
    let world = world();
    let mut api = serve(&world);
    let wish = json!({ "filter": "status:finished route:fine", "decision": "retry", "expected_count": ROWS });
    let (_, begun) = api.ask("POST", "/tasks/bulk", &wish);
    let path = |verb: &str| format!("/activities/{}/{verb}", begun["id"]);
    // It may have come through by then: then there is nothing to pause, and that is said.
    let (status, paused) = api.ask("POST", &path("pause"), &Value::Null);
    if status == 200 {
        assert_eq!(paused["phase"], "paused");
        let Api { serving, token } = api;
        drop(serving);
        world.run(&["activities", "resume", &begun["id"].to_string()]).expect(0);
        api = Api { serving: Serving::start(&mut world.command(&[])), token };
        assert_eq!(api.ended(&begun)["done"], json!(ROWS));
    }
    let (status, _) = api.ask("POST", &path("cancel"), &Value::Null);
    assert_eq!(status, 409, "what is done cannot be cancelled");
    for verb in ["pause", "resume", "cancel"] {
        let (status, problem) = api.ask("POST", &format!("/activities/999/{verb}"), &Value::Null);
        assert_eq!((status, &problem["code"]), (404, &json!("activity_unknown")));
        world.run(&["activities", verb, "999"]).expect(3);
    }
}

#[test]
fn bodies_come_by_range_and_never_as_a_page() {
    let world = world();
    let long = format!("{{\"n\":0,\"text\":\"{}\"}}\n", "<script>".repeat(50_000));
    world.write("rows.jsonl", long.as_bytes());
    world.run(&["run", "rows", "--again"]);
    let api = serve(&world);
    let id = api.find("run:2 route:wrong")[0]["id"].to_string();
    let payload = format!("/tasks/{id}/payload");
    let whole = api.raw(&format!("{payload}?whole=true"), "").2;
    assert_eq!(whole.len(), long.trim_end().len());
    let cases: Vec<(&str, u16, std::ops::Range<usize>)> = vec![
        ("", 206, 0..65_536),
        ("range: bytes=0-9\r\n", 206, 0..10),
        ("range: bytes=100-199\r\n", 206, 100..200),
        ("range: bytes=-5\r\n", 206, whole.len() - 5..whole.len()),
        ("range: bytes=0-\r\n", 200, 0..whole.len()),
        ("range: lines=0-\r\n", 206, 0..65_536),
    ];
    for (range, status, part) in cases {
        let answer = api.raw(&payload, range);
        assert_eq!((answer.0, &answer.2[..]), (status, &whole[part.clone()]), "{range}");
        for header in [
            "content-type: application/octet-stream",
            "content-disposition: attachment; filename=\"task-",
            "content-security-policy: sandbox",
            "x-content-type-options: nosniff",
            "accept-ranges: bytes",
            "cache-control: no-store",
        ] {
            assert!(answer.1.contains(header), "{header}: {}", answer.1);
        }
        let ranged = format!("content-range: bytes {}-{}/{}", part.start, part.end - 1, whole.len());
        assert_eq!(answer.1.contains(&ranged), status == 206, "{}", answer.1);
    }
    let unfit = api.raw(&payload, "range: bytes=99999999-\r\n");
    assert_eq!(unfit.0, 416);
    assert!(unfit.1.contains(&format!("content-range: bytes */{}", whole.len())), "{}", unfit.1);
    for (path, code) in [
        ("/tasks/999999/payload".to_owned(), "task_unknown"),
        (format!("/tasks/{id}/attempts/9/answer"), "body_unknown"),
        (format!("/tasks/{id}/blobs/{}", "0".repeat(32)), "blob_unknown"),
        (format!("/tasks/{id}/blobs/..%2f..%2ftramontane.db"), "blob_unknown"),
    ] {
        let (status, problem) = api.ask("GET", &path, &Value::Null);
        assert_eq!((status, &problem["code"]), (404, &json!(code)), "{path}");
    }
    assert!(api.audit().iter().filter(|what| *what == "task.see_payload").count() > 6, "who looks is recorded");
    assert_eq!(api.get(&format!("/tasks/{id}/attempts"))["items"].as_array().unwrap().len(), 1);
}

#[test]
fn an_export_is_lines_of_json() {
    let world = world();
    let api = serve(&world);
    for payloads in [false, true] {
        let wish = json!({ "filter": "route:fine status:finished", "payloads": payloads });
        let (status, begun) = api.ask("POST", "/tasks/export", &wish);
        assert_eq!(status, 202, "{begun}");
        let done = api.ended(&begun);
        assert_eq!((&done["phase"], &done["done"], &done["has_result"]), (&json!("done"), &json!(ROWS), &json!(true)));
        let answer = api.raw(&format!("/activities/{}/result?whole=true", begun["id"]), "");
        let lines: Vec<Value> =
            String::from_utf8(answer.2).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), ROWS);
        assert!(lines.iter().all(|line| line["route"] == "fine" && line.get("payload").is_some() == payloads));
        assert!(answer.1.contains(".ndjson\""), "{}", answer.1);
    }
    let (_, wrong) = api.ask("GET", "/activities/999/result", &Value::Null);
    assert_eq!(wrong["code"], "activity_unknown");
}

#[test]
fn a_task_runs_again_with_other_data() {
    let world = world();
    let api = serve(&world);
    let id = api.find("status:failed")[0]["id"].to_string();
    let (status, row) =
        api.ask("POST", &format!("/tasks/{id}/retry"), &json!({ "payload": { "n": 7 }, "why": "typo" }));
    assert_eq!(status, 200, "{row}");
    let story = api.get(&format!("/tasks/{id}"));
    assert_eq!((&story["payload"], &story["decisions"][0]["by"]), (&json!({ "n": 7 }), &json!("anna")));
    assert!(story["decisions"][0]["payload_before"]["order"].is_object());
    assert_eq!(api.ask("POST", "/tasks/999999/retry", &json!({})).0, 404);
    let pull = api.find("kind:pull")[0]["id"].to_string();
    let (status, problem) = api.ask("POST", &format!("/tasks/{pull}/retry"), &json!({ "payload": 1 }));
    assert_eq!((status, &problem["code"]), (409, &json!("payload_of_pull")));
}

#[test]
fn views_storages_runs_and_buckets_are_what_was_put_there() {
    let world = world();
    let mut api = serve(&world);
    let view = |filter: &str, shared: bool| json!({ "filter": filter, "shared": shared });
    for (name, filter, shared) in [("mine", "status:failed", false), ("ours", "status:unknown", true)] {
        let (status, kept) = api.ask("PUT", &format!("/views/{name}"), &view(filter, shared));
        assert_eq!((status, &kept["filter"], &kept["shared"]), (200, &json!(filter), &json!(shared)));
    }
    let wrong = api.ask("PUT", "/views/x", &view("statsu:failed", false));
    assert_eq!((wrong.0, &wrong.1["code"]), (400, &json!("filter_wrong")));
    assert_eq!(api.ask("PUT", &format!("/views/{}", "x".repeat(101)), &view("", false)).0, 400);
    world.run(&["people", "add", "ben", "--role", "viewer"]).expect(0);
    let anna = std::mem::replace(&mut api.token, token(&world, "ben"));
    let names: Vec<Value> =
        api.get("/views")["items"].as_array().unwrap().iter().map(|view| view["name"].clone()).collect();
    assert_eq!(names, [json!("ours")], "what is somebody else's is not seen");
    assert_eq!(api.ask("GET", "/views/mine", &Value::Null).0, 404);
    assert_eq!(api.ask("PUT", "/views/ours", &view("", true)).0, 403, "a viewer changes nothing of everybody's");
    assert_eq!(api.ask("DELETE", "/views/ours?shared=true", &Value::Null).0, 403);
    assert_eq!(api.ask("PUT", "/views/ours", &view("", false)).0, 200, "but may have one of this name");
    assert_eq!(api.get("/views/ours")["shared"], false);
    api.token = anna;
    assert_eq!(api.get("/views/ours")["shared"], true);
    assert_eq!(api.ask("DELETE", "/views/mine", &Value::Null).0, 204);
    assert_eq!(api.ask("DELETE", "/views/mine", &Value::Null).0, 404);

    assert_eq!(api.ask("PUT", "/storages/seen/a%2Fb", &json!({ "value": { "x": 1 } })).1["version"], 1);
    assert_eq!(api.get("/storages/seen/a%2Fb")["value"], json!({ "x": 1 }));
    assert_eq!(api.ask("DELETE", "/storages/seen/a%2Fb", &Value::Null).0, 204);
    assert_eq!(api.ask("GET", "/storages/seen/a%2Fb", &Value::Null).1["code"], "entry_unknown");
    assert_eq!(api.ask("PUT", "/storages/none/a", &json!({ "value": 1 })).1["code"], "storage_unknown");
    let long = "k".repeat(2_000);
    assert_eq!(api.ask("PUT", &format!("/storages/seen/{long}"), &json!({ "value": 1 })).1["code"], "wrong_key");

    assert_eq!(api.get("/runs/1")["tasks"]["failed"], json!(ROWS));
    assert_eq!(api.ask("GET", "/runs/99", &Value::Null).1["code"], "run_unknown");
    let (status, cancelled) = api.ask("POST", "/runs/1/cancel", &Value::Null);
    assert_eq!((status, &cancelled["of"]), (202, &json!(0)), "{cancelled}");
    assert_eq!(api.ended(&cancelled)["done"], 0);
    assert_eq!(api.get("/webhooks")["items"], json!([]));

    let buckets = api.get("/usage/buckets?since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z&bucket=1h&by=model");
    assert_eq!((&buckets["items"], &buckets["width_ms"]), (&json!([]), &json!(3_600_000)));
    for wrong in [
        "since=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z&bucket=1h",
        "since=2026-01-01T00:00:00Z&bucket=1m",
        "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
        "bucket=1h",
    ] {
        assert_eq!(api.ask("GET", &format!("/usage/buckets?{wrong}"), &Value::Null).0, 400, "{wrong}");
    }
    let told: Vec<String> = api.audit();
    for what in ["view.write", "view.delete", "storage.write", "storage.delete", "run.cancel"] {
        assert!(told.iter().any(|told| told == what), "{what}");
    }
}
