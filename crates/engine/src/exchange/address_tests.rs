//! A resolver that changes its answer, and a listener that must never hear of it.

use super::address::{Lookup, PrivateAddress};
use super::client::build;
use model::definition::HttpClient;
use serde_json::json;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Public by our rules, and nobody is there: its block was given up (RFC 7526).
const PUBLIC: &str = "192.88.99.1";

/// Answers each look-up with the next of its lines; the last goes on for ever.
struct Changing {
    answers: Vec<Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Lookup for Changing {
    async fn find(&self, _: &str) -> std::io::Result<Vec<SocketAddr>> {
        let at = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Ok(self.answers[at].iter().map(|address| SocketAddr::new(*address, 0)).collect())
    }
}

fn trap() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Whether somebody connected: the system keeps who has, accepted or not.
fn caught(trap: &TcpListener) -> bool {
    trap.accept().is_ok()
}

fn client(allow: bool, answers: &[&[&str]]) -> (reqwest::Client, Arc<AtomicUsize>) {
    let definition: HttpClient = serde_json::from_value(json!({
        "prototype": "mistral", "base_uri": "http://rebound.example", "allow_private_addresses": allow,
        "timeouts": { "connect": "200ms" },
    }))
    .unwrap();
    let parse = |line: &&[&str]| line.iter().map(|text| text.parse().unwrap()).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let lookup = Changing { answers: answers.iter().map(parse).collect(), asked: asked.clone() };
    (build(&definition, lookup).unwrap(), asked)
}

#[tokio::test]
async fn an_answer_that_changes_between_look_ups_leads_nowhere() {
    let (trap, port) = trap();
    let cases: [&[&[&str]]; 8] = [
        &[&["127.0.0.1"]],
        // Public when it is looked at, private when it is dialled.
        &[&[PUBLIC], &["127.0.0.1"]],
        &[&["127.0.0.1"], &[PUBLIC]],
        // Both at once: the private one is never tried, whatever becomes of the other.
        &[&[PUBLIC, "127.0.0.1"]],
        &[&["127.0.0.1", PUBLIC]],
        &[&["::ffff:127.0.0.1"], &["::1"]],
        &[&["0.0.0.0"], &["169.254.169.254"]],
        &[&[PUBLIC, "::ffff:7f00:1", "::1", "127.0.0.1"]],
    ];
    for answers in cases {
        let (client, asked) = client(false, answers);
        for turn in 0..3 {
            let error = client.get(format!("http://rebound.example:{port}/x")).send().await.unwrap_err();
            assert!(error.is_connect(), "{answers:?} {turn}: {error:?}");
        }
        assert!(asked.load(Ordering::SeqCst) >= 1, "{answers:?}: nobody looked it up");
        assert!(!caught(&trap), "{answers:?}: it was dialled");
    }
}

/// The trap works: where private addresses are meant, it is reached.
#[tokio::test]
async fn the_trap_hears_whoever_comes() {
    let (trap, port) = trap();
    let (client, _) = client(true, &[&["127.0.0.1"]]);
    let sent = client.get(format!("http://127.0.0.1:{port}/x")).timeout(std::time::Duration::from_millis(200)).send();
    assert!(sent.await.is_err(), "the trap answers nothing");
    assert!(caught(&trap));
    assert_eq!(PrivateAddress("a".to_owned()).to_string(), "a leads to a private address");
}
