//! Whether what is said of looking for lost calls fits the document.

use super::checks::locate;
use super::overrides::{signature, unfit};
use crate::openapi::catalogue::{Entry, Find, Location, Method};
use crate::openapi::form::{FILE_NAME, FILE_SIZE};
use model::{Effect, Problem};
use serde_json::Value;
use std::collections::BTreeMap;

/// Checks that what is asked is an operation, and has what it is asked for. What does not fit is forgotten.
pub(super) fn check_finds(entries: &mut [Entry], schemas: &BTreeMap<String, Value>, problems: &mut Vec<Problem>) {
    let mut unfit_ones = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(find) = &entry.find else { continue };
        let place = format!("operations.{}.find", signature(entry.method, &entry.path));
        let asked = entries.iter().find(|asked| asked.method == Method::Get && asked.path == find.ask);
        let found = match asked {
            Some(asked) => check_find(entry, asked, find, schemas),
            None => vec![format!("there is no operation GET {}", find.ask)],
        };
        if !found.is_empty() {
            unfit_ones.push(index);
        }
        problems.extend(found.into_iter().map(|reason| unfit(&place, &reason)));
    }
    for index in unfit_ones {
        entries[index].find = None;
    }
}

fn check_find(entry: &Entry, asked: &Entry, find: &Find, schemas: &BTreeMap<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    if entry.effect != Effect::Findable {
        wrong.push("the operation is not findable".to_owned());
    }
    let body = entry.body.as_ref().map(|body| &body.schema);
    let in_payload = |pointer: &str| body.is_some_and(|body| locate(body, pointer, schemas).is_some());
    let sources = find.slots.values().chain(find.query.values()).chain(find.same.values());
    wrong.extend(
        sources
            .filter(|source| match source.strip_prefix("/payload") {
                Some(pointer) => !in_payload(pointer),
                None => ![FILE_NAME, FILE_SIZE].contains(&source.as_str()),
            })
            .map(|source| format!("the request has no \"{source}\"")),
    );
    for slot in asked.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        if !find.slots.contains_key(slot) && !entry.path.contains(&format!("{{{slot}}}")) {
            wrong.push(format!("nothing fills the slot \"{slot}\""));
        }
    }
    let has_query =
        |name: &String| asked.parameters.iter().any(|found| found.location == Location::Query && found.name == *name);
    let unknown = find.query.keys().filter(|name| !has_query(name));
    wrong.extend(unknown.map(|name| format!("GET {} has no parameter \"{name}\"", find.ask)));
    let answer = asked.answers.iter().find_map(|answer| answer.schema.as_ref());
    let item = asked.items.as_ref().map_or(String::new(), |items| format!("{items}/0"));
    let in_item =
        |pointer: &str| answer.is_some_and(|answer| locate(answer, &format!("{item}{pointer}"), schemas).is_some());
    let pointers = find.same.keys().chain(&find.created);
    wrong.extend(
        pointers.filter(|pointer| !in_item(pointer)).map(|pointer| format!("what is found has no \"{pointer}\"")),
    );
    // What a mark is put into is free to have it: `metadata`.
    let around = find.mark.as_deref().and_then(|mark| Some(mark.rsplit_once('/')?.0));
    if around.is_some_and(|around| !in_payload(around) || !in_item(around)) {
        wrong.push("the mark has no place in the request, or in what is found".to_owned());
    }
    if find.same.is_empty() && find.mark.is_none() && find.slots.is_empty() {
        wrong.push("nothing tells what is found from others".to_owned());
    }
    wrong
}
