//! What is different between two schemas of the same value.

use super::{Both, Changes};
use crate::openapi::schemas::COMPONENT;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Who looks at the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// We write them: what is narrower breaks.
    Request,
    /// We read them: what may be missing breaks.
    Answer,
}

/// Deepest nesting that is compared. The deepest known API has 14 levels.
const MAX_DEPTH: usize = 60;

/// Most pairs of schemas that are compared for one place of an operation.
const MAX_PAIRS: usize = 50_000;

/// Bounds, each with whether a larger number is the narrower one.
const BOUNDS: [(&str, bool); 11] = [
    ("minimum", true),
    ("exclusiveMinimum", true),
    ("minLength", true),
    ("minItems", true),
    ("minProperties", true),
    ("maximum", false),
    ("exclusiveMaximum", false),
    ("maxLength", false),
    ("maxItems", false),
    ("maxProperties", false),
    ("multipleOf", true),
];

/// Keywords that are told of where they differ in any way.
const OTHERS: [&str; 12] = [
    "pattern",
    "format",
    "uniqueItems",
    "contentEncoding",
    "contentMediaType",
    "propertyNames",
    "patternProperties",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "prefixItems",
    "not",
];

/// Adds what is different between the schemas of the older and the newer catalogue.
pub(super) fn compare(old: &Value, new: &Value, place: &str, side: Side, schemas: &Both, changes: &mut Changes) {
    let mut comparison =
        Comparison { side, schemas, changes, open: HashSet::new(), same: HashSet::new(), left: MAX_PAIRS };
    comparison.values(old, new, place, MAX_DEPTH);
}

struct Comparison<'a, 'c> {
    side: Side,
    schemas: &'a Both,
    changes: &'c mut Changes,
    /// Pairs of named schemas that were met on the way here: schemas refer to themselves.
    open: HashSet<(&'a str, &'a str)>,
    /// Pairs of named schemas in which nothing is different.
    same: HashSet<(&'a str, &'a str)>,
    left: usize,
}

