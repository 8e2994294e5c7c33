//! What a document lacks or has wrong, kept by hand. An override that fits nothing is an error, so that none outlives
//! its reason.

use super::checks::{locate, may_be_list};
use super::document;
use super::finds::check_finds;
use super::operations::{sort, streams};
use super::repair::Repair;
use super::waits::check_waits;
use crate::openapi::catalogue::{Answer, Entry, Find, Location, Method, Paging, Wait};
use model::{Credential, Effect, Problem, suggest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An overrides document.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// What each security scheme of the document is to us.
    pub(super) credentials: BTreeMap<String, Credential>,
    /// Repairs of component schemas, by name.
    schemas: BTreeMap<String, Vec<Repair>>,
    /// Facts of operations, by `METHOD /path`.
    operations: BTreeMap<String, Facts>,
}

/// What is said about one operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    title: Option<String>,
    summary: Option<String>,
    effect: Option<Effect>,
    paging: Option<Paging>,
    items: Option<String>,
    wait: Option<Wait>,
    find: Option<Find>,
    replaced_by: Option<String>,
    /// Repairs of the body's schema.
    #[serde(default)]
    body: Vec<Repair>,
    /// Answers that the document leaves out.
    #[serde(default)]
    answers: Vec<Answer>,
}

impl Overrides {
    /// Reads the document.
    ///
    /// # Errors
    /// What is wrong in it, each with its place.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let document = document::parse(text).map_err(|problem| vec![problem.within("overrides")])?;
        let mut problems = Vec::new();
        let mut overrides = Self::default();
        let Value::Object(sections) = document else {
            return Err(vec![unfit("overrides", "an object is expected")]);
        };
        for (name, section) in sections {
            match name.as_str() {
                "credentials" => overrides.credentials = members(&name, section, &mut problems),
                "schemas" => overrides.schemas = members(&name, section, &mut problems),
                "operations" => overrides.operations = members(&name, section, &mut problems),
                _ => problems.push(unfit(&name, "this is none of credentials, schemas, operations")),
            }
        }
        if problems.is_empty() { Ok(overrides) } else { Err(problems) }
    }

    /// Repairs the schemas.
    pub(super) fn repair(&self, schemas: &mut BTreeMap<String, Value>, problems: &mut Vec<Problem>) {
        for (name, repairs) in &self.schemas {
            let place = format!("schemas.{name}");
            let Some(schema) = schemas.get_mut(name) else {
                problems.push(unfit(&place, "no operation uses a schema of this name"));
                continue;
            };
            repair(repairs, schema, &place, problems);
        }
    }

    /// Adds the facts to the entries. Call it after [`Self::repair`]: paging is checked against the schemas.
    pub(super) fn complete(
        &self,
        entries: &mut [Entry],
        schemas: &BTreeMap<String, Value>,
        problems: &mut Vec<Problem>,
    ) {
        let mut open: BTreeMap<String, &mut Entry> =
            entries.iter_mut().map(|entry| (signature(entry.method, &entry.path), entry)).collect();
        for (signature, facts) in &self.operations {
            let place = format!("operations.{signature}");
            match open.get_mut(signature) {
                Some(entry) => facts.complete(entry, schemas, &place, problems),
                None => {
                    let mut problem = unfit(&place, "there is no such operation");
                    problem.hint = suggest::hint(signature, open.keys().map(String::as_str));
                    problems.push(problem);
                }
            }
        }
        let titles: BTreeSet<String> = entries.iter().map(|entry| entry.title.clone()).collect();
        check_waits(entries, schemas, problems);
        check_finds(entries, schemas, problems);
        for entry in entries {
            if let Some(title) = entry.replaced_by.take_if(|title| !titles.contains(title)) {
                let place = format!("operations.{}.replaced_by", signature(entry.method, &entry.path));
                problems.push(unfit(&place, &format!("no operation is called \"{title}\"")));
            }
        }
    }

    /// Warnings for what is to be kept by hand and is not: a title, a summary, and the effect of what is no GET.
    pub(super) fn gaps(&self, entries: &[Entry]) -> Vec<Problem> {
        let gap = |entry: &Entry| {
            let signature = signature(entry.method, &entry.path);
            let facts = self.operations.get(&signature);
            let missing: Vec<&str> = [
                ("title", facts.is_some_and(|facts| facts.title.is_some())),
                ("summary", facts.is_some_and(|facts| facts.summary.is_some())),
                ("effect", entry.method == Method::Get || facts.is_some_and(|facts| facts.effect.is_some())),
            ]
            .into_iter()
            .filter_map(|(name, there)| (!there).then_some(name))
            .collect();
            let place = format!("operations.{signature}");
            let reason = format!("missing: {}", missing.join(", "));
            (!missing.is_empty()).then(|| Problem::new("override_missing", reason).at(place).warning())
        };
        entries.iter().filter_map(gap).collect()
    }
}

