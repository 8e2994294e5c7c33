//! What applying a draft would change.

use super::check::check;
use super::draft::Draft;
use super::kind::Kind;
use super::secrets::used_secrets;
use super::{keys, place};
use model::definition::Definitions;
use model::{Problem, Registry};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use store::{DefinitionChange, StoredDefinition};

/// How much of a value is shown to people, in letters.
const SHOWN: usize = 60;

/// What applying a draft would change. Each list is in the order of kinds and names.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// In the draft and not stored.
    pub created: Vec<Name>,
    /// In the draft and stored otherwise.
    pub changed: Vec<Changed>,
    /// Stored and not in the draft, and to be deleted.
    pub deleted: Vec<Name>,
    /// Stored as in the draft.
    pub unchanged: Vec<Name>,
    /// Stored and not in the draft, and left as they are.
    pub left_alone: Vec<Name>,
    /// What is worth saying about the definitions.
    pub warnings: Vec<Problem>,
    /// The definitions as they will be.
    #[serde(skip)]
    pub definitions: Definitions,
    /// What is to be written to the store.
    #[serde(skip)]
    pub changes: Vec<DefinitionChange>,
}

/// Kind and name of a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// Its kind: `routes`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A definition that would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Which.
    #[serde(flatten)]
    pub name: Name,
    /// What, in the order written.
    pub differences: Vec<Difference>,
}

/// One difference between a stored definition and a draft. Keys written in the open are shown as `***`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Difference {
    /// A member or item that is new.
    Added {
        /// Where, within the definition: `retry.attempts`.
        place: String,
        /// What it will be.
        to: Value,
    },
    /// A member or item that goes.
    Removed {
        /// Where.
        place: String,
        /// What it is.
        from: Value,
    },
    /// Another value.
    Changed {
        /// Where.
        place: String,
        /// What it is.
        from: Value,
        /// What it will be.
        to: Value,
    },
    /// The same members in another order.
    Reordered {
        /// Where.
        place: String,
    },
}

/// Checks a draft and compares it with what is stored. Relative file paths are first taken from the folder that the
/// draft was read from. With `prune`, what the draft lacks is to be deleted.
///
/// # Errors
/// As [`check`].
pub fn plan(
    mut draft: Draft,
    stored: &[StoredDefinition],
    registry: &Registry,
    prune: bool,
) -> Result<Plan, Vec<Problem>> {
    draft.anchor_paths(registry)?;
    keys::unmask(&mut draft, stored)?;
    let checked = check(&draft, if prune { &[] } else { stored }, registry)?;
    let mut plan = Plan { definitions: checked.definitions, warnings: checked.warnings, ..Plan::default() };
    let mut before: BTreeMap<(&str, &str), &str> =
        stored.iter().map(|one| ((one.kind.as_str(), one.name.as_str()), one.body.as_str())).collect();
    for ((kind, name), entry) in &draft.entries {
        let body = entry.value.to_string();
        let named = Name { kind: kind.to_string(), name: name.clone() };
        let change = DefinitionChange { kind: named.kind.clone(), name: named.name.clone(), body: Some(body) };
        match before.remove(&(kind.as_str(), name.as_str())) {
            None => plan.created.push(named),
            Some(body) if change.body.as_deref() == Some(body) => {
                plan.unchanged.push(named);
                continue;
            }
            Some(body) => {
                let was = serde_json::from_str(body).unwrap_or(Value::Null);
                plan.changed.push(Changed { name: named, differences: compare(*kind, &was, &entry.value) });
            }
        }
        plan.changes.push(change);
    }
    for (kind, name) in before.into_keys() {
        let named = Name { kind: kind.to_owned(), name: name.to_owned() };
        if prune {
            plan.changes.push(DefinitionChange { kind: named.kind.clone(), name: named.name.clone(), body: None });
            plan.deleted.push(named);
        } else {
            plan.left_alone.push(named);
        }
    }
    Ok(plan)
}

/// What deleting a definition would change.
///
/// # Errors
/// As [`check`]: what is left must hold together.
pub fn plan_deletion(
    kind: Kind,
    name: &str,
    stored: &[StoredDefinition],
    registry: &Registry,
) -> Result<Plan, Vec<Problem>> {
    let left: Vec<StoredDefinition> =
        stored.iter().filter(|one| (one.kind.as_str(), one.name.as_str()) != (kind.as_str(), name)).cloned().collect();
    let checked = check(&Draft::default(), &left, registry)?;
    let gone = Name { kind: kind.to_string(), name: name.to_owned() };
    let mut plan = Plan { definitions: checked.definitions, warnings: checked.warnings, ..Plan::default() };
    if left.len() < stored.len() {
        plan.changes.push(DefinitionChange { kind: gone.kind.clone(), name: gone.name.clone(), body: None });
        plan.deleted.push(gone);
    }
    plan.left_alone = left.into_iter().map(|one| Name { kind: one.kind, name: one.name }).collect();
    Ok(plan)
}

