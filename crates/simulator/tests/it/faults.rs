//! Faults as a client sees them: what stands on the wire, how the connection ends, and what the ledger says.

use serde_json::Value;
use simulator::{Faults, Options, Running};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

const CHAT: &str = r#"{"model": "open-mistral-7b", "messages": [{"role": "user", "content": "hello"}]}"#;
const STREAM: &str =
    r#"{"model": "open-mistral-7b", "stream": true, "messages": [{"role": "user", "content": "hello"}]}"#;

pub(crate) async fn with_faults(text: &str) -> Running {
    start(Options { faults: Some(Faults::read(text).unwrap()), ..Options::default() }).await
}

pub(crate) async fn start(options: Options) -> Running {
    simulator::start(options).await.unwrap()
}

/// A simulator with one rule for every request.
async fn with_rule(act: &str) -> Running {
    with_faults(&format!("rules: [{{do: {{{act}}}}}]")).await
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.url().trim_start_matches("http://")).await.unwrap()
}

fn chat(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\n\
        content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Sends a request and opens the connection's other half for reading.
async fn ask(running: &Running, body: &str) -> TcpStream {
    let mut socket = connect(running).await;
    socket.write_all(chat(body).as_bytes()).await.unwrap();
    socket
}

/// What came until the connection ended, as head and body, and how it ended.
#[derive(Debug)]
struct Seen {
    head: String,
    body: Vec<u8>,
    end: Result<(), ErrorKind>,
}

impl Seen {
    async fn of(mut socket: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let end = socket.read_to_end(&mut bytes).await.map(drop).map_err(|error| error.kind());
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let body = bytes.split_off(at);
        Self { head: String::from_utf8(bytes).unwrap(), body, end }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn status(&self) -> &str {
        self.head.get(9..12).unwrap_or_default()
    }

    /// The chunks of a chunked body, and whether it was brought to its regular end.
    fn chunks(&self) -> (Vec<String>, bool) {
        let (mut rest, mut chunks) = (std::str::from_utf8(&self.body).unwrap(), Vec::new());
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return (chunks, true);
            }
            chunks.push(after[..size].to_owned());
            rest = &after[size + 2..];
        }
        (chunks, false)
    }
}

/// One answer on a connection that is closed after it because the client asks for it.
async fn once(running: &Running, body: &str) -> Seen {
    let mut socket = connect(running).await;
    let request = chat(body).replace("host: a", "host: a\r\nconnection: close");
    socket.write_all(request.as_bytes()).await.unwrap();
    Seen::of(socket).await
}

async fn usual(body: &str) -> Seen {
    once(&start(Options::default()).await, body).await
}

#[tokio::test]
async fn events_come_one_by_one() {
    let seen = usual(STREAM).await;
    let (chunks, ended) = seen.chunks();
    assert!(ended && chunks.len() > 3, "{chunks:?}");
    for chunk in &chunks {
        assert!(chunk.starts_with("data: ") && chunk.find("\n\n") == Some(chunk.len() - 2), "{chunk:?}");
    }
    assert_eq!((chunks.last().unwrap().as_str(), seen.header("content-length")), ("data: [DONE]\n\n", None));
}

