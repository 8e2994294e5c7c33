//! From an entry and a request to what goes on the wire.
//!
//! Only what cannot be sent at all is a problem here; whether it makes sense is for preflight to say.

use super::answer::is_file;
use super::catalogue::{BodyKind, Entry, Location, Parameter, Stream};
use super::{encode, query};
use bytes::Bytes;
use model::http::HttpRequest;
use model::request::kind_of;
use model::schema::pointer;
use model::{Problem, Request, form, suggest};
use serde_json::{Map, Value};

/// The headers that operations declare. The list lets them be names without an owner; a test holds it against the
/// catalogue.
const HEADERS: [&str; 1] = ["last-event-id"];

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Builds the HTTP call of a request.
///
/// # Errors
/// Everything that cannot be sent: slots that are missing, empty, traversing or no text (`path_missing`,
/// `path_empty`, `path_traversal`, `path_type`, `path_unknown`), query values without a text form (`query_type`,
/// `query_collision`), headers that the operation does not declare (`header_unknown`, `header_type`), a payload for
/// an operation without a body (`payload_unexpected`), a form whose fields are none (`payload_type`, `file_wrong`).
pub fn build(entry: &Entry, request: &Request) -> Result<HttpRequest, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut target = path(entry, &request.path, &mut problems);
    for (index, (name, value)) in query::pairs(entry, &request.query, &mut problems).into_iter().enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(&encode::query(&name));
        target.push('=');
        target.push_str(&encode::query(&value));
    }
    let mut headers = vec![("accept", accept(entry, wants_stream(entry, request)))];
    headers.extend(declared_headers(entry, &request.header, &mut problems));
    let (body, form) = body(entry, request.payload.as_ref(), &mut problems);
    if body.is_some() {
        headers.push(("content-type", JSON.to_owned()));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(HttpRequest { method: entry.method.as_str(), target, headers, body, form, until: None, keep: is_file(entry) })
}

/// The parameters of an entry in one place.
pub(super) fn parameters(entry: &Entry, location: Location) -> impl Iterator<Item = &Parameter> + Clone {
    entry.parameters.iter().filter(move |parameter| parameter.location == location)
}

/// A scalar as text; whole numbers without a fraction, since `10.0` is no integer to most readers.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => (float as i64).to_string(),
            _ => number.to_string(),
        }),
        _ => None,
    }
}

fn path(entry: &Entry, given: &Map<String, Value>, problems: &mut Vec<Problem>) -> String {
    let mut target = String::with_capacity(entry.path.len() + 40);
    let mut rest = entry.path.as_str();
    let mut slots = Vec::new();
    while let Some((before, slot, after)) = next_slot(rest) {
        target.push_str(before);
        match fill(slot, given.get(slot)) {
            Ok(text) => target.push_str(&encode::segment(&text)),
            Err(problem) => problems.push(problem.at(pointer("/path", slot))),
        }
        slots.push(slot);
        rest = after;
    }
    target.push_str(rest);
    for name in given.keys().filter(|name| !slots.contains(&name.as_str())) {
        problems.push(unknown_slot(entry, name, &slots));
    }
    target
}

fn next_slot(path: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = path.split_once('{')?;
    let (slot, after) = rest.split_once('}')?;
    Some((before, slot, after))
}

fn unknown_slot(entry: &Entry, name: &str, slots: &[&str]) -> Problem {
    let problem = Problem::new("path_unknown", format!("{} has no slot \"{name}\"", entry.path));
    let problem = problem.at(pointer("/path", name));
    match suggest::hint(name, slots.iter().copied()) {
        Some(hint) => problem.hint(hint),
        None => problem.hint("leave it out: the path has no slots"),
    }
}

fn fill(slot: &str, value: Option<&Value>) -> Result<String, Problem> {
    let Some(value) = value else {
        return Err(Problem::new("path_missing", "is missing").hint(format!("set path.{slot}")));
    };
    let text = match value {
        Value::String(_) | Value::Number(_) => text_of(value).unwrap_or_default(),
        other => {
            let reason = format!("must be a text or a number, is {}", kind_of(other));
            return Err(Problem::new("path_type", reason));
        }
    };
    if text.is_empty() {
        return Err(Problem::new("path_empty", "is empty").hint("an empty slot would address the whole collection"));
    }
    if text == "." || text == ".." || text.contains('/') {
        let reason = format!("\"{}\" would lead to another path", text.chars().take(60).collect::<String>());
        return Err(
            Problem::new("path_traversal", reason).hint("a slot takes one name, without \"/\", not \".\" or \"..\"")
        );
    }
    Ok(text)
}

/// Whether a request asks for its answer as a stream of events.
#[must_use]
pub fn wants_stream(entry: &Entry, request: &Request) -> bool {
    match entry.stream {
        Stream::None => false,
        Stream::Optional => {
            request.payload.as_ref().and_then(|payload| payload.get("stream")) == Some(&Value::Bool(true))
        }
        Stream::Always => true,
    }
}

/// The media types of the operation's own answers. Where an event stream is a choice of the payload, that or JSON was
/// chosen.
fn accept(entry: &Entry, streamed: bool) -> String {
    if streamed {
        return EVENTS.to_owned();
    }
    let mut types: Vec<&str> = Vec::new();
    for media_type in entry.answers.iter().filter_map(|answer| answer.media_type.as_deref()) {
        let chosen = entry.stream != Stream::Optional || media_type != EVENTS;
        if chosen && !types.contains(&media_type) {
            types.push(media_type);
        }
    }
    if types.is_empty() { JSON.to_owned() } else { types.join(", ") }
}

fn declared_headers(
    entry: &Entry,
    given: &Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let place = pointer("/header", name);
        let declared = parameters(entry, Location::Header).any(|header| header.name.eq_ignore_ascii_case(name));
        let Some(known) = HEADERS.into_iter().find(|known| declared && known.eq_ignore_ascii_case(name)) else {
            let names = parameters(entry, Location::Header).map(|header| header.name.as_str());
            let problem =
                Problem::new("header_unknown", format!("the operation declares no header \"{name}\"")).at(place);
            problems.push(match suggest::hint(name, names) {
                Some(hint) => problem.hint(hint),
                None => problem.hint("credentials and content type are set by the HTTP client and the operation"),
            });
            continue;
        };
        match text_of(value).filter(|text| text.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic())) {
            Some(text) => headers.push((known, text)),
            None => {
                let reason = "must be a text of visible ASCII characters, or a number";
                problems.push(Problem::new("header_type", reason).at(place));
            }
        }
    }
    headers
}

fn body(entry: &Entry, payload: Option<&Value>, problems: &mut Vec<Problem>) -> (Option<Bytes>, Option<form::Form>) {
    let Some(payload) = payload else { return (None, None) };
    match &entry.body {
        Some(body) if body.kind == BodyKind::Json => match serde_json::to_vec(payload) {
            Ok(text) => (Some(Bytes::from(text)), None),
            Err(error) => {
                problems.push(Problem::new("payload_type", error.to_string()).at("/payload"));
                (None, None)
            }
        },
        Some(_) => (None, super::form::form(payload, problems)),
        None => {
            let reason = format!("{} {} has no body", entry.method.as_str(), entry.path);
            let hint = "leave the payload out; what the operation takes goes into path and query";
            problems.push(Problem::new("payload_unexpected", reason).at("/payload").hint(hint));
            (None, None)
        }
    }
}
