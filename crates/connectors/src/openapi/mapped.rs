//! Checking a request in which some values are mapped: `{{ … }}` stands where a value will be known only when there
//! is data.

use super::catalogue::{Catalogue, Entry};
use super::close::close;
use super::normal::payload;
use super::schemas::{Holds, holds};
use model::http::Preflight;
use model::schema::{Checker, code, pointer};
use model::{Operation, Problem, Request};
use serde_json::{Map, Value, json};

/// What a text is that is replaced when there is data.
const MAPPED: &str = r"\{\{[\s\S]*\}\}";

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// What is wrong whatever the data will be. Places are JSON pointers into the request.
    pub problems: Vec<Problem>,
    /// Places of mapped values: whether they fit is known when there is data.
    pub unchecked: Vec<String>,
}

/// Checks a request as preflight does; nothing is sent, and a mapped value is right wherever it stands.
#[must_use]
pub fn check(
    catalogue: &Catalogue,
    entry: &Entry,
    operation: &dyn Operation,
    request: &Request,
    preflight: Preflight,
) -> Checked {
    let mut problems = match operation.prepare(request, preflight) {
        Ok(prepared) => prepared.warnings,
        Err(problems) => problems,
    };
    let unchecked = places(request);
    if unchecked.is_empty() {
        return Checked { problems, unchecked };
    }
    problems.retain(|problem| !unchecked.iter().any(|place| is_within(&problem.place, place)));
    let in_payload = unchecked.iter().any(|place| is_within(place, "/payload"));
    if let (true, Some(body), Some(given)) = (in_payload, &entry.body, &request.payload) {
        settle(&mut problems, &unchecked, &widened(payload(catalogue, body)), given);
    }
    Checked { problems, unchecked }
}

/// Takes out of the problems what they owe to mapped values alone: a union whose branch is not known yet.
fn settle(problems: &mut Vec<Problem>, unchecked: &[String], wide: &Value, given: &Value) {
    let Ok(checker) = Checker::compile(wide) else { return };
    let of_schema = |problem: &Problem| problem.code.starts_with("schema_") && is_within(&problem.place, "/payload");
    if checker.fits(given) {
        problems.retain(|problem| !of_schema(problem));
        return;
    }
    let around = |problem: &Problem| unchecked.iter().any(|place| is_within(place, &problem.place));
    problems.retain(|problem| !(of_schema(problem) && problem.code != code::MISSING && around(problem)));
    if !problems.iter().any(of_schema) {
        let wrong = checker.problems(given).into_iter().map(|problem| problem.within("/payload"));
        let weigh = |problem: Problem| if problem.code == code::UNKNOWN_FIELD { problem.warning() } else { problem };
        problems.extend(wrong.map(weigh));
    }
}

/// Places of the mapped values of a request.
fn places(request: &Request) -> Vec<String> {
    let mut found = Vec::new();
    for (place, values) in [("/path", &request.path), ("/query", &request.query), ("/header", &request.header)] {
        values.iter().for_each(|(name, value)| find(&pointer(place, name), value, &mut found));
    }
    if let Some(payload) = &request.payload {
        find("/payload", payload, &mut found);
    }
    found
}

fn find(place: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}")) => {
            found.push(place.to_owned());
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| find(&format!("{place}/{index}"), item, found));
        }
        Value::Object(members) => members.iter().for_each(|(name, member)| find(&pointer(place, name), member, found)),
        _ => {}
    }
}

/// Whether a place is another one, or inside it.
fn is_within(place: &str, outer: &str) -> bool {
    place.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The document, with a mapped text allowed wherever a value may stand. Of a union more than one branch may fit then.
fn widened(mut document: Value) -> Value {
    close(&mut document);
    let defs = document.as_object_mut().and_then(|root| root.remove("$defs"));
    widen(&mut document);
    if let (Some(Value::Object(mut defs)), Some(root)) = (defs, document.as_object_mut()) {
        defs.values_mut().for_each(widen);
        root.insert("$defs".to_owned(), Value::Object(defs));
    }
    document
}

fn widen(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members.iter_mut() {
        // What is said of names, and what must not be, is said of no value that could be mapped.
        if matches!(keyword.as_str(), "propertyNames" | "not" | "if") {
            continue;
        }
        match (holds(keyword), value) {
            (Some(Holds::One), one) => widen(one),
            (Some(Holds::List), Value::Array(list)) => list.iter_mut().for_each(widen),
            (Some(Holds::Named), Value::Object(named)) => named.values_mut().for_each(widen),
            _ => {}
        }
    }
    if let Some(branches) = members.remove("oneOf") {
        let any = match members.remove("anyOf") {
            Some(others) => json!([{ "anyOf": others }, { "anyOf": branches }]),
            None => json!([{ "anyOf": branches }]),
        };
        let all = members.entry("allOf").or_insert_with(|| json!([]));
        if let (Value::Array(all), Value::Array(any)) = (all, any) {
            all.extend(any);
        }
    }
    let own = Value::Object(std::mem::take(members));
    *schema =
        Value::Object(Map::from_iter([("anyOf".to_owned(), json!([{ "type": "string", "pattern": MAPPED }, own]))]));
}
