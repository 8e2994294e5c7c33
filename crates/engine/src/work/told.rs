//! What is told of ends once they are on disk: to those who listen, to the log, and to what is measured.

use super::conclude::end_state;
use super::dispatch::Shared;
use super::settle::Follows;
use model::TaskState;
use std::collections::BTreeMap;
use store::{LaneId, Next};
use tracing::{Level, enabled};

/// What the ends of one lane came to.
#[derive(Default)]
struct Ends {
    states: BTreeMap<TaskState, u64>,
    retries: u64,
}

pub(super) fn tell<'a>(shared: &Shared, on_disk: impl Iterator<Item = &'a Follows> + Clone) {
    let standing = &shared.parts.standing;
    standing.facts().tasks(on_disk.clone().map(|follows| follows.token.task));
    let mut lanes: BTreeMap<LaneId, Ends> = BTreeMap::new();
    for follows in on_disk {
        let ends = lanes.entry(follows.lane).or_default();
        match end_state(follows.next) {
            Some(state) => *ends.states.entry(state).or_default() += 1,
            None if matches!(follows.next, Next::Retry(_)) => ends.retries += 1,
            None => {}
        }
        log(shared, follows);
    }
    for (lane, ends) in lanes {
        let (kind, name) = named(shared, lane);
        for (state, count) in ends.states {
            standing.measures().ended(kind, name, state, count);
        }
        if ends.retries > 0 {
            standing.measures().retried(kind, name, ends.retries);
        }
    }
}

/// Kind and name of a lane.
fn named(shared: &Shared, lane: LaneId) -> (&'static str, &str) {
    let route = shared.flows.pushes.get(&lane).map(|flow| ("route", flow.name.as_str()));
    let incoming = || shared.flows.pulls.get(&lane).map(|flow| ("incoming", flow.name.as_str()));
    route.or_else(incoming).unwrap_or(("route", ""))
}

/// What went well is for those who look closely. Reasons are left out: a service quotes in them what it was sent.
fn log(shared: &Shared, follows: &Follows) {
    let is_trouble = matches!(follows.next, Next::Failed | Next::Unknown | Next::Retry(_));
    if !enabled!(Level::INFO) || (!is_trouble && !enabled!(Level::DEBUG)) {
        return;
    }
    let (kind, name) = named(shared, follows.lane);
    let (task, attempt, run) = (follows.token.task.0, follows.token.attempt, follows.run.0);
    let (route, incoming) = if kind == "route" { (Some(name), None) } else { (None, Some(name)) };
    let code = follows.code.as_deref();
    match follows.next {
        Next::Failed => tracing::info!(task, route, incoming, run, attempt, code, "a task failed"),
        Next::Unknown => {
            tracing::info!(
                task,
                route,
                incoming,
                run,
                attempt,
                code,
                "the outcome of a task is unknown: somebody has to decide"
            );
        }
        Next::Retry(due_at) => {
            let wait_ms = due_at - shared.now();
            tracing::info!(
                task,
                route,
                incoming,
                run,
                attempt,
                code,
                wait_ms,
                "an attempt failed and is to be repeated"
            );
        }
        Next::Finished => tracing::debug!(task, route, incoming, run, attempt, "a task finished"),
        Next::Skipped => tracing::debug!(task, route, incoming, run, attempt, code, "a task was passed over"),
        Next::Again(_) => tracing::debug!(task, route, incoming, run, attempt, "a page was taken in"),
        Next::Waiting(_) => tracing::debug!(task, route, incoming, run, attempt, code, "a task waits"),
    }
}
