//! A client that sends what it is told, and an encoder that knows the catalogue.

use bytes::Bytes;
use connectors::openapi::catalogue::{BodyKind, Encoding, Entry, Location, Method};
use model::{Credential, Request};
use serde_json::Value;
use simulator::{Options, Running};
use std::fmt::Write;
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

/// A request of an entry as method, target, headers and body.
pub(crate) fn encode(entry: &Entry, request: &Request) -> (&'static str, String, Vec<(String, String)>, Bytes) {
    let mut target = entry.path.clone();
    for (name, value) in &request.path {
        target = target.replace(&format!("{{{name}}}"), &escape(&text(value)));
    }
    let mut pairs = Vec::new();
    for parameter in entry.parameters.iter().filter(|parameter| parameter.location == Location::Query) {
        let Some(value) = request.query.get(&parameter.name) else { continue };
        match (parameter.encoding, value) {
            (Encoding::Json, value) => pairs.push((parameter.name.clone(), value.to_string())),
            (Encoding::Spread, Value::Object(members)) => {
                pairs.extend(members.iter().map(|(name, value)| (name.clone(), text(value))));
            }
            (_, Value::Array(items)) => pairs.extend(items.iter().map(|item| (parameter.name.clone(), text(item)))),
            (_, value) => pairs.push((parameter.name.clone(), text(value))),
        }
    }
    for (position, (name, value)) in pairs.iter().enumerate() {
        let mark = if position == 0 { '?' } else { '&' };
        write!(target, "{mark}{}={}", escape(name), escape(value)).unwrap();
    }
    let mut headers: Vec<(String, String)> =
        request.header.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let key = match entry.credential {
        Credential::UserKey => ("x-api-key", "sim"),
        Credential::ApiKey | Credential::AdminKey => KEY,
    };
    headers.push((key.0.to_owned(), key.1.to_owned()));
    let accept: Vec<&str> = entry.answers.iter().filter_map(|answer| answer.media_type.as_deref()).collect();
    if !accept.is_empty() {
        headers.push(("accept".to_owned(), accept.join(", ")));
    }
    let (content_type, body) = match (&entry.body, &request.payload) {
        (Some(body), Some(payload)) if body.kind == BodyKind::Multipart => {
            ("multipart/form-data; boundary=limit", multipart(payload))
        }
        (_, Some(payload)) => (JSON.1, payload.to_string().into()),
        (_, None) => ("", Bytes::new()),
    };
    if !content_type.is_empty() {
        headers.push((JSON.0.to_owned(), content_type.to_owned()));
    }
    (Method::as_str(entry.method), target, headers, body)
}

fn multipart(payload: &Value) -> Bytes {
    let mut body = String::new();
    for (name, value) in payload.as_object().unwrap() {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values.iter().filter(|value| !value.is_null()) {
            let (filename, content) = match value.get("filename").and_then(Value::as_str) {
                Some(filename) => {
                    (format!("; filename=\"{}\"", filename.replace('"', "%22")), value["$base64"].to_string())
                }
                None => (String::new(), text(value)),
            };
            write!(body, "--limit\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n{content}\r\n")
                .unwrap();
        }
    }
    body.push_str("--limit--\r\n");
    body.into()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}
