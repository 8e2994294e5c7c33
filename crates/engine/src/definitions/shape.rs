//! The shape of one definition: its members, their types and bounds, its settings.
//!
//! Places are relative to the definition.

use super::alerts;
use super::keys;
use super::kind::Kind;
use super::parts;
use super::place::naive;
use super::variables::{self, SECRET_FIELDS};
use crate::exchange;
use model::definition::{Alert, HttpClient, Incoming, Outgoing, Route, Schedule, Span, Storage};
use model::request::kind_of;
use model::schema::Checker;
use model::{Problem, Registry};
use serde_json::Value;
use std::collections::BTreeMap;

/// The members of a webhook that are secret.
pub(super) const WEBHOOK_SECRETS: [&str; 2] = ["subscriber.signing_secret", "subscriber.token"];
/// The longest name, in letters.
pub const MAX_NAME: usize = 100;

/// The schemas of all kinds, compiled.
pub(super) struct Shapes(BTreeMap<Kind, Checker>);

impl Shapes {
    pub(super) fn compile() -> Result<Self, Problem> {
        Kind::ALL
            .into_iter()
            .map(|kind| Ok((kind, Checker::compile(&schema(kind))?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Everything about a definition that can be told without looking at its parts or at other definitions.
    pub(super) fn problems(&self, kind: Kind, name: &str, definition: &Value, registry: &Registry) -> Vec<Problem> {
        let mut problems: Vec<Problem> = bad_name(name).into_iter().collect();
        problems.extend(settings(kind, definition, registry));
        problems.extend(bad_spans(kind, definition));
        if kind == Kind::HttpClients {
            problems.extend(bad_keys(definition));
        }
        let Some(checker) = self.0.get(&kind) else { return problems };
        for problem in parts::dotted(checker.problems(definition)) {
            // What was said above says more, and repeats no key.
            if !problems.iter().any(|told| told.is_error() && told.place == problem.place) {
                problems.push(problem);
            }
        }
        problems
    }
}

/// The schema of one definition of a kind.
fn schema(kind: Kind) -> Value {
    match kind {
        Kind::HttpClients => schemars::schema_for!(HttpClient),
        Kind::Incoming => schemars::schema_for!(Incoming),
        Kind::Outgoing => schemars::schema_for!(Outgoing),
        Kind::Routes => schemars::schema_for!(Route),
        Kind::Schedules => schemars::schema_for!(Schedule),
        Kind::Storages => schemars::schema_for!(Storage),
        Kind::Alerts => schemars::schema_for!(Alert),
    }
    .to_value()
}

fn bad_name(name: &str) -> Option<Problem> {
    let is_good = name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    (!is_good).then(|| {
        Problem::new("name_wrong", "this cannot be a name").hint(format!(
            "a name begins with a letter or digit and has letters, digits, \"_\", \".\" and \"-\", at most {MAX_NAME}"
        ))
    })
}

/// The settings: references that can be read, secrets only where they may stand, a base URI that is one.
fn settings(kind: Kind, definition: &Value, registry: &Registry) -> Vec<Problem> {
    let mut problems = Vec::new();
    let of_alert = if kind == Kind::Alerts { alerts::settings(definition) } else { Vec::new() };
    for place in paths(kind, definition, registry).into_iter().chain(of_alert) {
        if let Some(text) = definition.pointer(&naive(&place)).and_then(Value::as_str) {
            problems.extend(variables::pieces(text).err().map(|problem| problem.at(place)));
        }
    }
    if kind == Kind::HttpClients {
        problems.extend(bad_client(definition));
    }
    let secrets = secret_places(kind, definition);
    for place in &secrets {
        if let Some(text) = definition.pointer(&naive(place)).and_then(Value::as_str) {
            problems.extend(key_problem(text).map(|problem| problem.at(place)));
        }
    }
    texts("", definition, &mut |place, text| {
        if !secrets.iter().any(|secret| secret == place) {
            problems.extend(variables::secret_in(text).map(|name| variables::misplaced(name).at(place)));
        }
    });
    problems
}

/// Places of a definition that are secret: the only ones in which `${secret:NAME}` may stand.
fn secret_places(kind: Kind, definition: &Value) -> Vec<String> {
    let subscriber = || definition.pointer("/subscriber/type").and_then(Value::as_str);
    // What another subscriber calls a token is none of ours.
    match kind {
        Kind::Incoming if subscriber() != Some(super::builtin::WEBHOOK) => Vec::new(),
        _ => keys::places(kind, definition),
    }
}

/// Places of the options of a definition's part that are file paths.
pub(super) fn paths(kind: Kind, definition: &Value, registry: &Registry) -> Vec<String> {
    let (part, names): (_, fn(&Registry, &str) -> &'static [&'static str]) = match kind {
        Kind::Incoming => ("subscriber", parts::subscriber_paths),
        Kind::Outgoing => ("publisher", parts::publisher_paths),
        Kind::HttpClients | Kind::Routes | Kind::Schedules | Kind::Storages | Kind::Alerts => return Vec::new(),
    };
    let chosen = definition.get(part).and_then(|part| part.get("type")).and_then(Value::as_str).unwrap_or_default();
    names(registry, chosen).iter().map(|name| format!("{part}.{name}")).collect()
}

/// What would keep an HTTP client from being opened. What its base URI will be is not known where it has references.
fn bad_client(definition: &Value) -> Option<Problem> {
    let text = definition.get("base_uri")?.as_str()?;
    if let Err(problem) = variables::pieces(text) {
        return Some(problem.at("base_uri"));
    }
    if variables::has_references(text) {
        return None;
    }
    let base_uri = text.replace("$${", "${");
    match serde_json::from_value(definition.clone()) {
        Ok(client) => exchange::judge(&client, &base_uri).err(),
        Err(_) => exchange::base_url(&base_uri).err(),
    }
}

fn key_problem(text: &str) -> Option<Problem> {
    if let Err(problem) = variables::pieces(text) {
        return Some(problem);
    }
    if variables::has_references(text) {
        return None;
    }
    let problem =
        Problem::new("secret_in_the_open", "a key is written here in the open, and is stored and exported so");
    Some(problem.hint("write ${secret:NAME} and set the environment variable NAME").warning())
}

/// Keys that are no text: said here, since a schema's words would repeat them.
fn bad_keys(definition: &Value) -> Vec<Problem> {
    let wrong = |field: &&str| definition.get(*field).is_some_and(|value| !value.is_string() && !value.is_null());
    let problem = |field: &str| {
        let is = definition.get(field).map_or("null", kind_of);
        Problem::new("schema_type", format!("a key must be a text, this is {is}")).at(field).hint("quote it")
    };
    SECRET_FIELDS.into_iter().filter(wrong).map(problem).collect()
}

/// Lengths of time that are none: said here, since a schema would only name its pattern.
fn bad_spans(kind: Kind, definition: &Value) -> Vec<Problem> {
    let fields: &[&str] = match kind {
        Kind::HttpClients => {
            &["timeouts.connect", "timeouts.first_byte", "timeouts.idle", "timeouts.total", "limits.breaker.pause"]
        }
        Kind::Incoming => &["retry.first", "retry.max"],
        Kind::Routes => &["retry.first", "retry.max", "delay", "deadline"],
        Kind::Schedules => &["jitter"],
        Kind::Storages => &["ttl"],
        Kind::Alerts => &["repeat", "group_for", "when.within", "when.longer_than"],
        Kind::Outgoing => return Vec::new(),
    };
    let mut problems = Vec::new();
    for field in fields {
        let text = match definition.pointer(&format!("/{}", field.replace('.', "/"))) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if let Err(reason) = text.parse::<Span>() {
            let (reason, hint) = reason.split_once("; ").unwrap_or((&reason, "write a number and a unit"));
            problems.push(Problem::new("span_wrong", reason).at(*field).hint(hint));
        }
    }
    problems
}

/// Visits every text in a value with its place.
pub(crate) fn texts<'a>(place: &str, value: &'a Value, visit: &mut impl FnMut(&str, &'a str)) {
    match value {
        Value::String(text) => visit(place, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(&format!("{place}[{index}]"), item, visit);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                texts(&place, member, visit);
            }
        }
        _ => {}
    }
}
