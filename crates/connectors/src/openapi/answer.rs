//! What a complete answer says: evidence from its status, JSON from its body.

use super::catalogue::Entry;
use super::{media, retry_after};
use model::{Evidence, HttpAnswer, Problem};
use serde_json::{Map, Value};

/// What a status says about what happened at the far side. Every status is in exactly one class:
///
/// | status | evidence |
/// |---|---|
/// | 2xx | answered |
/// | 429, 425, and 503 with a wait that can be read | refused |
/// | 408, every other 5xx, and what is no HTTP status | error answer |
/// | other 3xx and 4xx | rejected |
/// | 1xx, which ends no exchange | unknown |
#[must_use]
pub fn evidence(answer: &HttpAnswer) -> Evidence {
    let after_ms = retry_after::wait(answer);
    match answer.status {
        100..=199 => Evidence::Unknown,
        200..=299 => Evidence::Answered,
        425 | 429 => Evidence::Refused { after_ms },
        503 if after_ms.is_some() => Evidence::Refused { after_ms },
        408 => Evidence::ErrorAnswer,
        300..=499 => Evidence::Rejected,
        _ => Evidence::ErrorAnswer,
    }
}

/// Reads the body of an answer: its JSON, `null` where there is none, and the text where it is no JSON.
///
/// A byte order mark is passed over; of a name that an object has twice the last value counts. Whole numbers beyond
/// 64 bits become the nearest floating point number, as in most readers of JSON; the exchange keeps the bytes as they
/// came. A number beyond that range, NaN, and what is nested deeper than 128 levels cannot be read.
///
/// # Errors
/// Why it is no JSON, with the text as far as it came: `answer_too_large`, `bad_answer`.
pub fn json(answer: &HttpAnswer) -> Result<Value, (Value, Problem)> {
    let body = answer.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&answer.body);
    let text = || Value::String(String::from_utf8_lossy(body).into_owned());
    if answer.truncated {
        let reason = format!("the answer is larger than {} bytes, which is all that is read", answer.body.len());
        let hint = "raise max_answer_bytes of the HTTP client";
        return Err((text(), Problem::new("answer_too_large", reason).hint(hint)));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| (text(), Problem::new("bad_answer", unreadable(answer, body, &error))))
}

fn unreadable(answer: &HttpAnswer, body: &[u8], error: &serde_json::Error) -> String {
    if is_html(answer, body) {
        return "the answer is a web page, not JSON".to_owned();
    }
    if std::str::from_utf8(body).is_err() {
        return "the answer is no UTF-8 text, so no JSON".to_owned();
    }
    let media_type = answer.header("content-type").unwrap_or("application/json");
    let named = if media::is_json(media_type) { String::new() } else { format!(" but {}", shorten(media_type, 60)) };
    let cut = if error.is_eof() { "it ends too early" } else { "it cannot be read" };
    format!("the answer is no JSON{named}: {cut} at line {}, column {}", error.line(), error.column())
}

/// Whether an answer is a web page: what a proxy puts in the place of an answer.
#[must_use]
pub fn is_html(answer: &HttpAnswer, body: &[u8]) -> bool {
    let named =
        answer.header("content-type").is_some_and(|media_type| media_type.to_ascii_lowercase().contains("html"));
    named || body.trim_ascii_start().first() == Some(&b'<')
}

/// Whether the operation answers with a file: its first success is neither JSON nor a stream of events.
#[must_use]
pub fn is_file(entry: &Entry) -> bool {
    let media_type = entry.answers.first().and_then(|answer| answer.media_type.as_deref());
    media_type.is_some_and(|media_type| !media::is_json(media_type) && media_type != "text/event-stream")
}

/// The name that a `Content-Disposition` gives a file (RFC 6266), without a folder.
#[must_use]
pub fn filename(disposition: &str) -> Option<String> {
    let mut named = disposition.split(';').filter_map(|part| part.trim().split_once('='));
    let (_, name) = named.find(|(key, _)| key.eq_ignore_ascii_case("filename"))?;
    let name = name.trim_matches('"').rsplit(['/', '\\']).next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Whether an operation may answer without a body.
#[must_use]
pub fn may_be_empty(entry: &Entry, status: u16) -> bool {
    let silent = |schema: Option<&Value>| {
        schema.is_none_or(|schema| *schema == Value::Bool(true) || schema.as_object().is_some_and(Map::is_empty))
    };
    [204, 205].contains(&status)
        || entry.answers.iter().any(|answer| match answer.media_type.as_deref() {
            None => true,
            Some(media_type) => media::is_json(media_type) && silent(answer.schema.as_ref()),
        })
}

/// The first `letters` of a text on one line, with `…` where it goes on.
#[must_use]
pub fn shorten(text: &str, letters: usize) -> String {
    let flat: Vec<&str> = text.split_whitespace().collect();
    let flat = flat.join(" ");
    match flat.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}
