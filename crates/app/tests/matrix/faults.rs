//! Every fault of the matrix: its name in the table, and what the service does.

use crate::service::Act;
use crate::streams;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::time::Duration;

/// A fault.
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) act: Act,
    /// Where the HTTP client is sent, if not to the service. `DOOR` is a port where the act meets whoever connects.
    pub(crate) base: Option<&'static str>,
    /// Whether the request asks for a stream.
    pub(crate) stream: bool,
    /// Whether the request asks for a file.
    pub(crate) file: bool,
    /// Members of the HTTP client beside the usual ones, as YAML.
    pub(crate) client: &'static str,
}

impl Fault {
    pub(crate) fn new(name: impl Into<String>, act: Act) -> Self {
        Self { name: name.into(), act, base: None, stream: false, file: false, client: "" }
    }

    pub(crate) fn send(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(name, Act::Send(bytes.into()))
    }

    fn elsewhere(name: &str, base: &'static str) -> Self {
        Self { base: Some(base), ..Self::send(name, "") }
    }

    pub(crate) fn with(self, client: &'static str) -> Self {
        Self { client, ..self }
    }
}

/// An answer that every operation takes.
pub(crate) const GOOD: &str = r#"{"id":"m","object":"thing","choices":[{"message":{"content":"hello"}}]}"#;

/// The statuses that are asked for one by one; 101 is among the interim answers.
const STATUSES: [u16; 50] = [
    200, 201, 202, 203, 206, 208, 226, 299, 300, 304, 305, 399, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411,
    413, 414, 415, 418, 421, 422, 423, 424, 425, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 508, 511,
    599, 600, 777, 999,
];
/// What proxies answer for a service that they do not reach.
const PROXY_STATUSES: [u16; 9] = [520, 521, 522, 523, 524, 525, 526, 529, 530];

/// Every fault, in the order of the table.
pub(crate) fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(unreachable());
    faults.extend(silence());
    faults.extend(connections());
    faults.extend(bodies());
    faults.extend(interim());
    faults.extend(STATUSES.iter().chain(&PROXY_STATUSES).map(|status| status_fault(*status)));
    faults.extend(no_content());
    faults.extend(waits());
    faults.extend(redirects());
    faults.extend(repeats());
    faults.extend(reused());
    faults.extend(packed());
    faults.extend(files());
    faults.extend(streams::faults());
    faults
}

