//! A serving process, and how tests wait for what it does in its own time.

use super::lines;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A serving process. Killed when it is dropped.
pub struct Serving {
    pub child: Child,
    pub address: String,
}

impl Serving {
    /// Starts it and waits until it says where it listens.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, &[])
    }

    /// The same with more arguments.
    pub fn start_with(command: &mut Command, more: &[&str]) -> Self {
        Self::announced(command, more).0
    }

    /// The same, with all that it says then.
    pub fn announced(command: &mut Command, more: &[&str]) -> (Self, Value) {
        command.args(["serve", "--listen", "127.0.0.1:0", "--json"]).args(more).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let first: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let address = first["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
        (Self { child, address }, first)
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Ends politely.
    pub fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
    }

    /// What the system says of its memory, in bytes, and how many files and sockets it has open.
    pub fn use_of_system(&self) -> (u64, usize) {
        let folder = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{folder}/status")).unwrap();
        let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes: u64 = held.split_whitespace().next().unwrap().parse().unwrap();
        (kibibytes * 1024, std::fs::read_dir(format!("{folder}/fd")).unwrap().count())
    }

    /// A request over a connection of its own: status and body.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
        request(&self.address, method, path, headers, body).unwrap()
    }
}

/// A request over a connection of its own: status (0: none came) and body; `None` where nobody listens.
pub fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<(u16, Value)> {
    let answer = exchange(address, method, path, headers, body)?;
    Some((answer.status, serde_json::from_str(&answer.body).unwrap_or_default()))
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// 0: none came.
    pub status: u16,
    /// Lines of the head behind the first.
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Every value of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// As [`request`], with the whole answer. The host is the address, unless a header names another.
pub fn exchange(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
    let mut socket = TcpStream::connect(address).ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in [("host", address), ("connection", "close")] {
        if !headers.iter().any(|(named, _)| named.eq_ignore_ascii_case(name)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {}\r\n", body.len()));
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    socket.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    // A server that has refused may have closed its end already.
    let _ = socket.write_all(body);
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|read| read == 1) {
        answer.push(byte[0]);
    }
    // A stream of events has no end.
    if !String::from_utf8_lossy(&answer).contains("text/event-stream") {
        let _ = socket.read_to_end(&mut answer);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let body = whole(head, body);
    super::contract::judge(method, path, status, head, &body);
    let head = head.split_once("\r\n").map(|(_, lines)| lines.to_owned()).unwrap_or_default();
    Some(Answer { status, head, body })
}

/// A body that came in pieces, put together.
fn whole(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&after[..length]);
        rest = after[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    whole
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until it is so. A serving process does its work in its own time; the bound is for a broken one.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{what} did not come about within a minute");
}

/// Whole lines of a file that is being written.
pub fn lines_so_far(path: &Path) -> usize {
    std::fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// How many rows were asked about; none of them twice.
pub fn calls_once(ledgers: &[&Path]) -> usize {
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for line in ledgers.iter().flat_map(|ledger| lines(ledger)) {
        // Each row has a body of its own.
        if let Some(body) = line["body_sha256"].as_str() {
            *calls.entry(body.to_owned()).or_default() += 1;
        }
    }
    let repeated: Vec<_> = calls.iter().filter(|(_, count)| **count > 1).collect();
    assert!(repeated.is_empty(), "paid twice: {repeated:?}");
    calls.len()
}
