//! Answers that are no success, in the service's own words.

use crate::openapi::answer::{is_html, shorten};
use crate::openapi::catalogue::Entry;
use model::schema::pointer;
use model::{Effect, HttpAnswer, Problem};
use serde_json::Value;
use std::borrow::Cow;

/// The most letters of the service's words that a reason repeats.
const MAX_LETTERS: usize = 400;
/// The most mistakes of a request that a reason repeats.
const MAX_MISTAKES: usize = 3;

/// Headers in which the service and its gateway name a request.
const REQUEST_IDS: [&str; 3] = ["mistral-correlation-id", "x-kong-request-id", "x-request-id"];

/// Whether the answer says that nothing at all is allowed per minute: the model is not on the plan, and a repeat can
/// never succeed.
#[must_use]
pub fn is_permanent(answer: &HttpAnswer) -> bool {
    answer.status == 429 && answer.header("x-ratelimit-limit-req-minute").is_some_and(|limit| limit.trim() == "0")
}

/// The problem of an answer that is no success: `http_422` and the like, with what the service says, where it says
/// something, and at the place in our request that it names.
#[must_use]
pub fn problem(entry: &Entry, answer: &HttpAnswer, body: &Value) -> Problem {
    let said = said(answer, body);
    let status = answer.status;
    let reason = match (&said.words, said.code) {
        (Some(words), Some(code)) => format!("the service answered {status}: {words} ({code})"),
        (Some(words), None) => format!("the service answered {status}: {words}"),
        (None, Some(code)) => format!("the service answered {status} ({code})"),
        (None, None) => format!("the service answered {status} without saying why"),
    };
    let mut problem = Problem::new("http", reason).at(said.place);
    problem.code = Cow::Owned(format!("http_{status}"));
    problem.hint = hint(entry, answer);
    problem.request_id = request_id(answer, body);
    problem
}

/// The problem of an error that came inside a stream: `stream_error`, with what the service says.
#[must_use]
pub fn in_stream(answer: &HttpAnswer, error: &Value) -> Problem {
    let said = said(answer, error);
    let words = said.words.unwrap_or_else(|| "an error, without saying why".to_owned());
    let code = said.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let problem = Problem::new("stream_error", format!("the service broke the stream off: {words}{code}"));
    Problem { request_id: request_id(answer, error), ..problem }
}

/// What the service calls the request: in the head of its answers, in the body of the gateway's.
fn request_id(answer: &HttpAnswer, body: &Value) -> Option<String> {
    let named = REQUEST_IDS.iter().find_map(|name| answer.header(name));
    let named = named.or_else(|| body.get("request_id").and_then(Value::as_str));
    named.map(|id| shorten(id, MAX_LETTERS)).filter(|id| !id.is_empty())
}

/// What an error answer says.
#[derive(Default)]
struct Said {
    words: Option<String>,
    code: Option<String>,
    place: String,
}

/// Reads every form of error body there is; none of them is the only one.
fn said(answer: &HttpAnswer, body: &Value) -> Said {
    let Value::Object(members) = body else {
        let words = match body {
            Value::String(_) if is_html(answer, &answer.body) => {
                Some("a web page, not an answer of the API".to_owned())
            }
            Value::String(text) => Some(shorten(text, MAX_LETTERS)).filter(|words| !words.is_empty()),
            Value::Null => None,
            other => Some(shorten(&other.to_string(), MAX_LETTERS)),
        };
        return Said { words, ..Said::default() };
    };
    let mut said = Said { code: members.get("code").and_then(code), ..Said::default() };
    // The details may stand inside the message, as in the inference endpoints' 422.
    for member in ["detail", "message", "error"] {
        read(members.get(member), &mut said);
    }
    if said.words.is_none() {
        said.words = Some(shorten(&body.to_string(), MAX_LETTERS)).filter(|words| words != "{}");
    }
    said
}

fn read(value: Option<&Value>, said: &mut Said) {
    if said.words.is_some() {
        return;
    }
    match value {
        Some(Value::String(text)) => {
            said.words = Some(shorten(text, MAX_LETTERS)).filter(|words| !words.is_empty());
        }
        Some(Value::Array(mistakes)) => read_mistakes(mistakes, said),
        Some(Value::Object(members)) => {
            said.code = members.get("error_code").or_else(|| members.get("code")).and_then(code).or(said.code.take());
            for member in ["detail", "message"] {
                read(members.get(member), said);
            }
        }
        _ => {}
    }
}

/// `[{loc, msg, type}]`: the mistakes of a request.
fn read_mistakes(mistakes: &[Value], said: &mut Said) {
    let words = mistakes.iter().take(MAX_MISTAKES).filter_map(|mistake| {
        let message = mistake.get("msg").or_else(|| mistake.get("message")).and_then(Value::as_str)?;
        let place = place(mistake.get("loc"));
        if said.place.is_empty() {
            said.place.clone_from(&place);
        }
        Some(if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") })
    });
    let mut words = words.collect::<Vec<_>>().join("; ");
    if mistakes.len() > MAX_MISTAKES {
        words.push_str(&format!("; and {} more", mistakes.len() - MAX_MISTAKES));
    }
    said.words = Some(shorten(&words, MAX_LETTERS)).filter(|words| !words.is_empty());
}

/// `["body", "messages", 0]` as the pointer into our request: `/payload/messages/0`.
fn place(location: Option<&Value>) -> String {
    let segments = location.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut place = String::new();
    for (index, segment) in segments.iter().take(20).enumerate() {
        let name = match segment {
            Value::String(name) if index == 0 && name == "body" => "payload".to_owned(),
            Value::String(name) => shorten(name, 60),
            other => shorten(&other.to_string(), 60),
        };
        place = pointer(&place, &name);
    }
    place
}

fn code(value: &Value) -> Option<String> {
    match value {
        Value::String(code) => Some(shorten(code, 60)).filter(|code| !code.is_empty()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    }
}

fn hint(entry: &Entry, answer: &HttpAnswer) -> Option<String> {
    let key = entry.credential.option();
    Some(match answer.status {
        300..=399 => "redirects are not followed: check base_uri of the HTTP client".to_owned(),
        401 => format!("check {key} of the HTTP client: the operation asks for a key of that kind"),
        402 => "check the spend limit and the plan of the organisation".to_owned(),
        403 => format!("the key in {key} may lack the right, or the plan the operation"),
        404 if entry.effect == Effect::Compute => {
            "the model may be misspelt or retired: \"List Models\" shows those there are".to_owned()
        }
        404 if is_html(answer, &answer.body) => "check base_uri of the HTTP client".to_owned(),
        413 => "the request is too large for the service".to_owned(),
        429 if is_permanent(answer) => "the limit is 0 requests a minute: the model is not on the plan".to_owned(),
        _ => return None,
    })
}
