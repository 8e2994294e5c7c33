//! A server that does what it is told, right or wrong, over a raw socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

/// Answers each connection with one behaviour, and tells how many requests came.
pub fn serve(mut behave: impl FnMut(&mut TcpStream) + Send + 'static) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read_request(&mut stream);
            if seen.send(request).is_err() {
                return;
            }
            behave(&mut stream);
        }
    });
    (url, requests)
}

/// Reads the head and as much body as it announces.
fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        text.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&text).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut body);
    head
}

/// A whole answer that closes the connection.
pub fn whole(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}", body.len())
}

/// A whole JSON answer.
pub fn json(status: &str, body: &str) -> String {
    whole(status, "content-type: application/json\r\n", body)
}

/// Answers each request by the next line of a script; the last line goes on for ever.
pub fn follow(script: Vec<String>) -> (String, mpsc::Receiver<String>) {
    let mut lines = script.into_iter();
    let mut line = String::new();
    serve(move |stream| {
        line = lines.next().unwrap_or_else(|| std::mem::take(&mut line));
        let _ = stream.write_all(line.as_bytes());
    })
}
