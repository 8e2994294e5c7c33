//! Calls whose answer is lost and whose result can be found: looked for before anything is sent again. The judge is what
//! the service has in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use std::collections::BTreeSet;
use world::{Ran, Simulator, World, lines};

const HEAD: &str = r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: ${MISTRAL_BASE_URI}
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl } }
  answers: { subscriber: { type: answers, route: make }, transformers: [ { type: jq, filter: '{n: .data.n, id: .answer.id}' } ] }
routes:
  make: { incoming: rows, outgoing: make, parallel: 2, retry: { attempts: 3, first: 1s } }
  save: { incoming: answers, outgoing: file }
"#;

const UPLOAD: &str = r#"
outgoing:
  file: { publisher: { type: file, path: result.jsonl } }
  make:
    transformers:
      - { type: jq, filter: '{payload: {purpose: "ocr", file: {"$base64": ("row \(.n)" | @base64), filename: "row-\(.n).txt"}}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Upload File }
"#;

const BATCH: &str = r#"
outgoing:
  file: { publisher: { type: file, path: result.jsonl } }
  make:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", endpoint: "/v1/chat/completions", requests: [{custom_id: "a", body: {messages: [{role: "user", content: "same"}]}}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Create Batch Job }
"#;

struct Flow {
    world: World,
    simulator: Simulator,
    rows: usize,
}

impl Flow {
    fn new(outgoing: &str, faults: &str, rows: usize) -> Self {
        let world = World::new();
        world.write("faults.yaml", faults);
        let faults = world.path("faults.yaml");
        let ledger = world.path("ledger.jsonl");
        let simulator = Simulator::start(
            &world,
            &["--since", "now", "--faults", faults.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()],
        );
        world.write("flow.yaml", format!("{HEAD}{outgoing}"));
        world.write("rows.jsonl", (0..rows).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>());
        let flow = Self { world, simulator, rows };
        flow.run(&["apply", "flow.yaml"], "").expect(0);
        flow
    }

    /// Two minutes of the engine's time are two seconds.
    fn run(&self, arguments: &[&str], crash: &str) -> Ran {
        let mut command = self.world.command(arguments);
        command.env("MISTRAL_BASE_URI", &self.simulator.url).env("TRAMONTANE_CLOCK_SPEED", "60");
        command.envs((!crash.is_empty()).then_some(("TRAMONTANE_CRASH_AT", crash)));
        Ran::of(command.output().unwrap())
    }

    /// How often something was asked to be made.
    fn sent(&self, path: &str) -> usize {
        let ledger = lines(&self.world.path("ledger.jsonl"));
        ledger.iter().filter(|line| line["method"] == "POST" && line["path"] == path).count()
    }

    /// Ids that the service has.
    fn there(&self, list: &str) -> BTreeSet<String> {
        let listed = self.run(&["call", list], "").expect(0).json();
        listed["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Every row has its own thing, and the service has no other.
    fn check(&self, list: &str) {
        let results = lines(&self.world.path("result.jsonl"));
        assert_eq!(results.len(), self.rows);
        let taken: BTreeSet<String> = results.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(taken.len(), self.rows, "each its own");
        assert_eq!(taken, self.there(list), "nothing was made twice");
    }

    fn problems(&self) -> Vec<String> {
        let tasks = self.run(&["tasks", "list", "--route", "make", "--json"], "").expect(0).json();
        let codes = tasks.as_array().unwrap().iter().filter_map(|task| task["problem"]["code"].as_str());
        codes.map(str::to_owned).collect()
    }
}

const WAIT: &[&str] = &["run", "rows", "--wait", "10m"];

#[test]
fn a_file_is_uploaded_once_whatever_becomes_of_the_answer() {
    // Every second answer is lost; what failed with 500 was not made, and what was cut was.
    let faults = "
rules:
  - match: { operation: Upload File, nth: [2, 9] }
    do: { status: 500 }
  - match: { operation: Upload File, nth: 4 }
    do: { reset: before_reading }
  - match: { operation: Upload File, nth: [1, 5, 7] }
    do: { reset: after_reading }
  - match: { operation: Upload File, nth: [3, 6] }
    do: { cut: { after: 20 } }
";
    let flow = Flow::new(UPLOAD, faults, 12);
    flow.run(WAIT, "").expect(0);
    flow.check("List Files");
    let adopted = flow.problems().iter().filter(|code| *code == "adopted").count();
    assert_eq!(adopted, 5, "{:?}", flow.problems());
    assert_eq!(flow.sent("/v1/files"), 12 + 2, "what was not there was sent again, and nothing else");
}

#[test]
fn jobs_that_are_alike_are_told_apart_by_their_mark() {
    let faults = "
rules:
  - match: { operation: Create Batch Job, nth: [1, 2, 4] }
    do: { reset: after_reading }
  - match: { operation: Create Batch Job, nth: 3 }
    do: { status: 502 }
";
    let flow = Flow::new(BATCH, faults, 6);
    flow.run(WAIT, "").expect(0);
    flow.check("List Batch Jobs");
    assert_eq!(flow.sent("/v1/batch/jobs"), 7);
}

#[test]
fn a_kill_while_it_is_uploaded_or_looked_for_changes_nothing() {
    let faults = "
rules:
  - match: { operation: Upload File, every: 3 }
    do: { reset: after_reading }
";
    // No more than two kills each: a task that is claimed three times without an end is parked.
    for crashes in [
        ["after_start:1", "after_claim:3"],
        ["before_outcome:2", "after_outcome:3"],
        ["after_start:2", "before_outcome:3"],
    ] {
        let flow = Flow::new(UPLOAD, faults, 8);
        for crash in crashes {
            flow.run(WAIT, crash);
        }
        flow.run(WAIT, "").expect(0);
        flow.check("List Files");
    }
}

#[test]
fn what_cannot_be_looked_for_stays_unknown() {
    let faults = "
rules:
  - match: { operation: Upload File }
    do: { reset: after_reading }
  - match: { operation: List Files, nth: [1, 2, 3] }
    do: { status: 500 }
";
    let flow = Flow::new(UPLOAD, faults, 1);
    flow.run(WAIT, "").expect(7);
    assert_eq!(flow.sent("/v1/files"), 1);
    let task = &flow.run(&["tasks", "list", "--state", "unknown", "--json"], "").expect(0).json()[0];
    assert!(task["problem"]["hint"].as_str().unwrap().contains("tasks resolve"), "{task}");
    // A person says that it did not happen: then it is sent again, and this time found.
    let id = task["id"].to_string();
    flow.run(&["tasks", "resolve", &id, "--as", "resend"], "").expect(0);
    flow.run(WAIT, "").expect(7);
    assert_eq!(flow.sent("/v1/files"), 2);
    assert_eq!(flow.problems(), ["found_several"], "the first one was there after all");
}
