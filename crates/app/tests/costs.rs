//! What calls are estimated to cost, from the answer to the sums, by a price book that people edit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::{Value, json};
use world::server::{follow, json};
use world::{Ran, World};

const FLOW: &str = r#"
http_clients: { m: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true } }
incoming: { rows: { subscriber: { type: file, path: rows.jsonl } } }
outgoing:
  ask:
    transformers: [{ type: jq, filter: "{payload: {model: .model, messages: [{role: \"user\", content: \"go\"}]}}" }]
    publisher: { type: mistral, http_client: m, method: POST, entity: Chat Completion }
routes: { ask: { incoming: rows, outgoing: ask, retry: { first: 1ms } } }
"#;

/// A chat answer of a model that used so much of a thousand tokens each way.
fn chat(model: &str, thousands: u64) -> String {
    let tokens = thousands * 1_000;
    let usage = json!({"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens,
        "prompt_tokens_details": {"cached_tokens": tokens / 2}});
    let answer = json!({"id": "c", "model": model, "usage": usage,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "went"}, "finish_reason": "stop"}]});
    json("200 OK", &answer.to_string())
}

/// Runs one row for each answer; what the run said.
fn run(world: &World, answers: Vec<String>, arguments: &[&str]) -> Ran {
    let rows: Vec<String> = answers.iter().map(|_| json!({"model": "m"}).to_string()).collect();
    world.write("rows.jsonl", rows.join("\n") + "\n");
    world.write("flow.yaml", FLOW);
    let (url, _requests) = follow(answers);
    world.run_at(&url, &["apply", "flow.yaml"]).expect(0);
    world.run_at(&url, &[&["run", "rows", "--again"], arguments].concat())
}

fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn costs_go_from_the_answer_to_task_run_and_sums() {
    let world = World::new();
    let answers = vec![chat("mistral-small-latest", 1), chat("mistral-large-latest", 2), chat("of-tomorrow", 3)];
    let ran = run(&world, answers, &["--json"]).expect(0).json();
    // Half of the prompt was cached, at a tenth: (0.5 + 0.05) thousand tokens of input.
    let (small, large) = (0.000_55 * 0.15 + 0.001 * 0.6, 0.001_1 * 0.5 + 0.002 * 1.5);
    let usage = &ran["usage"];
    close(&usage["cost"], small + large);
    assert_eq!((&usage["calls"], &usage["unpriced"], &usage["currency"]), (&json!(3), &json!(1), &json!("USD")));
    assert_eq!((&usage["total_tokens"], &usage["cached_tokens"]), (&json!(12_000), &json!(3_000)));

    let sums = world.run(&["usage", "--by", "model", "--json"]).expect(0).json();
    for (sum, (model, cost)) in
        sums.as_array().unwrap().iter().zip([("mistral-large-latest", large), ("mistral-small-latest", small)])
    {
        assert_eq!(sum["model"], model);
        close(&sum["cost"], cost);
    }
    assert_eq!(
        (&sums[2]["model"], &sums[2]["cost"], &sums[2]["unpriced"]),
        (&json!("of-tomorrow"), &Value::Null, &json!(1))
    );
    for by in ["route", "day"] {
        close(&world.run(&["usage", "--by", by, "--json"]).expect(0).json()[0]["cost"], small + large);
    }
    let tasks = world.run(&["tasks", "list", "--json"]).expect(0).json();
    let costs = tasks.as_array().unwrap().iter().filter_map(|task| {
        let story = world.run(&["tasks", "show", &task["id"].to_string(), "--json"]).expect(0).json();
        let attempts: f64 = story["attempts"].as_array()?.iter().filter_map(|end| end["usage"]["cost"].as_f64()).sum();
        let cost = story["cost"].as_f64()?;
        assert!((cost - attempts).abs() < 1e-9, "{story}");
        Some(cost)
    });
    assert!((costs.sum::<f64>() - small - large).abs() < 1e-9);

    let shown = world.run(&["usage", "--by", "model"]).expect(0);
    assert!(shown.stdout.contains("cost USD") && !shown.stdout.contains("pages"), "{shown:?}");
    assert!(shown.stderr.contains("1 call has no known price"), "{shown:?}");
}

#[test]
fn a_task_that_was_tried_twice_costs_twice() {
    let world = World::new();
    run(&world, vec![chat("mistral-large-latest", 1)], &[]).expect(0);
    let (url, _requests) = follow(vec![chat("mistral-small-latest", 1)]);
    world.run_at(&url, &["tasks", "retry", "2"]).expect(0);
    world.run_at(&url, &["run", "rows"]).expect(0);
    let story = world.run(&["tasks", "show", "2", "--json"]).expect(0).json();
    close(&story["cost"], 0.000_55 * 0.65 + 0.001 * 2.1);
}

#[test]
fn a_book_of_ones_own_counts_from_the_next_run_on() {
    let world = World::new();
    let shipped = world.run(&["prices", "list", "--json"]).expect(0).json();
    assert_eq!((&shipped["currency"], &shipped["file"]), (&json!("USD"), &Value::Null));
    close(&shipped["models"]["mistral-small-2603"]["input"], 0.15);

    world.run(&["prices", "init"]).expect(0);
    let written = std::fs::read_to_string(world.path("data/prices.yaml")).unwrap();
    assert_eq!(world.run(&["prices", "list", "--json"]).expect(0).json()["models"], shipped["models"]);
    assert_eq!(world.run(&["prices", "init", "--json"]).expect(3).json()["problems"][0]["code"], "file_exists");

    let own = written.replace("input: 0.15, output: 0.6", "input: 2, cached_input: 1, output: 4");
    world.write("data/prices.yaml", own.clone());
    let ran = run(&world, vec![chat("mistral-small-2603", 1)], &["--json"]).expect(0).json();
    close(&ran["usage"]["cost"], 0.000_5 * 2.0 + 0.000_5 * 1.0 + 0.001 * 4.0);

    world.write("data/prices.yaml", own.replace("output: 4", "outptu: 4"));
    let refused = run(&world, vec![chat("mistral-small-2603", 1)], &["--json"]).expect(3).json();
    let problem = &refused["problems"][0];
    assert_eq!(problem["code"], "prices_wrong");
    assert!(problem["file"].is_string() && problem["line"].is_u64(), "{problem}");

    world.write("data/prices.yaml", "date: 2027-01-01\ncurrency: EUR\nmodels: { m: { input: 1 } }\n");
    let refused = run(&world, vec![chat("m", 1)], &[]).expect(3);
    assert!(refused.stderr.contains("USD") && refused.stderr.contains("[currency_changed]"), "{refused:?}");
    std::fs::remove_file(world.path("data/prices.yaml")).unwrap();
    run(&world, vec![chat("mistral-small-2603", 1)], &[]).expect(0);
}

#[test]
fn a_call_says_what_it_used() {
    let world = World::new();
    let (url, _requests) = follow(vec![chat("mistral-small-latest", 1)]);
    let payload = json!({"model": "m", "messages": [{"role": "user", "content": "go"}]}).to_string();
    let ran = world.run_at(&url, &["call", "Chat Completion", "--base-uri", &url, "--payload", &payload]).expect(0);
    let said = "2000 tokens (1000 in, 500 of them cached, 1000 out); estimated 0.0006825 USD";
    assert!(ran.stderr.contains(said), "{ran:?}");
}
