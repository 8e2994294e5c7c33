//! Tasks, entries of storages and what calls used as JSON, the same for the CLI and the API.

use crate::print::time;
use model::TaskKind;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use store::{AttemptStory, Entry, Lane, LaneId, TaskRow, TaskStory, UsageSum};

/// Names of lanes by their numbers.
pub(crate) type Lanes = HashMap<LaneId, Lane>;

/// A task as lists show it.
pub(crate) fn row_value(row: &TaskRow, lanes: &Lanes) -> Value {
    let lane = lanes.get(&row.lane);
    let name_of = |kind| lane.filter(|lane| lane.kind == kind).map(|lane| lane.name.as_str());
    json!({
        "id": row.id,
        "kind": lane.map(|lane| lane.kind),
        "route": name_of(TaskKind::Push),
        "incoming": name_of(TaskKind::Pull),
        "state": row.state,
        "attempts": row.attempts,
        "run": row.run,
        "source": row.source,
        "due_at": row.state.is_open().then(|| time(row.due_at)),
        "created_at": time(row.created_at),
        "finished_at": row.finished_at.map(time),
        "problem": row.problem,
    })
}

/// Everything about one task.
pub(crate) fn story_value(story: &TaskStory, lanes: &Lanes) -> Value {
    let mut value = row_value(&story.row, lanes);
    let decisions: Vec<Value> = story
        .decisions
        .iter()
        .map(|decided| {
            let mut shown =
                json!({"decision": decided.decision, "by": decided.by, "why": decided.why, "at": time(decided.at)});
            if let Some(before) = &decided.before {
                shown["payload_before"] = parsed(before);
            }
            shown
        })
        .collect();
    value["payload"] = parsed(&story.payload);
    value["attempts"] = story.attempts.iter().map(attempt_value).collect();
    value["decisions"] = Value::Array(decisions);
    value["made"] = json!(story.made);
    value
}

fn attempt_value(attempt: &AttemptStory) -> Value {
    let end = attempt.end.as_ref();
    let request = attempt.request.as_ref().or_else(|| end.and_then(|end| end.request.as_ref()));
    json!({
        "number": attempt.number,
        "started_at": attempt.started_at.map(time),
        "ended_at": end.map(|end| time(end.at)),
        "revision": attempt.revision,
        "evidence": end.map(|end| end.evidence.as_str()),
        "evidence_in_words": end.map(|end| end.evidence.in_words()),
        "status": end.and_then(|end| end.status),
        "problem": end.and_then(|end| end.problem.as_ref()),
        "usage": end.and_then(|end| end.usage.as_ref()),
        "request": request.map(|text| parsed(text)),
        "answer": end.and_then(|end| end.answer.as_ref()).map(|text| parsed(text)),
        "headers": end.and_then(|end| end.headers.as_ref()).map(|text| parsed(text)),
    })
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()))
}

/// A sum as JSON: `calls`, `unpriced`, the counts, `cost` in whole units of the `currency`.
pub(crate) fn usage_value(sum: &UsageSum, currency: Option<&str>) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("calls".to_owned(), json!(sum.calls));
    shown.insert("unpriced".to_owned(), json!(sum.unpriced));
    if let Value::Object(counts) = json!(sum.usage) {
        shown.extend(counts);
    }
    if sum.usage.cost.is_some() {
        shown.insert("currency".to_owned(), json!(currency));
    }
    shown
}

/// An entry of a storage.
pub(crate) fn entry_value(entry: &Entry) -> Value {
    json!({
        "key": entry.key,
        "value": serde_json::from_slice::<Value>(&entry.value).unwrap_or_default(),
        "written_at": time(entry.at),
        "expires_at": entry.expires_at.map(time),
        "version": entry.version,
    })
}
