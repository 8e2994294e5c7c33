//! Somebody who is told something: one POST without a key, under the rules that hold for every call.

use super::address::is_private_host;
use super::client::{Client, Exchanged, Keys};
use super::form::Files;
use super::gate::Gate;
use bytes::Bytes;
use model::definition::HttpClient;
use model::driver::Kept;
use model::{HttpRequest, Problem};
use serde_json::json;
use std::io::Read;
use std::sync::Arc;
use store::StoreError;
use url::{Position, Url};

/// Who is told.
#[derive(Debug)]
pub(crate) struct Receiver {
    client: Client,
    /// Path and query. It may be a secret.
    target: String,
}

/// An address as origin and target, where something may be sent there.
///
/// # Errors
/// `url_wrong`, `address_private`; neither repeats what may be secret.
pub(crate) fn receiver(url: &str, allows_private: bool) -> Result<(String, String), Problem> {
    let wrong = |reason: String| Problem::new("url_wrong", reason).hint("write it as https://example.com/path");
    let parsed = Url::parse(url).map_err(|error| wrong(format!("this is no URL: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
        return Err(wrong("this is no http or https URL with a host".to_owned()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
        return Err(wrong("a URL here has no user, password or fragment".to_owned()));
    }
    if !allows_private && parsed.host().is_some_and(|host| is_private_host(&host)) {
        let reason = format!("{} is a private address", parsed.host_str().unwrap_or_default());
        let hint = "set allow_private_addresses: true beside it if this is meant";
        return Err(Problem::new("address_private", reason).hint(hint));
    }
    Ok((parsed[..Position::BeforePath].to_owned(), parsed[Position::BeforePath..].to_owned()))
}

impl Receiver {
    /// Touches no network.
    ///
    /// # Errors
    /// As [`receiver`].
    pub(crate) fn new(url: &str, allows_private: bool) -> Result<Self, Problem> {
        let (origin, target) = receiver(url, allows_private)?;
        let definition: HttpClient = serde_json::from_value(json!({
            "prototype": "http", "base_uri": origin, "allow_private_addresses": allows_private,
            "timeouts": { "connect": "10s", "first_byte": "20s", "idle": "10s", "total": "30s" },
            "max_answer_bytes": 65_536,
        }))
        .map_err(|error| Problem::new("client_broken", error.to_string()))?;
        let client = Client::new("alert", &definition, &origin, Keys::default(), Arc::new(Gate::default()))?;
        Ok(Self { client, target })
    }

    /// Sends once.
    pub(crate) async fn post(&self, headers: Vec<(&'static str, String)>, body: Bytes) -> Exchanged {
        let request = HttpRequest {
            method: "POST",
            target: self.target.clone(),
            headers,
            body: Some(body),
            form: None,
            until: None,
            keep: false,
        };
        let files: Arc<dyn Files> = Arc::new(NoFiles);
        self.client.exchange_openly(&request, &files).await
    }
}

/// What is sent names no files, and no answer is kept as one.
struct NoFiles;

impl Files for NoFiles {
    fn open(&self, _: &str) -> Result<std::fs::File, Problem> {
        Err(Problem::new("blob_missing", "there are no files here"))
    }

    fn keep(&self, _: &mut dyn Read) -> Result<Kept, StoreError> {
        Err(StoreError::ReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_and_never_repeated() {
        let split = |url: &str| receiver(url, false).map_err(|problem| problem.code.into_owned());
        let ok = |origin: &str, target: &str| Ok((origin.to_owned(), target.to_owned()));
        assert_eq!(split("https://hooks.example.com/a/b?token=c"), ok("https://hooks.example.com", "/a/b?token=c"));
        assert_eq!(split("http://example.com:8080"), ok("http://example.com:8080", "/"));
        let wrong = [
            ("", "url_wrong"),
            ("hooks.example.com/secret", "url_wrong"),
            ("ftp://example.com/secret", "url_wrong"),
            ("file:///secret", "url_wrong"),
            ("https://user:secret@example.com/", "url_wrong"),
            ("https://example.com/#secret", "url_wrong"),
            ("http://127.0.0.1/secret", "address_private"),
            ("http://2130706433/secret", "address_private"),
            ("http://0x7f.1/secret", "address_private"),
            ("http://[::1]/secret", "address_private"),
            ("http://[::ffff:10.0.0.1]/secret", "address_private"),
            ("http://169.254.169.254/secret", "address_private"),
            ("http://localhost/secret", "address_private"),
            ("http://a.localhost/secret", "address_private"),
        ];
        for (url, code) in wrong {
            let problem = receiver(url, false).unwrap_err();
            assert_eq!(problem.code, code, "{url}");
            assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
        }
        assert!(receiver("http://127.0.0.1:1/x", true).is_ok());
    }
}