/// What differs between two values of one definition, in the order written. Keys written in the open are shown as `***`.
#[must_use]
pub fn compare(kind: Kind, from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    differences("", from, to, &mut found);
    // Compared with the keys and shown without them.
    let (hidden_from, hidden_to) = (keys::masked(kind, from), keys::masked(kind, to));
    let hide = |place: &str, shown: &mut Value, hidden: &Value| {
        if keys::is_around_key(kind, place)
            && let Some(value) = hidden.pointer(&place::naive(place))
        {
            *shown = value.clone();
        }
    };
    for difference in &mut found {
        match difference {
            Difference::Added { place, to } => hide(place, to, &hidden_to),
            Difference::Removed { place, from } => hide(place, from, &hidden_from),
            Difference::Changed { place, from, to } => {
                hide(place, from, &hidden_from);
                hide(place, to, &hidden_to);
            }
            Difference::Reordered { .. } => {}
        }
    }
    found
}

fn differences(place: &str, from: &Value, to: &Value, found: &mut Vec<Difference>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => members(place, from, to, found),
        (Value::Array(from), Value::Array(to)) => {
            for index in 0..from.len().max(to.len()) {
                one(format!("{place}[{index}]"), from.get(index), to.get(index), found);
            }
        }
        _ => one(place.to_owned(), Some(from), Some(to), found),
    }
}

fn members(place: &str, from: &Map<String, Value>, to: &Map<String, Value>, found: &mut Vec<Difference>) {
    let inside = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        one(inside(key), from.get(key), None, found);
    }
    for (key, value) in to {
        one(inside(key), from.get(key), Some(value), found);
    }
    let kept = from.keys().filter(|key| to.contains_key(*key));
    if kept.ne(to.keys().filter(|key| from.contains_key(*key))) {
        found.push(Difference::Reordered { place: place.to_owned() });
    }
}

fn one(place: String, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<Difference>) {
    match (from, to) {
        (Some(from @ (Value::Object(_) | Value::Array(_))), Some(to))
            if std::mem::discriminant(from) == std::mem::discriminant(to) =>
        {
            differences(&place, from, to, found);
        }
        (Some(from), Some(to)) if from == to => {}
        (Some(from), Some(to)) => {
            found.push(Difference::Changed { place, from: from.clone(), to: to.clone() });
        }
        (Some(from), None) => found.push(Difference::Removed { place, from: from.clone() }),
        (None, Some(to)) => found.push(Difference::Added { place, to: to.clone() }),
        (None, None) => {}
    }
}

impl Plan {
    /// The secrets that the definitions as they will be refer to.
    #[must_use]
    pub fn secrets(&self, stored: &[StoredDefinition]) -> BTreeSet<String> {
        let is_changed =
            |one: &StoredDefinition| self.changes.iter().any(|it| it.kind == one.kind && it.name == one.name);
        let mut will_be: Vec<_> = stored.iter().filter(|one| !is_changed(one)).cloned().collect();
        will_be.extend(self.changes.iter().filter_map(|change| {
            let (kind, name, body) = (change.kind.clone(), change.name.clone(), change.body.clone()?);
            Some(StoredDefinition { kind, name, body, revision: 0 })
        }));
        used_secrets(&will_be).into_keys().collect()
    }

    /// Whether applying changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

impl fmt::Display for Plan {
    /// One line per definition that changes (`+` new, `~` changed, `-` deleted), its differences below it, and a line
    /// of counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.created {
            writeln!(f, "+ {name}")?;
        }
        for changed in &self.changed {
            writeln!(f, "~ {}", changed.name)?;
            for difference in &changed.differences {
                writeln!(f, "    {difference}")?;
            }
        }
        for name in &self.deleted {
            writeln!(f, "- {name}")?;
        }
        let counts = [
            (self.created.len(), "to create"),
            (self.changed.len(), "to change"),
            (self.deleted.len(), "to delete"),
            (self.unchanged.len(), "unchanged"),
            (self.left_alone.len(), "not in the files and left alone"),
        ];
        let counts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        writeln!(f, "{}", if counts.is_empty() { "no definitions".to_owned() } else { counts.join(", ") })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { place, to } => write!(f, "{place}: added {}", shown(to)),
            Self::Removed { place, from } => write!(f, "{place}: removed {}", shown(from)),
            Self::Reordered { place } if place.is_empty() => f.write_str("the members in another order"),
            Self::Reordered { place } => write!(f, "{place}: the members in another order"),
            Self::Changed { place, from: Value::String(from), to: Value::String(to) }
                if from.contains('\n') || to.contains('\n') =>
            {
                let mut lines = 1..;
                let (mut old, mut new) = (from.lines(), to.lines());
                let (line, old, new) = loop {
                    let (line, old, new) = (lines.next().unwrap_or_default(), old.next(), new.next());
                    if old != new || old.is_none() {
                        break (line, old.unwrap_or_default(), new.unwrap_or_default());
                    }
                };
                write!(f, "{place}: from line {line} on: {} -> {}", shown(&old.into()), shown(&new.into()))
            }
            Self::Changed { place, from, to } => write!(f, "{place}: {} -> {}", shown(from), shown(to)),
        }
    }
}

/// A value in one short line.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
