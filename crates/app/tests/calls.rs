//! Operations tried out and routes that answer: what callers get, what is kept, and what a cut leaves.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;
use world::serving::{Serving, exchange, wait_for};
use world::{Simulator, World, lines, server};

const FLOW: &str = r#"
http_clients:
  mistral: { prototype: mistral, base_uri: "URL", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true }
  nobody: { prototype: mistral, base_uri: "http://127.0.0.1:1", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true }
incoming:
  ask:
    subscriber: { type: proxy, timeout: 60s, parallel: 1 }
    transformers: [{ type: jq, filter: "select(.skip | not)" }]
  short: { subscriber: { type: proxy, timeout: 1ms } }
  rare: { subscriber: { type: proxy, requests_per_second: 0.001, max_bytes: 100 } }
  rows: { subscriber: { type: inline, payloads: [1] } }
outgoing:
  chat:
    transformers: [{ type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: .question}]}}' }]
    publisher:
      { type: mistral, http_client: mistral, method: POST, entity: Chat Completion,
        answer_transformers: [{ type: jq, filter: "{said: .choices[0].message.content}" }] }
  away: { publisher: { type: mistral, http_client: nobody, method: GET, entity: List Models } }
  nothing: { publisher: { type: none } }
routes:
  talk: { incoming: ask, outgoing: chat, retry: { attempts: 2, first: 1h } }
  once: { incoming: ask, outgoing: chat, retry: { attempts: 1 } }
  away: { incoming: ask, outgoing: away, retry: { attempts: 1 } }
  log: { incoming: ask, outgoing: nothing }
  many: { incoming: ask, transformers: [{ type: jq, filter: ".items[]" }], outgoing: nothing }
  late: { incoming: short, outgoing: chat }
  rare: { incoming: rare, outgoing: nothing }
  usual: { incoming: rows, outgoing: nothing }
"#;

struct Bench {
    world: World,
    token: String,
}

impl Bench {
    /// Definitions with the service at this address, and an operator.
    fn at(url: &str) -> Self {
        let world = World::new();
        world.write("flow.yaml", FLOW.replace("URL", url));
        world.run(&["apply", "flow.yaml"]).expect(0);
        let token = person(&world, "otto", "operator");
        Self { world, token }
    }

    fn serve(&self) -> Serving {
        Serving::start(&mut self.world.command(&[]))
    }

    fn ask(&self, serving: &Serving, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        if !key.is_empty() {
            headers.push(("idempotency-key", key));
        }
        serving.send("POST", &format!("/api/v1{path}"), &headers, body.to_string().as_bytes())
    }

    fn get(&self, serving: &Serving, path: &str) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.token);
        serving.send("GET", &format!("/api/v1{path}"), &[("authorization", &authorization)], b"")
    }

    /// States of the tasks of a route, in the order in which they came.
    fn states(&self, route: &str) -> Vec<String> {
        let listed = self.world.run(&["tasks", "list", "--json", "--limit", "1000"]).expect(0).json();
        let tasks = listed.as_array().unwrap().iter().filter(|task| task["route"] == route);
        let mut states: Vec<String> = tasks.map(|task| task["state"].as_str().unwrap().to_owned()).collect();
        states.reverse();
        states
    }
}

fn person(world: &World, name: &str, role: &str) -> String {
    world.run(&["people", "add", name, "--role", role]).expect(0);
    world.run(&["tokens", "add", name, "--json"]).expect(0).json()["token"].as_str().unwrap().to_owned()
}

const CHAT: &str = "/operations/POST/Chat%20Completion";
const ROUTE: &str = "mistral POST Chat Completion";

fn chat(text: &str) -> Value {
    json!({ "payload": { "model": "mistral-small-latest", "messages": [{ "role": "user", "content": text }] } })
}

/// How many requests a simulator has seen.
fn sent_to(ledger: &Path) -> usize {
    lines(ledger).iter().filter(|line| line["path"].is_string()).count()
}

/// What a service answers a chat.
fn answer() -> String {
    let body = json!({
        "id": "1", "object": "chat.completion", "created": 1, "model": "mistral-small-latest",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "yes" } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    });
    server::json("200 OK", &body.to_string())
}

