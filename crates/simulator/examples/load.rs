//! Asks a simulator for chats, or sends events to a webhook, as fast as it answers, over some connections, each with one
//! request at a time. Prints how many were answered a second, and how long the answers took, as JSON.
//!
//! `cargo run --release --package simulator --example load -- http://127.0.0.1:8123 200000 64`
//! `cargo run --release --package simulator --example load -- http://127.0.0.1:8420 200000 64 /webhooks/… TOKEN`

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "it measures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_default().replace("http://", "");
    let number = |text: Option<String>, usual: u64| text.and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (requests, connections) = (number(arguments.next(), 200_000), number(arguments.next(), 64));
    let hook = arguments.next().zip(arguments.next());
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let one = || tokio::spawn(ask(address.clone(), hook.clone(), next.clone(), requests));
    let all: Vec<_> = (0..connections).map(|_| one()).collect();
    let mut took = Vec::new();
    for one in all {
        took.extend(one.await.unwrap());
    }
    let seconds = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100] as f64 / 1_000.0;
    let per_second = requests as f64 / seconds;
    println!(
        r#"{{"per_second": {per_second:.0}, "p50_ms": {:.1}, "p99_ms": {:.1}, "longest_ms": {:.1}}}"#,
        at(50),
        at(99),
        at(100)
    );
}

/// One connection: a request, its answer, the next request. Returns how long each took, in microseconds.
async fn ask(address: String, hook: Option<(String, String)>, next: Arc<AtomicU64>, requests: u64) -> Vec<u64> {
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut answer, mut took) = (Vec::with_capacity(8 << 10), Vec::new());
    let (path, token) = hook.clone().unwrap_or(("/v1/chat/completions".to_owned(), "load".to_owned()));
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return took;
        }
        let body = match hook {
            None => format!(
                r#"{{"model":"mistral-small-latest","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"Describe product {number}"}}]}}"#
            ),
            Some(_) => format!(r#"{{"order":{number},"customer":"customer {}","total":19.9}}"#, number % 100),
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        socket.write_all(request.as_bytes()).await.unwrap();
        read(&mut socket, &mut answer).await;
        took.push(u64::try_from(began.elapsed().as_micros()).unwrap());
        assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Reads one answer with a length.
async fn read(socket: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    let mut whole = usize::MAX;
    while answer.len() < whole {
        assert!(socket.read_buf(answer).await.unwrap() > 0, "the connection was closed");
        if whole == usize::MAX
            && let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            whole = end + 4 + length.unwrap().trim().parse::<usize>().unwrap();
        }
    }
}
