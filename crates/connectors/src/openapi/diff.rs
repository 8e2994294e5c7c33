//! What is different between two catalogues, and what of it breaks those who use the older one.
//!
//! A request breaks where it may be refused that was good before; an answer breaks where something may be missing that
//! was there before.

mod schema;

use super::catalogue::{Answer, Body, Catalogue, Entry, Location, Method, Parameter};
use super::schemas::{COMPONENT, references};
use schema::{Side, compare};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use std::collections::{BTreeMap, BTreeSet};

/// Most changes that are told of one operation. A document that changes more of one is another API.
const MOST: usize = 200;

/// What is different.
#[derive(Debug, Default, Serialize)]
pub struct Diff {
    /// Operations that only the newer catalogue has.
    pub new: Vec<Operation>,
    /// Operations that only the older one has. That breaks.
    pub gone: Vec<Operation>,
    /// Operations that both have and that differ.
    pub changed: Vec<Changed>,
}

/// An operation, as people know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// HTTP method.
    pub method: Method,
    /// Path template.
    pub path: String,
    /// Its title in the catalogue that has it; in the older one where both do.
    pub title: String,
}

/// An operation that both catalogues have.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Which.
    #[serde(flatten)]
    pub operation: Operation,
    /// What is different, in the order of parameters, body and answers.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: `query.page`, `payload.messages[].role`, `answer 200.data`. Empty for the operation itself.
    pub place: String,
    /// What, in words.
    pub what: String,
    /// Whether it breaks those who use the older catalogue.
    pub breaks: bool,
}

impl Diff {
    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty() && self.changed.is_empty()
    }

    /// Operations that are gone or that changed in a way that breaks.
    pub fn broken(&self) -> impl Iterator<Item = &Operation> {
        let changed = self.changed.iter().filter(|changed| changed.changes.iter().any(|change| change.breaks));
        self.gone.iter().chain(changed.map(|changed| &changed.operation))
    }
}

impl Operation {
    fn of(entry: &Entry) -> Self {
        Self { method: entry.method, path: entry.path.clone(), title: entry.title.clone() }
    }

    /// `GET /v1/models`.
    #[must_use]
    pub fn signature(&self) -> String {
        format!("{} {}", self.method.as_str(), self.path)
    }
}

/// Compares two catalogues.
#[must_use]
pub fn diff(older: &Catalogue, newer: &Catalogue) -> Diff {
    let schemas = Both::of(older, newer);
    let (old, new) = (by_signature(older), by_signature(newer));
    let only = |these: &BTreeMap<_, &Entry>, others: &BTreeMap<_, _>| -> Vec<Operation> {
        these.iter().filter(|(key, _)| !others.contains_key(*key)).map(|(_, entry)| Operation::of(entry)).collect()
    };
    let mut changed = Vec::new();
    for (key, old) in &old {
        if let Some(new) = new.get(key) {
            let mut changes = Changes::default();
            entries(old, new, &schemas, &mut changes);
            if !changes.0.is_empty() {
                changed.push(Changed { operation: Operation::of(old), changes: changes.0 });
            }
        }
    }
    Diff { new: only(&new, &old), gone: only(&old, &new), changed }
}

fn by_signature(catalogue: &Catalogue) -> BTreeMap<(&str, Method), &Entry> {
    catalogue.operations.iter().map(|entry| ((entry.path.as_str(), entry.method), entry)).collect()
}

/// Changes as they are found.
#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, place: &str, what: impl Into<String>, breaks: bool) {
        let change = Change { place: place.to_owned(), what: what.into(), breaks };
        // The same place is met again where several fields have one schema.
        if self.0.len() < MOST && !self.0.contains(&change) {
            self.0.push(change);
        }
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }
}

/// The named schemas of both catalogues.
struct Both {
    old: BTreeMap<String, Value>,
    new: BTreeMap<String, Value>,
    /// Names that stand for the same in both, with everything that they refer to.
    identical: BTreeSet<String>,
}

impl Both {
    fn of(older: &Catalogue, newer: &Catalogue) -> Self {
        let read = |text: &RawValue| serde_json::from_str(text.get()).unwrap_or_default();
        let all = |catalogue: &Catalogue| -> BTreeMap<String, Value> {
            catalogue.schemas.iter().map(|(name, text)| (name.clone(), read(text))).collect()
        };
        let (old, new) = (all(older), all(newer));
        let identical = identical(&old, &new);
        Self { old, new, identical }
    }
}

