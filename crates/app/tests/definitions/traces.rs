//! Tests of definitions: every step shown, nothing kept, nothing sent that does more than read.

use crate::desk::Desk;
use crate::world::serving::Serving;
use crate::world::{Simulator, World, lines};
use serde_json::{Value, json};

const FLOW: &str = r#"
http_clients:
  m: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true }
storages:
  seen: {}
incoming:
  models:
    subscriber: { type: mistral, http_client: m, method: GET, entity: List Models }
    transformers: [{ type: jq, filter: '{id, owned_by}' }]
  rows:
    subscriber: { type: inline, payloads: [{ id: 1, names: ["a", "b"] }, { id: 1, names: ["c"] }, { id: 2, names: "none" }] }
    transformers:
      - { type: only_new, storage: seen, key: id }
      - { type: split, path: names }
  listening:
    subscriber: { type: answers, route: describe }
outgoing:
  describe:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: "Describe \(.)"}]}}' }
    publisher:
      type: mistral
      http_client: m
      method: POST
      entity: Chat Completion
      request_transformers: [{ type: set, values: { payload.max_tokens: 60 } }]
  file: { publisher: { type: file, path: out.jsonl } }
routes:
  describe: { incoming: rows, transformers: [{ type: jq, filter: 'ascii_upcase' }], outgoing: describe }
  save: { incoming: listening, outgoing: file }
"#;

struct Bench {
    desk: Desk,
    _simulator: Simulator,
}

impl Bench {
    fn new() -> Self {
        let world = World::new();
        let simulator = Simulator::start(&world, &["--ledger", "ledger.jsonl"]);
        world.write("flow.yaml", FLOW);
        world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
        let serving = Serving::start(world.command(&[]).env("MISTRAL_BASE_URI", &simulator.url));
        Self { desk: Desk::over(world, serving), _simulator: simulator }
    }

    fn calls(&self) -> usize {
        lines(&self.desk.world.path("ledger.jsonl")).iter().filter(|line| line["method"].is_string()).count()
    }

