//! A service that misbehaves as it is told, over a raw socket, with a ledger of the requests that came to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What the service does with a connection once it has read the head of a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads the request, sends these bytes and ends the connection (FIN).
    Send(Vec<u8>),
    /// Reads the request, sends these bytes and keeps the connection for the next one.
    SendAndKeep(Vec<u8>),
    /// Reads the request, sends these bytes and resets the connection (RST).
    SendAndReset(Vec<u8>),
    /// Resets the connection with the rest of the request unread.
    ResetUnread,
    /// Reads the request, sends these bytes and then nothing, for as long as the client waits.
    SendAndHold(Vec<u8>),
    /// Sends a head, then one byte at a time without an end.
    Drip(Vec<u8>, Duration),
    /// Sends a head, then this piece again and again without an end.
    Endless(Vec<u8>, Vec<u8>),
    /// Each request gets the next of these; the last one goes on for ever.
    InTurn(Vec<Act>),
}

/// How many requests came to each path's first two parts, by method: `POST 17/compute`.
pub(crate) type Ledger = Arc<Mutex<BTreeMap<String, u32>>>;

/// The service, until it is dropped.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) ledger: Ledger,
    runtime: Runtime,
}

impl Service {
    /// Takes the place of a fault in `acts` from the first part of a request's path.
    pub(crate) fn start(acts: Vec<Act>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ledger = Ledger::default();
        let (acts, written) = (Arc::new(acts), ledger.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, acts.clone(), written.clone()));
            }
        });
        Self { url, ledger, runtime }
    }

    /// How many requests came below each path, by whatever method.
    pub(crate) fn all_requests(&self) -> BTreeMap<String, u32> {
        let mut all = BTreeMap::new();
        for (key, requests) in self.ledger.lock().unwrap().iter() {
            let path = key.split_once(' ').map_or("", |(_, path)| path);
            *all.entry(path.to_owned()).or_default() += requests;
        }
        all
    }

    /// Opens a port of its own, where this meets whoever connects as soon as he says anything.
    pub(crate) fn door(&self, act: &Act) -> u16 {
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let act = act.clone();
        self.runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let act = act.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 1 << 16]).await;
                    behave(stream, "", &act, 0).await;
                });
            }
        });
        port
    }

    /// How many requests with this method came below this path.
    pub(crate) fn requests(&self, method: &str, below: &str) -> u32 {
        self.ledger.lock().unwrap().get(&format!("{method} {below}")).copied().unwrap_or(0)
    }
}

/// Requests until an answer ends the connection.
async fn connection(mut stream: TcpStream, acts: Arc<Vec<Act>>, ledger: Ledger) {
    while let Some(head) = read_head(&mut stream).await {
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut parts = target.trim_start_matches('/').splitn(3, '/');
        let (fault, effect) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        // What only looks whether something is there meets what the call met.
        let looks = effect == "findable" && method != "POST";
        let nth = {
            let mut ledger = ledger.lock().unwrap();
            let count = ledger.entry(format!("{method} {fault}/{effect}")).or_default();
            *count += 1;
            if looks { 0 } else { *count - 1 }
        };
        let Some(act) = fault.parse().ok().and_then(|place: usize| acts.get(place)) else { return };
        match behave(stream, &head, act, nth).await {
            Some(kept) => stream = kept,
            None => return,
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Gives the connection back where it is kept.
async fn behave(mut stream: TcpStream, head: &str, act: &Act, nth: u32) -> Option<TcpStream> {
    if matches!(act, Act::ResetUnread) {
        let _ = stream.set_zero_linger();
        return None;
    }
    if let Act::InTurn(acts) = act {
        return Box::pin(behave(stream, head, acts.get(nth as usize).or(acts.last()).unwrap(), nth)).await;
    }
    let mut body = vec![0; length(head)];
    stream.read_exact(&mut body).await.ok()?;
    match act {
        Act::Send(bytes) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
        Act::SendAndReset(bytes) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.set_zero_linger();
        }
        Act::SendAndHold(bytes) => {
            let _ = stream.write_all(bytes).await;
            // Until the client has had enough.
            let _ = stream.read_u8().await;
        }
        Act::Drip(bytes, every) => {
            let mut sent = stream.write_all(bytes).await;
            while sent.is_ok() {
                tokio::time::sleep(*every).await;
                sent = stream.write_all(b" ").await;
            }
        }
        Act::Endless(bytes, piece) => {
            let mut sent = stream.write_all(bytes).await;
            while sent.is_ok() {
                sent = stream.write_all(piece).await;
            }
        }
        Act::SendAndKeep(bytes) => return stream.write_all(bytes).await.ok().map(|()| stream),
        Act::ResetUnread | Act::InTurn(_) => {}
    }
    None
}

fn length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok()).unwrap_or(0)
}
