//! Answers of operations without a handler of their own: an example of the answer's schema that takes up what the
//! request says.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::operation::Operation;
use crate::{fingerprint, streams};
use connectors::openapi::catalogue::{Catalogue, Paging, Stream};
use connectors::openapi::example::{Fill, example};
use jsonschema::Validator;
use serde_json::Value;

/// Answers a valid request; `request` is a number that the same request always has.
pub(crate) fn answer(
    catalogue: &Catalogue,
    operation: &Operation,
    request: &Judged<'_>,
    path: &str,
    request_number: u64,
) -> Answer {
    let entry = operation.entry;
    let asked = request.payload().get("stream") == Some(&Value::Bool(true));
    if entry.stream == Stream::Always || (entry.stream == Stream::Optional && asked) {
        let schema = operation.answer_rule(catalogue).map(|(schema, _)| schema);
        return streams::live(schema, request, path);
    }
    let Some(declared) = entry.answers.first() else { return Answer::empty(204) };
    match (declared.media_type.as_deref(), operation.answer_rule(catalogue)) {
        (None, _) => Answer::empty(declared.status),
        (Some("audio/wav"), _) => Answer::new(declared.status, "audio/wav", WAV),
        (Some(media_type), Some((schema, rule))) if media_type.ends_with("json") => {
            let mut value = example(schema, request_number, Fill::Everything);
            let fits = |value: &Value| rule.is_none_or(|rule: &Validator| rule.is_valid(value));
            echo(request, &mut value, &fits);
            if let Some(paging) = &entry.paging {
                end_list(paging, entry.items.as_deref(), request, &mut value, &fits);
            }
            Answer::json(declared.status, &value)
        }
        (Some(media_type), None) if media_type.ends_with("json") => Answer::json(declared.status, &Value::Null),
        (Some(media_type), _) => Answer::new(declared.status, media_type, request_number.to_le_bytes().to_vec()),
    }
}

/// Sixteen samples of silence: 16 bits, one channel, 8,000 a second.
pub(crate) const WAV: &[u8] =
    b"RIFF\x44\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x20\0\0\0\
\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Lets members of the answer be what the request calls them, as far as the answer stays valid.
fn echo(request: &Judged<'_>, value: &mut Value, fits: &impl Fn(&Value) -> bool) {
    if let Value::Object(members) = request.payload() {
        for (name, said) in members {
            replace(value, name, said, fits);
        }
    }
    for (name, said) in request.slots() {
        replace(value, name, said, fits);
    }
    // The last slot names the object itself.
    if let Some((name, said)) = request.slots().last()
        && (name.ends_with("id") || name.ends_with("uuid"))
    {
        replace(value, "id", said, fits);
    }
}

fn replace(value: &mut Value, name: &str, said: &Value, fits: &impl Fn(&Value) -> bool) {
    let Some(before) = value.get_mut(name).map(|member| std::mem::replace(member, said.clone())) else { return };
    if !fits(value) {
        value[name] = before;
    }
}

/// Says that this page is the last one, and leaves it empty where it lies behind the first.
fn end_list(
    paging: &Paging,
    items: Option<&str>,
    request: &Judged<'_>,
    value: &mut Value,
    fits: &impl Fn(&Value) -> bool,
) {
    let asked = |name: &str| request.query(name).or_else(|| request.payload().get(name));
    let number = |name: &str, first: u64| asked(name).and_then(Value::as_u64).unwrap_or(first);
    let behind = match paging {
        Paging::Cursor { parameter, .. } | Paging::Window { parameter, .. } => {
            asked(parameter).is_some_and(|token| !token.is_null())
        }
        Paging::Page { parameter, first, .. } => number(parameter, u64::from(*first)) > u64::from(*first),
        Paging::Offset { parameter, .. } => number(parameter, 0) > 0,
    };
    let list = items.and_then(|place| value.pointer_mut(place)).and_then(Value::as_array_mut);
    let mut count = 0;
    if let Some(list) = list {
        if behind {
            list.clear();
        }
        count = list.len();
    }
    match paging {
        Paging::Cursor { next, .. } => end(value, next, &[Value::Null, "".into()], fits),
        Paging::Page { more, total, .. } => {
            if let Some(more) = more {
                end(value, more, &[Value::Bool(false), Value::Null, "".into()], fits);
            }
            set_total(value, total.as_deref(), count, fits);
        }
        Paging::Offset { total, .. } => set_total(value, total.as_deref(), count, fits),
        Paging::Window { .. } => {}
    }
}

/// Puts the first of the words that may stand there, else takes the member away.
pub(crate) fn end(value: &mut Value, place: &str, words: &[Value], fits: &impl Fn(&Value) -> bool) {
    for word in words {
        let Some(member) = value.pointer_mut(place) else { return };
        *member = word.clone();
        if fits(value) {
            return;
        }
    }
    if let Some((outer, name)) = place.rsplit_once('/')
        && let Some(Value::Object(members)) = value.pointer_mut(outer)
    {
        members.shift_remove(name);
    }
}

pub(crate) fn set_total(value: &mut Value, place: Option<&str>, count: usize, fits: &impl Fn(&Value) -> bool) {
    let Some(member) = place.and_then(|place| value.pointer_mut(place)) else { return };
    let before = std::mem::replace(member, count.into());
    if !fits(value)
        && let Some(member) = place.and_then(|place| value.pointer_mut(place))
    {
        *member = before;
    }
}

/// The number of a request: the same for the same operation, path, query and body, whatever the order of keys.
pub(crate) fn number(operation: &Operation, path: &str, query: &str, request: &Judged<'_>) -> u64 {
    let method = fingerprint::text_of(operation.entry.method.as_str());
    let target = fingerprint::mix(fingerprint::text_of(path) ^ fingerprint::text_of(query).rotate_left(5));
    fingerprint::mix(method ^ target ^ fingerprint::of(request.payload()).rotate_left(11))
}
