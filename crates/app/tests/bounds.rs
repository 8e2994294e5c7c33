//! What a server bears from those who mean it no good: slow ones, endless ones, huge ones, and requests that others would
//! read differently.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use world::World;
use world::serving::{Serving, request, wait_for};

const HOOK: &str = r#"
incoming:
  orders: { subscriber: { type: webhook, token: "${secret:TOKEN}", max_bytes: 1000 } }
outgoing:
  nothing: { publisher: { type: none } }
routes:
  save: { incoming: orders, outgoing: nothing }
"#;

/// The most memory that it may hold, in bytes.
const MOST_MEMORY: u64 = 400 << 20;

fn token(world: &World, role: &str) -> String {
    world.run(&["people", "add", role, "--role", role]).expect(0);
    let made = world.run(&["tokens", "add", role, "--json"]).expect(0).json();
    made["token"].as_str().unwrap().to_owned()
}

/// Sends bytes as they are, and reads what comes until the other end closes. What is not taken any more is no matter.
fn raw(address: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    // For a broken server: a good one answers, or closes.
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Goes on sending until the other end has had enough; returns what it said. `u64::MAX` where it never has.
fn pour(address: &str, head: &str, piece: &[u8], most: u64) -> (u64, u16) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    let mut sent = 0;
    while sent < most && socket.write_all(piece).is_ok() {
        sent += piece.len() as u64;
    }
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    (sent, status(&String::from_utf8_lossy(&answer)))
}

#[test]
fn two_thousand_slow_sockets_keep_nobody_out() {
    let world = World::new();
    for each in ["64", "5000"] {
        let serving =
            Serving::start_with(&mut world.command(&[]), &["--connections-each", each, "--connections", "700"]);
        let (_, before) = serving.use_of_system();
        let forms: [&[u8]; 5] = [
            b"",
            b"G",
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
            b"POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n",
            b"POST /webhooks/0 HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        ];
        let mut slow = Vec::new();
        for number in 0..2_000 {
            // Those that were sent away are closed, so that this process has files left.
            if slow.len() == 800 {
                slow.drain(..400);
            }
            if let Ok(mut socket) = TcpStream::connect(&serving.address) {
                let _ = socket.write_all(forms[number % forms.len()]);
                slow.push(socket);
            }
            if number % 250 == 0 {
                assert_eq!(serving.send("GET", "/healthz", &[], b"").0, 200, "beside {number} slow ones");
            }
        }
        let (memory, open) = serving.use_of_system();
        assert!(memory <= MOST_MEMORY, "{memory}");
        assert!(open <= before + 720, "{open}");
        drop(slow);
        wait_for("its files to come back", || (serving.use_of_system().1 <= before + 8).then_some(()));
        serving.stop();
    }
}

#[test]
fn a_connection_that_drips_is_given_up() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    let mut socket = TcpStream::connect(&serving.address).unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut rest = Vec::new();
    // Ended by the server, not by the time that this test waits.
    socket.read_to_end(&mut rest).unwrap();
    serving.stop();
}

#[test]
fn heads_are_bounded() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    let headers = |count: usize| (0..count).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    let cases: [(&str, String, u16); 7] = [
        ("as many headers as may be", headers(99), 200),
        ("one too many", headers(100), 431),
        ("a flood", headers(50_000), 431),
        ("a long value", format!("x: {}\r\n", "y".repeat(30_000)), 200),
        ("too long a value", format!("x: {}\r\n", "y".repeat(33_000)), 431),
        ("too long a name", format!("{}: x\r\n", "y".repeat(33_000)), 431),
        ("many long ones", format!("x: {}\r\n", "y".repeat(1_000)).repeat(40), 431),
    ];
    for (what, more, expected) in cases {
        let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
        let mut socket = TcpStream::connect(&serving.address).unwrap();
        let _ = socket.write_all(head.as_bytes());
        let mut first = [0; 12];
        // A reset may overtake the answer where more was sent than was read.
        let read = socket.read_exact(&mut first).map(|()| status(&format!("{} ", String::from_utf8_lossy(&first))));
        assert!(read.is_ok_and(|status| status == expected) || (expected == 431 && head.len() > 64 << 10), "{what}");
    }
    // Without an end.
    let (sent, _) = pour(&serving.address, "GET / HTTP/1.1\r\nx: ", &[b'y'; 65_536], 1 << 30);
    assert!(sent < 64 << 20, "{sent}");
    let (sent, _) = pour(&serving.address, "GET / HTTP/1.1\r\n", b"a: b\r\n".repeat(10_000).as_slice(), 1 << 30);
    assert!(sent < 64 << 20, "{sent}");
    assert!(serving.use_of_system().0 <= MOST_MEMORY);
    serving.stop();
}

