//! What was asked and what was sent, one JSON line each: the judge in tests that kill the client.
//!
//! A request's line is on disk before its answer's first byte leaves. The lines that wait together are written
//! and synced together, by one thread.

use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// An open ledger.
#[derive(Debug)]
pub(crate) struct Ledger {
    lines: mpsc::Sender<Line>,
    /// Number of the first request of this run: above all that stand in the file already.
    first: u64,
    writer: JoinHandle<()>,
}

/// What a request's line says.
#[derive(Debug, Serialize)]
pub(crate) struct Seen<'a> {
    /// Number of the request, unique in the file.
    pub(crate) n: u64,
    /// The method as it came.
    pub(crate) method: &'a str,
    /// The path as it came, encoded.
    pub(crate) path: &'a str,
    /// The query as it came, without `?`; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<&'a str>,
    /// Of the whole body, in hex; absent where it was too large to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body_sha256: Option<String>,
    /// What the client calls the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
}

/// What the writer is told: a line, and who waits for it to be on disk.
struct Line {
    text: Vec<u8>,
    written: Option<oneshot::Sender<io::Result<()>>>,
}

impl Ledger {
    /// Opens a ledger. Lines are added to what is there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        let first = complete(&mut file)?;
        file.sync_all()?;
        let (lines, waiting) = mpsc::channel();
        let writer = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || write(file, &waiting))?;
        Ok(Self { lines, first, writer })
    }

    /// The number of this run's first request.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Writes a request's line and waits until it is on disk.
    pub(crate) async fn request(&self, seen: &Seen<'_>) -> io::Result<Ticket> {
        let (written, done) = oneshot::channel();
        let closed = || io::Error::other("the ledger is closed");
        let text = line("request", seen)?;
        self.lines.send(Line { text, written: Some(written) }).map_err(|_| closed())?;
        // Made before the wait, so that a client that goes away meanwhile leaves its line.
        let ticket = Ticket { n: seen.n, lines: self.lines.clone(), status: 0, bytes: 0, settled: false };
        done.await.map_err(|_| closed())??;
        Ok(ticket)
    }

    /// Waits until everything that was told is on disk. All tickets must be gone.
    pub(crate) fn close(self) {
        drop(self.lines);
        if self.writer.join().is_err() {
            tracing::error!("the ledger's writer panicked");
        }
    }
}

/// The place of one request in the ledger. Dropped unsent, the client has gone away.
#[derive(Debug)]
pub(crate) struct Ticket {
    n: u64,
    lines: mpsc::Sender<Line>,
    status: u16,
    bytes: usize,
    settled: bool,
}

impl Ticket {
    /// Notes what is about to be sent.
    pub(crate) fn answered(mut self, status: u16, bytes: usize) -> Self {
        (self.status, self.bytes) = (status, bytes);
        self
    }

    /// The answer's last byte was handed to the socket.
    pub(crate) fn sent(mut self) {
        #[derive(Serialize)]
        struct Sent {
            n: u64,
            status: u16,
            bytes: usize,
        }
        self.settled = true;
        self.tell("answer", &Sent { n: self.n, status: self.status, bytes: self.bytes });
    }

    fn tell(&self, event: &'static str, what: &impl Serialize) {
        match line(event, what) {
            // A closed ledger has been reported by its writer.
            Ok(text) => drop(self.lines.send(Line { text, written: None })),
            Err(error) => tracing::error!(%error, "cannot write a ledger line"),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        #[derive(Serialize)]
        struct Gone {
            n: u64,
        }
        if !self.settled {
            self.tell("gone", &Gone { n: self.n });
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a ledger tells what happened when; nothing depends on it")]
fn line(event: &'static str, what: &impl Serialize) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Entry<'a, T> {
        event: &'static str,
        at: String,
        #[serde(flatten)]
        what: &'a T,
    }
    let at = format!("{:.3}", jiff::Timestamp::now());
    let mut text = serde_json::to_vec(&Entry { event, at, what })?;
    text.push(b'\n');
    Ok(text)
}

/// Ends a torn last line and counts the lines.
fn complete(file: &mut File) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; 1 << 16];
    let (mut lines, mut last) = (0, b'\n');
    loop {
        let read = file.read(&mut buffer)?;
        let Some(end) = buffer[..read].last() else { break };
        last = *end;
        lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    if last != b'\n' {
        file.write_all(b"\n")?;
        lines += 1;
    }
    Ok(lines)
}

fn write(mut file: File, waiting: &mpsc::Receiver<Line>) {
    let mut text = Vec::new();
    let mut waiters = Vec::new();
    while let Ok(first) = waiting.recv() {
        text.clear();
        for line in std::iter::once(first).chain(waiting.try_iter()) {
            text.extend_from_slice(&line.text);
            waiters.extend(line.written);
        }
        let outcome = file.write_all(&text).and_then(|()| file.sync_data());
        if let Err(error) = &outcome {
            tracing::error!(%error, "cannot write the ledger");
        }
        for waiter in waiters.drain(..) {
            let outcome = match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            // Whoever no longer waits has gone away; its ticket says so.
            let _ = waiter.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_ended_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        for (before, after, first) in
            [("", "", 0), ("{}\n{}\n", "{}\n{}\n", 2), ("{}\n{\"n\":", "{}\n{\"n\":\n", 2), ("x", "x\n", 1)]
        {
            std::fs::write(&path, before).unwrap();
            let ledger = Ledger::open(&path).unwrap();
            assert_eq!(ledger.first(), first, "{before:?}");
            ledger.close();
            assert_eq!(std::fs::read(&path).unwrap(), after.as_bytes(), "{before:?}");
        }
    }
}
