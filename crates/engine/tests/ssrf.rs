//! No form of an address leads an HTTP client into the private network, unless its definition says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use engine::exchange::{Client, Exchanged, Files, Keys};
use model::definition::HttpClient;
use model::driver::Kept;
use model::{Credential, Evidence, HttpRequest, Problem};
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;

/// Base URIs, one a line, with the trap's port for PORT.
const FORMS: &str = include_str!("ssrf.txt");

struct NoFiles;

impl Files for NoFiles {
    fn open(&self, _: &str) -> Result<std::fs::File, Problem> {
        Err(Problem::new("none", "there is none"))
    }

    fn keep(&self, _: &mut dyn std::io::Read) -> Result<Kept, store::StoreError> {
        Err(store::StoreError::Closed)
    }
}

fn open(base_uri: &str, allow: bool) -> Result<Client, Problem> {
    let definition: HttpClient = serde_json::from_value(json!({
        "prototype": "mistral", "base_uri": base_uri, "allow_private_addresses": allow,
        "timeouts": { "connect": "2s", "first_byte": "2s" },
    }))
    .unwrap();
    let keys = Keys { api_key: Some("canary".to_owned().into()), ..Keys::default() };
    Client::new("far", &definition, base_uri, keys, Arc::default())
}

async fn send(client: &Client) -> Exchanged {
    let request = HttpRequest {
        method: "GET",
        target: "/v1/models".to_owned(),
        headers: Vec::new(),
        body: None,
        form: None,
        until: None,
        keep: false,
    };
    let files: Arc<dyn Files> = Arc::new(NoFiles);
    client.exchange(&request, Credential::ApiKey, None, &files).await
}

/// Listens on one port of every address of this machine.
struct Trap(Vec<TcpListener>, u16);

impl Trap {
    fn set() -> Self {
        let all = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = all.local_addr().unwrap().port();
        // Not every machine has IPv6.
        let listeners: Vec<TcpListener> = std::iter::once(all).chain(TcpListener::bind(("::1", port)).ok()).collect();
        listeners.iter().for_each(|listener| listener.set_nonblocking(true).unwrap());
        Self(listeners, port)
    }

    /// How many came: the system keeps who has connected, accepted or not.
    fn caught(&self) -> usize {
        self.0.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).sum()
    }
}

#[tokio::test]
async fn no_form_of_an_address_reaches_a_private_host() {
    let trap = Trap::set();
    let forms: Vec<String> = FORMS.lines().map(|form| form.replace("PORT", &trap.1.to_string())).collect();
    assert!(forms.len() >= 150, "{}", forms.len());
    let (mut refused, mut not_sent) = (0, 0);
    for form in &forms {
        match open(form, false) {
            Err(problem) => {
                assert!(["address_private", "base_uri_wrong"].contains(&&*problem.code), "{form}: {problem}");
                refused += 1;
            }
            Ok(client) => match send(&client).await {
                Exchanged::Lost { evidence: Evidence::NotSent, .. } => not_sent += 1,
                other => panic!("{form}: {other:?}"),
            },
        }
        assert_eq!(trap.caught(), 0, "{form} was dialled");
    }
    assert!(refused > 100 && refused + not_sent == forms.len(), "{refused} refused, {not_sent} not sent");
}

/// The trap works: where private addresses are meant, it hears of the call.
#[tokio::test]
async fn what_is_allowed_is_dialled() {
    let trap = Trap::set();
    let client = open(&format!("http://127.0.0.1:{}", trap.1), true).unwrap();
    assert!(matches!(send(&client).await, Exchanged::Lost { evidence: Evidence::Unknown, .. }));
    assert_eq!(trap.caught(), 1);
}
