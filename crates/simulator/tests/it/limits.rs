//! Hidden limits, and faults files that are refused.

use crate::faults::start;
use crate::wire::{Got, JSON, client, send};
use serde_json::json;
use simulator::{Clock, Faults, Options, Running};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

async fn limited(limit: &str) -> (Running, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(0));
    let faults = Faults::read(&format!("rate_limit: {limit}")).unwrap();
    let options = Options { faults: Some(faults), clock: Clock::by_hand(time.clone()), ..Options::default() };
    (start(options).await, time)
}

async fn ask(running: &Running, key: &str) -> Got {
    let body = r#"{"model": "open-mistral-7b", "messages": [{"role": "user", "content": "hello"}]}"#;
    let url = format!("{}/v1/chat/completions", running.url());
    send(&client(), "POST", url, &[JSON, ("authorization", &format!("Bearer {key}"))], body).await
}

#[tokio::test]
async fn requests_are_limited_for_each_key() {
    let (running, time) = limited("{requests_per_second: 2}").await;
    let mut statuses = Vec::new();
    for (milliseconds, key) in [
        (0, "a"),
        (0, "a"),
        (0, "a"),
        (0, "b"),
        (499, "a"),
        (500, "a"),
        (500, "a"),
        (9000, "a"),
        (9000, "a"),
        (9000, "a"),
    ] {
        time.store(milliseconds, Ordering::Release);
        statuses.push(ask(&running, key).await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429, 200, 429, 200, 200, 429]);
    let got = ask(&running, "a").await;
    let body = json!({"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited",
        "param": null, "code": "1300", "raw_status_code": 429});
    assert_eq!(got.json(), body);
    let hints = got.headers.iter().filter(|(name, _)| name.starts_with("x-ratelimit") || name == "retry-after");
    assert_eq!(hints.count(), 0, "{:?}", got.headers);
}

#[tokio::test]
async fn tokens_are_limited() {
    let (running, time) = limited("{tokens_per_minute: 60}").await;
    let first = ask(&running, "a").await;
    let used = first.json()["usage"]["total_tokens"].as_u64().unwrap();
    let mut spent = used;
    while spent < 60 {
        assert_eq!(ask(&running, "a").await.status, 200, "{spent}");
        spent += used;
    }
    let got = ask(&running, "a").await;
    assert_eq!((got.status, &got.json()["message"]), (429, &json!("Tokens rate limit exceeded")));
    // A token comes back each second.
    time.store((spent - 60) * 1000, Ordering::Release);
    assert_eq!(ask(&running, "a").await.status, 429);
    time.fetch_add(1, Ordering::AcqRel);
    assert_eq!(ask(&running, "a").await.status, 200);
}

#[test]
fn wrong_files_are_refused() {
    let rule = |rule: &str| format!("seed: 7\nrules:\n- do: {{status: 500}}\n- {rule}\n");
    let cases = [
        ("rules: [", "line 2: column 1: ", "check the indentation"),
        ("rules: 7", "line 1: rules: must be a list, not 7", ""),
        ("seed: 1", "line 1: the file asks for nothing", "write rules or a rate_limit"),
        ("seed: x\nrules: []", "line 1: seed: must be a whole number from 0, not \"x\"", ""),
        (
            "ruels: []\nrate_limit: {tokens_per_minute: 1}",
            "line 1: ruels: there is no \"ruels\" here",
            "did you mean \"rules\"?",
        ),
        ("rate_limit: {}", "line 1: rate_limit: there is no limit", "give requests_per_second, tokens_per_minute"),
        (
            "rate_limit: {requests_per_second: 0}",
            "line 1: rate_limit.requests_per_second: must be a number above 0, not 0",
            "",
        ),
        (&rule("do: {status: 99}"), "line 4: rule 2: do.status: must be a status code from 200 to 599, not 99", ""),
        (
            &rule("do: {statsu: 500}"),
            "line 4: rule 2: do.statsu: there is no \"statsu\" here",
            "did you mean \"status\"?",
        ),
        (&rule("do: {}"), "line 4: rule 2: do: the rule does nothing", "give one of latency, "),
        (&rule("match: {nth: 1}"), "line 4: rule 2: the rule does nothing", "give do: one of latency, "),
        (
            &rule("do: {html: true, silence: true}"),
            "line 4: rule 2: do.silence: a rule does one thing, and this one does html",
            "write a rule for each",
        ),
        (
            &rule("do: {html: true, retry_after: 1}"),
            "line 4: rule 2: do.retry_after: means nothing beside html",
            "it stands beside status",
        ),
        (&rule("do: {html: yes}"), "line 4: rule 2: do.html: must be true, not \"yes\"", ""),
        (
            &rule("do: {status: 500, retry_after: soon}"),
            "line 4: rule 2: do.retry_after: must be seconds, or a date",
            "",
        ),
        (&rule("do: {latency: 5}"), "line 4: rule 2: do.latency: must be a length of time", ""),
        (
            &rule("do: {reset: now}"),
            "line 4: rule 2: do.reset: must be before_reading or after_reading, not \"now\"",
            "",
        ),
        (&rule("do: {cut: {}}"), "line 4: rule 2: do.cut: \"after\" is missing", ""),
        (&rule("do: {drip: {every: 1s, bytes: 0}}"), "line 4: rule 2: do.drip.bytes: must be at least 1, not 0", ""),
        (&rule("do: {body_size: 1GB}"), "line 4: rule 2: do.body_size: must be a number of bytes", ""),
        (&rule("do: {content_length: 0}"), "line 4: rule 2: do.content_length: must be how far off it is", ""),
        (
            &rule("{match: {row: a}, do: {reset: before_reading}}"),
            "line 4: rule 2: do.reset: before the body is read",
            "leave row out",
        ),
        (
            &rule("{match: {operation: POST /v1/chat/completion}, do: {html: true}}"),
            "line 4: rule 2: match.operation: there is no operation",
            "did you mean \"POST /v1/chat/completions\"?",
        ),
        (&rule("{match: {nth: 0}, do: {html: true}}"), "line 4: rule 2: match.nth: must be a number from 1", ""),
        (
            &rule("{match: {every: 0}, do: {html: true}}"),
            "line 4: rule 2: match.every: must be a whole number from 1",
            "",
        ),
        (
            &rule("{match: {probability: 1.5}, do: {html: true}}"),
            "line 4: rule 2: match.probability: must be a number from 0 to 1",
            "",
        ),
        (&rule("{match: {nth: 1, nth: 2}, do: {html: true}}"), "line 4: \"nth\" stands here twice", "keep one of them"),
        (&rule("*other"), "line 4: ", ""),
    ];
    for (text, reason, hint) in cases {
        let problems = Faults::read(text).expect_err(text);
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        assert!(problem.to_string().starts_with(reason), "{text}: {problem}");
        assert!(problem.hint.as_deref().unwrap_or_default().starts_with(hint), "{text}: {problem:?}");
    }
    let two = Faults::read(&format!("{}- do: {{latency: x}}\n", rule("do: {status: 1}"))).unwrap_err();
    assert_eq!(two.len(), 2, "all is said at once: {two:?}");
}

#[test]
fn json_is_read_too() {
    let text = json!({"seed": 7, "rules": [{"match": {"nth": [1, 2]}, "do": {"cut": {"after": "1KiB"}}}]});
    assert!(Faults::read(&text.to_string()).is_ok());
    assert!(Faults::read(&format!("{text:#}")).is_ok());
}
