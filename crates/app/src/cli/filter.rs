//! How tasks are chosen on the command line: by their state, by the name of a route or an incoming, by a rule.

use super::Failure;
use super::place::Place;
use crate::story::Lanes;
use engine::transformers::Condition;
use model::{Millis, Problem, TaskId, TaskKind, TaskState, suggest};
use store::{Lane, LaneId, Store};

/// Reads a state.
pub(super) fn state(text: &str) -> Result<TaskState, String> {
    let words: Vec<&str> = TaskState::ALL.iter().map(|state| state.as_str()).collect();
    TaskState::from_word(text).ok_or_else(|| {
        let hint = suggest::nearest(text, words.iter().copied()).map(|near| format!("did you mean {near}? "));
        format!("{}states are {}", hint.unwrap_or_default(), words.join(", "))
    })
}

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

/// A question to the story of a task, as a filter of the jq language.
pub(super) struct Rule {
    condition: Condition,
    now: Millis,
}

impl Rule {
    /// Compiles a rule.
    pub(super) fn compile(text: &str, now: Millis) -> Result<Self, Failure> {
        let condition = Condition::compile(text).map_err(|problems| {
            let example = "it is asked of what tramontane tasks show --json says: .problem.code == \"interrupted\"";
            Failure::refused(problems.into_iter().map(|problem| problem.at("--where").hint(example)).collect())
        })?;
        Ok(Self { condition, now })
    }

    /// Whether it holds for a task.
    pub(super) async fn holds_for(&self, place: &Place, id: TaskId) -> Result<bool, Failure> {
        let Some(mut value) = place.story(id).await? else { return Ok(false) };
        let at = |name: &str| value[name].as_str()?.parse::<jiff::Timestamp>().ok();
        let ended = at("finished_at").or_else(|| at("created_at")).map_or(self.now, |at| at.as_millisecond());
        value["age_s"] = ((self.now - ended) / 1_000).into();
        self.condition.holds(&value, self.now).map_err(|problem| {
            let problem = Problem { reason: format!("task {id}: {}", problem.reason), ..problem };
            Failure::refused(vec![problem.at("--where")])
        })
    }
}
