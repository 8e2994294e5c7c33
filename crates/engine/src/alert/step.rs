//! What an alert says, and when: pure.

use super::subjects::Subject;
use model::Millis;
use model::definition::Alert;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const HOUR: Millis = 3_600_000;

/// How an alert stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Since when its rule holds; `None`: it does not.
    pub since: Option<Millis>,
    /// What it holds for, at the last look.
    pub subjects: Vec<Subject>,
    /// Names of those that were told of.
    pub told: BTreeSet<String>,
    /// When it last said something of this; `None`: it has not yet.
    pub said_at: Option<Millis>,
    /// Since when there is something that was not told of.
    pub fresh_since: Option<Millis>,
    /// Since when the rule holds no more, while that is not said yet.
    pub quiet_since: Option<Millis>,
    /// When it said something within the last hour.
    pub recent: Vec<Millis>,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It has come.
    Firing,
    /// More of it has come.
    More,
    /// It lasts.
    Still,
    /// It is over.
    Resolved,
    /// Nothing has come: somebody tries whether messages arrive.
    Test,
}

impl What {
    /// The word used in tables, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::More => "more",
            Self::Still => "still",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Of which kind.
    pub what: What,
    /// Since when the rule holds, or held.
    pub since: Millis,
    /// What it holds for, or held for.
    pub subjects: Vec<Subject>,
    /// Names of those that are told of for the first time.
    pub fresh: Vec<String>,
}

/// Takes a look: what the rule holds for now, and how the alert stood before, make how it stands and at most one message.
///
/// What comes first is said at once, more of it in one message after `group_for`, all of it again after `repeat`, and its
/// end once, when it was quiet for `group_for`. Where nothing may be said, since it is muted or has said `at_most`
/// messages within the hour, it is said later, as it stands then.
#[must_use]
pub fn step(alert: &Alert, before: &State, found: Vec<Subject>, is_muted: bool, now: Millis) -> (State, Option<Said>) {
    let mut state = before.clone();
    state.recent.retain(|at| *at > now - HOUR);
    let may_speak = !is_muted && state.recent.len() < alert.at_most as usize;
    if found.is_empty() { quiet(alert, state, may_speak, now) } else { holds(alert, state, found, may_speak, now) }
}

fn holds(alert: &Alert, mut state: State, found: Vec<Subject>, may_speak: bool, now: Millis) -> (State, Option<Said>) {
    let since = *state.since.get_or_insert(now);
    state.quiet_since = None;
    // What went and comes again is new.
    state.told.retain(|name| found.iter().any(|subject| subject.name == *name));
    let is_fresh = |name: &String| !state.told.contains(name);
    let fresh: Vec<String> = found.iter().map(|subject| subject.name.clone()).filter(is_fresh).collect();
    state.fresh_since = if fresh.is_empty() { None } else { Some(state.fresh_since.unwrap_or(now)) };
    state.subjects.clone_from(&found);
    let what = match (state.said_at, state.fresh_since) {
        (None, _) => Some(What::Firing),
        (Some(said), _) if now - said >= alert.repeat.0 => Some(What::Still),
        (_, Some(fresh)) if now - fresh >= alert.group_for.0 => Some(What::More),
        _ => None,
    };
    let Some(what) = what.filter(|_| may_speak) else { return (state, None) };
    state.told = found.iter().map(|subject| subject.name.clone()).collect();
    (state.said_at, state.fresh_since) = (Some(now), None);
    state.recent.push(now);
    (state, Some(Said { what, since, subjects: found, fresh }))
}

fn quiet(alert: &Alert, mut state: State, may_speak: bool, now: Millis) -> (State, Option<Said>) {
    let Some(since) = state.since else { return (state, None) };
    let recent = state.recent.clone();
    if state.said_at.is_none() {
        // Nobody was told that it came.
        return (State { recent, ..State::default() }, None);
    }
    let quiet = *state.quiet_since.get_or_insert(now);
    if !may_speak || now - quiet < alert.group_for.0 {
        return (state, None);
    }
    let said = Said { what: What::Resolved, since, subjects: state.subjects, fresh: Vec::new() };
    let mut state = State { recent, ..State::default() };
    state.recent.push(now);
    (state, Some(said))
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
