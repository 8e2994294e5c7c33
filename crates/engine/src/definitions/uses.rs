//! Which definition names which.

use super::builtin::ANSWERS;
use super::kind::Kind;
use super::node::options_of;
use super::plan::Name;
use super::references::transformers_of;
use model::Registry;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::StoredDefinition;

/// What a definition names, by kind and name.
#[must_use]
pub fn uses(kind: Kind, definition: &Value, registry: &Registry) -> BTreeSet<Name> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    let named =
        |kind: Kind, name: Option<&str>| name.map(|name| Name { kind: kind.to_string(), name: name.to_owned() });
    let mut found: BTreeSet<Name> = BTreeSet::new();
    match kind {
        Kind::HttpClients | Kind::Storages => {}
        Kind::Incoming => {
            found.extend(named(Kind::HttpClients, text("/subscriber/http_client")));
            let route = text("/subscriber/route").filter(|_| text("/subscriber/type") == Some(ANSWERS));
            found.extend(named(Kind::Routes, route));
        }
        Kind::Outgoing => found.extend(named(Kind::HttpClients, text("/publisher/http_client"))),
        Kind::Routes => {
            found.extend(named(Kind::Incoming, text("/incoming")));
            found.extend(named(Kind::Outgoing, text("/outgoing")));
        }
        Kind::Schedules => found.extend(named(Kind::Incoming, text("/run"))),
        Kind::Alerts => {
            found.extend(named(Kind::Routes, text("/when/route")));
            found.extend(named(Kind::Schedules, text("/when/schedule")));
            found.extend(named(Kind::HttpClients, text("/when/client")));
        }
    }
    for (place, _) in transformers_of(kind) {
        let parts = definition.pointer(&super::place::naive(place)).and_then(Value::as_array);
        found.extend(parts.into_iter().flatten().filter_map(|part| named(Kind::Storages, storage_of(part, registry))));
    }
    found
}

/// The storage that a transformer reads or writes.
fn storage_of<'a>(part: &'a Value, registry: &Registry) -> Option<&'a str> {
    let transformer = registry.transformers.get(part.get("type")?.as_str()?)?;
    let transform = transformer.compile(&options_of(part.as_object()?)).ok()?;
    transform.storage()?;
    part.get("storage")?.as_str()
}

/// By whom each definition is named.
#[must_use]
pub fn used_by(stored: &[StoredDefinition], registry: &Registry) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut users: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for one in stored {
        for used in used_of(one, registry) {
            users.entry(used).or_default().insert(name_of(one));
        }
    }
    users
}

/// These definitions and everything that they need, in the order of kinds and names.
#[must_use]
pub fn needed(
    stored: &[StoredDefinition],
    wanted: impl Fn(&StoredDefinition) -> bool,
    registry: &Registry,
) -> Vec<StoredDefinition> {
    let all: BTreeMap<Name, &StoredDefinition> = stored.iter().map(|one| (name_of(one), one)).collect();
    let mut found: BTreeSet<Name> = stored.iter().filter(|one| wanted(one)).map(name_of).collect();
    let mut open: Vec<Name> = found.iter().cloned().collect();
    while let Some(one) = open.pop().and_then(|name| all.get(&name)) {
        open.extend(used_of(one, registry).into_iter().filter(|used| found.insert(used.clone())));
    }
    found.iter().filter_map(|name| all.get(name)).map(|one| (*one).clone()).collect()
}

fn used_of(one: &StoredDefinition, registry: &Registry) -> BTreeSet<Name> {
    let kind = Kind::from_word(&one.kind);
    let body = serde_json::from_str(&one.body).ok();
    kind.zip(body).map(|(kind, body): (Kind, Value)| uses(kind, &body, registry)).unwrap_or_default()
}

fn name_of(one: &StoredDefinition) -> Name {
    Name { kind: one.kind.clone(), name: one.name.clone() }
}
