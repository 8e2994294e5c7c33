//! A client that sends what it is told, and the requests of the catalogue as they go on the wire.

use bytes::Bytes;
use connectors::openapi::build;
use connectors::openapi::catalogue::Entry;
use model::form::{Content, FilePart, FileSource, Form};
use model::{Credential, Request};
use serde_json::Value;
use simulator::{Options, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) async fn start() -> Running {
    simulator::start(Options::default()).await.unwrap()
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's client, without the engine's rules")]
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn send(
    client: &reqwest::Client,
    method: &str,
    url: String,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Got {
    let body = body.into();
    let mut request = client.request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        request = request.body(body);
    }
    let mut response = request.send().await.unwrap();
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    Got { status, headers, body: body.into() }
}

pub(crate) const KEY: (&str, &str) = ("authorization", "Bearer sim");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) async fn get(running: &Running, target: &str) -> Got {
    send(&client(), "GET", format!("{}{target}", running.url()), &[KEY], "").await
}

pub(crate) async fn delete(running: &Running, target: &str) -> Got {
    send(&client(), "DELETE", format!("{}{target}", running.url()), &[KEY], "").await
}

pub(crate) async fn post(running: &Running, target: &str, body: impl Into<Bytes>) -> Got {
    send(&client(), "POST", format!("{}{target}", running.url()), &[KEY, JSON], body).await
}

/// Sends bytes as they are and reads until the simulator closes.
pub(crate) async fn raw(running: &Running, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(running.url().trim_start_matches("http://")).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request of an entry as it goes on the wire, as the product builds it.
pub(crate) fn encode(entry: &Entry, request: &Request) -> (&'static str, String, Vec<(String, String)>, Bytes) {
    let built = build::build(entry, request);
    let built = built.unwrap_or_else(|problems| panic!("{}: {problems:?}", entry.path));
    let headers = built.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
    let mut headers: Vec<(String, String)> = headers.collect();
    let (name, key) = match entry.credential {
        Credential::UserKey => ("x-api-key", "sim"),
        Credential::ApiKey | Credential::AdminKey => KEY,
    };
    headers.push((name.to_owned(), key.to_owned()));
    let Some(form) = built.form else { return (built.method, built.target, headers, built.body.unwrap_or_default()) };
    headers.push(("content-type".to_owned(), "multipart/form-data; boundary=limit".to_owned()));
    (built.method, built.target, headers, multipart(&form))
}

fn multipart(form: &Form) -> Bytes {
    let mut body = Vec::new();
    for field in &form.0 {
        body.extend_from_slice(field.head("limit").as_bytes());
        match &field.content {
            Content::Text(text) => body.extend_from_slice(text.as_bytes()),
            Content::File(FilePart { source: FileSource::Bytes(bytes), .. }) => body.extend_from_slice(bytes),
            Content::File(file) => panic!("no blobs here: {file:?}"),
        }
        body.extend_from_slice(Form::AFTER.as_bytes());
    }
    body.extend_from_slice(Form::end("limit").as_bytes());
    body.into()
}
