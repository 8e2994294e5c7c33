//! What the simulator does not take.

use crate::wire::{JSON, KEY, client, get, post, send, start};
use serde_json::{Value, json};
use simulator::Options;

const CHAT: &str = r#"{"model": "open-mistral-7b", "messages": [{"role": "user", "content": "hello"}]}"#;

#[tokio::test]
async fn keys() {
    let (any, one) = (start().await, simulator::start(Options { key: Some("k1".into()), ..Options::default() }));
    let (one, client) = (one.await.unwrap(), client());
    let me = "/v1/users/me";
    let bearer = |key: &'static str| vec![("authorization", key)];
    let cases = [
        (&any, "/v1/models", bearer("Bearer any"), 200),
        (&any, "/v1/models", bearer("bearer any"), 200),
        (&any, "/v1/models", bearer("Bearer wrong"), 401),
        (&any, "/v1/models", bearer("Bearer "), 401),
        (&any, "/v1/models", bearer("Basic any"), 401),
        (&any, "/v1/models", bearer("any"), 401),
        (&any, "/v1/models", vec![], 401),
        (&any, "/v1/models", vec![("x-api-key", "any")], 401),
        (&any, "/v1/admin/roles", bearer("Bearer any"), 200),
        (&any, "/v1/admin/roles", vec![("x-api-key", "any")], 401),
        (&any, me, vec![("x-api-key", "any")], 200),
        (&any, me, vec![("x-api-key", "wrong")], 401),
        (&any, me, vec![("x-api-key", "")], 401),
        (&any, me, bearer("Bearer any"), 401),
        (&one, "/v1/models", bearer("Bearer k1"), 200),
        (&one, "/v1/models", bearer("Bearer k2"), 401),
        (&one, me, vec![("x-api-key", "k1")], 200),
        (&one, me, vec![("x-api-key", "k2")], 401),
    ];
    for (running, target, headers, status) in cases {
        let got = send(&client, "GET", format!("{}{target}", running.url()), &headers, "").await;
        assert_eq!(got.status, status, "{target} {headers:?}: {}", got.text());
        if status == 401 {
            assert_eq!(got.json(), json!({"detail": "Unauthorized"}));
        }
    }
}

