//! What definitions say of each other: names that must exist, and routes that feed themselves.

use super::builtin::{ANSWERS, PROXY, WEBHOOK};
use super::kind::Kind;
use super::node::options_of;
use model::http::Preflight;
use model::{Problem, Registry, Side, suggest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Every definition there will be, by kind and name.
pub(super) struct Named<'a>(pub(super) BTreeMap<(Kind, &'a str), &'a Value>);

impl<'a> Named<'a> {
    fn get(&self, kind: Kind, name: &'a str) -> Option<&'a Value> {
        self.0.get(&(kind, name)).copied()
    }

    fn all(&self, kind: Kind) -> impl Iterator<Item = (&'a str, &'a Value)> + Clone {
        self.0.iter().filter(move |((of, _), _)| *of == kind).map(|((_, name), value)| (*name, *value))
    }

    /// What a definition refers to and is not there, or does not fit. Places are relative to the definition.
    pub(super) fn problems(&self, kind: Kind, definition: &'a Value, registry: &Registry) -> Vec<Problem> {
        let found = match kind {
            Kind::HttpClients => vec![prototype(definition, registry)],
            Kind::Outgoing => vec![self.http_client("publisher", definition, registry)],
            Kind::Incoming => vec![
                self.http_client("subscriber", definition, registry),
                self.unknown(Kind::Routes, answers_of(definition), "subscriber.route"),
            ],
            Kind::Routes => vec![
                self.unknown(Kind::Incoming, text(definition, "incoming"), "incoming"),
                self.unknown(Kind::Outgoing, text(definition, "outgoing"), "outgoing"),
            ],
            Kind::Schedules => vec![
                self.unknown(Kind::Incoming, text(definition, "run"), "run"),
                self.not_runnable(text(definition, "run")),
            ],
            Kind::Storages => Vec::new(),
            Kind::Alerts => definition.get("when").map(|when| self.watched(when)).unwrap_or_default(),
        };
        let mut problems: Vec<Problem> = found.into_iter().flatten().collect();
        for (place, may_write) in transformers_of(kind) {
            problems.extend(self.storages(definition, place, *may_write, registry));
        }
        problems
    }

    /// Storages that transformers name and that are not there, or that they write to where they may only read.
    fn storages(&self, definition: &'a Value, place: &str, may_write: bool, registry: &'a Registry) -> Vec<Problem> {
        let pointer = format!("/{}", place.replace('.', "/"));
        let Some(Value::Array(parts)) = definition.pointer(&pointer) else { return Vec::new() };
        let mut problems = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let place = format!("{place}[{at}]");
            let transformer = text(part, "type").and_then(|kind| registry.transformers.get(kind));
            let options = part.as_object().map(options_of);
            let transform = transformer.zip(options).and_then(|(made, options)| made.compile(&options).ok());
            let Some(used) = transform.as_ref().and_then(|transform| transform.storage()) else { continue };
            if used.writes && !may_write {
                let reason = "what is written here would stand although nobody knows yet whether the call works";
                let hint = "write in the transformers of the incoming or the route, or in answer_transformers";
                problems.push(Problem::new("storage_write_misplaced", reason).at(&place).hint(hint));
            }
            problems.extend(self.unknown(Kind::Storages, text(part, "storage"), &format!("{place}.storage")));
        }
        problems
    }

    /// An incoming to which data comes by itself, so that a schedule has nothing to run.
    fn not_runnable(&self, name: Option<&'a str>) -> Option<Problem> {
        let incoming = self.get(Kind::Incoming, name?)?;
        let kind = incoming.get("subscriber").and_then(|part| text(part, "type"))?;
        let reason = match kind {
            ANSWERS => "it listens to the answers of a route",
            WEBHOOK => "others send to it",
            PROXY => "others call it",
            _ => return None,
        };
        Some(Problem::new("incoming_not_runnable", reason).at("run").hint("schedule an incoming that fetches its data"))
    }

    /// What an alert names, and a budget of a client that has none.
    fn watched(&self, when: &'a Value) -> Vec<Option<Problem>> {
        let client = text(when, "client");
        let budget = || {
            let limits = self.get(Kind::HttpClients, client?)?.get("limits");
            let has = |limit: &str| limits.and_then(|limits| limits.get(limit)).is_some_and(|value| !value.is_null());
            let reason = "the HTTP client may spend any amount and be asked any number of times in a day";
            let problem = Problem::new("budget_missing", reason).at("when.client");
            let is_open = text(when, "type") == Some("budget") && !has("cost_per_day") && !has("calls_per_day");
            is_open.then(|| problem.hint("set limits.cost_per_day or limits.calls_per_day of it"))
        };
        vec![
            self.unknown(Kind::Routes, text(when, "route"), "when.route"),
            self.unknown(Kind::Schedules, text(when, "schedule"), "when.schedule"),
            self.unknown(Kind::HttpClients, client, "when.client"),
            budget(),
        ]
    }

    /// The preflight of the HTTP client that a subscriber names.
    pub(super) fn preflight(&self, incoming: &'a Value) -> Preflight {
        let client = incoming.get("subscriber").and_then(|part| text(part, "http_client"));
        let client = client.and_then(|name| self.get(Kind::HttpClients, name));
        let preflight = client.and_then(|client| client.get("preflight"));
        preflight.and_then(|word| serde_json::from_value(word.clone()).ok()).unwrap_or_default()
    }

