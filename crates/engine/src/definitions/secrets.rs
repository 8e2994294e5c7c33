//! Which definitions refer to which secrets, and to which hosts keys go.

use super::kind::Kind;
use super::variables::{Piece, SECRET_FIELDS, pieces};
use model::Problem;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::{DefinitionChange, StoredDefinition};

/// Where each secret is referred to: `http_clients.mistral.api_key`. Nothing but settings that are secret may refer to
/// one, so every reference is one of use.
#[must_use]
pub fn used_secrets(stored: &[StoredDefinition]) -> BTreeMap<String, Vec<String>> {
    let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Most definitions have none, and need not be read.
    for one in stored.iter().filter(|one| one.body.contains("${secret:")) {
        let Ok(body) = serde_json::from_str::<Value>(&one.body) else { continue };
        walk(&format!("{}.{}", one.kind, one.name), &body, &mut |place, text| {
            for piece in pieces(text).unwrap_or_default() {
                if let Piece::Secret(name) = piece {
                    used.entry(name.to_owned()).or_default().push(place.to_owned());
                }
            }
        });
    }
    used
}

fn walk(place: &str, value: &Value, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(place, text),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| walk(&format!("{place}[{index}]"), item, visit));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| walk(&format!("{place}.{name}"), member, visit));
        }
        _ => {}
    }
}

/// A key that changes would let go to a host to which it did not go before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Where what says the host is: `http_clients.mistral.base_uri`.
    pub place: String,
    /// The key: as the definitions refer to it; `a key` where it is written in the open.
    pub key: String,
    /// Scheme, host and port, as written: references are not resolved.
    pub host: String,
    /// The hosts that it goes to now. None: nothing uses it yet.
    pub before: Vec<String>,
}

impl Reach {
    /// As a problem, `key_leaves_host`, at what says the host.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let Self { place, key, host, before } = self;
        let reason = match before.as_slice() {
            [] => format!("{key} would go to {host}, and nobody has said so yet"),
            before => format!("{key} would go to {host}, and goes to {} now", before.join(", ")),
        };
        Problem::new("key_leaves_host", reason)
            .at(place)
            .hint("an admin may do this; or use a key of its own for the other host")
    }
}

/// The keys that changes would let go to other hosts than before.
///
/// A key belongs to its host: who may change definitions may not thereby send somebody else's key to a host of their
/// own. So whoever changes definitions through the API with a role below admin is refused with [`Reach::problem`] (403)
/// where this is not empty, also where a secret or variable is used for the first time. A key that is written in the
/// open is theirs, so it counts only where it was used elsewhere before. On the command line, and for admins, those with
/// a host in `before` are worth a warning.
#[must_use]
pub fn reached(stored: &[StoredDefinition], changes: &[DefinitionChange]) -> Vec<Reach> {
    let mut before: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for one in stored {
        for Way { key, host, .. } in ways(&one.kind, &one.body) {
            before.entry(key).or_default().insert(host);
        }
    }
    let mut reached = Vec::new();
    for change in changes {
        for Way { key, host, place } in change.body.as_deref().map(|body| ways(&change.kind, body)).unwrap_or_default()
        {
            let hosts = before.get(&key);
            let is_known = hosts.is_some_and(|hosts| hosts.contains(&host));
            if is_known || hosts.is_none() && matches!(key, Key::Open(_)) {
                continue;
            }
            let before = hosts.into_iter().flatten().cloned().collect();
            let place = format!("{}.{}.{place}", change.kind, change.name);
            reached.push(Reach { place, key: key.to_string(), host, before });
        }
    }
    reached
}

/// What of a client is a key, or may be one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Secret(String),
    Variable(String),
    /// Written in the open.
    Open(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(name) => write!(f, "${{secret:{name}}}"),
            Self::Variable(name) => write!(f, "${{{name}}}"),
            Self::Open(_) => f.write_str("a key"),
        }
    }
}

/// That a key goes to a host, and where that is said within the definition.
struct Way {
    key: Key,
    host: String,
    place: String,
}

/// What goes where by one definition. Variables of a base URI are none of it: through the API only those may stand there
/// that an admin has declared for it.
fn ways(kind: &str, body: &str) -> Vec<Way> {
    let Ok(body) = serde_json::from_str::<Value>(body) else { return Vec::new() };
    match Kind::from_word(kind) {
        Some(Kind::HttpClients) => ways_of_client(&body),
        Some(Kind::Alerts) => {
            let targets = body.get("send").and_then(Value::as_array).into_iter().flatten();
            targets.enumerate().flat_map(|(index, target)| ways_of_target(index, target)).collect()
        }
        _ => Vec::new(),
    }
}

fn ways_of_client(client: &Value) -> Vec<Way> {
    let text = |field: &str| client.get(field).and_then(Value::as_str);
    let Some(base_uri) = text("base_uri") else { return Vec::new() };
    let way = |key| Way { key, host: host(base_uri), place: "base_uri".to_owned() };
    SECRET_FIELDS.into_iter().filter_map(text).flat_map(keys_in).map(way).collect()
}

/// A password goes to the mail server, and what stands in an address goes to its host. A secret that signs stays here.
fn ways_of_target(index: usize, target: &Value) -> Vec<Way> {
    let text = |field: &str| target.get(field).and_then(Value::as_str);
    let (keys, server, field) = match text("type") {
        Some("email") => (text("password"), text("smtp"), "smtp"),
        // Where the whole address is a secret there is no host that it would be told to.
        Some("slack") => (text("url").filter(|url| url.contains("://")), text("url"), "url"),
        _ => return Vec::new(),
    };
    let Some((keys, server)) = keys.zip(server) else { return Vec::new() };
    let way = |key| Way { key, host: host(server), place: format!("send[{index}].{field}") };
    let keys = keys_in(keys).into_iter().filter(|key| field == "smtp" || !matches!(key, Key::Open(_)));
    keys.map(way).collect()
}

/// What a secret setting is made of: its references, or else itself.
fn keys_in(text: &str) -> Vec<Key> {
    let pieces = pieces(text).unwrap_or_default();
    let references = pieces.iter().filter_map(|piece| match piece {
        Piece::Secret(name) => Some(Key::Secret((*name).to_owned())),
        Piece::Variable(name) => Some(Key::Variable((*name).to_owned())),
        Piece::Text(_) => None,
    });
    let references: Vec<Key> = references.collect();
    if references.is_empty() { vec![Key::Open(text.to_owned())] } else { references }
}

/// Scheme, host and port. Where a variable says them, they are compared as written.
fn host(base_uri: &str) -> String {
    match url::Url::parse(base_uri) {
        Ok(url) if !base_uri.contains("${") => url.origin().ascii_serialization(),
        _ => {
            let start = base_uri.find("://").map_or(0, |at| at + 3);
            let end = base_uri[start..].find(['/', '?', '#', '\\']).map_or(base_uri.len(), |at| start + at);
            base_uri[..end].to_owned()
        }
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
