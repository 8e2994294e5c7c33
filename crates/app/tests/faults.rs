//! What a flow makes of each fault of the service: the state, the evidence, and a ledger that agrees.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::Value;
use world::{Simulator, World};

const FLOW: &str = r#"
http_clients:
  m:
    prototype: mistral
    base_uri: "${MISTRAL_BASE_URI}"
    api_key: "${secret:MISTRAL_API_KEY}"
    allow_private_addresses: true
    request_id_header: X-Request-Id
    max_answer_bytes: 100000
    timeouts: { first_byte: 500ms, idle: 500ms }
incoming: { rows: { subscriber: { type: file, path: rows.jsonl } } }
outgoing:
  ask:
    transformers: [{ type: jq, filter: "{payload: {model: \"m\", max_tokens: 40, stream: STREAM, messages: [{role: \"user\", content: .name}]}}" }]
    publisher: { type: mistral, http_client: m, method: POST, entity: Chat Completion }
routes: { ask: { incoming: rows, outgoing: ask, retry: { attempts: 1 } } }
"#;

/// One row, one fault: how its task ended.
fn ended(fault: &str, stream: bool) -> (String, String, String) {
    let world = World::new();
    world.write("flow.yaml", FLOW.replace("STREAM", if stream { "true" } else { "false" }));
    world.write("rows.jsonl", "{\"name\": \"oak\"}\n");
    world.write(
        "faults.yaml",
        format!("seed: 1\nrules: [{{ match: {{ operation: Chat Completion }}, do: {fault} }}]\n"),
    );
    let simulator = Simulator::start(&world, &["--ledger", "ledger.jsonl", "--faults", "faults.yaml"]);
    let run = |arguments: &[&str]| world.run_at(&simulator.url, arguments);
    run(&["apply", "flow.yaml"]).expect(0);
    run(&["run", "rows"]);
    // Asked once more, the simulator has written down what it sent before.
    run(&["call", "List Models"]);
    let task = run(&["tasks", "show", "2", "--json"]).expect(0).json();
    let checked = run(&["simulator", "check", "--ledger", "ledger.jsonl", "--json"]);
    assert_eq!(checked.code, Some(0), "{fault}: {}", checked.stdout);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&task["state"]), text(&task["attempts"][0]["evidence"]), text(&task["problem"]["code"]))
}

#[test]
fn each_fault_leaves_what_is_known() {
    let table = [
        ("{ status: 429 }", "failed", "refused", "http_429"),
        ("{ status: 429, limit: 0 }", "failed", "refused", "http_429"),
        ("{ status: 503, retry_after: 1 }", "failed", "refused", "http_503"),
        ("{ status: 500 }", "failed", "error_answer", "http_500"),
        ("{ status: 502 }", "failed", "error_answer", "http_502"),
        ("{ status: 400 }", "failed", "rejected", "http_400"),
        ("{ status: 401 }", "failed", "rejected", "http_401"),
        ("{ reset: before_reading }", "unknown", "unknown", "connection_lost"),
        ("{ reset: after_reading }", "unknown", "unknown", "connection_lost"),
        ("{ cut: { after: 10 } }", "unknown", "unknown", "answer_cut"),
        ("{ silence: true }", "unknown", "unknown", "timeout_first_byte"),
        ("{ wrong_json: true }", "failed", "answered", "bad_answer"),
        ("{ html: true }", "failed", "answered", "bad_answer"),
        ("{ endless: true }", "failed", "answered", "answer_too_large"),
        ("{ body_size: 1MiB }", "failed", "answered", "answer_too_large"),
        ("{ content_length: +10 }", "unknown", "unknown", "answer_cut"),
        ("{ content_length: -10 }", "failed", "answered", "bad_answer"),
    ];
    for (fault, state, evidence, code) in table {
        let expected = (state.to_owned(), evidence.to_owned(), code.to_owned());
        assert_eq!(ended(fault, false), expected, "{fault}");
    }
}

#[test]
fn each_fault_of_a_stream_leaves_what_is_known() {
    let table = [
        ("{ cut: { after: 400 } }", "unknown", "unknown", "answer_cut"),
        ("{ error_event: true }", "failed", "answered", "stream_error"),
        ("{ status: 500 }", "failed", "error_answer", "http_500"),
        ("{ latency: 1ms }", "finished", "answered", ""),
        ("{ drip: { every: 1ms, bytes: 100 } }", "finished", "answered", ""),
    ];
    for (fault, state, evidence, code) in table {
        let expected = (state.to_owned(), evidence.to_owned(), code.to_owned());
        assert_eq!(ended(fault, true), expected, "{fault}");
    }
}