impl Facts {
    fn complete(&self, entry: &mut Entry, schemas: &BTreeMap<String, Value>, place: &str, problems: &mut Vec<Problem>) {
        if let Some(title) = &self.title {
            entry.title.clone_from(title);
        }
        if let Some(summary) = &self.summary {
            entry.summary.clone_from(summary);
        }
        if let Some(effect) = self.effect {
            if entry.method == Method::Get && effect == Effect::Read {
                problems.push(unfit(&format!("{place}.effect"), "a GET is read already"));
            }
            entry.effect = effect;
        }
        entry.replaced_by.clone_from(&self.replaced_by);
        match &mut entry.body {
            Some(body) => repair(&self.body, &mut body.schema, &format!("{place}.body"), problems),
            None if self.body.is_empty() => {}
            None => problems.push(unfit(&format!("{place}.body"), "the operation has no body")),
        }
        for answer in &self.answers {
            let same = |found: &Answer| (found.status, &found.media_type) == (answer.status, &answer.media_type);
            if entry.answers.iter().any(same) {
                problems.push(unfit(&format!("{place}.answers"), "the operation has this answer already"));
            }
            entry.answers.push(answer.clone());
        }
        sort(&mut entry.answers);
        entry.stream = streams(&entry.answers);
        entry.paging.clone_from(&self.paging);
        entry.items.clone_from(&self.items);
        entry.wait.clone_from(&self.wait);
        entry.find.clone_from(&self.find);
        let before = problems.len();
        let mut wrong = |member: &str, reason: String| problems.push(unfit(&format!("{place}.{member}"), &reason));
        if self.paging.is_some() && self.items.is_none() {
            wrong("items", "a paged list must say where its items are".to_owned());
        }
        check_list(entry, schemas, &mut wrong);
        if problems.len() > before {
            // Half of what is known of a list is worse than nothing: pages would be missed without a word.
            (entry.paging, entry.items) = (None, None);
        }
    }
}

/// Whether the parameters of a paged list exist, and whether its answer has what the pointers point to.
fn check_list(entry: &Entry, schemas: &BTreeMap<String, Value>, wrong: &mut impl FnMut(&str, String)) {
    let answer = entry.answers.iter().find_map(|answer| answer.schema.as_ref());
    let find = |pointer: &str| answer.and_then(|answer| locate(answer, pointer, schemas));
    if let Some(items) = &entry.items
        && !find(items).is_some_and(|found| may_be_list(found, schemas))
    {
        wrong("items", format!("the answer has no list at \"{items}\""));
    }
    let (parameter, size, pointers) = match &entry.paging {
        None => return,
        Some(Paging::Cursor { parameter, size, next }) => (parameter, size, vec![next.clone()]),
        Some(Paging::Page { parameter, size, more, total, .. }) => {
            (parameter, size, [more, total].into_iter().flatten().cloned().collect())
        }
        Some(Paging::Offset { parameter, size, total, .. }) => (parameter, size, total.iter().cloned().collect()),
        Some(Paging::Window { parameter, size, at, .. }) => {
            let item = format!("{}/0{at}", entry.items.as_deref().unwrap_or_default());
            (parameter, size, vec![item])
        }
    };
    for name in [parameter, size] {
        let in_query = entry.parameters.iter().any(|found| found.location == Location::Query && found.name == *name);
        let body = entry.body.as_ref().map(|body| &body.schema);
        if !in_query && body.and_then(|body| locate(body, &format!("/{name}"), schemas)).is_none() {
            wrong("paging", format!("the operation has no parameter \"{name}\""));
        }
    }
    for pointer in pointers {
        if find(&pointer).is_none() {
            wrong("paging", format!("the answer has nothing at \"{pointer}\""));
        }
    }
}

fn repair(repairs: &[Repair], schema: &mut Value, place: &str, problems: &mut Vec<Problem>) {
    for (index, repair) in repairs.iter().enumerate() {
        if let Err(reason) = repair.apply(schema) {
            problems.push(unfit(&format!("{place}[{index}]"), &reason));
        }
    }
}

/// The members of a section, each read on its own so that every problem names its place.
fn members<T: DeserializeOwned>(name: &str, section: Value, problems: &mut Vec<Problem>) -> BTreeMap<String, T> {
    let Value::Object(section) = section else {
        problems.push(unfit(name, "an object is expected"));
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for (key, value) in section {
        match serde_json::from_value(value) {
            Ok(value) => {
                read.insert(key, value);
            }
            Err(error) => problems.push(unfit(&format!("{name}.{key}"), &error.to_string())),
        }
    }
    read
}

pub(super) fn unfit(place: &str, reason: &str) -> Problem {
    Problem::new("override_unfit", reason).at(place)
}

/// How an operation is named in the overrides: `GET /v1/models`.
pub(super) fn signature(method: Method, path: &str) -> String {
    format!("{} {path}", method.as_str())
}
