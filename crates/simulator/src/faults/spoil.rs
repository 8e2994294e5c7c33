//! What a fault makes of an answer.

use super::{Act, Status};
use crate::answer::Answer;
use crate::outgoing::{Ending, Outbox, Spoilt};
use bytes::{BufMut, Bytes, BytesMut};
use memchr::{memchr2, memmem};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The first bytes of a body of a size on demand: it is a JSON text, so that only its size is wrong.
const BEFORE: &[u8] = b"\"";
const AFTER: &[u8] = b"\"";

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1>\
    </body></html>\n";

/// One fault that was chosen for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoiler<'r>(&'r Act);

impl<'r> Spoiler<'r> {
    pub(super) fn new(act: &'r Act) -> Self {
        Self(act)
    }

    /// The answer in place of the operation's, which then is not carried out.
    pub(crate) fn instead(self) -> Option<Answer> {
        match self.0 {
            Act::Status(status) => Some(refusal(status)),
            Act::Html => Some(Answer::new(200, "text/html; charset=utf-8", PAGE)),
            Act::Size(bytes) => Some(sized(*bytes)),
            Act::Endless => {
                let spoilt = Spoilt { filling: u64::MAX, ..Spoilt::default() };
                Some(spoilt_json(BEFORE, spoilt))
            }
            _ => None,
        }
    }

    /// How long the answer is held back; `Duration::MAX` for good.
    pub(crate) fn wait(self) -> Duration {
        match self.0 {
            Act::Latency(latency) => *latency,
            Act::Silence => Duration::MAX,
            _ => Duration::ZERO,
        }
    }

    /// Whether the connection is reset where the answer should come.
    pub(crate) fn resets(self) -> bool {
        matches!(self.0, Act::ResetAfterReading)
    }

    /// The operation's answer, spoilt.
    pub(crate) fn spoil(self, mut answer: Answer, outbox: &Arc<Outbox>) -> Answer {
        let end = |excess| Some((Ending { excess }, outbox.clone()));
        match *self.0 {
            Act::Cut(bytes) if bytes < answer.body.len() => {
                let length = (!answer.is_stream()).then_some(answer.body.len() as u64);
                answer.body.truncate(bytes);
                answer.spoilt = Some(Box::new(Spoilt { length, ending: end(Bytes::new()), ..Spoilt::default() }));
            }
            Act::Drip { every, bytes } => {
                answer.spoilt = Some(Box::new(Spoilt { drip: Some((bytes, every)), ..Spoilt::default() }));
            }
            Act::Length(off) => {
                // Not 0: then nobody would ask for the body.
                let length = (answer.body.len() as u64).saturating_add_signed(off).max(1);
                let excess =
                    answer.body.split_off(answer.body.len().min(usize::try_from(length).unwrap_or(usize::MAX)));
                let length = Some(length);
                answer.spoilt = Some(Box::new(Spoilt { length, ending: end(excess), ..Spoilt::default() }));
            }
            Act::WrongJson => answer.body = torn(&answer.body),
            Act::ErrorEvent if answer.is_stream() => answer.body = broken_off(&answer.body),
            _ => {}
        }
        answer
    }
}

/// The service's body for a refusal, where the file gives none.
fn refusal(wanted: &Status) -> Answer {
    let Status { status, retry_after, limit, body } = wanted;
    let mut answer = match body {
        Some((media_type, body)) => Answer::new(*status, media_type, body.clone()),
        None => {
            let (message, kind, code) = match status {
                429 => ("Rate limit exceeded", "rate_limited", "1300".to_owned()),
                503 => ("Service unavailable.", "unavailable", "3505".to_owned()),
                500.. => ("Internal server error", "internal_server_error", "1000".to_owned()),
                _ => ("The request is refused", "invalid_request_error", status.to_string()),
            };
            told(*status, message, kind, &code)
        }
    };
    if let Some(retry_after) = retry_after {
        answer = answer.header("retry-after", retry_after);
    }
    if let Some(limit) = limit {
        answer = answer.header("x-ratelimit-limit-req-minute", &limit.to_string());
    }
    answer
}

/// A key has spent what it had of `what`.
pub(crate) fn spent(what: &str) -> Answer {
    told(429, &format!("{what} rate limit exceeded"), "rate_limited", "1300")
}

fn told(status: u16, message: &str, kind: &str, code: &str) -> Answer {
    Answer::json(
        status,
        &json!({"object": "error", "message": message, "type": kind, "param": null, "code": code,
            "raw_status_code": status}),
    )
}

fn sized(bytes: u64) -> Answer {
    match bytes.checked_sub((BEFORE.len() + AFTER.len()) as u64) {
        Some(filling) => spoilt_json(BEFORE, Spoilt { filling, tail: Bytes::from_static(AFTER), ..Spoilt::default() }),
        // Too short for a text: a number.
        None => spoilt_json(&b"1"[..usize::from(bytes > 0)], Spoilt::default()),
    }
}

fn spoilt_json(body: &'static [u8], spoilt: Spoilt) -> Answer {
    let mut answer = Answer::new(200, "application/json", body);
    answer.spoilt = Some(Box::new(spoilt));
    answer
}

/// A body whose first list or object holds a comma too many: wrong from the start, and right in length, so that
/// nothing but its reader can notice.
fn torn(body: &[u8]) -> Bytes {
    let at = memchr2(b'{', b'[', body).map_or(0, |at| at + 1);
    let mut torn = BytesMut::with_capacity(body.len() + 1);
    torn.put(&body[..at]);
    torn.put_u8(b',');
    torn.put(&body[at..]);
    torn.freeze()
}

/// A stream up to its first event with data, and then the event of a service that has failed.
fn broken_off(body: &[u8]) -> Bytes {
    const ERROR: &[u8] = b"event: error\ndata: {\"object\":\"error\",\"message\":\"Service unavailable.\",\
        \"type\":\"unavailable\",\"param\":null,\"code\":\"3505\"}\n\n";
    let data = memmem::find(body, b"data:").unwrap_or(body.len());
    let end = memmem::find(&body[data..], b"\n\n").map_or(body.len(), |length| data + length + 2);
    [&body[..end], ERROR].concat().into()
}