impl<'a> Comparison<'a, '_> {
    /// Tells of a change that narrows what a value may be; widening ones are the answers' trouble.
    fn narrower(&mut self, place: &str, what: impl Into<String>) {
        self.changes.add(place, what, self.side == Side::Request);
    }

    fn values(&mut self, old: &'a Value, new: &'a Value, place: &str, depth: usize) {
        let names = component(old).zip(component(new));
        let identical = names.is_some_and(|(one, other)| one == other && self.schemas.identical.contains(one));
        if identical || self.changes.is_full() {
            return;
        }
        let (Some(depth), Some(left)) = (depth.checked_sub(1), self.left.checked_sub(1)) else {
            return self.changes.add(place, "and what follows is too large to be compared", true);
        };
        self.left = left;
        if names.is_some_and(|names| self.same.contains(&names) || !self.open.insert(names)) {
            return;
        }
        let before = self.changes.count();
        let (old_resolved, new_resolved) = (resolve(old, &self.schemas.old), resolve(new, &self.schemas.new));
        match (old_resolved, new_resolved) {
            (Value::Object(old), Value::Object(new)) => self.objects(old, new, place, depth),
            (old, new) if old == new => {}
            (_, Value::Bool(false)) => self.narrower(place, "may not be there any more"),
            (_, Value::Bool(true)) => self.changes.add(place, "may be anything now", self.side == Side::Answer),
            _ => self.narrower(place, "is described now"),
        }
        if let Some(names) = names {
            self.open.remove(&names);
            if self.changes.count() == before {
                self.same.insert(names);
            }
        }
    }

    fn objects(&mut self, old: &'a Map<String, Value>, new: &'a Map<String, Value>, place: &str, depth: usize) {
        self.types(old, new, place);
        self.choices(old, new, place);
        self.bounds(old, new, place);
        self.members(old, new, place, depth);
        self.others_members(old, new, place, depth);
        if let (Some(one), Some(other)) = (old.get("items"), new.get("items")) {
            self.values(one, other, &format!("{place}[]"), depth);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            self.forms(keyword, old, new, place, depth);
        }
        if old.get("default") != new.get("default") {
            let what = new
                .get("default")
                .map_or_else(|| "has no default now".to_owned(), |value| format!("is {value} by default now"));
            self.changes.add(place, what, false);
        }
        if is_true(new.get("deprecated")) && !is_true(old.get("deprecated")) {
            self.changes.add(place, "is deprecated now", false);
        }
    }

    fn types(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, place: &str) {
        let (old, new) = (types(old), types(new));
        if old == new {
            return;
        }
        let words = |types: &BTreeSet<&str>| types.iter().copied().collect::<Vec<_>>().join(" or ");
        match (old, new) {
            (Some(old), Some(new)) => {
                let covers = |wide: &BTreeSet<&str>, one: &str| {
                    wide.contains(one) || (one == "integer" && wide.contains("number"))
                };
                let gone: BTreeSet<&str> = old.iter().copied().filter(|one| !covers(&new, one)).collect();
                let more: BTreeSet<&str> = new.iter().copied().filter(|one| !covers(&old, one)).collect();
                if !gone.is_empty() {
                    self.narrower(place, format!("may not be {} any more", words(&gone)));
                }
                if !more.is_empty() {
                    self.changes.add(place, format!("may be {} now", words(&more)), self.side == Side::Answer);
                }
            }
            (None, Some(new)) => self.narrower(place, format!("must be {} now", words(&new))),
            (Some(_), None) => self.changes.add(place, "may be of another type now", self.side == Side::Answer),
            (None, None) => {}
        }
    }

    /// `enum` and `const`.
    fn choices(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, place: &str) {
        let (old, new) = (choices(old), choices(new));
        match (old, new) {
            (None, None) => {}
            (None, Some(new)) => {
                self.narrower(place, format!("must be one of {} now", said(new.iter().copied())));
            }
            (Some(_), None) => self.changes.add(place, "may be any value now", false),
            (Some(old), Some(new)) => {
                let set = |values: &[&Value]| values.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
                let (known, now) = (set(&old), set(&new));
                let gone: Vec<&Value> = old.into_iter().filter(|value| !now.contains(&value.to_string())).collect();
                let more: Vec<&Value> = new.into_iter().filter(|value| !known.contains(&value.to_string())).collect();
                if !gone.is_empty() {
                    self.narrower(place, format!("may not be {} any more", said(gone.into_iter())));
                }
                if !more.is_empty() {
                    self.changes.add(place, format!("may be {} now", said(more.into_iter())), false);
                }
            }
        }
    }

    fn bounds(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, place: &str) {
        for (keyword, larger_is_narrower) in BOUNDS {
            let (one, other) = (old.get(keyword), new.get(keyword));
            if one == other {
                continue;
            }
            let number = |value: Option<&Value>| value.and_then(Value::as_f64);
            let narrower = match (number(one), number(other)) {
                (Some(one), Some(other)) => (other > one) == larger_is_narrower,
                (_, other) => other.is_some(),
            };
            let what =
                other.map_or_else(|| format!("has no {keyword} now"), |value| format!("has {keyword} {value} now"));
            if narrower { self.narrower(place, what) } else { self.changes.add(place, what, false) }
        }
        for keyword in OTHERS {
            if old.get(keyword) != new.get(keyword) {
                match new.contains_key(keyword) {
                    true => self.narrower(place, format!("has another {keyword} now")),
                    false => self.changes.add(place, format!("has no {keyword} now"), false),
                }
            }
        }
    }

    fn members(&mut self, old: &'a Map<String, Value>, new: &'a Map<String, Value>, place: &str, depth: usize) {
        let (old_members, new_members) = (members(old), members(new));
        let (old_required, new_required) = (required(old), required(new));
        for (name, schema) in &old_members {
            let place = format!("{place}.{name}");
            let Some(other) = new_members.get(name) else {
                self.changes.add(&place, "is gone", true);
                continue;
            };
            match (old_required.contains(name), new_required.contains(name)) {
                (false, true) => self.narrower(&place, "is required now"),
                (true, false) => {
                    let what = if self.side == Side::Request { "may be left out now" } else { "may be missing now" };
                    self.changes.add(&place, what, self.side == Side::Answer);
                }
                _ => {}
            }
            self.values(schema, other, &place, depth);
        }
        for name in new_members.keys().filter(|name| !old_members.contains_key(*name)) {
            let place = format!("{place}.{name}");
            match new_required.contains(name) && self.side == Side::Request {
                true => self.changes.add(&place, "is new and required", true),
                false => self.changes.add(&place, "is new", false),
            }
        }
    }

    /// What else an object may have.
    fn others_members(&mut self, old: &'a Map<String, Value>, new: &'a Map<String, Value>, place: &str, depth: usize) {
        const KEYWORD: &str = "additionalProperties";
        let place = format!("{place}.*");
        match (old.get(KEYWORD).unwrap_or(&Value::Bool(true)), new.get(KEYWORD).unwrap_or(&Value::Bool(true))) {
            (Value::Bool(false), Value::Bool(false)) => {}
            (Value::Bool(false), _) => self.changes.add(&place, "other fields may be there now", false),
            (_, Value::Bool(false)) => self.narrower(&place, "no other fields may be there now"),
            (one, other) => self.values(one, other, &place, depth),
        }
    }

    /// Unions and intersections: in pairs where they are as many, else by what is gone and new.
    fn forms(
        &mut self,
        keyword: &str,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
        place: &str,
        depth: usize,
    ) {
        let list = |schema: &'a Map<String, Value>| schema.get(keyword).and_then(Value::as_array);
        let (one, other) = match (list(old), list(new)) {
            (None, None) => return,
            (Some(_), None) => return self.changes.add(place, "has one form now", self.side == Side::Request),
            (None, Some(_)) => return self.changes.add(place, "has several forms now", self.side == Side::Answer),
            (Some(one), Some(other)) => (one, other),
        };
        if one.len() == other.len() {
            for (index, (one_form, other_form)) in one.iter().zip(other).enumerate() {
                self.values(one_form, other_form, &format!("{place} ({})", form(one_form, index)), depth);
            }
            return;
        }
        let named = |forms: &'a [Value]| -> BTreeMap<String, &'a Value> {
            forms.iter().enumerate().map(|(index, value)| (form(value, index), value)).collect()
        };
        let (one, other) = (named(one), named(other));
        for (name, value) in &one {
            match other.get(name) {
                Some(found) => self.values(value, found, &format!("{place} ({name})"), depth),
                None => self.narrower(place, format!("may not be of the form {name} any more")),
            }
        }
        for name in other.keys().filter(|name| !one.contains_key(*name)) {
            self.changes.add(place, format!("may be of the form {name} now"), false);
        }
    }
}