/// The names of the same schemas, without those that lead to different ones.
fn identical(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let mut used_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, schema) in old {
        references(schema, &mut |target| {
            used_by.entry(target.strip_prefix(COMPONENT).unwrap_or(target)).or_default().push(name);
        });
    }
    let mut different: Vec<&str> =
        old.iter().filter(|(name, schema)| new.get(*name) != Some(*schema)).map(|(name, _)| name.as_str()).collect();
    let mut same: BTreeSet<String> = old.keys().cloned().collect();
    while let Some(name) = different.pop() {
        if same.remove(name) {
            different.extend(used_by.get(name).into_iter().flatten());
        }
    }
    same
}

fn entries(old: &Entry, new: &Entry, schemas: &Both, changes: &mut Changes) {
    if old.title != new.title {
        changes.add("", format!("is now called \"{}\"", new.title), true);
    }
    if old.credential != new.credential {
        changes.add("", format!("asks for {} now", new.credential.option()), true);
    }
    if old.stream != new.stream {
        changes.add("", "streams in another way", true);
    }
    if old.paging != new.paging || old.items != new.items {
        changes.add("", "its list goes on in another way", true);
    }
    if old.wait != new.wait {
        changes.add("", "the work it starts is followed in another way", old.wait.is_some());
    }
    if old.effect != new.effect {
        changes.add("", format!("its effect is {} now, it was {}", new.effect.as_str(), old.effect.as_str()), true);
    }
    if new.deprecated && !old.deprecated {
        changes.add("", "is deprecated now", false);
    }
    parameters(&old.parameters, &new.parameters, schemas, changes);
    bodies(old.body.as_ref(), new.body.as_ref(), schemas, changes);
    answers(&old.answers, &new.answers, schemas, changes);
}

fn parameters(old: &[Parameter], new: &[Parameter], schemas: &Both, changes: &mut Changes) {
    let place = |parameter: &Parameter| {
        let location = match parameter.location {
            Location::Path => "path",
            Location::Query => "query",
            Location::Header => "header",
        };
        format!("{location}.{}", parameter.name)
    };
    let same = |one: &Parameter, other: &Parameter| (&one.name, one.location) == (&other.name, other.location);
    for one in old {
        let Some(other) = new.iter().find(|other| same(one, other)) else {
            changes.add(&place(one), "is gone", true);
            continue;
        };
        if one.required != other.required {
            changes.add(
                &place(one),
                if other.required { "is required now" } else { "may be left out now" },
                other.required,
            );
        }
        if one.encoding != other.encoding {
            changes.add(&place(one), "is written in another way", true);
        }
        if other.deprecated && !one.deprecated {
            changes.add(&place(one), "is deprecated now", false);
        }
        compare(&one.schema, &other.schema, &place(one), Side::Request, schemas, changes);
    }
    for other in new.iter().filter(|other| !old.iter().any(|one| same(one, other))) {
        changes.add(&place(other), if other.required { "is new and required" } else { "is new" }, other.required);
    }
}

fn bodies(old: Option<&Body>, new: Option<&Body>, schemas: &Both, changes: &mut Changes) {
    let place = "payload";
    match (old, new) {
        (None, None) => {}
        (Some(_), None) => changes.add(place, "is gone", true),
        (None, Some(new)) => {
            changes.add(place, if new.required { "is new and required" } else { "is new" }, new.required);
        }
        (Some(old), Some(new)) => {
            if old.kind != new.kind {
                changes.add(place, "is sent in another form", true);
            }
            if old.required != new.required {
                let what = if new.required { "is required now" } else { "may be left out now" };
                changes.add(place, what, new.required);
            }
            compare(&old.schema, &new.schema, place, Side::Request, schemas, changes);
        }
    }
}

fn answers(old: &[Answer], new: &[Answer], schemas: &Both, changes: &mut Changes) {
    let same = |one: &Answer, other: &Answer| (one.status, &one.media_type) == (other.status, &other.media_type);
    let place = |answer: &Answer| match answer.media_type.as_deref() {
        None | Some("application/json") => format!("answer {}", answer.status),
        Some(other) => format!("answer {} ({other})", answer.status),
    };
    for one in old {
        match new.iter().find(|other| same(one, other)) {
            None => changes.add(&place(one), "is gone", true),
            Some(other) => match (&one.schema, &other.schema) {
                (Some(one_schema), Some(other_schema)) => {
                    compare(one_schema, other_schema, &place(one), Side::Answer, schemas, changes);
                }
                (None, Some(_)) => changes.add(&place(one), "is described now", false),
                (Some(_), None) => changes.add(&place(one), "is no longer described", false),
                (None, None) => {}
            },
        }
    }
    for other in new.iter().filter(|other| !old.iter().any(|one| same(one, other))) {
        changes.add(&place(other), "is new", false);
    }
}