#[tokio::test]
async fn paths_and_methods() {
    let (running, client) = (start().await, client());
    let cases = [
        ("GET", "/v1/nothing", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/v1/models/", 404, None),
        ("GET", "//v1/models", 404, None),
        ("GET", "/v1/signed/files/x", 404, None),
        ("POST", "/v1/models", 405, Some("GET")),
        ("GET", "/v1/chat/completions", 405, Some("POST")),
        ("HEAD", "/v1/models/x", 405, Some("GET, DELETE")),
        ("PUT", "/v1/agents/pages", 405, Some("GET, PATCH, DELETE")),
    ];
    for (method, target, status, allow) in cases {
        // No key: who asks for what is not there is told so.
        let got = send(&client, method, format!("{}{target}", running.url()), &[], "").await;
        assert_eq!((got.status, got.header("allow")), (status, allow), "{method} {target}");
    }
    let missing = get(&running, "/v1/models/none").await;
    let unknown = get(&running, "/v1/none").await;
    assert_eq!((missing.status, unknown.status), (404, 404));
    assert_eq!(unknown.json(), json!({"detail": "Not Found"}));
    assert_eq!(missing.json()["message"], "the model none does not exist");
}

/// The places and types of a 422.
fn faults(body: &Value) -> Vec<(String, String)> {
    let one = |fault: &Value| {
        assert!(fault["msg"].is_string(), "{body}");
        let place = fault["loc"].as_array().unwrap().iter().map(|part| part.to_string().replace('"', ""));
        (place.collect::<Vec<_>>().join("."), fault["type"].as_str().unwrap().to_owned())
    };
    body["detail"].as_array().unwrap_or_else(|| panic!("{body}")).iter().map(one).collect()
}

#[tokio::test]
async fn queries_and_paths_that_do_not_fit() {
    let running = start().await;
    let cases = [
        ("/v1/files?page=x", "query.page", "int_parsing"),
        ("/v1/files?page=1.5", "query.page", "int_parsing"),
        ("/v1/files?page=1&page=2", "query.page", "list_unexpected"),
        ("/v1/files?include_total=yes", "query.include_total", "bool_parsing"),
        ("/v1/files?include_total=True", "query.include_total", "bool_parsing"),
        ("/v1/files?purpose=none", "query.purpose", "enum"),
        ("/v1/files?source=upload,mistral", "query.source.0", "enum"),
        ("/v1/files?nothing=1", "query.nothing", "extra_forbidden"),
        ("/v1/files?search=%FF", "query", "url_encoding"),
        ("/v1/files?search=%zz", "query", "url_encoding"),
        ("/v1/files/abc", "path.file_id", "value_error"),
        ("/v1/models/%FF", "path.model_id", "url_encoding"),
        ("/v1/conversations?metadata=a", "query.metadata", "json_invalid"),
        ("/v1/conversations?metadata=%5B1%5D", "query.metadata", "dict_type"),
        ("/v1/connectors?query_filters=1", "query.query_filters", "extra_forbidden"),
        ("/v1/admin/analytics/vibe/code/usage/by_organization?start_time=1", "query.end_time", "missing"),
    ];
    for (target, place, kind) in cases {
        let got = get(&running, target).await;
        assert_eq!(got.status, 422, "{target}: {}", got.text());
        assert_eq!(faults(&got.json()), [(place.to_owned(), kind.to_owned())], "{target}: {}", got.text());
    }
    let good = [
        "/v1/files?search=a+b%2B&page=0&purpose=batch&source=upload&source=mistral&include_total=false",
        "/v1/conversations?metadata=%7B%22a%22%3A%22b%22%7D",
        "/v1/conversations?metadata=~?~unset~?~sentinel~?~",
        "/v1/batch/jobs?any=thing&page=0",
        "/v1/files?search=",
    ];
    for target in good {
        assert_eq!(get(&running, target).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn bodies_that_do_not_fit() {
    let (running, client) = (start().await, client());
    let chat = |extra: &str| CHAT.replacen('{', &format!("{{{extra},"), 1);
    let cases = [
        ("{}".to_owned(), "body.messages missing, body.model missing"),
        (String::new(), "body missing"),
        ("{\"model\":".to_owned(), "body json_invalid"),
        ("null".to_owned(), "body dict_type"),
        ("\u{feff}{}".to_owned(), "body json_invalid"),
        (format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)), "body json_invalid"),
        (chat(r#""temprature": 1"#), "body.temprature extra_forbidden"),
        (chat(r#""max_tokens": "3""#), "body.max_tokens int_type"),
        (chat(r#""max_tokens": -1"#), "body.max_tokens greater_than_equal"),
        (chat(r#""n": 33"#), "body.n less_than_equal"),
        (CHAT.replace("\"user\"", "\"nobody\""), "body.messages.0 union_error"),
        (CHAT.replace("\"role\": \"user\", ", ""), "body.messages.0 union_error"),
        (CHAT.replace("\"hello\"", "\"hello\", \"nme\": 1"), "body.messages.0.nme extra_forbidden"),
    ];
    for (body, expected) in cases {
        let got = post(&running, "/v1/chat/completions", body.clone()).await;
        assert_eq!(got.status, 422, "{body}: {}", got.text());
        let found: Vec<String> =
            faults(&got.json()).into_iter().map(|(place, kind)| format!("{place} {kind}")).collect();
        let mut found = found;
        found.sort();
        assert_eq!(found.join(", "), expected, "{body:.80}: {}", got.text());
    }
    let url = format!("{}/v1/chat/completions", running.url());
    for headers in [
        vec![KEY],
        vec![KEY, ("content-type", "text/plain")],
        vec![KEY, ("content-type", "multipart/form-data; boundary=a")],
    ] {
        let got = send(&client, "POST", url.clone(), &headers, CHAT).await;
        assert_eq!(faults(&got.json()), [("header.content-type".to_owned(), "content_type".to_owned())], "{headers:?}");
    }
    let good = send(&client, "POST", url, &[KEY, ("content-type", "Application/JSON; charset=utf-8")], CHAT).await;
    assert_eq!(good.status, 200, "{}", good.text());
    let got = send(&client, "DELETE", format!("{}/v1/models/x", running.url()), &[KEY, JSON], "{}").await;
    assert_eq!(faults(&got.json()), [("body".to_owned(), "extra_forbidden".to_owned())]);
    let got = post(&running, "/v1/files", "{}").await;
    assert_eq!(faults(&got.json()), [("header.content-type".to_owned(), "content_type".to_owned())]);
}

#[tokio::test]
async fn multipart_bodies_that_do_not_fit() {
    let (running, client) = (start().await, client());
    let part = |name: &str, file: bool, content: &str| {
        let file = if file { "; filename=\"a.txt\"" } else { "" };
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
    };
    let file = part("file", true, "x");
    let cases = [
        (part("purpose", false, "batch"), "body.file missing"),
        (part("file", false, "x"), "body.file value_error"),
        (format!("{file}{file}"), "body.file value_error"),
        (format!("{}{file}", part("purpose", true, "batch")), "body.purpose value_error"),
        (format!("{}{file}", part("purpose", false, "none")), "body.purpose enum"),
        (format!("{}{file}", part("expiry", false, "soon")), "body.expiry int_parsing"),
        (format!("{}{file}", part("porpuse", false, "batch")), "body.porpuse extra_forbidden"),
        ("no boundary".to_owned(), "body multipart_invalid"),
    ];
    for (body, expected) in cases {
        let headers = [KEY, ("content-type", "multipart/form-data; boundary=b")];
        let got =
            send(&client, "POST", format!("{}/v1/files", running.url()), &headers, format!("{body}--b--\r\n")).await;
        let found: Vec<String> =
            faults(&got.json()).into_iter().map(|(place, kind)| format!("{place} {kind}")).collect();
        assert_eq!((got.status, found.join(", ").as_str()), (422, expected), "{body}: {}", got.text());
    }
}

#[tokio::test]
async fn other_forms() {
    let (running, client) = (start().await, client());
    let got = post(&running, "/v1/observability/datasets", r#"{"name": 1}"#).await;
    assert_eq!((got.status, &got.json()["detail"]["error_code"]), (422, &json!("VALIDATION_ERROR")));
    assert!(got.json()["detail"]["message"].as_str().unwrap().contains("body.name"), "{}", got.text());
    let id = "0b7e9d1c-5a6f-4f0e-9a51-2f6d3c8e7a10";
    for (accept, status) in [
        ("application/json", 406),
        ("application/octet-stream", 404),
        ("application/*", 404),
        ("text/html, */*;q=0.1", 404),
    ] {
        let url = format!("{}/v1/files/{id}/content", running.url());
        let got = send(&client, "GET", url, &[KEY, ("accept", accept)], "").await;
        assert_eq!(got.status, status, "{accept}: {}", got.text());
        assert_eq!(got.json()["object"], "error", "{accept}");
    }
}
