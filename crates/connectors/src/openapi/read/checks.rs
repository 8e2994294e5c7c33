//! What must hold for the schemas of a catalogue before anybody relies on them.

use crate::openapi::catalogue::Entry;
use crate::openapi::schemas::{COMPONENT, inner, looks_at_same_value, references};
use model::Problem;
use model::schema::Checker;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most schemas that one value may have to be checked against on one level of it.
const MAX_WEIGHT: usize = 10_000;

/// Longest chain of references for one and the same value.
const MAX_CHAIN: usize = 100;

/// Every schema of an entry, with its place in the catalogue.
pub(super) fn schemas_of(entry: &Entry) -> impl Iterator<Item = &Value> {
    let parameters = entry.parameters.iter().map(|parameter| &parameter.schema);
    let body = entry.body.iter().map(|body| &body.schema);
    parameters.chain(body).chain(entry.answers.iter().filter_map(|answer| answer.schema.as_ref()))
}

/// The named schemas that the entries need, directly or through others.
///
/// # Errors
/// A reference to a schema that is not there.
pub(super) fn reachable(
    entries: &[Entry],
    mut schemas: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Problem> {
    let mut open: Vec<String> = Vec::new();
    let note = |schema: &Value, open: &mut Vec<String>| {
        references(schema, &mut |target| open.push(target.to_owned()));
    };
    entries.iter().flat_map(schemas_of).for_each(|schema| note(schema, &mut open));
    let mut found = BTreeMap::new();
    while let Some(target) = open.pop() {
        let name = target.strip_prefix(COMPONENT).unwrap_or(&target);
        if found.contains_key(name) {
            continue;
        }
        let Some(schema) = schemas.remove(name) else {
            return Err(wrong(&target, "there is no schema of this name"));
        };
        note(&schema, &mut open);
        found.insert(name.to_owned(), schema);
    }
    Ok(found)
}

/// Checks that every schema is one (draft 2020-12), and that checking a value against it comes to an end soon.
///
/// # Errors
/// The first schema that is none, that refers to itself for one and the same value, or that branches without measure.
pub(super) fn sound(entries: &[Entry], schemas: &BTreeMap<String, Value>) -> Result<(), Problem> {
    let draft = Checker::compile(&json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" }))?;
    let check = |schema: &Value, place: &str| match draft.problems(schema).into_iter().next() {
        Some(problem) => Err(wrong(&format!("{place}{}", problem.place), problem.reason)),
        None => patterns(schema, place),
    };
    let mut weights = Weights { schemas, known: BTreeMap::new(), open: BTreeSet::new() };
    for (name, schema) in schemas {
        let place = format!("{COMPONENT}{name}");
        check(schema, &place)?;
        weights.named(name)?;
    }
    for entry in entries {
        let place = format!("{} {}", entry.method.as_str(), entry.path);
        for schema in schemas_of(entry) {
            check(schema, &place)?;
            weights.of(schema, &place)?;
        }
    }
    Ok(())
}

/// Checks that every pattern in a schema is one: a wrong one would only show when a value is checked.
fn patterns(schema: &Value, place: &str) -> Result<(), Problem> {
    let Value::Object(object) = schema else { return Ok(()) };
    let named = object.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    for pattern in named.map(String::as_str).chain(object.get("pattern").and_then(Value::as_str)) {
        let alone = json!({ "pattern": pattern });
        Checker::compile(&alone).map_err(|_| wrong(place, format!("the pattern \"{pattern}\" is not understood")))?;
    }
    inner(object).try_for_each(|(_, schema)| patterns(schema, place))
}

/// How many schemas look at one and the same value, counted through references.
struct Weights<'a> {
    schemas: &'a BTreeMap<String, Value>,
    known: BTreeMap<&'a str, usize>,
    open: BTreeSet<&'a str>,
}

impl<'a> Weights<'a> {
    fn named(&mut self, name: &'a str) -> Result<usize, Problem> {
        if let Some(weight) = self.known.get(name) {
            return Ok(*weight);
        }
        let place = format!("{COMPONENT}{name}");
        if !self.open.insert(name) {
            return Err(wrong(&place, "the schema refers to itself in a circle"));
        }
        if self.open.len() > MAX_CHAIN {
            return Err(wrong(&place, format!("a chain of more than {MAX_CHAIN} references leads here")));
        }
        let weight = match self.schemas.get(name) {
            Some(schema) => self.of(schema, &place)?,
            None => return Err(wrong(&place, "there is no schema of this name")),
        };
        self.open.remove(name);
        self.known.insert(name, weight);
        Ok(weight)
    }

    fn of(&mut self, schema: &'a Value, place: &str) -> Result<usize, Problem> {
        let Value::Object(object) = schema else { return Ok(1) };
        let mut weight = 1_usize;
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            weight += self.named(target.strip_prefix(COMPONENT).unwrap_or(target))?;
        }
        for (keyword, schema) in inner(object) {
            if looks_at_same_value(keyword) {
                weight = weight.saturating_add(self.of(schema, place)?);
            }
        }
        if weight > MAX_WEIGHT {
            return Err(wrong(place, format!("more than {MAX_WEIGHT} schemas look at one value")));
        }
        Ok(weight)
    }
}

/// The schema of what a JSON pointer points to in values of `schema`; the first that is found where several fit.
pub(super) fn locate<'a>(schema: &'a Value, pointer: &str, schemas: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    let mut present = vec![schema];
    for step in pointer.split('/').skip(1) {
        let mut next = Vec::new();
        for object in alternatives(present, schemas) {
            next.extend(object.get("properties").and_then(|named| named.get(step)));
            next.extend(object.get("items").filter(|_| step.parse::<usize>().is_ok()));
        }
        present = next;
    }
    present.into_iter().next()
}

/// Whether values of the schema may be lists.
pub(super) fn may_be_list(schema: &Value, schemas: &BTreeMap<String, Value>) -> bool {
    let is_list =
        |kind: &Value| kind == "array" || kind.as_array().is_some_and(|kinds| kinds.contains(&"array".into()));
    alternatives(vec![schema], schemas).iter().any(|object| object.get("type").is_some_and(is_list))
}

/// The schemas that look at the same value: through references, unions and intersections.
fn alternatives<'a>(mut open: Vec<&'a Value>, schemas: &'a BTreeMap<String, Value>) -> Vec<&'a Map<String, Value>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(schema) = open.pop() {
        let Value::Object(object) = schema else { continue };
        found.push(object);
        let name = object.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix(COMPONENT));
        if let Some(name) = name.filter(|name| seen.insert(*name)) {
            open.extend(schemas.get(name));
        }
        open.extend(inner(object).filter(|(keyword, _)| looks_at_same_value(keyword)).map(|(_, schema)| schema));
    }
    found
}

fn wrong(place: &str, reason: impl Into<String>) -> Problem {
    Problem::new("openapi_not_understood", reason).at(place)
}