/// A service that answers when it is told to: what it is sent, and where to tell it.
fn patient() -> (String, mpsc::Receiver<String>, mpsc::Sender<String>) {
    let (tell, told) = mpsc::channel::<String>();
    let (url, seen) = server::serve(move |stream| {
        let _ = stream.write_all(told.recv().unwrap_or_default().as_bytes());
    });
    (url, seen, tell)
}

#[test]
fn a_route_answers_whoever_calls_it() {
    let folder = World::new();
    let ledger = folder.path("ledger.jsonl");
    let simulator = Simulator::start(&folder, &["--ledger", ledger.to_str().unwrap()]);
    let bench = Bench::at(&simulator.url);
    let serving = bench.serve();
    let call = |route: &str, body: Value| bench.ask(&serving, &format!("/proxy/{route}"), "", &body);
    let (status, said) = call("talk", json!({ "question": "Is it?" }));
    assert_eq!(status, 200, "{said}");
    assert!(said["said"].is_string() && said.as_object().unwrap().len() == 1, "{said}");
    // The other routes on the incoming are left alone.
    assert_eq!((bench.states("talk").len(), bench.states("log").len()), (1, 0));
    assert_eq!(call("log", json!({ "a": 1 })), (200, json!({ "a": 1 })), "a publisher of type none answers the data");
    let cases: [(&str, Value, u16, &str); 7] = [
        ("talk", json!({ "question": 7 }), 422, "schema_type"),
        ("talk", json!({ "skip": true }), 422, "dropped"),
        ("many", json!({ "items": [1, 2] }), 422, "proxy_fan_out"),
        ("many", json!({ "items": [] }), 422, "dropped"),
        ("many", json!("text"), 422, "jq_failed"),
        ("away", json!({}), 504, "connect_failed"),
        ("usual", json!({}), 404, "proxy_unknown"),
    ];
    for (route, body, expected, code) in cases {
        let (status, problem) = call(route, body.clone());
        assert_eq!((status, &problem["code"]), (expected, &json!(code)), "{route} {body}: {problem}");
        assert_eq!(problem["task"].is_i64(), status != 404, "{problem}");
    }
    let (_, problem) = call("tlak", json!({}));
    assert_eq!(problem["hint"], json!("did you mean \"talk\"?"));
    // One key, one call, one answer; and nothing else under it.
    let keyed = |body: Value| bench.ask(&serving, "/proxy/talk", "order 4711", &body);
    let before = sent_to(&ledger);
    let first = keyed(json!({ "question": "once" }));
    assert_eq!(first.0, 200);
    assert_eq!(keyed(json!({ "question": "once" })), first);
    assert_eq!(sent_to(&ledger), before + 1);
    let (status, problem) = keyed(json!({ "question": "twice" }));
    assert_eq!((status, &problem["code"]), (422, &json!("key_reused")));
    // A token for calling routes is for nothing else.
    let made = bench.world.run(&["tokens", "add", "otto", "--scope", "proxy", "--json"]).expect(0).json();
    let authorization = format!("Bearer {}", made["token"].as_str().unwrap());
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    assert_eq!(serving.send("POST", "/api/v1/proxy/log", &headers, br#"{"a":1}"#), (200, json!({ "a": 1 })));
    let path = "/api/v1/operations/GET/List%20Models/send";
    let wish = br#"{"http_client":"mistral","request":{}}"#;
    assert_eq!(serving.send("POST", path, &headers, wish).0, 403);
    assert_eq!(serving.send("GET", "/api/v1/tasks", &headers, b"").0, 403);
    // Bounds of the body and of how often.
    let (status, problem) = call("rare", json!("x".repeat(200)));
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
    let (status, problem) = call("rare", json!(1));
    assert_eq!((status, &problem["code"]), (429, &json!("too_many_calls")), "a refused call counts as well: {problem}");
    let headers = [("authorization", format!("Bearer {}", bench.token))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for (body, code) in [(&b"{"[..], "body_no_json"), (b"", "body_no_json"), (b"\xff", "body_no_json")] {
        let (status, problem) = serving.send("POST", "/api/v1/proxy/log", &headers, body);
        assert_eq!((status, &problem["code"]), (400, &json!(code)), "{body:?}");
    }
    serving.stop();
}

#[test]
fn a_caller_learns_what_became_of_the_call() {
    let (url, seen, tell) = patient();
    let bench = Bench::at(&url);
    let serving = bench.serve();
    let ask = |route: &str, key: &str, body: Value| bench.ask(&serving, &format!("/proxy/{route}"), key, &body);
    // The time is over before the answer: the task goes on, and its answer is there for who asks again.
    let question = json!({ "question": "late" });
    let (status, going) = ask("late", "late", question.clone());
    assert_eq!(status, 202, "{going}");
    seen.recv().unwrap();
    tell.send(answer()).unwrap();
    wait_for("its end", || (bench.states("late") == ["finished"]).then_some(()));
    assert_eq!(ask("late", "late", question), (200, json!({ "said": "yes" })));
    // While one waits there is room for no other; who waits gets the answer although the server is told to stop.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ask("once", "", json!({ "question": "1" })));
        seen.recv().unwrap();
        assert_eq!(ask("once", "", json!({ "question": "2" })).0, 429);
        tell.send(answer()).unwrap();
        assert_eq!(waiting.join().unwrap(), (200, json!({ "said": "yes" })));
    });
    // An answer that is lost is not asked for again, whoever comes.
    tell.send(String::new()).unwrap();
    for _ in 0..2 {
        let (status, problem) = ask("once", "lost", json!({ "question": "3" }));
        assert_eq!((status, &problem["code"]), (409, &json!("outcome_unknown")), "{problem}");
        assert!(problem["task"].is_i64());
    }
    seen.recv().unwrap();
    assert!(seen.try_recv().is_err(), "it was sent once");
    for (answer, code) in [
        (server::json("500 Internal Server Error", "{}"), "http_500"),
        (server::json("401 Unauthorized", "{}"), "http_401"),
        (server::json("200 OK", "<html>"), "bad_answer"),
    ] {
        tell.send(answer).unwrap();
        let (status, problem) = ask("once", "", json!({ "question": "4" }));
        assert_eq!((status, &problem["code"]), (502, &json!(code)), "{problem}");
    }
    seen.try_iter().for_each(drop);
    // Nothing is under way, and another attempt would come later: the server stops, and says which task it is.
    std::thread::scope(|scope| {
        tell.send(server::json("500 Internal Server Error", "{}")).unwrap();
        let waiting = scope.spawn(|| ask("talk", "", json!({ "question": "5" })));
        wait_for("the first attempt", || (bench.states("talk") == ["retry"]).then_some(()));
        serving.signal("-TERM");
        let (status, problem) = waiting.join().unwrap();
        assert_eq!((status, &problem["code"]), (503, &json!("stopping")), "{problem}");
        assert!(problem["task"].is_i64());
    });
}

#[test]
fn a_kill_leaves_no_call_to_be_repeated() {
    let (url, seen, tell) = patient();
    let bench = Bench::at(&url);
    let mut serving = bench.serve();
    let wish = json!({ "http_client": "mistral", "request": chat("a"), "confirm": true, "wait": "100s" });
    std::thread::scope(|scope| {
        let called = scope.spawn(|| bench.ask(&serving, "/proxy/once", "killed", &json!({ "question": "a" })));
        seen.recv().unwrap();
        tell.send(answer()).unwrap();
        assert_eq!(called.join().unwrap().0, 200);
        let sent = scope.spawn(|| {
            // The connection ends with the process.
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                bench.ask(&serving, &format!("{CHAT}/send"), "send", &wish)
            }))
        });
        seen.recv().unwrap();
        serving.signal("-KILL");
        let _ = sent.join().unwrap();
    });
    serving.child.wait().unwrap();
    drop(tell);
    let serving = bench.serve();
    // What was answered is there; what was cut is unknown, and nothing is sent again.
    assert_eq!(bench.ask(&serving, "/proxy/once", "killed", &json!({ "question": "a" })).1, json!({ "said": "yes" }));
    let (status, sent) = bench.ask(&serving, &format!("{CHAT}/send"), "send", &wish);
    assert_eq!((status, &sent["state"]), (200, &json!("unknown")), "{sent}");
    assert_eq!(sent["problem"]["code"], json!("interrupted"));
    assert!(seen.try_recv().is_err(), "nothing was sent again");
    serving.stop();
}