#[test]
fn bodies_are_bounded_with_and_without_a_length() {
    let world = World::new();
    world.write("flow.yaml", HOOK);
    world.run(&["apply", "flow.yaml"]).expect(0);
    let hook = world.run(&["webhooks", "--json"]).expect(0).json()[0]["path"].as_str().unwrap().to_owned();
    let operator = token(&world, "operator");
    let serving = Serving::start(world.command(&[]).env("TOKEN", "let-me-in"));
    let api = format!(
        "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {operator}\r\ncontent-type: application/json\r\n"
    );
    let webhook = format!("POST {hook} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer let-me-in\r\n");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
    for (what, head) in [("the API", &api), ("a webhook", &webhook)] {
        let answer = raw(&serving.address, format!("{head}content-length: {}\r\n\r\n{{", 1_u64 << 30).as_bytes());
        assert_eq!(status(&answer), 413, "{what}: a length of 1 GiB is refused by its length: {answer}");
        let (sent, code) =
            pour(&serving.address, &format!("{head}content-length: {}\r\n\r\n", 1_u64 << 30), &chunk, 1 << 30);
        assert!(sent < 64 << 20 && matches!(code, 413 | 0), "{what}: {sent} {code}");
        let (sent, code) =
            pour(&serving.address, &format!("{head}transfer-encoding: chunked\r\n\r\n"), &chunk, 1 << 30);
        assert!(sent < 64 << 20 && matches!(code, 413 | 0), "{what}, in chunks: {sent} {code}");
    }
    let exactly = |head: &str, length: usize| {
        let body = format!("{{\"incoming\":\"none\"}}{}", " ".repeat(length - 19));
        raw(&serving.address, format!("{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes())
    };
    assert_eq!(status(&exactly(&api, 1 << 20)), 404, "the largest body that may be is read");
    assert_eq!(status(&exactly(&api, (1 << 20) + 1)), 413);
    assert_eq!(status(&exactly(&webhook, 1_000)), 202);
    assert_eq!(status(&exactly(&webhook, 1_001)), 413);
    let in_chunks = |head: &str, length: usize| {
        let body = format!("{{\"incoming\":\"none\"}}{}", " ".repeat(length - 19));
        let head = format!("{head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n");
        raw(&serving.address, format!("{head}{length:x}\r\n{body}\r\n0\r\n\r\n").as_bytes())
    };
    assert_eq!(status(&in_chunks(&webhook, 1_000)), 202);
    assert_eq!(status(&in_chunks(&webhook, 1_001)), 413);
    assert_eq!(status(&in_chunks(&api, (1 << 20) + 1)), 413);
    assert!(serving.use_of_system().0 <= MOST_MEMORY);
    serving.stop();
}

/// Requests that two programs may read in two ways. Each is sent whole, with another request behind or in it.
const SMUGGLED: [(&str, &str); 33] = [
    ("both, length first", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 6\ntransfer-encoding: chunked\n\n0\n\nX"),
    ("both, length last", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\ncontent-length: 6\n\n0\n\nX"),
    ("both, other case", "POST / HTTP/1.1\nhost: localhost\nTrAnSfEr-EnCoDiNg: CHUNKED\nCONTENT-LENGTH: 6\n\n0\n\nX"),
    (
        "both, a length of nothing",
        "POST / HTTP/1.1\nhost: localhost\ncontent-length: 0\ntransfer-encoding: chunked\n\n0\n\n",
    ),
    ("two lengths", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 0\ncontent-length: 5\n\nhello"),
    ("two equal lengths", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 5\ncontent-length: 5\n\nhello"),
    ("a list of lengths", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 5, 5\n\nhello"),
    ("a length with a sign", "POST / HTTP/1.1\nhost: localhost\ncontent-length: +5\n\nhello"),
    ("a negative length", "POST / HTTP/1.1\nhost: localhost\ncontent-length: -1\n\nhello"),
    ("a length in hex", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 0x5\n\nhello"),
    ("a length with a point", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 5.0\n\nhello"),
    ("an empty length", "POST / HTTP/1.1\nhost: localhost\ncontent-length:\n\nhello"),
    ("a length beyond all", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 99999999999999999999999\n\nhello"),
    ("a length with a space within", "POST / HTTP/1.1\nhost: localhost\ncontent-length: 1 2\n\nhello"),
    (
        "two encodings",
        "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\ntransfer-encoding: identity\n\n0\n\n",
    ),
    ("chunked twice", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked, chunked\n\n0\n\n"),
    ("chunked not last", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked, identity\n\n0\n\n"),
    ("gzip, chunked", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: gzip, chunked\n\n0\n\n"),
    ("an unknown encoding", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: xchunked\n\n0\n\n"),
    ("an encoding in quotes", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: \"chunked\"\n\n0\n\n"),
    ("an empty encoding", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding:\n\n0\n\n"),
    (
        "an encoding behind a tab of another kind",
        "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding: \u{b}chunked\n\n0\n\n",
    ),
    ("an encoding in HTTP/1.0", "POST / HTTP/1.0\nhost: localhost\ntransfer-encoding: chunked\n\n0\n\n"),
    ("a space before the colon", "POST / HTTP/1.1\nhost: localhost\ntransfer-encoding : chunked\n\n0\n\n"),
    ("a space before the name", "POST / HTTP/1.1\nhost: localhost\n transfer-encoding: chunked\n\n0\n\n"),
    ("a header that goes on", "POST / HTTP/1.1\nhost: localhost\ncontent-length:\n 5\n\nhello"),
    ("a header without a colon", "POST / HTTP/1.1\nhost: localhost\nnonsense\n\n"),
    ("a header without a name", "POST / HTTP/1.1\nhost: localhost\n: x\n\n"),
    ("two hosts", "GET /healthz HTTP/1.1\nhost: localhost\nhost: b\n\n"),
    ("no host", "GET /healthz HTTP/1.1\nx: y\n\n"),
    ("a zero in a value", "GET /healthz HTTP/1.1\nhost: localhost\nx: a\0b\n\n"),
    ("two spaces before the version", "GET /healthz  HTTP/1.1\nhost: localhost\n\n"),
    ("another version", "GET /healthz HTTP/1.2\nhost: localhost\n\n"),
];

#[test]
fn what_others_would_read_differently_is_refused() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    let behind = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (what, form) in SMUGGLED {
        let bytes = format!("{}{behind}", form.replace('\n', "\r\n"));
        let answer = raw(&serving.address, bytes.as_bytes());
        assert_eq!(status(&answer), 400, "{what}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: what came behind was answered: {answer:?}");
    }
    // Lines that end in another way.
    let bare = [
        "GET /healthz HTTP/1.1\nhost: localhost\n\n",
        "GET /healthz HTTP/1.1\r\nhost: localhost\nx: y\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: localhost\rx: y\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\n",
    ];
    for form in bare {
        let answer = raw(&serving.address, format!("{form}{behind}").as_bytes());
        assert_eq!(status(&answer), 400, "{form:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{form:?}: {answer:?}");
    }
    // After a body in chunks nothing follows on the connection; other requests may.
    let chunked = "POST /healthz HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(raw(&serving.address, format!("{chunked}{behind}").as_bytes()).matches("HTTP/1.1 ").count(), 1);
    let last = behind.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let three = raw(&serving.address, format!("{behind}\r\n{behind}{last}").as_bytes());
    assert_eq!(three.matches("HTTP/1.1 200").count(), 3, "{three}");
    serving.stop();
}

#[test]
fn a_socket_of_the_file_system_is_for_its_owner() {
    let world = World::new();
    let path = world.path("t.sock");
    let door = format!("unix:{}", path.display());
    let serving = Serving::start_with(&mut world.command(&[]), &["--listen", &door]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut socket = UnixStream::connect(&path).unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    serving.stop();
    // What was left behind is replaced; what is something else is not.
    assert!(path.exists());
    Serving::start_with(&mut world.command(&[]), &["--listen", &door]).stop();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    let refused = world.run(&["serve", "--listen", &door]).expect(1);
    assert!(refused.stderr.contains("address_taken"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn others_come_only_through_a_proxy_and_where_there_are_people() {
    let world = World::new();
    let refused = |arguments: &[&str], code: &str| {
        let all = [&["serve", "--listen", "0.0.0.0:0"], arguments].concat();
        let refused = world.run(&all).expect(3);
        assert!(refused.stderr.contains(code) && refused.stderr.contains("hint"), "{refused:?}");
    };
    refused(&[], "proxy_missing");
    refused(&["--behind-proxy", "10.0.0.5"], "people_missing");
    refused(&["--behind-proxy", "somewhere"], "proxy_wrong");
    let admin = token(&world, "admin");
    refused(&[], "proxy_missing");
    refused(&["--behind-proxy", "127.0.0.1", "--open-metrics"], "metrics_open");
    let more = ["--listen", "0.0.0.0:0", "--behind-proxy", "127.0.0.1,10.0.0.0/8"];
    let serving = Serving::start_with(&mut world.command(&[]), &more);
    let ask = |method: &str, path: &str, forwarded: &str| {
        let bearer = format!("Bearer {admin}");
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", forwarded)];
        request(&serving.address, method, path, &headers, b"").unwrap()
    };
    assert_eq!(ask("DELETE", "/api/v1/tokens/1", "203.0.113.7, 10.1.2.3").0, 204);
    let offline = |path: &str| serving.send("GET", path, &[], b"").0;
    assert_eq!(offline("/api/v1/me"), 401, "the token is gone");
    serving.stop();
    let admin = token(&world, "admin");
    let serving = Serving::start(&mut world.command(&[]));
    let bearer = format!("Bearer {admin}");
    let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", "198.51.100.1")];
    assert_eq!(serving.send("DELETE", "/api/v1/tokens/999", &headers, b"").0, 404);
    let audit = serving.send("GET", "/api/v1/audit?what=token.delete", &headers, b"").1;
    let origins: Vec<&Value> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["origin"]).collect();
    assert_eq!(origins, [&json!("203.0.113.7")], "{audit}");
    serving.stop();
}