    fn unknown(&self, kind: Kind, name: Option<&'a str>, place: &str) -> Option<Problem> {
        let name = name?;
        if self.get(kind, name).is_some() {
            return None;
        }
        let one = kind.one();
        let problem = Problem::new("reference_unknown", format!("there is no {one} \"{name}\"")).at(place);
        let hint = suggest::hint(name, self.all(kind).map(|(name, _)| name));
        Some(problem.hint(hint.unwrap_or_else(|| format!("define it under {kind}"))))
    }

    fn http_client(&self, member: &str, definition: &'a Value, registry: &Registry) -> Option<Problem> {
        let part = definition.get(member)?;
        let connector = text(part, "type")?;
        if !registry.connectors.contains_key(connector) {
            return None;
        }
        let name = text(part, "http_client")?;
        let place = format!("{member}.http_client");
        let Some(client) = self.get(Kind::HttpClients, name) else {
            return self.unknown(Kind::HttpClients, Some(name), &place);
        };
        if let Some(problem) = lacks_key(member, part, name, client, registry) {
            return Some(problem.at(place));
        }
        let prototype = text(client, "prototype").filter(|prototype| *prototype != connector)?;
        let reason =
            format!("the HTTP client \"{name}\" is made from {prototype}, this part needs one from {connector}");
        let fitting = self.all(Kind::HttpClients).filter(|(_, client)| text(client, "prototype") == Some(connector));
        let fitting: Vec<&str> = fitting.map(|(name, _)| name).collect();
        let hint = match fitting.as_slice() {
            [] => format!("define one with prototype: {connector}"),
            names => format!("fitting are: {}", names.join(", ")),
        };
        Some(Problem::new("prototype_mismatch", reason).at(place).hint(hint))
    }

    /// Cycles of `answers`; places are whole.
    ///
    /// A route has one incoming, and that listens to one route at most: so every route has one that feeds it or
    /// none, and a walk from feeder to feeder either ends or goes round.
    pub(super) fn cycles(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for (start, _) in self.all(Kind::Routes) {
            let mut walk = Vec::new();
            let mut at = Some(start);
            while let Some(route) = at.filter(|route| seen.insert(route)) {
                walk.push(route);
                at = self.feeder(route);
            }
            let Some(first) = at.and_then(|end| walk.iter().position(|route| *route == end)) else { continue };
            let mut cycle = walk.split_off(first);
            // From feeder to fed, beginning with the first by name.
            cycle.reverse();
            let least = cycle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(index, _)| index);
            cycle.rotate_left(least);
            let round = cycle.iter().chain(cycle.first()).copied().collect::<Vec<_>>().join(" -> ");
            problems.push(
                Problem::new(
                    "answers_cycle",
                    format!("these routes take in nothing but their own answers, so no data ever comes in: {round}"),
                )
                .at(format!("{}.{}", Kind::Routes, cycle[0]))
                .hint("let one of these routes take in something else"),
            );
        }
        problems
    }

    /// The route whose answers a route takes in.
    fn feeder(&self, route: &'a str) -> Option<&'a str> {
        let incoming = text(self.get(Kind::Routes, route)?, "incoming")?;
        answers_of(self.get(Kind::Incoming, incoming)?)
    }
}

/// A client that has not the kind of key that the operation asks for: every call would be refused.
fn lacks_key(member: &str, part: &Value, name: &str, client: &Value, registry: &Registry) -> Option<Problem> {
    let connector = registry.connectors.get(text(part, "type")?)?;
    let side = if member == "publisher" { Side::Publisher } else { Side::Subscriber };
    let operation = connector.operation(side, &options_of(part.as_object()?)).ok()?;
    let option = operation.credential().option();
    if client.get(option).is_some_and(|key| !key.is_null()) || text(client, "prototype") != text(part, "type") {
        return None;
    }
    let reason = format!("\"{}\" asks for a key of the kind {option}, and \"{name}\" has none", operation.title());
    Some(Problem::new("key_missing", reason).hint(format!("set {option} of the HTTP client \"{name}\"")))
}

/// The route that an incoming listens to.
fn answers_of(incoming: &Value) -> Option<&str> {
    let subscriber = incoming.get("subscriber")?;
    if text(subscriber, "type")? == ANSWERS { text(subscriber, "route") } else { None }
}

fn prototype(client: &Value, registry: &Registry) -> Option<Problem> {
    let prototype = text(client, "prototype")?;
    if registry.connectors.contains_key(prototype) {
        return None;
    }
    let problem = Problem::new("prototype_unknown", format!("there is no prototype \"{prototype}\"")).at("prototype");
    Some(match suggest::hint(prototype, registry.connectors.keys().copied()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    })
}

fn text<'a>(object: &'a Value, member: &str) -> Option<&'a str> {
    object.get(member)?.as_str()
}

/// Where a definition has transformers, and whether they may write to storages: only with what is then committed.
pub(super) fn transformers_of(kind: Kind) -> &'static [(&'static str, bool)] {
    match kind {
        Kind::Incoming => &[("transformers", true), ("subscriber.input_transformers", false)],
        Kind::Routes => &[("transformers", true)],
        Kind::Outgoing => &[
            ("transformers", false),
            ("publisher.request_transformers", false),
            ("publisher.answer_transformers", true),
        ],
        Kind::HttpClients | Kind::Schedules | Kind::Storages | Kind::Alerts => &[],
    }
}