#[test]
fn an_operation_is_checked_and_sent_as_a_task() {
    let folder = World::new();
    let ledger = folder.path("ledger.jsonl");
    let simulator = Simulator::start(&folder, &["--ledger", ledger.to_str().unwrap()]);
    let bench = Bench::at(&simulator.url);
    let serving = bench.serve();
    let check = |request: Value| bench.ask(&serving, &format!("{CHAT}/check"), "", &json!({ "request": request })).1;
    let good = check(chat("hello"));
    assert_eq!(
        (&good["ok"], &good["problems"], &good["effect"], &good["confirm"]),
        (&json!(true), &json!([]), &json!("compute"), &json!(true))
    );
    assert!(good["foreseen"]["prompt_tokens"].as_u64().unwrap() > 10 && good["foreseen"]["cost"].is_number(), "{good}");
    let bad = check(json!({ "payload": { "model": "{{ .model }}", "temperature": "hot" } }));
    let places: Vec<&Value> = bad["problems"].as_array().unwrap().iter().map(|problem| &problem["place"]).collect();
    assert_eq!((&bad["ok"], places.len(), &bad["unchecked"]), (&json!(false), 2, &json!(["/payload/model"])), "{bad}");
    assert_eq!(check(json!({ "body": 1 }))["problems"][0]["code"], json!("request_unknown_member"));
    assert_eq!(sent_to(&ledger), 0, "a check sends nothing");
    let send = |path: &str, wish: Value| bench.ask(&serving, &format!("{path}/send"), "", &wish);
    let wish = |client: &str, request: Value| json!({ "http_client": client, "request": request });
    let with = |mut wish: Value, name: &str, value: Value| {
        wish[name] = value;
        wish
    };
    let refused = [
        (wish("mistral", chat("a")), 409, "confirm_missing"),
        (with(wish("mistrall", chat("a")), "confirm", json!(true)), 422, "reference_unknown"),
        (with(wish("mistral", json!({ "payload": {} })), "confirm", json!(true)), 422, "schema_missing"),
        (with(wish("mistral", json!([])), "confirm", json!(true)), 422, "request_not_object"),
        (with(wish("mistral", chat("a")), "wait", json!("1h")), 400, "query_wrong"),
        (with(wish("mistral", chat("a")), "why", json!("x".repeat(2_000))), 400, "query_wrong"),
        (with(wish("mistral", chat("a")), "wiat", json!("1s")), 422, "body_wrong"),
    ];
    for (wish, expected, code) in refused {
        let (status, problem) = send(CHAT, wish.clone());
        assert_eq!((status, &problem["code"]), (expected, &json!(code)), "{wish}: {problem}");
    }
    assert_eq!(bench.states(ROUTE), Vec::<String>::new(), "nothing was begun");
    let meant = with(with(wish("mistral", chat("hello")), "confirm", json!(true)), "why", json!("to see"));
    let (status, sent) = send(CHAT, meant);
    assert_eq!((status, &sent["state"], &sent["status"]), (200, &json!("finished"), &json!(200)), "{sent}");
    assert!(
        sent["answer"]["choices"][0]["message"]["content"].is_string() && sent["usage"]["cost"].is_number(),
        "{sent}"
    );
    assert_eq!(bench.states(ROUTE), ["finished"]);
    let (status, read) = send("/operations/GET/List%20Models", wish("mistral", json!({})));
    assert_eq!((status, read["answer"]["data"].is_array()), (200, true), "reading asks for no leave: {read}");
    // It is a task like any other: listed by its lane, run again, counted.
    let (_, listed) = bench.get(&serving, "/tasks?route=mistral%20POST%20Chat%20Completion");
    assert_eq!(listed["items"][0]["id"], sent["task"]);
    bench.world.run(&["tasks", "retry", &sent["task"].to_string()]).expect(0);
    wait_for("the second attempt", || (sent_to(&ledger) == 3).then_some(()));
    let admin = person(&bench.world, "ada", "admin");
    let audit = serving
        .send("GET", "/api/v1/audit?what=operation.send", &[("authorization", &format!("Bearer {admin}"))], b"")
        .1;
    let entry = &audit["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&entry["who"], &entry["subject"]), (&json!("otto"), &json!(ROUTE)), "{audit}");
    assert!(entry["details"].to_string().contains("to see"), "{entry}");
    // Who may not see payloads may send, and sees none.
    bench.world.run(&["people", "add", "otto", "--role", "operator", "--no-payloads"]).expect(0);
    let (_, sent) = send(CHAT, with(wish("mistral", chat("again")), "confirm", json!(true)));
    assert_eq!(
        (&sent["state"], &sent["answer"], &sent["payloads_hidden"]),
        (&json!("finished"), &Value::Null, &json!(true))
    );
    serving.stop();
}

#[test]
fn ids_can_be_chosen_and_are_asked_for_once_a_minute() {
    let folder = World::new();
    let simulator = Simulator::start(&folder, &[]);
    let bench = Bench::at(&simulator.url);
    let serving = bench.serve();
    let choices = |path: &str| bench.get(&serving, &format!("/operations/{path}"));
    let models = "GET/Retrieve%20Model/choices/model_id?client=mistral";
    let (status, chosen) = choices(models);
    assert_eq!((status, &chosen["list"]), (200, &json!("List Models")), "{chosen}");
    assert!(chosen["items"].as_array().unwrap().iter().any(|one| one["value"] == "open-mistral-7b"), "{chosen}");
    let asked = bench.states("mistral GET List Models").len();
    assert_eq!(choices(models).1, chosen);
    assert_eq!(bench.states("mistral GET List Models").len(), asked, "it was not asked again");
    assert_eq!(choices("POST/Chat%20Completion/choices/model?client=mistral").0, 200);
    let cases = [
        ("GET/Retrieve%20Trace/choices/trace_id?client=mistral", 404, "choices_none"),
        ("GET/Retrieve%20Model/choices/modelid?client=mistral", 404, "choices_none"),
        ("GET/Retrieve%20Model/choices/model_id?client=none", 422, "reference_unknown"),
        ("GET/Retrieve%20Model/choices/model_id", 400, "query_wrong"),
        ("GET/Retrieve%20Model/choices/model_id?client=mistral&path=x", 400, "query_wrong"),
        ("GET/Retrieve%20Agent%20Version/choices/version?client=mistral", 422, "path_missing"),
    ];
    for (path, expected, code) in cases {
        let (status, problem) = choices(path);
        assert_eq!((status, &problem["code"]), (expected, &json!(code)), "{path}: {problem}");
    }
    bench.world.run(&["people", "add", "otto", "--role", "operator", "--no-payloads"]).expect(0);
    assert_eq!(choices(models).0, 403);
    serving.stop();
}

#[test]
fn forms_are_kept_by_their_tag() {
    let bench = Bench::at("http://127.0.0.1:1");
    let serving = bench.serve();
    let path = "/api/v1/operations/POST/Chat%20Completion";
    let authorization = format!("Bearer {}", bench.token);
    let ask = |known: &str| {
        let headers = [("authorization", authorization.as_str()), ("if-none-match", known)];
        exchange(&serving.address, "GET", path, &headers, b"").unwrap()
    };
    let first = ask("\"other\"");
    let form = first.json();
    assert_eq!((first.status, first.headers("cache-control")), (200, vec!["private, no-cache"]));
    assert_eq!(form["form"]["payload"]["x-order"][0], json!("model"));
    assert_eq!((&form["form"]["payload_kind"], &form["effect"]), (&json!("json"), &json!("compute")));
    let tag = first.headers("etag")[0];
    let again = ask(&format!("\"other\", W/{tag}"));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let (_, areas) = bench.get(&serving, "/operations/areas");
    let count: u64 = areas["items"].as_array().unwrap().iter().map(|area| area["operations"].as_u64().unwrap()).sum();
    assert_eq!(count, 284);
    let (_, found) = bench.get(&serving, "/operations?search=chta%20completoin&area=chat");
    assert_eq!(found["items"][0]["title"], json!("Chat Completion"));
    serving.stop();
}
