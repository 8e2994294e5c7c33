//! Asks a simulator for chats as fast as it answers, over some connections, each with one request at a time. Prints how
//! many were answered a second.
//!
//! `cargo run --release --package simulator --example load -- http://127.0.0.1:8123 200000 64`

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
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let all: Vec<_> = (0..connections).map(|_| tokio::spawn(ask(address.clone(), next.clone(), requests))).collect();
    for one in all {
        one.await.unwrap();
    }
    println!("{:.0}", requests as f64 / began.elapsed().as_secs_f64());
}

/// One connection: a request, its answer, the next request.
async fn ask(address: String, next: Arc<AtomicU64>, requests: u64) {
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut answer = Vec::with_capacity(8 << 10);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return;
        }
        let body = format!(
            r#"{{"model":"mistral-small-latest","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"Describe product {number}"}}]}}"#
        );
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer load\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        read(&mut socket, &mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Reads one answer with a length.
async fn read(socket: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    let mut whole = usize::MAX;
    while answer.len() < whole {
        assert!(socket.read_buf(answer).await.unwrap() > 0, "the simulator closed the connection");
        if whole == usize::MAX
            && let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            whole = end + 4 + length.unwrap().trim().parse::<usize>().unwrap();
        }
    }
}