    #[track_caller]
    fn test(&self, wish: &Value) -> Value {
        let (status, answer) = self.desk.post("operator", "/test", wish);
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// Place and index, how many came in and out, what came out first.
fn brief(trace: &Value) -> Vec<(String, u64, u64, Value)> {
    let steps = trace["steps"].as_array().unwrap().iter();
    let brief = steps.map(|step| {
        let count = |part: &str| step[part]["count"].as_u64().unwrap();
        assert!(step["microseconds"].as_i64().unwrap() >= 0);
        let place = format!("{}[{}] {}", step["place"], step["index"], step["type"]).replace('"', "");
        (place, count("input"), count("output"), step["output"]["items"][0]["value"].clone())
    });
    brief.collect()
}

fn codes(problems: &Value) -> Vec<&str> {
    problems.as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect()
}

#[test]
fn a_route_is_followed_from_its_rows_to_its_requests() {
    let bench = Bench::new();
    let trace = bench.test(&json!({ "definition": { "kind": "routes", "name": "describe" } }));
    let expected = [
        ("incoming.rows.subscriber[0] inline", 0, 3, json!({ "id": 1, "names": ["a", "b"] })),
        ("incoming.rows.transformers[0] only_new", 3, 2, json!({ "id": 1, "names": ["a", "b"] })),
        ("incoming.rows.transformers[1] split", 2, 2, json!("a")),
        ("routes.describe.transformers[0] jq", 2, 2, json!("A")),
    ];
    let found = brief(&trace);
    for (found, (place, input, output, first)) in found.iter().zip(expected) {
        assert_eq!(found, &(place.to_owned(), input, output, first));
    }
    let last: Vec<&str> = found[4..].iter().map(|step| step.0.as_str()).collect();
    let places = ["outgoing.describe.transformers[0] jq", "outgoing.describe.publisher.request_transformers[0] set"];
    assert_eq!(last, places);
    // The third row is no list of names: it fails in its step, and leaves nothing in the storage.
    assert_eq!(codes(&trace["steps"][2]["problems"]), ["wrong_type"], "{trace}");
    assert_eq!(trace["written"].as_array().unwrap().len(), 1, "{trace}");
    assert_eq!((&trace["written"][0]["storage"], &trace["written"][0]["key"]), (&json!("seen"), &json!("1")));
    let request = &trace["requests"][0];
    assert_eq!(
        (&request["effect"], &request["costs"], &request["writes"]),
        (&json!("compute"), &json!(true), &json!(false))
    );
    assert_eq!(request["request"]["value"]["payload"]["max_tokens"], 60);
    assert!(request["call"]["url"].as_str().unwrap().ends_with("/v1/chat/completions"));
    let headers = request["call"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!({ "name": "authorization", "value": "Bearer ***" })), "{headers:?}");
    assert!(!trace.to_string().contains("test-key"));
    assert_eq!((trace["requests"].as_array().unwrap().len(), bench.calls()), (2, 0), "nothing was sent");
    // The same as what is really sent.
    bench.desk.post("operator", "/runs", &json!({ "incoming": "rows" }));
    let task = crate::world::serving::wait_for("a task ends", || {
        let tasks = bench.desk.get("viewer", "/tasks?route=describe&state=finished");
        tasks["items"].as_array().unwrap().last().map(|task| task["id"].clone())
    });
    let sent = bench.desk.get("admin", &format!("/tasks/{task}"))["attempts"][0]["request"].clone();
    let all = trace["requests"].as_array().unwrap().iter().map(|request| &request["request"]["value"]);
    assert!(all.into_iter().any(|request| *request == sent), "{sent}");
    // Its payload again, from the task.
    let again =
        bench.test(&json!({ "definition": { "kind": "routes", "name": "describe" }, "input": { "task": task } }));
    assert_eq!(again["requests"][0]["request"]["value"], sent);
    assert_eq!(brief(&again).len(), 2, "it begins at the outgoing");
    // What was seen is remembered by now.
    let trace = bench.test(&json!({ "definition": { "kind": "routes", "name": "describe" } }));
    assert_eq!((brief(&trace)[1].2, &trace["written"]), (1, &json!([])), "{trace}");
    // And the same on the command line.
    let shown =
        bench.desk.world.run(&["try", "routes", "describe", "--sample", r#"{"id": 9, "names": ["z"]}"#]).expect(0);
    assert!(shown.stdout.contains("outgoing.describe.publisher  mistral Chat Completion  compute"), "{shown:?}");
    assert!(shown.stdout.contains("storage seen  9 = ") && shown.stdout.contains("not written"), "{shown:?}");
    let read =
        bench.desk.world.run(&["try", "outgoing", "describe", "--task", &task.to_string(), "--json"]).expect(0).json();
    assert_eq!(read["requests"][0]["request"]["value"], sent);
}

#[test]
fn a_subscriber_is_shown_and_asked_where_that_is_wanted() {
    let bench = Bench::new();
    let models = json!({ "kind": "incoming", "name": "models" });
    let preview = bench.test(&json!({ "definition": models }));
    assert_eq!(preview["requests"][0]["call"]["method"], "GET");
    assert_eq!((brief(&preview)[0].1, bench.calls()), (0, 0), "{preview}");
    let asked = bench.test(&json!({ "definition": models, "call": "send", "limit": 2 }));
    assert_eq!(brief(&asked).iter().map(|step| (step.1, step.2)).collect::<Vec<_>>(), [(0, 2), (2, 2)], "{asked}");
    assert!(asked["steps"][1]["output"]["items"][0]["value"]["id"].is_string());
    assert_eq!(bench.calls(), 1);
    let at = bench.desk.world.run_at("http://127.0.0.1:1", &["try", "incoming", "models", "--send"]).expect(6);
    assert!(at.stderr.contains("connect_failed"), "{at:?}");
    // A draft in the place of what is stored, and one that is not stored at all.
    let draft = json!({ "subscriber": { "type": "mistral", "http_client": "m", "method": "GET", "entity": "Retrieve Model",
        "input_transformers": [{ "type": "set", "values": { "path.model_id": "mistral-small-latest" } }] } });
    let trace = bench.test(&json!({ "definition": { "kind": "incoming", "body": draft }, "call": "send" }));
    assert_eq!(brief(&trace)[0].0, "incoming.draft.subscriber.input_transformers[0] set");
    assert_eq!(trace["steps"][1]["output"]["items"][0]["value"]["object"], "model", "{trace}");
    // A source that computes is only shown.
    let chat = json!({ "subscriber": { "type": "mistral", "http_client": "m", "method": "POST", "entity": "Chat Completion",
        "request_parameters": { "payload": { "model": "mistral-small-latest", "messages": [{ "role": "user", "content": "hi" }] } } } });
    let before = bench.calls();
    let trace = bench.test(&json!({ "definition": { "kind": "incoming", "body": chat }, "call": "send" }));
    assert_eq!((codes(&trace["steps"][0]["problems"]), bench.calls()), (vec!["test_writes"], before));
    // Files are read from the beginning, and no cursor is kept.
    bench.desk.world.write("data/files/in.jsonl", "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n");
    let file = json!({ "subscriber": { "type": "file", "path": "in.jsonl" } });
    for _ in 0..2 {
        let trace =
            bench.test(&json!({ "definition": { "kind": "incoming", "body": file }, "call": "send", "limit": 2 }));
        assert_eq!(brief(&trace)[0].3, json!({ "n": 1 }), "{trace}");
        assert_eq!(trace["steps"][0]["output"]["count"], 2);
    }
    assert_eq!(bench.desk.get("viewer", "/definitions")["revision"], 1, "nothing was stored");
}

#[test]
fn samples_go_through_transformers_and_stay_within_bounds() {
    let bench = Bench::new();
    let transformers = |parts: Value, sample: Value| {
        bench.test(&json!({ "definition": { "kind": "transformers", "body": parts }, "input": { "sample": sample } }))
    };
    let trace =
        transformers(json!([{ "type": "jq", "filter": ".[]" }, { "type": "jq", "filter": ". * 2" }]), json!([1, 2, 3]));
    let found: Vec<_> = brief(&trace).into_iter().map(|step| (step.1, step.2, step.3)).collect();
    assert_eq!(found, [(1, 3, json!(1)), (3, 3, json!(2))]);
    // Null is a payload too, and nothing is one that is missing.
    assert_eq!(brief(&transformers(json!([{ "type": "jq", "filter": "." }]), Value::Null))[0].2, 1);
    let long =
        transformers(json!([{ "type": "jq", "filter": "[range(30000)]" }, { "type": "split", "path": "." }]), json!(1));
    assert!(long["steps"][0]["output"]["items"][0]["beginning"].as_str().unwrap().len() <= 64 << 10);
    assert_eq!(long["steps"][1]["output"]["count"], 30_000);
    assert_eq!(long["steps"][1]["output"]["items"].as_array().unwrap().len(), 10);
    let endless = ["def f: f; f", "[range(1e9)] | length"];
    for filter in endless {
        let trace =
            transformers(json!([{ "type": "jq", "filter": "." }, { "type": "jq", "filter": filter }]), json!(1));
        let said = codes(&trace["steps"][1]["problems"]);
        assert!(
            matches!(said[..], ["jq_too_costly" | "too_many_payloads" | "payloads_too_large"]),
            "{filter}: {trace}"
        );
        assert_eq!(trace["steps"][1]["output"]["count"], 0);
    }
    // An outgoing gets one payload of one.
    let two = json!({ "transformers": [{ "type": "jq", "filter": "., ." }], "publisher": { "type": "none" } });
    let trace = bench.test(&json!({ "definition": { "kind": "outgoing", "body": two }, "input": { "sample": 1 } }));
    assert_eq!((codes(&trace["problems"]), &trace["requests"]), (vec!["outgoing_fan_out"], &json!([])));
    let dropped = json!({ "transformers": [{ "type": "jq", "filter": "empty" }], "publisher": { "type": "none" } });
    let trace = bench.test(&json!({ "definition": { "kind": "outgoing", "body": dropped }, "input": { "sample": 1 } }));
    assert_eq!(codes(&trace["problems"]), ["dropped"]);
    let file =
        bench.test(&json!({ "definition": { "kind": "outgoing", "name": "file" }, "input": { "sample": { "a": 1 } } }));
    assert_eq!(
        (&file["requests"][0]["type"], &file["requests"][0]["request"]["value"]),
        (&json!("file"), &json!({ "a": 1 }))
    );
    assert!(!bench.desk.world.path("out.jsonl").exists());
    // What preflight refuses is said where the request is shown.
    let wrong = bench.test(&json!({ "definition": { "kind": "outgoing", "name": "describe", "body": {
        "publisher": { "type": "mistral", "http_client": "m", "method": "POST", "entity": "Chat Completion", "input": "payload" } } },
        "input": { "sample": { "model": 7 } } }));
    let said = codes(&wrong["requests"][0]["problems"]);
    assert!(said.contains(&"schema_type") && said.contains(&"schema_missing"), "{wrong}");
    assert_eq!(wrong["requests"][0]["call"], Value::Null);
}

#[test]
fn stored_data_is_for_those_who_may_see_it_and_wrong_wishes_are_refused() {
    let bench = Bench::new();
    bench.desk.post("operator", "/runs", &json!({ "incoming": "rows" }));
    let task = crate::world::serving::wait_for("a task ends", || {
        let tasks = bench.desk.get("viewer", "/tasks?route=describe");
        tasks["items"].as_array().unwrap().last().map(|task| task["id"].clone())
    });
    let outgoing = json!({ "kind": "outgoing", "name": "describe" });
    let of_task = json!({ "definition": outgoing, "input": { "task": task } });
    let table = [
        ("viewer", &of_task, 403),
        ("blind", &of_task, 403),
        ("operator", &of_task, 200),
        ("blind", &json!({ "definition": outgoing, "input": { "sample": "x" } }), 200),
        ("blind", &json!({ "definition": { "kind": "incoming", "name": "models" }, "call": "send" }), 403),
        // What a storage has is data.
        ("blind", &json!({ "definition": { "kind": "routes", "name": "describe" } }), 403),
    ];
    for (who, wish, status) in table {
        assert_eq!(bench.desk.post(who, "/test", wish).0, status, "{who} {wish}");
    }
    let seen = bench.desk.get("admin", "/audit?what=task.see_payload");
    assert_eq!(seen["items"][0]["subject"], task.to_string());
    let pull =
        bench.desk.get("viewer", "/tasks?incoming=rows")["items"].as_array().unwrap().last().unwrap()["id"].clone();
    let wrong = [
        (json!({}), 422),
        (json!({ "definition": { "kind": "gadgets", "name": "x" } }), 422),
        (json!({ "definition": { "kind": "outgoing" } }), 404),
        (json!({ "definition": { "kind": "routes", "name": "../x" } }), 404),
        (json!({ "definition": outgoing }), 422),
        (json!({ "definition": outgoing, "input": {} }), 422),
        (json!({ "definition": outgoing, "input": { "sample": 1, "task": 1 } }), 422),
        (json!({ "definition": outgoing, "input": { "task": 999_999 } }), 404),
        (json!({ "definition": outgoing, "input": { "task": "1" } }), 422),
        (json!({ "definition": outgoing, "input": { "blob": "x" } }), 422),
        (json!({ "definition": outgoing, "input": { "sample": 1 }, "limit": 0 }), 422),
        (json!({ "definition": outgoing, "input": { "sample": 1 }, "limit": 101 }), 422),
        (json!({ "definition": outgoing, "input": { "sample": 1 }, "call": "publish" }), 422),
        (json!({ "definition": { "kind": "incoming", "name": "listening" } }), 422),
        (
            json!({ "definition": { "kind": "transformers", "body": [{ "type": "gadget" }] }, "input": { "sample": 1 } }),
            422,
        ),
        (json!({ "definition": { "kind": "transformers", "body": { "a": 1 } }, "input": { "sample": 1 } }), 422),
        (
            json!({ "definition": { "kind": "outgoing", "body": { "publisher": { "type": "file", "path": "/etc/x.jsonl" } } }, "input": { "sample": 1 } }),
            422,
        ),
        (
            json!({ "definition": { "kind": "incoming", "body": { "subscriber": { "type": "file", "path": "/etc/passwd", "format": "csv" } } }, "call": "send" }),
            422,
        ),
    ];
    for (wish, status) in wrong {
        let (found, answer) = bench.desk.post("operator", "/test", &wish);
        assert_eq!(found, status, "{wish}: {answer}");
    }
    let (found, _) =
        bench.desk.post("operator", "/test", &json!({ "definition": outgoing, "input": { "task": pull } }));
    assert_eq!(found, 422, "a pull of everything has no payload of its own");
}
