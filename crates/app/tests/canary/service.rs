//! A service that repeats what it was sent wherever it can, and breaks in every way there is.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Service {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What of a request is repeated.
struct Asked {
    /// The key, as it was sent.
    key: String,
    /// What to do.
    word: String,
}

impl Service {
    /// Starts one that adds a mark to what it says.
    pub(crate) fn start(mark: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, seen) = (stream.unwrap(), seen.clone());
                std::thread::spawn(move || {
                    let request = read(&mut stream);
                    let asked = understand(&request);
                    seen.lock().unwrap().push(request);
                    let _ = answer(&mut stream, &asked, mark);
                });
            }
        });
        Self { url, requests }
    }

    /// Every request that came, whole.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        bytes.push(byte[0]);
        if bytes.len() == 3 && bytes.starts_with(b"\x16\x03") {
            // TLS: it gets an answer that is none.
            break;
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length =
        head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut body);
    head + &String::from_utf8_lossy(&body)
}

fn understand(request: &str) -> Asked {
    let header = |name: &str| {
        let line = request.lines().find(|line| line.to_lowercase().starts_with(name))?;
        Some(line.split_once(": ")?.1.trim().to_owned())
    };
    let key = header("authorization:").or_else(|| header("x-api-key:")).unwrap_or_default();
    let word = request.split("do-").last().unwrap_or_default();
    let word = word.chars().take_while(char::is_ascii_lowercase).collect();
    Asked { key, word }
}

/// The key in every way in which a service may repeat it.
fn repeated(key: &str) -> String {
    let bare = key.trim_start_matches("Bearer ");
    let hex: String = bare.bytes().map(|byte| format!("{byte:02x}")).collect();
    [
        key.to_owned(),
        BASE64_STANDARD.encode(key),
        BASE64_URL_SAFE.encode(key),
        BASE64_STANDARD.encode(format!("{bare}:")),
        BASE64_URL_SAFE.encode(format!("u:{bare}")),
        hex.to_uppercase(),
        hex,
        super::search::percent(key),
    ]
    .join(" | ")
}

fn whole(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn answer(stream: &mut TcpStream, asked: &Asked, mark: &str) -> std::io::Result<()> {
    let said = repeated(&asked.key);
    let json = "content-type: application/json\r\n";
    let echo = format!("{json}x-echo: {}\r\nset-cookie: key={}\r\n", asked.key, super::search::percent(&asked.key));
    let completion = json!({
        "id": "1", "object": "chat.completion", "model": "m", "created": 1, "key": asked.key, "mark": mark,
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": said } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    })
    .to_string();
    let error =
        json!({ "message": format!("the key {said} is bad"), "detail": asked.key, "type": asked.key, "mark": mark })
            .to_string();
    let sent = match asked.word.as_str() {
        "file" => whole(
            "200 OK",
            "content-type: application/octet-stream\r\n",
            format!("{mark} {said}").repeat(300).as_bytes(),
        ),
        "refuse" => whole(
            "401 Unauthorized",
            &format!("{echo}www-authenticate: Bearer key={}\r\n", asked.key),
            error.as_bytes(),
        ),
        "bad" => whole(
            "422 Unprocessable Entity",
            &echo,
            json!({ "detail": [{ "loc": ["body", asked.key], "msg": said, "type": "x" }] }).to_string().as_bytes(),
        ),
        "busy" => whole("429 Too Many Requests", &format!("{echo}retry-after: 1\r\n"), error.as_bytes()),
        "broken" => whole("500 Internal Server Error", &echo, error.as_bytes()),
        "html" => whole("200 OK", "content-type: text/html\r\n", format!("<p>{said}</p>").as_bytes()),
        "event" => whole(
            "200 OK",
            "content-type: text/event-stream\r\n",
            format!("data: {completion}\n\ndata: {said}").as_bytes(),
        ),
        "redirect" => whole(
            "302 Found",
            &format!("location: https://elsewhere.example/?key={}\r\n", super::search::percent(&asked.key)),
            b"",
        ),
        "large" => whole("200 OK", json, format!("\"{}{}\"", "x".repeat(19_980), asked.key.repeat(10)).as_bytes()),
        "gzip" => {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(completion.as_bytes())?;
            whole("200 OK", &format!("{json}content-encoding: gzip\r\n"), &packed.finish()?)
        }
        // Cut in the middle of the key.
        "cut" => {
            let half = &asked.key[..asked.key.len() - 5];
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n{echo}\r\n{{\"key\": \"{}\", \"half\": \"{half}",
                asked.key
            )
            .into_bytes()
        }
        "stall" => {
            stream.write_all(
                format!("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n{echo}\r\n{{\"key\": \"{}\", ", asked.key)
                    .as_bytes(),
            )?;
            stream.flush()?;
            wait(stream);
            Vec::new()
        }
        "silent" => {
            wait(stream);
            Vec::new()
        }
        "reset" => Vec::new(),
        _ => whole("200 OK", &echo, completion.as_bytes()),
    };
    stream.write_all(&sent)
}

/// Until the other side has had enough.
fn wait(stream: &mut TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let _ = stream.read(&mut [0]);
}
