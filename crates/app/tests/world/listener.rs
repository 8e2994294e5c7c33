//! Somebody who listens to a stream of server-sent events.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// Hears events until it is dropped, or the stream ends.
pub struct Listener {
    socket: TcpStream,
    events: Receiver<Event>,
    /// The head of the answer, in lower case.
    pub head: String,
}

impl Listener {
    /// Begins to listen. `had`: the last event that was seen before.
    pub fn begin(address: &str, path: &str, token: &str, had: Option<&str>) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        let had = had.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{had}\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let (send, events) = channel();
        std::thread::spawn(move || {
            let mut event = Event { id: String::new(), name: String::new(), data: Value::Null };
            // The lengths of chunks stand between the lines; no field looks like one, and one may cut a line in two only
            // where a piece ends, which is after an event.
            for line in reader.lines().map_while(Result::ok) {
                match line.split_once(": ") {
                    Some(("id", id)) => id.clone_into(&mut event.id),
                    Some(("event", name)) => name.clone_into(&mut event.name),
                    Some(("data", data)) => {
                        event.data = serde_json::from_str(data).unwrap();
                        if send.send(event.clone()).is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        Self { socket, events, head: head.to_lowercase() }
    }

    /// The next event; `None` where none has come for a while.
    pub fn next(&self) -> Option<Event> {
        self.events.recv_timeout(Duration::from_millis(500)).ok()
    }

    /// The next event of this name; others are passed over. The bound is for a broken server.
    pub fn wait_for(&self, name: &str) -> Event {
        loop {
            let event = self.events.recv_timeout(Duration::from_secs(60));
            let event = event.unwrap_or_else(|_| panic!("no event {name} came within a minute"));
            if event.name == name {
                return event;
            }
        }
    }

    /// Whether the stream ends within a minute.
    pub fn ends(&self) -> bool {
        loop {
            match self.events.recv_timeout(Duration::from_secs(60)) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}
