//! How tasks are chosen on the command line: by their state, by the name of a route or an incoming.

use super::Failure;
use model::{Problem, TaskKind, TaskState, suggest};
use std::collections::HashMap;
use store::{Lane, LaneId, Store};

/// Reads a state.
pub(super) fn state(text: &str) -> Result<TaskState, String> {
    let words: Vec<&str> = TaskState::ALL.iter().map(|state| state.as_str()).collect();
    TaskState::from_word(text).ok_or_else(|| {
        let hint = suggest::nearest(text, words.iter().copied()).map(|near| format!("did you mean {near}? "));
        format!("{}states are {}", hint.unwrap_or_default(), words.join(", "))
    })
}

/// All lanes by number.
pub(super) type Lanes = HashMap<LaneId, Lane>;

/// All lanes of a store.
pub(super) async fn lanes(store: &dyn Store) -> Result<Lanes, Failure> {
    Ok(store.all_lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect())
}

/// The lane of a name.
pub(super) fn lane_named(lanes: &Lanes, kind: TaskKind, name: &str) -> Result<LaneId, Failure> {
    let known: Vec<&Lane> = lanes.values().filter(|lane| lane.kind == kind).collect();
    if let Some(lane) = known.iter().find(|lane| lane.name == name) {
        return Ok(lane.id);
    }
    let word = if kind == TaskKind::Push { "route" } else { "incoming" };
    let mut problem = Problem::new("name_unknown", format!("there is no {word} \"{name}\" with tasks"));
    problem.hint = suggest::hint(name, known.iter().map(|lane| lane.name.as_str()));
    Err(Failure::refused(vec![problem]))
}