/// A whole answer that closes the connection.
pub(crate) fn whole(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn status_fault(status: u16) -> Fault {
    let body = if (200..300).contains(&status) { GOOD } else { r#"{"message":"no"}"# };
    // 304 has no body, whatever its head says.
    Fault::send(format!("status {status}"), whole(status, "", if status == 304 { "" } else { body }))
}

fn no_content() -> Vec<Fault> {
    [204, 205]
        .map(|status| {
            Fault::send(
                format!("status {status}"),
                format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
            )
        })
        .into()
}

fn unreachable() -> Vec<Fault> {
    let no_tls = |name: &str, act| Fault { base: Some("https://127.0.0.1:DOOR"), ..Fault::new(name, act) };
    vec![
        Fault::elsewhere("connection refused", "http://127.0.0.1:1"),
        Fault::elsewhere("no such host", "http://nowhere.invalid"),
        no_tls(
            "TLS to a port without it",
            Act::Send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ),
        // Alerts: a record of type 21, fatal, with its reason.
        no_tls("TLS of no common version", Act::Send(vec![21, 3, 1, 0, 2, 2, 70])),
        no_tls("TLS of no common cipher", Act::Send(vec![21, 3, 3, 0, 2, 2, 40])),
        no_tls("TLS that asks for another name", Act::Send(vec![21, 3, 3, 0, 2, 2, 112])),
        no_tls("a reset in the handshake", Act::SendAndReset(Vec::new())),
        no_tls("an end in the handshake", Act::Send(Vec::new())),
        no_tls("half a record in the handshake", Act::Send(vec![22, 3, 3, 0, 90, 2])),
        no_tls("silence in the handshake", Act::SendAndHold(Vec::new())).with("timeouts: { connect: 1s }"),
    ]
}

fn silence() -> Vec<Fault> {
    let head = "HTTP/1.1 200 Fine\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let hold = |name: &str, bytes: &str| Fault::new(name, Act::SendAndHold(bytes.as_bytes().to_vec()));
    let drip = Act::Drip(head.replace("100\r", "100000\r").into_bytes(), Duration::from_millis(20));
    vec![
        hold("no answer begins", "").with("timeouts: { first_byte: 1s }"),
        hold("the head stalls", "HTTP/1.1 200 Fi").with("timeouts: { first_byte: 1s }"),
        hold("the body never begins", head).with("timeouts: { idle: 1s }"),
        hold("the body stalls", &format!("{head}{{\"id\"")).with("timeouts: { idle: 1s }"),
        Fault::new("the body drips", drip).with("timeouts: { total: 3s }"),
    ]
}

fn connections() -> Vec<Fault> {
    let reset = |name: &str, bytes: &str| Fault::new(name, Act::SendAndReset(bytes.as_bytes().to_vec()));
    let cut = "HTTP/1.1 200 Fine\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"id\"";
    vec![
        Fault::new("reset with the request unread", Act::ResetUnread),
        reset("reset in place of an answer", ""),
        Fault::send("end in place of an answer", ""),
        reset("reset in the head", "HTTP/1.1 200 Fine\r\ncontent-le"),
        Fault::send("end in the head", "HTTP/1.1 200 Fine\r\ncontent-le"),
        reset("reset in the body", cut),
        Fault::send("end in the body", cut),
        Fault::send("no HTTP", "SSH-2.0-OpenSSH_9\r\n"),
        Fault::send("a status line of rubbish", "HTTP/1.1 2x0 Fine\r\n\r\n"),
        Fault::send("a status of two digits", "HTTP/1.1 20 Fine\r\n\r\n"),
        Fault::send(
            "a header of 1 MB",
            format!("HTTP/1.1 200 Fine\r\nx: {}\r\ncontent-length: 2\r\n\r\n{{}}", "x".repeat(1 << 20)),
        ),
        Fault::send(
            "1,000 headers",
            format!("HTTP/1.1 200 Fine\r\n{}content-length: 2\r\n\r\n{{}}", "x: y\r\n".repeat(1_000)),
        ),
    ]
}

fn bodies() -> Vec<Fault> {
    let chunked = |pieces: &str| {
        format!("HTTP/1.1 200 Fine\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{pieces}")
    };
    let unsized_body =
        |body: &str| format!("HTTP/1.1 200 Fine\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{body}");
    let text = |name: &str, body: &[u8]| Fault::send(name, whole(200, "", body));
    let utf16: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        Fault::send("a length too long", unsized_body(GOOD).replace("connection", "content-length: 900\r\nconnection")),
        Fault::send("a length too short", unsized_body(GOOD).replace("connection", "content-length: 9\r\nconnection")),
        Fault::send(
            "two lengths that differ",
            unsized_body(GOOD).replace("connection", "content-length: 9\r\ncontent-length: 10\r\nconnection"),
        ),
        Fault::send(
            "a length that is no number",
            unsized_body(GOOD).replace("connection", "content-length: many\r\nconnection"),
        ),
        Fault::send("a chunk cut", chunked("40\r\n{\"id\"")),
        Fault::send("a chunk of a size that is none", chunked("zz\r\n{\"id\"\r\n0\r\n\r\n")),
        Fault::send("no last chunk", chunked("2\r\n{}\r\n")),
        Fault::send("no length, cut", unsized_body(&GOOD[..20])),
        Fault::send("no length, whole", unsized_body(GOOD)),
        text("empty", b""),
        text("null", b"null"),
        Fault::send("a web page", whole(200, "", "<html><h1>Sign in</h1></html>")),
        text("half a JSON", &GOOD.as_bytes()[..20]),
        text("10,000 deep", "[".repeat(10_000).as_bytes()),
        text("a name twice", br#"{"id":"a","id":"b"}"#),
        text("NaN", br#"{"id":NaN}"#),
        text("a number of 401 digits", format!("{{\"id\":1{}}}", "0".repeat(400)).as_bytes()),
        text("a byte order mark", format!("\u{feff}{GOOD}").as_bytes()),
        text("UTF-16", &utf16),
        text("no UTF-8", b"{\"id\":\"\xff\xfe\"}"),
        text("more after the JSON", format!("{GOOD}{GOOD}").as_bytes()),
        text("too large", format!("\"{}\"", "x".repeat(200_000)).as_bytes()),
        Fault::new("endless", Act::Endless(unsized_body("\"").into_bytes(), vec![b'x'; 1 << 16])),
    ]
}

fn interim() -> Vec<Fault> {
    let good = String::from_utf8(whole(200, "", GOOD)).unwrap();
    let before = |interim: &str| format!("HTTP/1.1 {interim}\r\n\r\n{good}");
    vec![
        Fault::send("100, then the answer", before("100 Continue")),
        Fault::send("102, then the answer", before("102 Processing")),
        Fault::send("103, then the answer", before("103 Early Hints")),
        Fault::send("100 times 100, then the answer", format!("{}{good}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100))),
        Fault::send("102, then the end", "HTTP/1.1 102 Processing\r\n\r\n"),
        Fault::send("101", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n"),
        Fault::new("endless 100s", Act::Endless(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100)))
            .with("timeouts: { first_byte: 1s }"),
    ]
}

fn waits() -> Vec<Fault> {
    const FORMS: [(&str, &str); 10] = [
        ("in seconds", "retry-after: 1\r\n"),
        ("as a date", "date: Mon, 23 Nov 2026 12:00:00 GMT\r\nretry-after: Mon, 23 Nov 2026 12:00:01 GMT\r\n"),
        ("as a date gone by", "date: Mon, 23 Nov 2026 12:00:00 GMT\r\nretry-after: Mon, 23 Nov 2026 11:00:00 GMT\r\n"),
        ("negative", "retry-after: -5\r\n"),
        ("huge", "retry-after: 99999999999999999999\r\n"),
        ("of nothing", "retry-after: \r\n"),
        ("of rubbish", "retry-after: soon\r\n"),
        ("in part of a second", "retry-after: 0.1\r\n"),
        ("zero", "retry-after: 0\r\n"),
        ("twice", "retry-after: 0\r\nretry-after: 1\r\n"),
    ];
    let mut faults = Vec::new();
    for status in [429, 503, 425] {
        faults.extend(FORMS.map(|(form, header)| {
            Fault::send(format!("{status}, Retry-After {form}"), whole(status, header, r#"{"message":"slow down"}"#))
        }));
    }
    faults.push(Fault::send("429 of a limit of 0", whole(429, "x-ratelimit-limit-req-minute: 0\r\n", "{}")));
    faults
}

/// To another path, another port, another host, another scheme; whoever followed would ask for `/moved/away`.
fn redirects() -> Vec<Fault> {
    let mut faults = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        faults.push(Fault::send(format!("redirect {status}"), whole(status, "location: /moved/away\r\n", "")));
    }
    for (name, location) in [
        ("another port", "http://127.0.0.1:1/moved/away"),
        ("another host", "http://nowhere.invalid/moved/away"),
        ("another scheme", "https://127.0.0.1/moved/away"),
    ] {
        faults
            .push(Fault::send(format!("redirect 307 to {name}"), whole(307, &format!("location: {location}\r\n"), "")));
    }
    faults
}

/// A connection that the service keeps, and breaks just when it is used again.
fn reused() -> Vec<Fault> {
    let kept = |status: u16| {
        let bytes = String::from_utf8(whole(status, "", "{}")).unwrap();
        Act::SendAndKeep(bytes.replace("connection: close\r\n", "").into_bytes())
    };
    [429, 500]
        .into_iter()
        .flat_map(|status| {
            let then = |end: &str, act| {
                Fault::new(format!("{status}, then {end} at reuse"), Act::InTurn(vec![kept(status), act]))
            };
            [then("a reset", Act::ResetUnread), then("an end", Act::Send(Vec::new()))]
        })
        .collect()
}

/// Files, which are kept as they come: nothing in them says where they end.
fn files() -> Vec<Fault> {
    let file = |name: &str, headers: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 Fine\r\ncontent-type: application/octet-stream\r\n{headers}connection: close\r\n\r\n"
        );
        Fault { file: true, ..Fault::send(format!("file: {name}"), [head.as_bytes(), body].concat()) }
    };
    vec![
        file("whole", "content-length: 4\r\n", b"\0\x01\x02\x03"),
        file("whole, in chunks", "transfer-encoding: chunked\r\n", b"2\r\n\0\x01\r\n0\r\n\r\n"),
        file("a length too long", "content-length: 40\r\n", b"\0\x01\x02\x03"),
        file("a chunk cut", "transfer-encoding: chunked\r\n", b"20\r\n\0\x01"),
        file("no last chunk", "transfer-encoding: chunked\r\n", b"2\r\n\0\x01\r\n"),
        file("neither length nor end", "", b"\0\x01\x02\x03"),
        file(
            "gzip, cut in its middle",
            "content-encoding: gzip\r\ncontent-length: 12\r\n",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c",
        ),
        file("too large", "content-length: 200000\r\n", &[0; 200_000]).with("max_file_bytes: 100000"),
        Fault {
            file: true,
            ..Fault::send(
                "file: a web page in its place",
                String::from_utf8(whole(200, "", "<html></html>")).unwrap().replace("application/json", "text/html"),
            )
        },
        Fault { file: true, ..Fault::send("file: status 404", whole(404, "", "{}")) },
        Fault { file: true, ..Fault::send("file: status 500", whole(500, "", "{}")) },
    ]
}

/// What the second attempt meets after a first that failed.
fn repeats() -> Vec<Fault> {
    let gone = || Act::Send(whole(404, "", r#"{"message":"no such thing"}"#));
    let then = |name: &str, first: Act, second: Act| Fault::new(name, Act::InTurn(vec![first, second]));
    let good = || Act::Send(whole(200, "", GOOD));
    let failed = |status| Act::Send(whole(status, "", "{}"));
    let lost = || Act::SendAndReset(Vec::new());
    vec![
        then("lost, then 404", lost(), gone()),
        then("500, then 404", failed(500), gone()),
        then("429, then 404", failed(429), gone()),
        then("lost, then good", lost(), good()),
        then("500, then good", failed(500), good()),
        then("429, then good", failed(429), good()),
    ]
}

/// Answers that are packed by gzip, which the client unpacks.
fn packed() -> Vec<Fault> {
    let pack = |bytes: &[u8]| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let good = pack(GOOD.as_bytes());
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].iter_mut().for_each(|byte| *byte ^= 0x55);
    let bomb = pack(&vec![b' '; 16 << 20]);
    let packed = |name: &str, bytes: &[u8]| Fault::send(name, whole(200, "content-encoding: gzip\r\n", bytes));
    vec![
        packed("gzip", &good),
        packed("gzip, cut in its middle", &good[..middle]),
        packed("gzip, cut before its sum", &good[..good.len() - 8]),
        packed("gzip, damaged", &damaged),
        packed("gzip that is none", GOOD.as_bytes()),
        packed("gzip of 16 MiB", &bomb),
        packed("gzip in gzip", &pack(&good)),
        Fault::send("an encoding that nobody asked for", whole(200, "content-encoding: br\r\n", [0x8b, 0x02, 0x80])),
    ]
}
