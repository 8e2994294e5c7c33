//! Batch jobs from their start to each of their ends.

use crate::state::upload;
use crate::wire::{JSON, KEY, client, get, send};
use serde_json::{Value, json};
use simulator::{Clock, Options, Running};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

async fn begin() -> (Running, Arc<AtomicU64>) {
    let hand = Arc::new(AtomicU64::new(0));
    let options = Options { clock: Clock::by_hand(hand.clone()), ..Options::default() };
    (simulator::start(options).await.unwrap(), hand)
}

async fn post(running: &Running, target: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let headers = if body.is_null() { vec![KEY] } else { vec![KEY, JSON] };
    let got = send(&client(), "POST", format!("{}{target}", running.url()), &headers, text).await;
    assert_eq!(got.status, 200, "{target}: {}", got.text());
    got.json()
}

/// Starts a job of such requests, of which those that say nothing are wrong, and gives its path.
async fn job(running: &Running, requests: &[(&str, Option<&str>)]) -> String {
    let request = |(custom_id, text): &(&str, Option<&str>)| {
        let messages = text.map_or(json!(3), |text| json!([{"role": "user", "content": text}]));
        json!({"custom_id": custom_id, "body": {"messages": messages}})
    };
    let requests: Vec<Value> = requests.iter().map(request).collect();
    let body = json!({"endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "requests": requests});
    let made = post(running, "/v1/batch/jobs", &body).await;
    format!("/v1/batch/jobs/{}", made["id"].as_str().unwrap())
}

/// Status, then requests completed, succeeded and failed.
fn counts(job: &Value) -> (&str, u64, u64, u64) {
    let count = |name: &str| job[format!("{name}_requests")].as_u64().unwrap();
    (job["status"].as_str().unwrap(), count("completed"), count("succeeded"), count("failed"))
}

const FOUR: [(&str, Option<&str>); 4] = [("a", Some("one")), ("b", None), ("a", Some("two")), ("c", Some("three"))];

#[tokio::test]
async fn requests_are_completed_one_after_the_other() {
    let (running, hand) = begin().await;
    let target = job(&running, &FOUR).await;
    let states = [
        (0, ("QUEUED", 0, 0, 0)),
        (999, ("QUEUED", 0, 0, 0)),
        (1_000, ("RUNNING", 0, 0, 0)),
        (1_500, ("RUNNING", 1, 1, 0)),
        (2_000, ("RUNNING", 2, 1, 1)),
        (2_999, ("RUNNING", 3, 2, 1)),
        (3_000, ("SUCCESS", 4, 3, 1)),
        (99_000, ("SUCCESS", 4, 3, 1)),
    ];
    for (at, expected) in states {
        hand.store(at, Ordering::Release);
        let job = get(&running, &target).await.json();
        assert_eq!(counts(&job), expected, "at {at}");
        assert_eq!(job["started_at"].is_null(), expected.0 == "QUEUED", "at {at}");
        for name in ["completed_at", "output_file", "error_file"] {
            assert_eq!(job[name].is_null(), expected.0 != "SUCCESS", "{name} at {at}");
        }
        let listed = get(&running, "/v1/batch/jobs").await.json();
        assert_eq!(counts(&listed["data"][0]), expected, "in the list at {at}");
    }
}

#[tokio::test]
async fn results_come_inline_where_asked_for_and_ids_need_not_be_unique() {
    let (running, hand) = begin().await;
    let target = job(&running, &FOUR).await;
    assert_eq!(get(&running, &format!("{target}?inline=true")).await.json()["outputs"], Value::Null);
    hand.store(3_000, Ordering::Release);
    for query in ["", "?inline=false"] {
        assert_eq!(get(&running, &format!("{target}{query}")).await.json()["outputs"], Value::Null, "{query}");
    }
    let job = get(&running, &format!("{target}?inline=true")).await.json();
    let mut lines = Vec::new();
    for name in ["output_file", "error_file"] {
        let content = get(&running, &format!("/v1/files/{}/content", job[name].as_str().unwrap())).await.text();
        lines.extend(content.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    assert_eq!(job["outputs"], Value::Array(lines.clone()));
    let ids: Vec<&str> = lines.iter().map(|line| line["custom_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "a", "c", "b"]);
    assert_ne!(lines[0]["response"]["body"], lines[1]["response"]["body"], "each has its own answer");
}

#[tokio::test]
async fn a_cancelled_job_keeps_what_was_completed() {
    // When the wish comes, and what the job is then, and a second after it.
    let cases = [
        (500, ("CANCELLATION_REQUESTED", 0, 0, 0), ("CANCELLED", 0, 0, 0)),
        (2_000, ("CANCELLATION_REQUESTED", 2, 1, 1), ("CANCELLED", 2, 1, 1)),
        (3_000, ("SUCCESS", 4, 3, 1), ("SUCCESS", 4, 3, 1)),
    ];
    for (at, then, later) in cases {
        let (running, hand) = begin().await;
        let target = job(&running, &FOUR).await;
        hand.store(at, Ordering::Release);
        let asked = post(&running, &format!("{target}/cancel"), &Value::Null).await;
        assert_eq!(counts(&asked), then, "at {at}");
        hand.store(at + 900, Ordering::Release);
        post(&running, &format!("{target}/cancel"), &Value::Null).await;
        hand.store(at + 1_000, Ordering::Release);
        let ended = get(&running, &target).await.json();
        assert_eq!(counts(&ended), later, "a second wish changes nothing, at {at}");
        assert_eq!(ended["output_file"].is_null(), later.0 == "CANCELLED", "at {at}");
    }
}

#[tokio::test]
async fn lines_that_are_not_json_fail_alone() {
    let good = r#"{"custom_id": "a", "body": {"messages": [{"role": "user", "content": "x"}]}}"#;
    let cases = [
        (
            format!("{good}\nno JSON\n\n"),
            ("SUCCESS", 2, 1, 1),
            json!([{"message": "the line is not JSON", "count": 1}]),
        ),
        ("{\n[".to_owned(), ("FAILED", 2, 0, 2), json!([{"message": "the line is not JSON", "count": 2}])),
        (format!("{good}\n{good}"), ("SUCCESS", 2, 2, 0), json!([])),
    ];
    for (content, expected, errors) in cases {
        let (running, hand) = begin().await;
        let file = upload(&running, "requests.jsonl", "batch", content.as_bytes()).await.json();
        let body =
            json!({"endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "input_files": [file["id"]]});
        let made = post(&running, "/v1/batch/jobs", &body).await;
        hand.store(3_000, Ordering::Release);
        let job = get(&running, &format!("/v1/batch/jobs/{}", made["id"].as_str().unwrap())).await.json();
        assert_eq!((counts(&job), &job["errors"]), (expected, &errors), "{content}");
        assert_eq!(job["error_file"].is_null(), expected.3 == 0, "{content}");
    }
}
