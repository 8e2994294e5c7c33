//! Paid answers made use of: shaped, checked, kept where they are not as expected, and used again without a new call.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::{Value, json};
use std::sync::mpsc::Receiver;
use world::server::{follow, json, whole};
use world::{Ran, World, lines};

struct Flow {
    world: World,
    url: String,
    requests: Receiver<String>,
}

impl Flow {
    /// One row for a chat that answers with these texts, one after the other.
    fn new(contents: &[&str]) -> Self {
        let chat = |content: &&str| {
            let answer = json!({"id": "c", "model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
                "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]});
            json("200 OK", &answer.to_string())
        };
        let (url, requests) = follow(contents.iter().map(chat).collect());
        let world = World::new();
        world.write("rows.jsonl", "{\"name\": \"oak\"}\n");
        Self { world, url, requests }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.world.run_at(&self.url, arguments)
    }

    /// Applies a publisher with these options.
    fn apply(&self, options: &str) -> Ran {
        self.world.write(
            "flow.yaml",
            format!(
                r#"
http_clients: {{ m: {{ prototype: mistral, base_uri: "${{MISTRAL_BASE_URI}}", api_key: "${{secret:MISTRAL_API_KEY}}", allow_private_addresses: true }} }}
incoming:
  rows: {{ subscriber: {{ type: file, path: rows.jsonl }} }}
  answers: {{ subscriber: {{ type: answers, route: ask }} }}
outgoing:
  ask:
    transformers: [{{ type: jq, filter: "{{payload: {{model: \"m\", messages: [{{role: \"user\", content: .name}}]}}}}" }}]
    publisher:
      type: mistral
      http_client: m
      method: POST
      entity: Chat Completion
      {options}
  out: {{ publisher: {{ type: file, path: out.jsonl }} }}
routes:
  ask: {{ incoming: rows, outgoing: ask }}
  save: {{ incoming: answers, outgoing: out }}
"#
            ),
        );
        self.run(&["apply", "flow.yaml"])
    }

    fn calls(&self) -> usize {
        self.requests.try_iter().count()
    }

    fn task(&self) -> Value {
        self.run(&["tasks", "show", "2", "--json"]).expect(0).json()
    }
}

const PARSE: &str = "answer_transformers: [{ type: jq, filter: '.choices[0].message.content | fromjson' }]";

fn expecting(member: &str) -> String {
    format!("{PARSE}\n      expect: {{ schema: {{ type: object, required: [{member}] }} }}")
}

#[test]
fn an_answer_that_is_not_as_expected_is_kept_and_used_again_after_a_change() {
    let flow = Flow::new(&[r#"{"wood": "oak"}"#]);
    flow.apply(&expecting("price")).expect(0);
    flow.run(&["run", "rows"]).expect(6);
    let task = flow.task();
    assert_eq!((&task["state"], &task["problem"]["code"]), (&json!("failed"), &json!("answer_unexpected")), "{task}");
    assert_eq!(task["problem"]["place"], "outgoing.ask.publisher.expect");
    assert!(task["problem"]["reason"].as_str().unwrap().contains("/price: is missing"), "{task}");
    assert_eq!(task["attempts"][0]["answer"]["usage"]["total_tokens"], 3, "the paid answer is kept whole");
    assert!(lines(&flow.world.path("out.jsonl")).is_empty());

    flow.apply(&expecting("wood")).expect(0);
    flow.run(&["tasks", "retry", "2", "--from-answer"]).expect(0);
    flow.run(&["run", "rows"]).expect(0);
    assert_eq!(flow.calls(), 1, "nothing was asked again");
    let line = lines(&flow.world.path("out.jsonl")).remove(0);
    assert_eq!((&line["answer"], &line["data"]), (&json!({"wood": "oak"}), &json!({"name": "oak"})), "{line}");
    let task = flow.task();
    assert_eq!(
        (&task["state"], &task["attempts"][1]["usage"]),
        (&json!("finished"), &Value::Null),
        "paid once, counted once"
    );

    // A plain retry asks again.
    flow.run(&["tasks", "retry", "2"]).expect(0);
    flow.run(&["run", "rows"]).expect(0);
    assert_eq!(flow.calls(), 1);
}

#[test]
fn what_the_model_made_of_it() {
    let table = [
        (r#"{"wood": "oak"}"#, "finished", ""),
        ("no JSON at all", "failed", "jq_failed"),
        (r#"{"price": 3}"#, "failed", "answer_unexpected"),
        ("[]", "failed", "answer_unexpected"),
    ];
    for (content, state, code) in table {
        let flow = Flow::new(&[content]);
        flow.apply(&expecting("wood")).expect(0);
        flow.run(&["run", "rows"]);
        let task = flow.task();
        assert_eq!(
            (&task["state"], task["problem"]["code"].as_str().unwrap_or_default()),
            (&json!(state), code),
            "{content}"
        );
        assert_eq!(flow.calls(), 1, "{content}: never repeated");
    }
}

#[test]
fn there_must_be_an_answer_to_use_it_again() {
    let (url, requests) = follow(vec![whole("500 Broken", "", "")]);
    let flow = Flow { url, requests, ..Flow::new(&[]) };
    flow.apply("").expect(0);
    flow.world.write(
        "flow.yaml",
        std::fs::read_to_string(flow.world.path("flow.yaml"))
            .unwrap()
            .replace("outgoing: ask }", "outgoing: ask, retry: { attempts: 1 } }"),
    );
    flow.run(&["apply", "flow.yaml"]).expect(0);
    flow.run(&["run", "rows"]).expect(6);
    let ran = flow.run(&["tasks", "retry", "2", "99", "--from-answer"]).expect(3);
    assert!(
        ran.stderr.contains("task 2: no attempt of it has an answer that could be used [no_answer]"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("task 99: there is no such task"), "{}", ran.stderr);
    assert_eq!(flow.task()["state"], "failed");
}

#[test]
fn a_contract_that_is_none_is_refused() {
    let flow = Flow::new(&[]);
    for (options, place) in [
        ("expect: { schema: { type: objekt } }", "outgoing.ask.publisher.expect.schema"),
        ("expect: { shema: {} }", "outgoing.ask.publisher.expect"),
        ("answer_transformers: [{ type: jq, filter: '(' }]", "outgoing.ask.publisher.answer_transformers[0].filter"),
    ] {
        let ran = flow.apply(options).expect(3);
        assert!(ran.stderr.contains(place), "{options}: {}", ran.stderr);
    }
}

/// A web page in an answer's place does not become an answer by asking again.
#[test]
fn what_is_no_answer_cannot_be_used() {
    let page = whole("200 OK", "content-type: text/html\r\n", "<html>maintenance</html>");
    let (url, requests) = follow(vec![page]);
    let flow = Flow { url, requests, ..Flow::new(&[]) };
    flow.apply("").expect(0);
    flow.run(&["run", "rows"]).expect(6);
    let ran = flow.run(&["tasks", "retry", "2", "--from-answer"]).expect(3);
    assert!(ran.stderr.contains("[no_answer]"), "{}", ran.stderr);
}

/// The catalogue said no, the service said yes: that is worth knowing, and no trouble.
#[test]
fn what_preflight_warned_of_and_the_service_took_is_recorded() {
    let flow = Flow::new(&["Hello"]);
    flow.apply("request_transformers: [{ type: jq, filter: '.payload.brand_new = 1' }]").expect(0);
    flow.run(&["run", "rows"]).expect(0);
    let task = flow.task();
    assert_eq!((&task["state"], &task["problem"]["code"]), (&json!("finished"), &json!("drift")), "{task}");
    assert!(task["problem"]["reason"].as_str().unwrap().contains("/payload/brand_new"), "{task}");
}

#[test]
fn a_client_without_the_key_that_is_asked_for_is_told_at_once() {
    let flow = Flow::new(&[]);
    flow.apply("").expect(0);
    let text = std::fs::read_to_string(flow.world.path("flow.yaml")).unwrap();
    let text = text.replace("method: POST", "method: GET").replace("entity: Chat Completion", "entity: Retrieve Usage");
    flow.world.write("flow.yaml", text);
    let ran = flow.run(&["plan", "flow.yaml"]).expect(3);
    assert!(ran.stderr.contains("outgoing.ask.publisher.http_client: \"Retrieve Usage\" asks for a key of the kind admin_key, and \"m\" has none [key_missing]"), "{}", ran.stderr);
}

#[test]
fn a_key_goes_into_the_header_that_it_is_said_to() {
    for (style, header) in [("bearer", "authorization: bearer test-key"), ("x_api_key", "x-api-key: test-key")] {
        let flow = Flow::new(&["Hello"]);
        flow.apply("").expect(0);
        let text = std::fs::read_to_string(flow.world.path("flow.yaml")).unwrap();
        let text = text.replace(
            "allow_private_addresses: true",
            &format!("allow_private_addresses: true, key_styles: {{ api_key: {style} }}"),
        );
        flow.world.write("flow.yaml", text);
        flow.run(&["apply", "flow.yaml"]).expect(0);
        flow.run(&["run", "rows"]).expect(0);
        let request = flow.requests.recv().unwrap();
        assert!(request.contains(header), "{request}");
        assert_eq!(request.matches("test-key").count(), 1, "{request}");
    }
}