#[tokio::test]
async fn statuses() {
    let cases = [
        ("status: 429, retry_after: 7", "429", ("retry-after", Some("7")), r#""type":"rate_limited""#),
        (
            r#"status: 503, retry_after: "Wed, 21 Oct 2026 07:28:00 GMT""#,
            "503",
            ("retry-after", Some("Wed, 21 Oct 2026 07:28:00 GMT")),
            r#""object":"error""#,
        ),
        ("status: 429, limit: 0", "429", ("x-ratelimit-limit-req-minute", Some("0")), r#""code":"1300""#),
        ("status: 500", "500", ("retry-after", None), r#""raw_status_code":500"#),
        (
            "status: 502, body: <h1>Bad Gateway</h1>",
            "502",
            ("content-type", Some("text/html; charset=utf-8")),
            "<h1>Bad Gateway</h1>",
        ),
        (
            "status: 418, body: {short: stout}",
            "418",
            ("content-type", Some("application/json")),
            r#"{"short":"stout"}"#,
        ),
        ("status: 500, body: so sorry", "500", ("content-type", Some("text/plain; charset=utf-8")), "so sorry"),
    ];
    for (act, status, (header, value), body) in cases {
        let seen = once(&with_rule(act).await, CHAT).await;
        assert_eq!((seen.status(), seen.header(header)), (status, value), "{act}");
        assert!(String::from_utf8_lossy(&seen.body).contains(body), "{act}: {seen:?}");
    }
}

/// A status stands in place of the operation: nothing has happened. A cut loses the answer alone.
#[tokio::test]
async fn what_has_happened_and_what_has_not() {
    for (act, left) in [("status: 500", 0), ("cut: {after: 5}", 1), ("reset: after_reading", 1)] {
        let text = format!("rules: [{{match: {{operation: POST /v1/libraries}}, do: {{{act}}}}}]");
        let running = with_faults(&text).await;
        let mut socket = connect(&running).await;
        let request = chat(r#"{"name": "one"}"#).replace("chat/completions", "libraries");
        socket.write_all(request.replace("host: a", "host: a\r\nconnection: close").as_bytes()).await.unwrap();
        drop(Seen::of(socket).await);
        let list = crate::wire::get(&running, "/v1/libraries").await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), left, "{act}: {list}");
    }
}

#[tokio::test]
async fn resets() {
    // The body never comes: the reset does not wait for it.
    let running = with_rule("reset: before_reading").await;
    let mut socket = connect(&running).await;
    let whole = chat(CHAT);
    socket.write_all(&whole.as_bytes()[..whole.len() - 10]).await.unwrap();
    let seen = Seen::of(socket).await;
    assert_eq!((seen.head.as_str(), seen.end), ("", Err(ErrorKind::ConnectionReset)));
    assert_eq!(running.requests_seen(), 0);

    let running = with_rule("reset: after_reading").await;
    let seen = Seen::of(ask(&running, CHAT).await).await;
    assert_eq!((seen.head.as_str(), seen.end), ("", Err(ErrorKind::ConnectionReset)));
    assert_eq!(running.requests_seen(), 1);
}

#[tokio::test]
async fn cuts() {
    let whole = usual(CHAT).await;
    let length = whole.body.len();
    for after in [0, 1, length - 1] {
        let running = with_rule(&format!("cut: {{after: {after}}}")).await;
        let seen = Seen::of(ask(&running, CHAT).await).await;
        assert_eq!(seen.header("content-length"), Some(length.to_string().as_str()), "{after}");
        assert_eq!((&seen.body[..], seen.end), (&whole.body[..after], Ok(())), "{after}");
    }
    // There is nothing to cut.
    let seen = once(&with_rule(&format!("cut: {{after: {length}}}")).await, CHAT).await;
    assert_eq!(seen.body, whole.body);
    // A stream ends in the middle of an event, and without the last chunk.
    let (whole, _) = usual(STREAM).await.chunks();
    let after = whole[0].len() + 5;
    let running = with_rule(&format!("cut: {{after: {after}}}")).await;
    let seen = Seen::of(ask(&running, STREAM).await).await;
    assert_eq!(seen.chunks(), (vec![whole[0].clone(), whole[1][..5].to_owned()], false));
}

#[tokio::test]
async fn silence() {
    let running = with_rule("silence: true").await;
    let socket = ask(&running, CHAT).await;
    seen(&running, 1).await;
    tokio::time::pause();
    let day = Duration::from_secs(24 * 3600);
    assert!(tokio::time::timeout(day, Seen::of(socket)).await.is_err(), "an answer, or an end");
}

#[tokio::test]
async fn latency() {
    let running = with_rule("latency: 1h").await;
    let socket = ask(&running, CHAT).await;
    seen(&running, 1).await;
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(first_byte(socket).await, b'H');
    assert!(begun.elapsed() > Duration::from_secs(3500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn drips() {
    let whole = usual(CHAT).await;
    let running = with_rule("drip: {every: 1h, bytes: 100}").await;
    let mut socket = ask(&running, CHAT).await;
    let mut bytes = vec![0; 1 << 12];
    // The head and the first piece come at once.
    let mut got = 0;
    while !bytes[..got].windows(4).any(|four| four == b"\r\n\r\n") || bytes[got - 1] == b'\n' {
        got += socket.read(&mut bytes[got..]).await.unwrap();
    }
    assert!(bytes[..got].ends_with(&whole.body[..100]));
    tokio::time::pause();
    let begun = Instant::now();
    let (mut body, mut pieces) = (whole.body[..100].to_vec(), 1);
    while body.len() < whole.body.len() {
        let read = socket.read(&mut bytes).await.unwrap();
        assert!((1..=100).contains(&read), "{read}");
        body.extend_from_slice(&bytes[..read]);
        pieces += 1;
        assert!(begun.elapsed() > Duration::from_secs(3599) * (pieces - 1), "{pieces}: {:?}", begun.elapsed());
    }
    assert_eq!(body, whole.body);
    assert_eq!(pieces as usize, whole.body.len().div_ceil(100));
}

#[tokio::test]
async fn wrong_contents() {
    let seen = once(&with_rule("wrong_json: true").await, CHAT).await;
    assert_eq!((seen.status(), seen.header("content-type")), ("200", Some("application/json")));
    assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
    assert!(serde_json::from_slice::<Value>(&seen.body).is_err() && seen.body.len() > 100);
    let (chunks, ended) = once(&with_rule("wrong_json: true").await, STREAM).await.chunks();
    let data = chunks[0].strip_prefix("data: ").unwrap();
    assert!(ended && serde_json::from_str::<Value>(data).is_err(), "{data}");

    let seen = once(&with_rule("html: true").await, CHAT).await;
    assert_eq!((seen.status(), seen.header("content-type")), ("200", Some("text/html; charset=utf-8")));
    assert!(seen.body.starts_with(b"<!DOCTYPE html>") && seen.body.ends_with(b"</html>\n"));

    let (whole, _) = usual(STREAM).await.chunks();
    let (chunks, ended) = once(&with_rule("error_event: true").await, STREAM).await.chunks();
    assert_eq!((chunks.len(), &chunks[0], ended), (2, &whole[0], true));
    assert!(chunks[1].starts_with("event: error\ndata: {\"object\":\"error\""), "{chunks:?}");
    let seen = once(&with_rule("error_event: true").await, CHAT).await;
    assert_eq!(seen.body, usual(CHAT).await.body, "what is no stream has no events");
}

#[tokio::test]
async fn sizes() {
    for size in [0_usize, 1, 2, 3, (1 << 16) + 7, 5 << 20] {
        let seen = once(&with_rule(&format!("body_size: {size}")).await, CHAT).await;
        assert_eq!(seen.header("content-length"), Some(size.to_string().as_str()));
        assert_eq!((seen.body.len(), seen.end), (size, Ok(())));
        assert!(size == 0 || serde_json::from_slice::<Value>(&seen.body).is_ok(), "{size}");
    }
    let running = with_rule("body_size: 1GiB").await;
    let mut socket = ask(&running, CHAT).await;
    let mut head = [0; 400];
    socket.read_exact(&mut head).await.unwrap();
    assert!(String::from_utf8_lossy(&head).contains("\r\ncontent-length: 1073741824\r\n"));

    let running = with_rule("endless: true").await;
    let mut socket = ask(&running, CHAT).await;
    let mut bytes = vec![0; 1 << 20];
    for _ in 0..64 {
        socket.read_exact(&mut bytes).await.unwrap();
    }
    assert!(bytes.iter().filter(|byte| **byte == b'x').count() > bytes.len() - 1000);
}

#[tokio::test]
async fn lengths() {
    let whole = usual(CHAT).await.body;
    for off in [10_isize, -10] {
        let running = with_rule(&format!("content_length: {off:+}")).await;
        let seen = Seen::of(ask(&running, CHAT).await).await;
        let said = whole.len().checked_add_signed(off).unwrap();
        assert_eq!(seen.header("content-length"), Some(said.to_string().as_str()));
        assert_eq!((seen.body, seen.end), (whole.clone(), Ok(())), "{off}");
    }
}

/// Lets the simulator run until it has read so many requests.
async fn seen(running: &Running, requests: u64) {
    while running.requests_seen() < requests {
        tokio::task::yield_now().await;
    }
}

async fn first_byte(mut socket: TcpStream) -> u8 {
    let mut byte = [0; 1];
    socket.read_exact(&mut byte).await.unwrap();
    byte[0]
}

fn events(path: &Path) -> Vec<String> {
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned();
    text.lines().map(event).collect()
}

/// What was read has its line, whatever becomes of it; what was not sent whole has no answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_stays_the_truth() {
    let cases: [(&str, &[&str]); 10] = [
        ("status: 503", &["request", "answer"]),
        ("latency: 1ms", &["request", "answer"]),
        ("reset: before_reading", &[]),
        ("reset: after_reading", &["request", "gone"]),
        ("cut: {after: 10}", &["request", "gone"]),
        ("content_length: +10", &["request", "gone"]),
        ("content_length: -10", &["request", "answer"]),
        ("wrong_json: true", &["request", "answer"]),
        ("drip: {every: 1ms, bytes: 100}", &["request", "answer"]),
        ("body_size: 200KiB", &["request", "answer"]),
    ];
    for (act, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let faults = Faults::read(&format!("rules: [{{do: {{{act}}}}}]")).unwrap();
        let running = start(Options { faults: Some(faults), ledger: Some(path.clone()), ..Options::default() }).await;
        let seen = once(&running, CHAT).await;
        running.stop().await;
        assert_eq!(events(&path), expected, "{act}");
        if expected.contains(&"answer") {
            let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
            let answer: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
            assert_eq!(answer["bytes"], seen.body.len(), "{act}: what was sent is what came");
        }
    }
}

/// What never ends is ended by the client alone, and the ledger knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_is_gone() {
    for act in ["silence: true", "endless: true"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let faults = Faults::read(&format!("rules: [{{do: {{{act}}}}}]")).unwrap();
        let running = start(Options { faults: Some(faults), ledger: Some(path.clone()), ..Options::default() }).await;
        let socket = ask(&running, CHAT).await;
        seen(&running, 1).await;
        drop(socket);
        running.stop().await;
        assert_eq!(events(&path), ["request", "gone"], "{act}");
    }
}

/// The numbers, from 1, of the requests that are answered with a 503.
async fn taken(text: &str, requests: usize) -> Vec<usize> {
    let running = with_faults(text).await;
    let client = crate::wire::client();
    let mut taken = Vec::new();
    for number in 1..=requests {
        let url = format!("{}/v1/chat/completions", running.url());
        let headers = [crate::wire::KEY, crate::wire::JSON];
        let got = crate::wire::send(&client, "POST", url, &headers, CHAT.replace("hello", &format!("row {number}!")));
        if got.await.status == 503 {
            taken.push(number);
        }
    }
    taken
}

#[tokio::test]
async fn rules_choose_requests() {
    let cases: [(&str, &[usize]); 9] = [
        ("{}", &[1, 2, 3, 4, 5, 6]),
        ("{operation: POST /v1/chat/completions, nth: 2}", &[2]),
        ("{operation: Chat Completion, nth: [1, 3]}", &[1, 3]),
        ("{operation: GET /v1/models}", &[]),
        ("{row: row 4!}", &[4]),
        ("{row: row, every: 3}", &[3, 6]),
        ("{row: 5, nth: 1}", &[5]),
        ("{probability: 0}", &[]),
        ("{probability: 1.0, every: 2}", &[2, 4, 6]),
    ];
    for (wanted, expected) in cases {
        let text = format!("rules: [{{match: {wanted}, do: {{status: 503}}}}]");
        assert_eq!(taken(&text, 6).await, expected, "{wanted}");
    }
    // The first rule wins, and the second counts all the same.
    let two = "rules:\n- {match: {nth: 2}, do: {html: true}}\n- {match: {nth: [2, 3]}, do: {status: 503}}\n";
    assert_eq!(taken(two, 4).await, [3]);
}

#[tokio::test]
async fn a_seed_chooses_the_same_again() {
    let text = |seed: u64| format!("{{seed: {seed}, rules: [{{match: {{probability: 0.3}}, do: {{status: 503}}}}]}}");
    let first = taken(&text(7), 60).await;
    assert!((8..=30).contains(&first.len()), "{first:?}");
    assert_eq!(taken(&text(7), 60).await, first);
    assert_ne!(taken(&text(8), 60).await, first);
    // Two rules of one file do not choose the same.
    let other = text(7).replace("rules: [", "rules: [{match: {probability: 0}, do: {html: true}}, ");
    assert_ne!(taken(&other, 60).await, first);
}