/// What a form of several is called: its schema's name, its type, or its place.
fn form(schema: &Value, index: usize) -> String {
    let kind = || schema.get("type").and_then(Value::as_str);
    component(schema).or_else(kind).map_or_else(|| format!("form {}", index + 1), str::to_owned)
}

fn component(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(COMPONENT)
}

/// What a schema refers to. The readers of catalogues make sure that references lead somewhere and not in circles.
fn resolve<'a>(schema: &'a Value, schemas: &'a BTreeMap<String, Value>) -> &'a Value {
    let mut schema = schema;
    for _ in 0..MAX_DEPTH {
        match component(schema).and_then(|name| schemas.get(name)) {
            Some(named) => schema = named,
            None => break,
        }
    }
    schema
}

fn types(schema: &Map<String, Value>) -> Option<BTreeSet<&str>> {
    match schema.get("type")? {
        Value::String(one) => Some(BTreeSet::from([one.as_str()])),
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn choices(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    let one = schema.get("const").map(|value| vec![value]);
    one.or_else(|| schema.get("enum").and_then(Value::as_array).map(|values| values.iter().collect()))
}

/// A few values in words.
fn said<'v>(values: impl ExactSizeIterator<Item = &'v Value>) -> String {
    const FEW: usize = 8;
    let more = values.len().saturating_sub(FEW);
    let mut said: Vec<String> = values.take(FEW).map(ToString::to_string).collect();
    if more > 0 {
        said.push(format!("{more} more"));
    }
    said.join(", ")
}

fn members(schema: &Map<String, Value>) -> BTreeMap<&str, &Value> {
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, schema)| (name.as_str(), schema)).collect()
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool).unwrap_or(false)
}
