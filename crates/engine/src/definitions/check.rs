//! Checks definitions as a whole: those of the files together with those that are stored and stay.

use super::alerts;
use super::draft::{Draft, Origin};
use super::kind::Kind;
use super::parts;
use super::references::Named;
use super::shape::Shapes;
use crate::schedule::times::Times;
use model::definition::Definitions;
use model::{Problem, Registry};
use serde_json::Value;
use std::collections::BTreeMap;
use store::StoredDefinition;

/// Definitions that fit together.
#[derive(Clone, Debug)]
pub struct Checked {
    /// All of them: those of the draft, and those stored that the draft does not replace.
    pub definitions: Definitions,
    /// What is worth saying and stops nothing.
    pub warnings: Vec<Problem>,
}

/// Checks a draft together with the stored definitions that stay beside it.
///
/// # Errors
/// Everything that is wrong, warnings included, in the order of the files; places are dotted
/// (`routes.describe.retry.attempts`).
pub fn check(draft: &Draft, stored: &[StoredDefinition], registry: &Registry) -> Result<Checked, Vec<Problem>> {
    let mut problems = Vec::new();
    let kept = parse_stored(stored, &mut problems);
    let mut all: BTreeMap<(Kind, &str), (&Value, Option<&Origin>)> =
        kept.iter().map(|((kind, name), value)| ((*kind, name.as_str()), (value, None))).collect();
    for ((kind, name), entry) in &draft.entries {
        all.insert((*kind, name), (&entry.value, entry.origin.as_ref()));
    }
    let shapes = Shapes::compile().map_err(|problem| vec![problem])?;
    let named = Named(all.iter().map(|(key, (value, _))| (*key, *value)).collect());
    for (&(kind, name), &(value, origin)) in &all {
        let mut found = shapes.problems(kind, name, value, registry);
        found.extend(named.problems(kind, value, registry));
        found.extend(part_problems(kind, value, &named, registry));
        problems.extend(found.into_iter().map(|problem| located(problem, kind, name, origin)));
    }
    let at_definition = |problem: Problem| {
        let origin = all.iter().find(|((kind, name), _)| problem.place == format!("{kind}.{name}"));
        at_origin(problem, "", origin.and_then(|(_, (_, origin))| *origin))
    };
    problems.extend(named.cycles().into_iter().map(at_definition));
    // Stable: what has no line stays where it was found.
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    let values = all.iter().map(|((kind, name), (value, _))| (*kind, *name, *value));
    match deserialise(values) {
        Ok(definitions) => Ok(Checked { definitions, warnings: problems }),
        Err(found) => Err(found.into_iter().map(at_definition).chain(problems).collect()),
    }
}

/// Reads stored definitions, which were checked when they were applied.
///
/// # Errors
/// What this version cannot read.
pub fn from_stored(stored: &[StoredDefinition]) -> Result<Definitions, Vec<Problem>> {
    let mut problems = Vec::new();
    let kept = parse_stored(stored, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    deserialise(kept.iter().map(|((kind, name), value)| (*kind, name.as_str(), value)))
}

pub(super) fn parse_stored(
    stored: &[StoredDefinition],
    problems: &mut Vec<Problem>,
) -> BTreeMap<(Kind, String), Value> {
    let mut parsed = BTreeMap::new();
    for StoredDefinition { kind, name, body, .. } in stored {
        let place = format!("{kind}.{name}");
        match (Kind::from_word(kind), serde_json::from_str(body)) {
            (Some(kind), Ok(value)) => {
                parsed.insert((kind, name.clone()), value);
            }
            (None, _) => problems.push(super::kind::unknown(kind).at(place).hint("it was stored by a newer version")),
            (_, Err(error)) => problems.push(unreadable(&place, &error)),
        }
    }
    parsed
}

fn deserialise<'a>(values: impl Iterator<Item = (Kind, &'a str, &'a Value)>) -> Result<Definitions, Vec<Problem>> {
    let mut definitions = Definitions::default();
    let mut problems = Vec::new();
    for (kind, name, value) in values {
        let value = value.clone();
        let name = name.to_owned();
        let place = format!("{kind}.{name}");
        let read = match kind {
            Kind::HttpClients => insert(&mut definitions.http_clients, name, value),
            Kind::Incoming => insert(&mut definitions.incoming, name, value),
            Kind::Outgoing => insert(&mut definitions.outgoing, name, value),
            Kind::Routes => insert(&mut definitions.routes, name, value),
            Kind::Schedules => insert(&mut definitions.schedules, name, value),
            Kind::Storages => insert(&mut definitions.storages, name, value),
            Kind::Alerts => insert(&mut definitions.alerts, name, value),
        };
        problems.extend(read.err().map(|error| unreadable(&place, &error)));
    }
    if problems.is_empty() { Ok(definitions) } else { Err(problems) }
}

fn insert<T: serde::de::DeserializeOwned>(
    into: &mut BTreeMap<String, T>,
    name: String,
    value: Value,
) -> Result<(), serde_json::Error> {
    into.insert(name, serde_json::from_value(value)?);
    Ok(())
}

fn unreadable(place: &str, error: &serde_json::Error) -> Problem {
    Problem::new("definition_unreadable", error.to_string()).at(place)
}

fn part_problems<'a>(kind: Kind, value: &'a Value, named: &Named<'a>, registry: &Registry) -> Vec<Problem> {
    let part = |member: &str| value.get(member).unwrap_or(&Value::Null);
    let mut problems = match kind {
        Kind::HttpClients => return Vec::new(),
        Kind::Incoming => {
            parts::within("subscriber", parts::subscriber(part("subscriber"), registry, named.preflight(value)))
        }
        Kind::Outgoing => parts::within("publisher", parts::publisher(part("publisher"), registry)),
        Kind::Routes => order_problem(value).into_iter().collect(),
        Kind::Schedules => return times_problems(value),
        Kind::Storages => return Vec::new(),
        Kind::Alerts => return alerts::problems(value),
    };
    problems.extend(parts::within("transformers", parts::transformers(value.get("transformers"), registry)));
    problems
}

/// A path that cannot be one.
fn order_problem(route: &Value) -> Option<Problem> {
    let path = route.get("order_by")?.as_str()?;
    path.parse::<crate::transformers::path::Path>().err().map(|problem| problem.at("order_by"))
}

/// A line that never fires, a zone that there is not.
fn times_problems(schedule: &Value) -> Vec<Problem> {
    let text = |member: &str| schedule.get(member).and_then(Value::as_str);
    let Some(cron) = text("cron") else { return Vec::new() };
    Times::parse(cron, text("time_zone").unwrap_or("UTC")).err().unwrap_or_default()
}

fn located(problem: Problem, kind: Kind, name: &str, origin: Option<&Origin>) -> Problem {
    let place = problem.place.clone();
    at_origin(problem.within(&format!("{kind}.{name}")), &place, origin)
}

/// Says in which file and line.
fn at_origin(mut problem: Problem, place: &str, origin: Option<&Origin>) -> Problem {
    if let Some(origin) = origin {
        problem.file = Some(origin.file.clone());
        problem.line = Some(origin.node.line_of(place).unwrap_or(origin.line));
    }
    problem
}
