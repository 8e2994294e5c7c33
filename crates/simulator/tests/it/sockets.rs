//! Connections that misbehave, latency, the ledger.

use crate::wire::{JSON, KEY, client, get, raw, send, start};
use serde_json::Value;
use simulator::{Options, Running};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHAT: &str = r#"{"model": "open-mistral-7b", "messages": [{"role": "user", "content": "hello"}]}"#;

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.url().trim_start_matches("http://")).await.unwrap()
}

fn request(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\ncontent-type: application/json\r\n\
        x-request-id: task-7\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn malformed_http_does_not_hurt() {
    let running = start().await;
    let long = format!("GET /v1/models HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(1 << 20));
    let cases: [&[u8]; 6] = [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /v1/models[0] HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\nconnection: close\r\n\r\n",
    ];
    for bytes in cases.into_iter().chain([long.as_bytes()]) {
        let mut socket = connect(&running).await;
        // The simulator may have closed before all was sent.
        let _ = socket.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(get(&running, "/v1/models").await.status, 200);
}

#[tokio::test]
async fn half_requests_do_not_hurt() {
    let running = start().await;
    let whole = request(CHAT);
    let mut open = Vec::new();
    for end in [1, 20, 60, whole.len() - CHAT.len(), whole.len() - 1] {
        let mut socket = connect(&running).await;
        socket.write_all(&whole.as_bytes()[..end]).await.unwrap();
        open.push(socket);
    }
    assert_eq!(get(&running, "/v1/models").await.status, 200);
    assert_eq!(running.requests_seen(), 1, "a half request is not seen");
    drop(open);
    assert_eq!(get(&running, "/v1/models").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_body_is_capped() {
    let (running, client) = (start().await, client());
    let url = format!("{}/v1/chat/completions", running.url());
    let sizes = [((16 << 20) + 1, 413), (32 << 20, 413), (16 << 20, 422)];
    for (size, status) in sizes {
        let got = send(&client, "POST", url.clone(), &[KEY, JSON], vec![b'x'; size]).await;
        assert_eq!(got.status, status, "{size}");
    }
}

#[tokio::test]
async fn a_connection_is_kept() {
    let running = start().await;
    let mut socket = connect(&running).await;
    for _ in 0..3 {
        socket.write_all(request(CHAT).as_bytes()).await.unwrap();
        let mut answer = vec![0; 1 << 14];
        let read = socket.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'), "one piece: {answer}");
    }
    let both = format!("{0}{0}", request(CHAT)).replace("HTTP/1.1\r\nhost: a", "HTTP/1.1\r\nhost: a");
    let last = both.replacen("host: a", "host: b", 1).replace("host: a", "connection: close\r\nhost: a");
    assert_eq!(raw(&running, last.as_bytes()).await.matches("HTTP/1.1 200").count(), 2, "pipelined");
}

/// Requests wait side by side: all are seen while none is answered.
#[tokio::test]
async fn latency_holds_for_many_at_once() {
    let options = Options { latency: Duration::from_secs(3600), ..Options::default() };
    let running = simulator::start(options).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..500 {
        let mut socket = connect(&running).await;
        socket.write_all(request(CHAT).as_bytes()).await.unwrap();
        open.push(socket);
    }
    wait_until(|| running.requests_seen() == 500).await;
    for socket in &open {
        let error = socket.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn answers_come_after_the_latency() {
    let options = Options { latency: Duration::from_millis(20), ..Options::default() };
    let running = simulator::start(options).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(get(&running, "/v1/models").await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(20));
}

fn lines(path: &Path) -> Vec<Value> {
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn with_ledger(path: &Path, latency: Duration) -> Running {
    simulator::start(Options { ledger: Some(path.to_owned()), latency, ..Options::default() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_ahead_of_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let running = with_ledger(&path, Duration::ZERO).await;
    let mut socket = connect(&running).await;
    for n in 0..20 {
        socket.write_all(request(CHAT).as_bytes()).await.unwrap();
        let mut first = [0; 1];
        socket.read_exact(&mut first).await.unwrap();
        let seen = lines(&path);
        let seen = seen.iter().find(|line| line["n"] == n && line["event"] == "request");
        let seen = seen.unwrap_or_else(|| panic!("no line of {n} when its answer began"));
        assert_eq!((&seen["method"], &seen["path"]), (&"POST".into(), &"/v1/chat/completions".into()));
        assert_eq!(seen["request_id"], "task-7");
        assert_eq!(seen["body_sha256"], "2841896fd022f80343443a50619677746557387d29d6929b9788dc530d05fc5a");
        let mut rest = vec![0; 1 << 14];
        let read = socket.read(&mut rest).await.unwrap();
        assert!(rest[..read].ends_with(b"}"));
    }
    let content = get(&running, "/v1/models?model=a%20b").await.body;
    drop(socket);
    running.stop().await;
    let lines = lines(&path);
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((of("request"), of("answer"), of("gone")), (21, 21, 0), "{lines:?}");
    let last = lines.iter().find(|line| line["n"] == 20 && line["event"] == "request").unwrap();
    assert_eq!(last["query"], "model=a%20b");
    let answer = lines.iter().find(|line| line["n"] == 20 && line["event"] == "answer").unwrap();
    assert_eq!((&answer["status"], &answer["bytes"]), (&200.into(), &content.len().into()));
    assert!(lines.iter().all(|line| line["at"].as_str().unwrap().ends_with('Z')));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_tells_who_went_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    // Nobody waits for this latency: all clients are gone before.
    let running = with_ledger(&path, Duration::from_secs(3600)).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut socket = connect(&running).await;
        socket.write_all(request(CHAT).as_bytes()).await.unwrap();
        open.push(socket);
    }
    let events = |event: &str| lines_so_far(&path).iter().filter(|line| line["event"] == event).count();
    wait_until(|| events("request") == 5).await;
    assert_eq!(events("gone"), 0);
    drop(open);
    wait_until(|| events("gone") == 5).await;
    running.stop().await;
    let mut stories: HashMap<u64, Vec<String>> = HashMap::new();
    for line in lines(&path) {
        stories.entry(line["n"].as_u64().unwrap()).or_default().push(line["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(stories.len(), 5);
    assert!(stories.values().all(|story| story == &["request", "gone"]), "{stories:?}");
    // A second run goes on counting.
    let running = with_ledger(&path, Duration::ZERO).await;
    get(&running, "/v1/models").await;
    running.stop().await;
    assert_eq!(lines(&path)[10]["n"], 10);
}

/// As [`lines`], while the last line may still be on its way.
fn lines_so_far(path: &Path) -> Vec<Value> {
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Lets others run until something holds. What never holds is ended by the test runner's limit.
async fn wait_until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let running = start().await;
    let taken = running.url().trim_start_matches("http://").parse().unwrap();
    let error = simulator::start(Options { listen: taken, ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let options = Options { ledger: Some(folder.path().to_owned()), ..Options::default() };
    let error = simulator::start(options).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot open the ledger "), "{error}");
}

#[tokio::test]
async fn a_dropped_simulator_lets_go_of_its_port() {
    let running = start().await;
    let address = running.url().trim_start_matches("http://").to_owned();
    drop(running);
    wait_until(|| std::net::TcpListener::bind(&address).is_ok()).await;
}
