use crate::{answer, operation};
use connectors::openapi::answer::evidence;
use model::{Evidence, HttpAnswer};
use serde_json::{Value, json};

#[test]
fn every_status_is_in_one_class() {
    for status in 100..=599 {
        let expected = match status {
            100..=199 => Evidence::Unknown,
            200..=299 => Evidence::Answered,
            425 | 429 => Evidence::Refused { after_ms: None },
            408 | 500..=599 => Evidence::ErrorAnswer,
            _ => Evidence::Rejected,
        };
        assert_eq!(evidence(&answer(status, &[], "")), expected, "{status}");
        let with_wait = evidence(&answer(status, &[("retry-after", "3")], ""));
        let expected = match status {
            425 | 429 | 503 => Evidence::Refused { after_ms: Some(3000) },
            _ => expected,
        };
        assert_eq!(with_wait, expected, "{status} with a wait");
    }
}

#[test]
fn waits_are_read_and_bounded() {
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let cases: &[(&[(&str, &str)], Option<i64>)] = &[
        (&[], None),
        (&[("retry-after", "0")], Some(0)),
        (&[("retry-after", " 120 ")], Some(120_000)),
        (&[("retry-after", "1.5")], Some(1500)),
        (&[("retry-after", "-5")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "1e3")], None),
        (&[("retry-after", "NaN")], None),
        (&[("retry-after", "99999999999999999999999999")], Some(86_400_000)),
        (&[("retry-after-ms", "250"), ("retry-after", "9")], Some(250)),
        (&[("retry-after-ms", "x"), ("retry-after", "9")], Some(9000)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), DATE], Some(10_000)),
        (&[("retry-after", "Mon, 07 Nov 1994 00:00:00 GMT"), DATE], Some(54_623_000)),
        (&[("retry-after", "Wed, 06 Nov 2024 08:49:37 GMT"), DATE], Some(86_400_000)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT"), DATE], Some(0)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], None),
        (&[("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT"), DATE], None),
        (&[("retry-after", "Sun, 06 Foo 1994 08:49:47 GMT"), DATE], None),
        (&[("retry-after", "Fri, 01 Mar 2024 00:00:00 GMT"), ("date", "Thu, 29 Feb 2024 23:59:59 GMT")], Some(1000)),
        (&[("retry-after", "Wed, 01 Jan 2025 00:00:01 GMT"), ("date", "Tue, 31 Dec 2024 23:59:59 GMT")], Some(2000)),
        (&[("retry-after", "Mon, 01 Mar 2100 00:00:00 GMT"), ("date", "Sun, 28 Feb 2100 23:59:59 GMT")], Some(1000)),
    ];
    for (headers, expected) in cases {
        assert_eq!(evidence(&answer(429, headers, "")), Evidence::Refused { after_ms: *expected }, "{headers:?}");
    }
    assert_eq!(evidence(&answer(503, &[("retry-after", "soon")], "")), Evidence::ErrorAnswer);
}

#[test]
fn a_limit_of_zero_is_permanent() {
    let chat = operation("POST", "Chat Completion");
    for (status, limit, permanent) in [(429, "0", true), (429, "10", false), (503, "0", false)] {
        let reading = chat.read(&answer(status, &[("x-ratelimit-limit-req-minute", limit)], "{}"));
        assert_eq!(reading.permanent, permanent, "{status} {limit}");
    }
    assert!(!chat.read(&answer(429, &[], "{}")).permanent);
}

#[test]
fn what_cannot_be_read_is_answered_all_the_same_and_kept() {
    let chat = operation("POST", "Chat Completion");
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let html: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];
    let cases: &[(&[(&str, &str)], &[u8], &str)] = &[
        (html, b"<html>oops</html>", "the answer is a web page, not JSON"),
        (&[], b" <!doctype html>", "the answer is a web page, not JSON"),
        (&[], b"{\"id\": \"x", "the answer is no JSON: it ends too early at line 1, column 9"),
        (&[("content-type", "text/plain")], b"hello", "but text/plain: it cannot be read"),
        (&[], b"{\"a\": \"\xff\"}", "the answer is no UTF-8 text, so no JSON"),
        (&[], deep.as_bytes(), "it cannot be read at line 1, column 128"),
        (&[], b"{} {}", "it cannot be read at line 1, column 4"),
        (&[], b"{\"a\": NaN}", "it cannot be read"),
        (&[], b"{\"a\": 1e999}", "it cannot be read"),
        (&[], b"", "the answer is empty"),
    ];
    for (headers, body, reason) in cases {
        let reading = chat.read(&answer(200, headers, body));
        let problem = reading.problem.unwrap_or_else(|| panic!("{reason}"));
        assert_eq!((reading.evidence, &*problem.code), (Evidence::Answered, "bad_answer"), "{reason}");
        assert!(problem.reason.contains(reason), "{} / {reason}", problem.reason);
        assert_eq!(reading.answer.as_str().unwrap_or_default(), String::from_utf8_lossy(body), "{reason}");
    }
    let cut = HttpAnswer { truncated: true, ..answer(200, &[], "{\"a\":1}") };
    let reading = chat.read(&cut);
    assert_eq!(reading.evidence, Evidence::Answered);
    assert_eq!(reading.problem.unwrap().code, "answer_too_large");
    assert_eq!(reading.answer, json!("{\"a\":1}"));
}

#[test]
fn what_can_be_read_is_read() {
    let models = operation("GET", "List Models");
    let cases: &[(&str, Value)] = &[
        ("\u{feff}{\"data\":[]}", json!({"data": []})),
        ("{\"a\":1,\"a\":2}", json!({"a": 2})),
        (" [1] \n", json!([1])),
        ("18446744073709551615", json!(u64::MAX)),
        ("123456789012345678901234567890", json!(1.234_567_890_123_456_8e29)),
        ("\"https://example.com/signed\"", json!("https://example.com/signed")),
    ];
    for (body, expected) in cases {
        let reading = models.read(&answer(200, &[], body));
        assert_eq!((reading.answer, reading.problem), (expected.clone(), None), "{body}");
    }
}

