//! An answer on its way to the client.

use crate::ledger::Ticket;
use crate::outgoing::{Outbox, Outgoing, Pieces, Spoilt};
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::sync::Arc;

/// What an operation answers.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Media type, `None` where the answer is empty.
    pub(crate) media_type: Option<HeaderValue>,
    /// The body.
    pub(crate) body: Bytes,
    /// Tokens that the call used, where it is a call of a model.
    pub(crate) tokens: Option<u64>,
    /// How it is spoilt on purpose.
    pub(crate) spoilt: Option<Box<Spoilt>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// An answer of any media type.
    pub(crate) fn new(status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        let media_type = HeaderValue::from_str(media_type).ok();
        Self { status, media_type, body: body.into(), tokens: None, spoilt: None, headers: Vec::new() }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, media_type: None, body: Bytes::new(), tokens: None, spoilt: None, headers: Vec::new() }
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut text = Vec::with_capacity(512);
        match serde_json::to_writer(&mut text, body) {
            Ok(()) => Self { media_type: Some(JSON), body: text.into(), ..Self::empty(status) },
            // Only a map with keys that are no text can fail, and we have none.
            Err(error) => Self::new(500, "text/plain", error.to_string()),
        }
    }

    /// Whether it is a stream of events.
    pub(crate) fn is_stream(&self) -> bool {
        self.media_type.as_ref().is_some_and(|media_type| media_type.as_bytes().starts_with(b"text/event-stream"))
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// Says how many tokens were used.
    pub(crate) fn used(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// How many bytes of body are sent in all.
    fn size(&self) -> usize {
        let more = self.spoilt.as_ref().map_or(0, |spoilt| spoilt.bytes());
        self.body.len().saturating_add(usize::try_from(more).unwrap_or(usize::MAX))
    }

    /// The response for hyper. `n` is the number of the request, `ticket` its place in the ledger.
    pub(crate) fn into_response(self, n: u64, ticket: Option<(Ticket, Arc<Outbox>)>) -> Response<Outgoing> {
        let pieces = if self.is_stream() { Pieces::Events } else { Pieces::One };
        let ticket = ticket.map(|(ticket, outbox)| (ticket.answered(self.status, self.size()), outbox));
        let mut response = Response::new(Outgoing::new(self.body, pieces, self.spoilt, ticket));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(media_type) = self.media_type {
            headers.insert(hyper::header::CONTENT_TYPE, media_type);
        }
        if let Ok(id) = HeaderValue::from_str(&crate::fingerprint::uuid(n)) {
            headers.insert(CORRELATION_ID, id);
        }
        if let Some(tokens) = self.tokens {
            for (name, value) in &LIMITS {
                headers.insert(name.clone(), value.clone());
            }
            headers.insert(QUERY_COST, tokens.into());
        }
        headers.extend(self.headers);
        response
    }
}

const CORRELATION_ID: HeaderName = HeaderName::from_static("mistral-correlation-id");
const QUERY_COST: HeaderName = HeaderName::from_static("x-ratelimit-tokens-query-cost");

/// Generous, so that a client that learns its limits from them is not slowed down.
const LIMITS: [(HeaderName, HeaderValue); 4] = [
    (HeaderName::from_static("x-ratelimit-limit-req-minute"), HeaderValue::from_static("6000000")),
    (HeaderName::from_static("x-ratelimit-remaining-req-minute"), HeaderValue::from_static("5999999")),
    (HeaderName::from_static("x-ratelimit-limit-tokens-minute"), HeaderValue::from_static("10000000000")),
    (HeaderName::from_static("x-ratelimit-remaining-tokens-minute"), HeaderValue::from_static("9999999999")),
];
