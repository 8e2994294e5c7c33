//! What a rule finds in the facts: pure.

use super::facts::{Facts, Missed};
use super::words::{line, size, span, time};
use model::definition::{Room, Span, When};
use model::{Millis, Money};
use serde::{Deserialize, Serialize};

/// Something that a rule holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What it is, the same as long as it lasts: `route ocr`.
    pub name: String,
    /// How it stands: `7 tasks failed within 10m`.
    pub says: String,
}

/// What a rule holds for now, by name.
#[must_use]
pub fn subjects(when: &When, facts: &Facts, now: Millis) -> Vec<Subject> {
    let subject = |name: &str, says: String| Subject { name: line(name, 200), says: line(&says, 500) };
    let is_route = |route: &Option<String>, name: &str| {
        route.as_ref().is_none_or(|route| name.strip_prefix("route ") == Some(route.as_str()))
    };
    match when {
        When::FailedTasks { route, count, within } => {
            let failed = facts.failed.iter().filter(|(name, failed)| is_route(route, name) && *failed >= count);
            failed.map(|(name, failed)| subject(name, format!("{} failed within {within}", tasks(*failed)))).collect()
        }
        When::UnknownOutcomes { route } => {
            let unknown = facts.unknown.iter().filter(|(name, unknown)| is_route(route, name) && **unknown > 0);
            let says = |unknown: u64| {
                format!("the outcome of {} is unknown: look, then tramontane tasks resolve", tasks(unknown))
            };
            unknown.map(|(name, unknown)| subject(name, says(*unknown))).collect()
        }
        When::OldestWaiting { longer_than, route } => {
            let waiting =
                facts.waiting.iter().filter(|(name, since)| is_route(route, name) && now - **since > longer_than.0);
            let says =
                |since: Millis| format!("a task could be begun since {}, {} ago", time(since), span(now - since));
            waiting.map(|(name, since)| subject(name, says(*since))).collect()
        }
        When::ScheduleMissed { .. } => {
            let says = |missed: Missed| match missed {
                Missed::LeftOut(run) => format!("its latest time was left out; run {run} says why"),
                Missed::Overdue(at) => format!("it was due at {} and has not begun", time(at)),
            };
            facts.missed.iter().map(|(name, missed)| subject(&format!("schedule {name}"), says(*missed))).collect()
        }
        When::Budget { client, percent } => {
            let Some(budget) = facts.budgets.get(client) else { return Vec::new() };
            let part = |(used, most): (u64, u64)| u128::from(used) * 100 / u128::from(most.max(1));
            let over = |limit: Option<(u64, u64)>| limit.filter(|limit| part(*limit) >= u128::from(*percent));
            let cost = over(budget.cost).map(|(used, most)| {
                let says = format!("{} of {} for this day, {}%", Money(used), Money(most), part((used, most)));
                subject(&format!("cost of {client}"), says)
            });
            let calls = over(budget.calls).map(|(used, most)| {
                let says = format!("{used} of {most} for this day, {}%", part((used, most)));
                subject(&format!("calls of {client}"), says)
            });
            calls.into_iter().chain(cost).collect()
        }
        When::KeyRefused { client } => {
            let refused = facts.refused.iter().filter(|one| client.as_ref().is_none_or(|client| *client == one.client));
            let says = |status: u16, since| format!("the service answers {status} to its key since {}", time(since));
            refused.map(|one| subject(&format!("key of {}", one.client), says(one.status, one.since))).collect()
        }
        When::Disk { free_below } => {
            let Some(space) = facts.space else { return Vec::new() };
            let least = match free_below {
                Room::Bytes(bytes) => *bytes,
                Room::Percent(part) => {
                    u64::try_from(u128::from(space.all) * u128::from(*part) / 100).unwrap_or(u64::MAX)
                }
            };
            let says = || format!("{} of {} are free, less than {free_below}", size(space.free), size(space.all));
            if space.free < least { vec![subject("disk of the data folder", says())] } else { Vec::new() }
        }
        When::ModelRetirement { within } => retiring(facts, *within, now).collect(),
    }
}

fn retiring(facts: &Facts, within: Span, now: Millis) -> impl Iterator<Item = Subject> {
    let soon = facts.retiring.iter().filter(move |one| one.at - now <= within.0);
    soon.map(move |one| {
        let goes = if one.at <= now { "went" } else { "goes" };
        let mut says = format!("it {goes} on {}", time(one.at).get(..10).unwrap_or_default());
        if let Some(replacement) = &one.replacement {
            says.push_str(&format!("; the service names {replacement} for it"));
        }
        if !one.routes.is_empty() {
            says.push_str(&format!("; used by {}", one.routes.join(", ")));
        }
        Subject { name: line(&format!("model {} of {}", one.model, one.client), 200), says: line(&says, 500) }
    })
}

fn tasks(count: u64) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

#[cfg(test)]
#[path = "subjects_tests.rs"]
mod tests;
