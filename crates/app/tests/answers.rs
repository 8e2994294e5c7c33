//! What a service may do wrong, and what we then know: one row per misbehaviour, over a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary")]

mod world;

use std::io::Write;
use std::net::TcpListener;
use world::server::{json, serve, whole};
use world::{Ran, World};

fn call(url: &str) -> Ran {
    World::new().run(&["call", "Retrieve Model", "--path", "model_id=m", "--base-uri", url, "--json"])
}

#[test]
fn complete_and_cut_answers() {
    let deep = "[".repeat(10_000);
    let good = r#"{"id": "m", "object": "model", "capabilities": {}, "type": "base"}"#;
    let table: Vec<(&str, String, i32, &str)> = vec![
        ("a good answer", json("200 OK", good), 0, ""),
        ("HTML", whole("200 OK", "content-type: text/html\r\n", "<html>hello</html>"), 6, "bad_answer"),
        ("half a JSON", json("200 OK", r#"{"id": "#), 6, "bad_answer"),
        ("nested 10,000 deep", json("200 OK", &deep), 6, "bad_answer"),
        ("two JSONs", json("200 OK", "{}{}"), 6, "bad_answer"),
        ("cut in the body", "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"id\"".to_owned(), 7, "answer_cut"),
        (
            "cut in a chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"id\"".to_owned(),
            7,
            "answer_cut",
        ),
        (
            "no chunk end",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n".to_owned(),
            7,
            "answer_cut",
        ),
        ("cut in the head", "HTTP/1.1 200 OK\r\ncontent-le".to_owned(), 7, "connection_lost"),
        ("no answer at all", String::new(), 7, "connection_lost"),
        ("no HTTP", "SSH-2.0-OpenSSH_9\r\n".to_owned(), 7, "connection_lost"),
        ("401", json("401 Unauthorized", r#"{"detail": "Unauthorized"}"#), 6, "http_401"),
        ("404", json("404 Not Found", r#"{"detail": "no such model"}"#), 6, "http_404"),
        ("429", whole("429 Too Many", "retry-after: 7\r\n", r#"{"message": "slow down"}"#), 5, "http_429"),
        ("503 with a date", whole("503 No", "retry-after: 7\r\n", ""), 5, "http_503"),
        ("500", json("500 Broken", ""), 6, "http_500"),
        ("a redirect", whole("302 Found", "location: http://127.0.0.1:1/x\r\n", ""), 6, "http_302"),
    ];
    for (name, raw, code, problem) in table {
        let (url, requests) = serve(move |stream| drop(stream.write_all(raw.as_bytes())));
        let ran = call(&url);
        assert_eq!(ran.code, Some(code), "{name}: {ran:?}");
        assert!(problem.is_empty() || ran.stderr.contains(&format!("[{problem}]")), "{name}: {}", ran.stderr);
        assert!(requests.recv().unwrap().starts_with("get /v1/models/m http/1.1"), "{name}");
        assert!(requests.try_recv().is_err(), "{name}: asked once");
    }
}

#[test]
fn an_endless_answer_is_cut_at_the_cap() {
    let (url, requests) = serve(|stream| {
        let piece = vec![b' '; 1 << 20];
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", 1_u64 << 40);
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = stream.write_all(&piece);
        }
    });
    let ran = call(&url);
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert!(ran.stderr.contains("[answer_too_large]"), "{}", ran.stderr);
    drop(requests);
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = call(&format!("http://{port}"));
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("[connect_failed]"), "{}", ran.stderr);
}

#[test]
fn the_environments_proxy_is_not_asked() {
    let (proxy, asked) = serve(|_| {});
    let (url, requests) = serve(|stream| drop(stream.write_all(json("200 OK", "{}").as_bytes())));
    let world = World::new();
    let mut command = world.command(&["call", "Retrieve Model", "--path", "model_id=m", "--base-uri", &url]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, &proxy);
    }
    Ran::of(command.output().unwrap()).expect(0);
    assert!(requests.recv().is_ok());
    assert!(asked.try_recv().is_err());
}

#[test]
fn a_key_is_sent_and_never_shown() {
    let (url, requests) =
        serve(|stream| drop(stream.write_all(json("401 No", r#"{"detail": "wrong key"}"#).as_bytes())));
    let world = World::new();
    let mut command = world.command(&["call", "Retrieve Model", "--path", "model_id=m", "--base-uri", &url, "--json"]);
    let ran = Ran::of(command.env("MISTRAL_API_KEY", "canary-4711").output().unwrap());
    assert!(requests.recv().unwrap().contains("authorization: bearer canary-4711"));
    assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{ran:?}");
}

/// One chunk of a streamed chat.
fn chunk(text: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn chunked(events: &[&str], ends: bool) -> String {
    let pieces: String = events.iter().map(|event| format!("{:x}\r\n{event}\r\n", event.len())).collect();
    let end = if ends { "0\r\n\r\n" } else { "" };
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{pieces}{end}"
    )
}

#[test]
fn streams_are_folded_and_only_their_mark_ends_them() {
    let (hel, lo, done) = (chunk("Hel", "null"), chunk("lo", "\"stop\""), "data: [DONE]\n\n".to_owned());
    let broke = "data: {\"object\":\"error\",\"message\":\"overloaded\",\"code\":\"3505\"}\n\n".to_owned();
    let table: Vec<(&str, String, i32, &str, Option<&str>)> = vec![
        ("whole", chunked(&[&hel, &lo, &done], true), 0, "", Some("Hello")),
        ("without its mark", chunked(&[&hel, &lo], true), 7, "stream_cut", Some("Hello")),
        ("without its finish", chunked(&[&hel], true), 7, "stream_cut", Some("Hel")),
        ("the mark, then a cut", chunked(&[&hel, &lo, &done], false), 0, "", Some("Hello")),
        ("a cut connection", chunked(&[&hel], false), 7, "answer_cut", Some("Hel")),
        ("an error in it", chunked(&[&hel, &broke], true), 6, "stream_error", Some("Hel")),
        ("nothing but an error", chunked(&[&broke], true), 6, "stream_error", None),
        ("nothing", chunked(&[], true), 7, "stream_cut", None),
        ("JSON all the same", json("200 OK", r#"{"choices":[{"message":{"content":"Hello"}}]}"#), 0, "", Some("Hello")),
    ];
    let payload = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    for (name, raw, code, problem, content) in table {
        let (url, requests) = serve(move |stream| drop(stream.write_all(raw.as_bytes())));
        let ran = World::new().run(&["call", "Chat Completion", "--payload", payload, "--base-uri", &url, "--json"]);
        assert_eq!(ran.code, Some(code), "{name}: {ran:?}");
        assert!(problem.is_empty() || ran.stderr.contains(&format!("[{problem}]")), "{name}: {}", ran.stderr);
        assert!(requests.recv().unwrap().contains("accept: text/event-stream"), "{name}");
        if let Some(content) = content {
            let answer = ran.json();
            assert_eq!(answer["choices"][0]["message"]["content"], content, "{name}");
            assert_eq!(answer.get("$partial").is_some(), code != 0, "{name}");
        }
    }
}

#[test]
fn a_live_stream_is_read_to_its_last_id_and_gone_on_from() {
    let event = |id: u32| format!("id: {id}\nevent: log\ndata: {{\"line\":{id}}}\n\n");
    let (url, requests) = serve(move |stream| {
        let raw = chunked(&[&event(1), &event(2)], true);
        let _ = stream.write_all(raw.as_bytes());
    });
    let world = World::new();
    world.write(
        "flow.yaml",
        "http_clients: { m: { prototype: mistral, base_uri: \"${MISTRAL_BASE_URI}\", api_key: \"${secret:MISTRAL_API_KEY}\", allow_private_addresses: true } }
incoming: { logs: { subscriber: { type: mistral, http_client: m, method: GET, entity: Stream Workflow Execution Logs, request_parameters: { path: { execution_id: x } } } } }
outgoing: { out: { publisher: { type: file, path: out.jsonl } } }
routes: { keep: { incoming: logs, outgoing: out } }
",
    );
    let run = |arguments: &[&str]| world.run_at(&url, arguments);
    run(&["apply", "flow.yaml"]).expect(0);
    run(&["run", "logs"]).expect(0);
    assert!(!requests.recv().unwrap().contains("last-event-id"));
    let lines = world::lines(&world.path("out.jsonl"));
    assert_eq!(lines.iter().map(|line| &line["data"]["line"]).collect::<Vec<_>>(), [1, 2]);
    run(&["run", "logs"]).expect(0);
    assert!(requests.recv().unwrap().contains("last-event-id: 2"));
}
