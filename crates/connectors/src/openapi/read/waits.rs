//! Whether what is said of work that goes on fits the document.

use super::checks::locate;
use super::overrides::{signature, unfit};
use crate::openapi::catalogue::{Entry, Method, Wait};
use crate::openapi::schemas::COMPONENT;
use model::Problem;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most schemas that are looked through for the states of one kind of work.
const MAX_SCHEMAS: usize = 1_000;

/// Checks that each poll is an operation, that its slots can be filled, and that its states are those of the document.
/// What does not fit is forgotten.
pub(super) fn check_waits(entries: &mut [Entry], schemas: &BTreeMap<String, Value>, problems: &mut Vec<Problem>) {
    let mut unfit_ones = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(wait) = &entry.wait else { continue };
        let place = format!("operations.{}.wait", signature(entry.method, &entry.path));
        let poll = entries.iter().find(|poll| poll.method == Method::Get && poll.path == wait.poll);
        let found = match poll {
            Some(poll) => check_wait(entry, poll, wait, schemas),
            None => vec![format!("there is no operation GET {}", wait.poll)],
        };
        if !found.is_empty() {
            unfit_ones.push(index);
        }
        problems.extend(found.into_iter().map(|reason| unfit(&place, &reason)));
    }
    for index in unfit_ones {
        entries[index].wait = None;
    }
}

fn check_wait(entry: &Entry, poll: &Entry, wait: &Wait, schemas: &BTreeMap<String, Value>) -> Vec<String> {
    let answer = |entry: &Entry, pointer: &str| -> Option<Value> {
        let schema = entry.answers.iter().find_map(|answer| answer.schema.as_ref())?;
        locate(schema, pointer, schemas).cloned()
    };
    let mut wrong = Vec::new();
    let slots = |path: &str| -> Vec<String> {
        path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(str::to_owned).collect()
    };
    let own = slots(&entry.path);
    for slot in slots(&poll.path) {
        match wait.slots.get(&slot) {
            Some(pointer) if answer(entry, pointer).is_none() => {
                wrong.push(format!("the answer has nothing at \"{pointer}\""));
            }
            None if !own.contains(&slot) => wrong.push(format!("nothing fills the slot \"{slot}\"")),
            _ => {}
        }
    }
    wrong.extend(
        wait.slots.keys().filter(|slot| !slots(&poll.path).contains(slot)).map(|slot| format!("no slot \"{slot}\"")),
    );
    let Some(status) = answer(poll, &wait.status) else {
        wrong.push(format!("the poll's answer has nothing at \"{}\"", wait.status));
        return wrong;
    };
    let words = words_of(&status, schemas);
    if !words.is_empty() {
        let unknown = wait.done.iter().chain(&wait.failed).filter(|word| !words.contains(word));
        wrong.extend(unknown.map(|word| format!("the document has no state \"{word}\"")));
    }
    wrong
}

/// The words that a schema allows, through references and unions.
fn words_of<'a>(schema: &'a Value, schemas: &'a BTreeMap<String, Value>) -> Vec<String> {
    let (mut open, mut words) = (vec![schema], Vec::new());
    for _ in 0..MAX_SCHEMAS {
        let Some(schema) = open.pop() else { break };
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix(COMPONENT));
        open.extend(name.and_then(|name| schemas.get(name)));
        let of = |word: &str| schema.get(word).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        words.extend(of("enum").iter().filter_map(Value::as_str).map(str::to_owned));
        open.extend(["anyOf", "allOf", "oneOf"].into_iter().flat_map(of));
    }
    words
}
