//! Work that goes on after its answer: started once, asked for at leisure, ended with the final object.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc::Receiver;
use world::server::{follow, json, whole};
use world::{Ran, Simulator, World, lines};

struct Flow {
    world: World,
    url: String,
    requests: Receiver<String>,
}

impl Flow {
    /// One payload that starts a batch job, at a service that follows a script.
    fn new(poll: &str, script: Vec<String>) -> Self {
        let world = World::new();
        let (url, requests) = follow(script);
        let files = r#"["0b1c2d3e-0000-4000-8000-000000000001"]"#;
        let job = format!(r#"{{"endpoint": "/v1/chat/completions", "model": "m", "input_files": {files}}}"#);
        world.write("jobs.jsonl", job + "\n");
        world.write(
            "flow.yaml",
            format!(
                r#"
http_clients: {{ m: {{ prototype: mistral, base_uri: "${{MISTRAL_BASE_URI}}", api_key: "${{secret:MISTRAL_API_KEY}}", allow_private_addresses: true }} }}
incoming:
  jobs: {{ subscriber: {{ type: file, path: jobs.jsonl }} }}
  ended: {{ subscriber: {{ type: answers, route: batch, on: all }} }}
outgoing:
  batch:
    publisher: {{ type: mistral, http_client: m, method: POST, entity: Create Batch Job, input: payload, wait_until: done, poll: {{ {poll} }} }}
  out: {{ publisher: {{ type: file, path: out.jsonl }} }}
routes:
  batch: {{ incoming: jobs, outgoing: batch }}
  keep: {{ incoming: ended, outgoing: out }}
"#
            ),
        );
        let flow = Self { world, url, requests };
        flow.run(&["apply", "flow.yaml"]).expect(0);
        flow
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.world.run_at(&self.url, arguments)
    }

    /// The requests so far, by method and path.
    fn asked(&self) -> Vec<String> {
        let line = |request: String| request.split(" http/").next().unwrap().to_owned();
        self.requests.try_iter().map(line).collect()
    }

    fn task(&self) -> Value {
        self.run(&["tasks", "show", "2", "--json"]).expect(0).json()
    }
}

fn job(status: &str) -> String {
    json("200 OK", &format!(r#"{{"id": "job-7", "object": "batch", "status": "{status}", "output_file": "f"}}"#))
}

const FAST: &str = "first: 1ms, longest: 2ms";
const START: &str = "post /v1/batch/jobs";
const ASK: &str = "get /v1/batch/jobs/job-7";

#[test]
fn a_job_is_started_once_and_ends_with_its_final_object() {
    let script = ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED", "SUCCESS"].map(job).to_vec();
    let flow = Flow::new(FAST, script);
    flow.run(&["run", "jobs"]).expect(0);
    assert_eq!(flow.asked(), [START, ASK, ASK, ASK]);
    let ended = lines(&flow.world.path("out.jsonl")).remove(0);
    assert_eq!((&ended["state"], &ended["answer"]["status"]), (&"finished".into(), &"SUCCESS".into()), "{ended}");
    assert_eq!(ended["request"]["payload"]["endpoint"], "/v1/chat/completions", "the request that started it");
    assert_eq!(flow.task()["attempts"].as_array().unwrap().len(), 4);
}

#[test]
fn what_is_done_at_once_is_not_asked_for() {
    let flow = Flow::new(FAST, vec![job("SUCCESS")]);
    flow.run(&["run", "jobs"]).expect(0);
    assert_eq!(flow.asked(), [START]);
}

#[test]
fn work_that_came_to_nothing_fails_and_a_retry_starts_it_anew() {
    let script = vec![job("QUEUED"), job("TIMEOUT_EXCEEDED"), job("QUEUED"), job("SUCCESS")];
    let flow = Flow::new(FAST, script);
    flow.run(&["run", "jobs"]).expect(6);
    assert_eq!(flow.task()["problem"]["code"], "work_failed");
    assert!(
        lines(&flow.world.path("out.jsonl"))[0]["problem"]["reason"].as_str().unwrap().contains("TIMEOUT_EXCEEDED")
    );
    flow.run(&["tasks", "retry", "2"]).expect(0);
    flow.run(&["run", "jobs"]).expect(0);
    assert_eq!(flow.asked(), [START, ASK, START, ASK]);
}

/// Work that somebody deleted cannot be asked for any more.
#[test]
fn work_that_is_gone_fails_and_a_retry_starts_it_anew() {
    let gone = json("404 Not Found", r#"{"detail": "no such job"}"#);
    let flow = Flow::new(FAST, vec![job("QUEUED"), gone, job("SUCCESS")]);
    flow.run(&["run", "jobs"]).expect(6);
    assert_eq!(flow.task()["problem"]["hint"], "the work is gone; a retry starts it anew");
    flow.run(&["tasks", "retry", "2"]).expect(0);
    flow.run(&["run", "jobs"]).expect(0);
    assert_eq!(flow.asked(), [START, ASK, START]);
}

/// A question that fails is asked again; it never leads back to the start.
#[test]
fn a_question_that_fails_is_asked_again() {
    let broken = || whole("500 Broken", "", "");
    let cut = || "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{".to_owned();
    let script = vec![job("QUEUED"), broken(), cut(), job("RUNNING"), job("SUCCESS")];
    let flow = Flow::new(FAST, script);
    flow.world.write(
        "flow.yaml",
        std::fs::read_to_string(flow.world.path("flow.yaml"))
            .unwrap()
            .replace("outgoing: batch }", "outgoing: batch, retry: { first: 1ms, max: 2ms } }"),
    );
    flow.run(&["apply", "flow.yaml"]).expect(0);
    flow.run(&["run", "jobs"]).expect(0);
    assert_eq!(flow.asked(), [START, ASK, ASK, ASK, ASK]);
}

/// A run that does not wait so long ends; the next one goes on asking, even where the definition changed meanwhile.
#[test]
fn a_wait_survives_the_end_of_the_process() {
    let flow = Flow::new("first: 50ms, longest: 50ms", vec![job("QUEUED"), job("SUCCESS")]);
    flow.run(&["run", "jobs", "--wait", "1ms"]).expect(8);
    assert_eq!(flow.task()["state"], "waiting");
    let text = std::fs::read_to_string(flow.world.path("flow.yaml")).unwrap();
    let text = text.replace("wait_until: done, ", "");
    flow.world.write("flow.yaml", text);
    flow.run(&["apply", "flow.yaml"]).expect(0);
    flow.run(&["run", "jobs"]).expect(0);
    assert_eq!(flow.asked(), [START, ASK]);
    assert_eq!(lines(&flow.world.path("out.jsonl"))[0]["answer"]["status"], "SUCCESS");
}

#[test]
fn a_wait_that_takes_too_long_fails_and_a_retry_goes_on_asking() {
    let flow = Flow::new("first: 5ms, longest: 5ms, at_most: 1ms", vec![job("QUEUED"), job("RUNNING"), job("SUCCESS")]);
    flow.run(&["run", "jobs"]).expect(6);
    assert_eq!(flow.task()["problem"]["code"], "wait_too_long");
    flow.run(&["tasks", "retry", "2"]).expect(0);
    flow.run(&["run", "jobs"]).expect(0);
    assert_eq!(flow.asked(), [START, ASK, ASK]);
}

#[test]
fn nothing_is_waited_for_where_nothing_goes_on() {
    let flow = Flow::new(FAST, vec![job("SUCCESS")]);
    let text = std::fs::read_to_string(flow.world.path("flow.yaml")).unwrap();
    flow.world.write("flow.yaml", text.replace("entity: Create Batch Job", "entity: Create Embeddings"));
    let ran = flow.run(&["apply", "flow.yaml"]).expect(3);
    assert!(ran.stderr.contains("outgoing.batch.publisher.wait_until: the operation starts nothing"), "{}", ran.stderr);
}

/// Killed while it asks, the task asks again; what it started is never started again.
#[test]
fn a_question_that_is_killed_is_asked_again() {
    for point in ["after_start:2", "after_headers:2", "after_body:2"] {
        let flow = Flow::new(FAST, ["QUEUED", "RUNNING", "SUCCESS"].map(job).to_vec());
        let text = std::fs::read_to_string(flow.world.path("flow.yaml")).unwrap();
        let text = text.replace("outgoing: batch }", "outgoing: batch, retry: { first: 1ms, max: 2ms } }");
        flow.world.write("flow.yaml", text);
        flow.run(&["apply", "flow.yaml"]).expect(0);
        let mut command = flow.world.command(&["run", "jobs"]);
        let killed = command.env("MISTRAL_BASE_URI", &flow.url).env("TRAMONTANE_CRASH_AT", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point}: it was killed");
        flow.run(&["run", "jobs"]).expect(0);
        let asked = flow.asked();
        assert_eq!(asked.iter().filter(|line| *line == START).count(), 1, "{point}: {asked:?}");
        assert_eq!(lines(&flow.world.path("out.jsonl"))[0]["answer"]["status"], "SUCCESS", "{point}");
    }
}

/// The example of a batch, with a product that the service cannot describe.
#[test]
fn what_a_batch_could_not_answer_fails_alone() {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--speed", "100"]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/batch/batch.yaml");
    let yaml = std::fs::read_to_string(example).unwrap();
    let own = yaml.replace("max_tokens: 40", "max_tokens: (.most // 40)");
    assert_ne!(own, yaml);
    world.write("batch.yaml", own);
    let products = serde_json::json!([{"sku": "a", "name": "oak"}, {"sku": "b", "name": "elm", "most": "many"}, {"sku": "c", "name": "ash"}]);
    world.write("lists.jsonl", format!("{}\n", json!({"list": "l", "products": products})));
    let run = |arguments: &[&str]| world.run_at(&simulator.url, arguments);
    run(&["apply", "batch.yaml"]).expect(0);
    run(&["run", "lists"]).expect(6);
    let mut written: Vec<String> =
        lines(&world.path("out/descriptions.jsonl")).iter().map(|line| line["sku"].to_string()).collect();
    written.sort_unstable();
    assert_eq!(written, ["\"a\"", "\"c\""]);
    let failed = run(&["tasks", "list", "--state", "failed", "--json"]).expect(0).json();
    let problem = failed[0]["problem"]["reason"].as_str().unwrap();
    assert!(
        failed.as_array().unwrap().len() == 1 && problem.contains("b: ") && problem.contains("max_tokens"),
        "{failed}"
    );
    // The results of a batch cost half, and are counted where they were fetched.
    let usage = run(&["usage", "--by", "route", "--json"]).expect(0).json();
    assert_eq!((&usage[0]["route"], usage[0]["cost"].is_f64()), (&json!("fetch"), true), "{usage}");
}