#[test]
fn an_empty_answer_is_fine_where_the_operation_allows_one() {
    let cases = [
        ("DELETE", "Delete Agent", 204, true),
        ("DELETE", "Delete Library", 204, true),
        ("DELETE", "Delete Model", 200, false),
        ("POST", "Chat Completion", 200, false),
        ("POST", "Chat Completion", 204, true),
    ];
    for (method, title, status, fine) in cases {
        let reading = operation(method, title).read(&answer(status, &[], ""));
        assert_eq!(reading.evidence, Evidence::Answered);
        assert_eq!((reading.answer, reading.problem.is_none()), (Value::Null, fine), "{title} {status}");
    }
}

#[test]
fn every_form_of_error_body_becomes_one_problem() {
    let chat = operation("POST", "Chat Completion");
    let cases: &[(u16, &str, &str, &str)] = &[
        (
            422,
            r#"{"detail":[{"loc":["body","messages",0,"role"],"msg":"Field required","type":"missing"},{"msg":"x"}]}"#,
            "/payload/messages/0/role",
            "/payload/messages/0/role: Field required; x",
        ),
        (422, r#"{"detail":[{"loc":["query","page"],"msg":"bad"}]}"#, "/query/page", "/query/page: bad"),
        (404, r#"{"detail":{"message":"no dataset","error_code":"NOT_FOUND"}}"#, "", "no dataset (NOT_FOUND)"),
        (
            400,
            r#"{"object":"error","message":"Bad order","type":"invalid_request_message_order","param":null,"code":"3230"}"#,
            "",
            "Bad order (3230)",
        ),
        (
            422,
            r#"{"object":"error","message":{"detail":[{"loc":["body","x"],"msg":"Extra inputs"}]},"code":null}"#,
            "/payload/x",
            "/payload/x: Extra inputs",
        ),
        (401, r#"{"detail":"Unauthorized"}"#, "", "Unauthorized"),
        (401, r#"{"message":"Unauthorized","request_id":"r"}"#, "", "Unauthorized"),
        (429, r#"{"message":"Requests rate limit exceeded"}"#, "", "Requests rate limit exceeded"),
        (409, r#"{"detail":"already runs","code":"WF_1101"}"#, "", "already runs (WF_1101)"),
        (409, r#"{"run_id":"r1","status":"RUNNING"}"#, "", r#"{"run_id":"r1","status":"RUNNING"}"#),
        (400, r#"{"error":{"message":"m","code":7}}"#, "", "m (7)"),
    ];
    for (status, body, place, words) in cases {
        let reading = chat.read(&answer(*status, &[], body));
        let problem = reading.problem.unwrap();
        assert_eq!(problem.code, format!("http_{status}"));
        assert_eq!(
            (problem.place.as_str(), problem.reason),
            (*place, format!("the service answered {status}: {words}"))
        );
        assert_eq!(reading.answer, serde_json::from_str::<Value>(body).unwrap(), "kept");
    }
    for (status, body, reason) in [
        (500, "", "the service answered 500 without saying why"),
        (404, "{}", "the service answered 404 without saying why"),
        (502, "<html><h1>Bad Gateway</h1></html>", "the service answered 502: a web page, not an answer of the API"),
        (503, "upstream\n gone", "the service answered 503: upstream gone"),
    ] {
        assert_eq!(chat.read(&answer(status, &[], body)).problem.unwrap().reason, reason);
    }
    let long = chat.read(&answer(400, &[], json!({"message": "x".repeat(100_000)}).to_string()));
    assert!(long.problem.unwrap().reason.len() < 500);
}

#[test]
fn hints_say_what_to_do() {
    let cases = [
        ("POST", "Chat Completion", 401, "api_key"),
        ("GET", "List Workspaces", 401, "admin_key"),
        ("POST", "Chat Completion", 404, "retired"),
        ("GET", "List Models", 307, "base_uri"),
        ("GET", "List Models", 403, "right"),
    ];
    for (method, title, status, expected) in cases {
        let hint = operation(method, title).read(&answer(status, &[], "{}")).problem.unwrap().hint.unwrap();
        assert!(hint.contains(expected), "{hint}");
    }
}

#[test]
fn a_problem_keeps_what_the_service_calls_the_request() {
    let cases: [(&[(&str, &str)], &str, Option<&str>); 5] = [
        (&[("mistral-correlation-id", "a1"), ("x-kong-request-id", "b2")], "{}", Some("a1")),
        (&[("x-kong-request-id", "b2")], r#"{"message": "Unauthorized", "request_id": "c3"}"#, Some("b2")),
        (&[], r#"{"message": "Unauthorized", "request_id": "c3"}"#, Some("c3")),
        (&[("x-request-id", "")], "{}", None),
        (&[], "<html>", None),
    ];
    for (headers, body, id) in cases {
        let problem = operation("POST", "Chat Completion").read(&answer(401, headers, body)).problem.unwrap();
        assert_eq!(problem.request_id.as_deref(), id, "{headers:?} {body}");
    }
    let events = [("content-type", "text/event-stream"), ("mistral-correlation-id", "a1")];
    let broken = "data: {\"object\":\"error\",\"message\":\"no\"}\n\n";
    let problem = operation("POST", "Chat Completion").read(&answer(200, &events, broken)).problem.unwrap();
    assert_eq!(problem.request_id.as_deref(), Some("a1"), "{problem}");
}
