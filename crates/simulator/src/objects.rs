//! Operations about objects: makes, lists, shows, changes and deletes what clients tell of.
//!
//! An answer is an example of its schema into which the object's own fields are put, as far as it stays valid.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::operation::Operation;
use crate::refusal::{Fault, Refusal};
use crate::state::collections::{
    AGENT_VERSIONS, AGENTS, BATCH_JOBS, COLLECTIONS, DOCUMENTS, Id, PROMPTS, Part, Role, SKILLS, SYNC_RUNS,
};
use crate::state::{Object, Objects};
use crate::{fingerprint, paging};
use connectors::openapi::catalogue::{Catalogue, Paging};
use connectors::openapi::example::{Fill, example};
use serde_json::{Map, Value, json};

/// Where and when an operation is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) operation: &'a Operation,
    pub(crate) objects: &'a Objects,
    /// Milliseconds of the simulator's clock.
    pub(crate) now: u64,
}

/// How often another example is drawn for one that has the fields of an object.
const DRAWS: u64 = 6;

/// Answers a valid request.
pub(crate) fn answer(asking: Asking<'_>, part: &Part, request: &Judged<'_>) -> Result<Answer, Refusal> {
    let ids: Vec<String> = request.slots().iter().map(|(_, value)| text(value)).collect();
    for (collection, slot) in &part.ancestors {
        asking.objects.with(*collection, &ids[..=*slot], |_| ())?;
    }
    match part.role {
        Role::Create => create(asking, part.collection, request, &ids),
        Role::List => Ok(list(asking, request, &asking.objects.list(part.collection, &ids), part.collection)),
        Role::Retrieve => {
            let object = asking.objects.with(part.collection, &ids, |object| object.clone())?;
            Ok(asking.show(part.collection, &object))
        }
        Role::Change => change(asking, part.collection, request, &ids),
        Role::Delete => delete(asking, part.collection, request, ids),
        Role::Inside => inside(asking, part, request, &ids),
    }
}

/// What an id is in a path.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Members of the body and parameters of the query that name or describe the object.
fn said(request: &Judged<'_>, collection: usize) -> Map<String, Value> {
    let mut fields = request.payload().as_object().cloned().unwrap_or_default();
    for name in [COLLECTIONS[collection].id, "version"] {
        if let Some(value) = request.query(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    for (name, value) in request.slots() {
        fields.entry((*name).to_owned()).or_insert_with(|| value.clone());
    }
    if let Some(file) = request.file("file") {
        let name = file.filename.clone().unwrap_or_default();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        fields.insert("extension".to_owned(), extension.into());
        fields.insert("size".to_owned(), file.content.len().into());
        fields.insert("mime_type".to_owned(), file.media_type.clone().into());
        fields.insert("hash".to_owned(), format!("{:016x}", fingerprint::bytes_of(&file.content)).into());
        fields.insert("name".to_owned(), name.into());
        fields.remove("file");
    }
    fields
}

/// Makes a batch job that is known to its end.
pub(crate) fn create_batch(
    asking: Asking<'_>,
    request: &Judged<'_>,
    job: Map<String, Value>,
) -> Result<Answer, Refusal> {
    let mut said = said(request, BATCH_JOBS);
    said.extend(job);
    for (name, usual) in [("metadata", Value::Null), ("input_files", Value::Array(Vec::new()))] {
        said.entry(name.to_owned()).or_insert(usual);
    }
    said.insert("created_at".to_owned(), crate::EPOCH.into());
    create_with(asking, BATCH_JOBS, &[], said)
}

fn create(asking: Asking<'_>, collection: usize, request: &Judged<'_>, ids: &[String]) -> Result<Answer, Refusal> {
    if let Some(running) = (collection == SYNC_RUNS).then(|| running_sync(asking)).flatten() {
        return Ok(Answer::json(409, &running));
    }
    create_with(asking, collection, ids, said(request, collection))
}

/// The synchronisation that goes on: there is one at a time.
fn running_sync(asking: Asking<'_>) -> Option<Value> {
    let runs = asking.objects.list(SYNC_RUNS, &[]);
    let running = runs.iter().find(|run| asking.now.saturating_sub(run.at) < 3_000)?;
    Some(json!({ "run_id": running.id, "status": "RUNNING" }))
}

/// Makes an object of fields that its operation has gathered.
pub(crate) fn create_with(
    asking: Asking<'_>,
    collection: usize,
    ids: &[String],
    said: Map<String, Value>,
) -> Result<Answer, Refusal> {
    let id_field = COLLECTIONS[collection].id;
    let wanted = said.get(id_field).filter(|_| matches!(COLLECTIONS[collection].form, Id::Given | Id::Own)).map(text);
    let mut told = None;
    let object = asking.objects.create(collection, ids, wanted, |id, number| {
        let mut fields = said;
        fields.insert(id_field.to_owned(), id.clone());
        first_version(collection, &mut fields);
        let object = Object { number, at: asking.now, id: String::new(), fields };
        let value = asking.example(&asking.live(collection, &object), number);
        let mut object = object;
        for (name, member) in value.as_object().into_iter().flatten() {
            object.fields.entry(name.clone()).or_insert_with(|| member.clone());
        }
        told = Some(value);
        object
    })?;
    versions_follow(asking, collection, ids, &object)?;
    Ok(asking.tell(&told.unwrap_or(Value::Null)))
}

/// The version that a new object begins with.
fn first_version(collection: usize, fields: &mut Map<String, Value>) {
    let first = match collection {
        AGENTS => 0,
        PROMPTS | SKILLS => 1,
        _ => return,
    };
    fields.insert("version".to_owned(), first.into());
}

/// A new object is its own first version; a new version is what its object shows from now on.
fn versions_follow(asking: Asking<'_>, collection: usize, ids: &[String], object: &Object) -> Result<(), Refusal> {
    if matches!(collection, AGENTS | PROMPTS | SKILLS) {
        push_version(asking, collection, object)?;
    } else if collection == PROMPTS + 1 || collection == SKILLS + 1 {
        let fields = object.fields.clone();
        asking
            .objects
            .with(collection - 1, ids, |parent| parent.fields.extend(fields.into_iter().filter(is_shared)))?;
        let parent = asking.objects.with(collection - 1, ids, |parent| parent.fields.clone())?;
        let path = [ids, std::slice::from_ref(&object.id)].concat();
        asking.objects.with(collection, &path, |version| {
            for (name, value) in parent {
                version.fields.entry(name).or_insert(value);
            }
        })?;
    }
    Ok(())
}

fn is_shared((name, _): &(String, Value)) -> bool {
    matches!(name.as_str(), "version" | "definition" | "notes" | "aliases")
}

fn push_version(asking: Asking<'_>, collection: usize, object: &Object) -> Result<Value, Refusal> {
    let mut number = Value::Null;
    asking.objects.create(collection + 1, std::slice::from_ref(&object.id), None, |version, place| {
        let mut fields = object.fields.clone();
        fields.insert("version".to_owned(), version.clone());
        number = version.clone();
        Object { number: place, at: asking.now, id: String::new(), fields }
    })?;
    Ok(number)
}

fn change(asking: Asking<'_>, collection: usize, request: &Judged<'_>, ids: &[String]) -> Result<Answer, Refusal> {
    let said = request.payload().as_object().cloned().unwrap_or_default();
    let mut object = asking.objects.with(collection, ids, |object| {
        object.fields.extend(said);
        object.clone()
    })?;
    if collection == AGENTS {
        let version = push_version(asking, collection, &object)?;
        object = asking.objects.with(collection, ids, |object| {
            object.fields.insert("version".to_owned(), version);
            object.clone()
        })?;
    }
    Ok(asking.show(collection, &object))
}

fn delete(
    asking: Asking<'_>,
    collection: usize,
    request: &Judged<'_>,
    mut ids: Vec<String>,
) -> Result<Answer, Refusal> {
    let one = &COLLECTIONS[collection];
    if !one.item.ends_with("{}") {
        let named = request.query(one.id).or_else(|| request.payload().get(one.id)).map(text);
        let fault = || Refusal::Invalid(vec![Fault::new("missing", &["query", one.id], "field required")]);
        ids.push(named.ok_or_else(fault)?);
    }
    let mut object = asking.objects.delete(collection, &ids)?;
    object.fields.insert("deleted".to_owned(), true.into());
    Ok(asking.show(collection, &object))
}

/// What is done with an object, or shown of it, by an operation of its own.
fn inside(asking: Asking<'_>, part: &Part, request: &Judged<'_>, ids: &[String]) -> Result<Answer, Refusal> {
    let slots = part.ancestors.last().map_or(0, |(_, slot)| slot + 1);
    let own = &ids[..slots];
    let path = asking.operation.entry.path.as_str();
    if path == "/v1/agents/{agent_id}/version" {
        let version = request.query("version").map(text).unwrap_or_default();
        let fields = asking.objects.with(AGENT_VERSIONS, &[own[0].clone(), version], |object| object.fields.clone())?;
        asking.objects.with(AGENTS, own, |object| object.fields.extend(fields))?;
    } else if path.ends_with("/reprocess") {
        asking.objects.with(DOCUMENTS, own, |object| object.at = asking.now)?;
    } else if part.collection == BATCH_JOBS && path.ends_with("/cancel") {
        asking.objects.with(BATCH_JOBS, own, |job| {
            if crate::batch::cancel(&mut job.fields, asking.now.saturating_sub(job.at)) {
                job.at = asking.now;
            }
        })?;
    } else if path.ends_with("/payload") || path.ends_with("/properties") {
        let said = request.payload().as_object().cloned().unwrap_or_default();
        asking.objects.with(part.collection, own, |object| object.fields.extend(said))?;
    }
    if asking.operation.entry.paging.is_some() {
        return Ok(list_of_nothing_made(asking, request, usize::MAX));
    }
    let object = asking.objects.with(part.collection, own, |object| object.clone())?;
    Ok(asking.show(part.collection, &object))
}

fn list(asking: Asking<'_>, request: &Judged<'_>, objects: &[Object], collection: usize) -> Answer {
    let entry = asking.operation.entry;
    let numbers: Vec<u64> = objects.iter().map(|object| object.number).collect();
    let shown = paging::range(entry, request, &numbers);
    let last = numbers.get(shown.end.wrapping_sub(1)).copied();
    let items = objects[shown.clone()].iter().filter_map(|object| {
        let fields = asking.live(collection, object);
        asking.item(&fields, object.number)
    });
    asking.page(items.collect(), (shown, objects.len()), last)
}

/// A page of a list whose items no operation makes: `most` examples, the same ones for the same path.
pub(crate) fn list_of_nothing_made(asking: Asking<'_>, request: &Judged<'_>, most: usize) -> Answer {
    let entry = asking.operation.entry;
    let most = most.min(asking.objects.examples());
    let path = request
        .slots()
        .iter()
        .fold(fingerprint::text_of(&entry.path), |sum, (_, value)| fingerprint::mix(sum ^ fingerprint::of(value)));
    let numbers: Vec<u64> = (0..most as u64).collect();
    let mut shown = paging::range(entry, request, &numbers);
    let at = match &entry.paging {
        Some(Paging::Window { parameter, at, size, default_size }) => {
            // The newest comes first, one a minute.
            let before = request.query(parameter).and_then(Value::as_str).and_then(|at| at.parse().ok());
            let start = numbers.partition_point(|n| before.is_some_and(|before: jiff::Timestamp| moment(*n) >= before));
            let size = request.query(size).and_then(Value::as_u64).unwrap_or(u64::from(*default_size));
            shown = start..start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).min(most);
            Some(at.trim_start_matches('/'))
        }
        _ => None,
    };
    let items = numbers[shown.clone()].iter().filter_map(|n| {
        let seed = fingerprint::mix(path ^ *n);
        let id = Value::from(fingerprint::uuid(seed));
        let names = ["id", "uuid", "event_id", "span_id", "trace_id", "execution_id", "run_id", "name", "message"];
        let mut fields: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), id.clone())).collect();
        if let Some(at) = at {
            fields.insert(at.to_owned(), moment(*n).to_string().into());
        }
        asking.item(&fields, seed)
    });
    let last = numbers.get(shown.end.wrapping_sub(1)).copied();
    asking.page(items.collect(), (shown, most), last)
}

fn moment(number: u64) -> jiff::Timestamp {
    let second = i64::try_from(crate::EPOCH.saturating_sub(number * 60)).unwrap_or(0);
    jiff::Timestamp::from_second(second).unwrap_or_default()
}

impl Asking<'_> {
    /// An object that is made now.
    pub(crate) fn made(&self, number: u64, fields: Map<String, Value>) -> Object {
        Object { number, at: self.now, id: String::new(), fields }
    }

    fn fits(&self, value: &Value) -> bool {
        let rule = self.operation.answer_rule(self.catalogue).and_then(|(_, rule)| rule);
        rule.is_none_or(|rule| rule.is_valid(value))
    }

    /// The fields of an object now: long work goes on with the clock.
    fn live(&self, collection: usize, object: &Object) -> Map<String, Value> {
        let mut fields = object.fields.clone();
        let age = self.now.saturating_sub(object.at);
        if collection == BATCH_JOBS {
            crate::batch::at_age(&mut fields, age);
        }
        let task = COLLECTIONS[collection].what == "the task";
        if collection == DOCUMENTS {
            let (status, older) = match age {
                0..1_000 => ("todo", "Running"),
                1_000..3_000 => ("in_progress", "Running"),
                _ => ("done", "Completed"),
            };
            fields.insert("process_status".to_owned(), status.into());
            fields.insert("processing_status".to_owned(), older.into());
        } else if task {
            fields.insert("status".to_owned(), if age < 3_000 { "RUNNING" } else { "COMPLETED" }.into());
            fields.insert("progress".to_owned(), if age < 3_000 { 0 } else { 100 }.into());
        } else if collection == SYNC_RUNS {
            fields.insert("status".to_owned(), if age < 3_000 { "RUNNING" } else { "SUCCESS" }.into());
        } else if COLLECTIONS[collection].what == "the execution" {
            let done = age >= 3_000 || fields.get("wait_for_result") == Some(&Value::Bool(true));
            fields.insert("status".to_owned(), if done { "COMPLETED" } else { "RUNNING" }.into());
        }
        fields
    }

    /// An example of the whole answer that shows the fields.
    fn example(&self, fields: &Map<String, Value>, seed: u64) -> Value {
        let Some((schema, _)) = self.operation.answer_rule(self.catalogue) else { return Value::Null };
        let draw = |n| example(schema, fingerprint::mix(seed).wrapping_add(n), Fill::Everything);
        let lacks = |value: &Value| fields.keys().filter(|name| value.get(name.as_str()).is_none()).count();
        let mut value = (0..DRAWS).map(draw).min_by_key(lacks).unwrap_or(Value::Null);
        put_fields(&mut value, "", fields, &|value| self.fits(value));
        value
    }

    /// One item of a list answer that shows the fields.
    fn item(&self, fields: &Map<String, Value>, seed: u64) -> Option<Value> {
        let (schema, _) = self.operation.answer_rule(self.catalogue)?;
        let place = self.operation.entry.items.as_deref()?;
        let first = format!("{place}/0");
        let draw = |n| example(schema, fingerprint::mix(seed).wrapping_add(n), Fill::Everything);
        let lacks = |value: &Value| match value.pointer(&first) {
            Some(item) => fields.keys().filter(|name| item.get(name.as_str()).is_none()).count(),
            None => usize::MAX,
        };
        let mut value = (0..DRAWS).map(draw).min_by_key(lacks)?;
        put_fields(&mut value, &first, fields, &|value| self.fits(value));
        value.pointer_mut(&first).map(Value::take)
    }

    fn page(&self, items: Vec<Value>, shown: (std::ops::Range<usize>, usize), last: Option<u64>) -> Answer {
        let entry = self.operation.entry;
        let mut value = match self.operation.answer_rule(self.catalogue) {
            Some((schema, _)) => {
                let draws = (0..8 * DRAWS).map(|n| example(schema, n, Fill::Everything));
                let list = |value: &Value| {
                    entry.items.as_deref().is_some_and(|place| value.pointer(place).is_some_and(Value::is_array))
                };
                draws.into_iter().find(list).unwrap_or(Value::Null)
            }
            None => Value::Null,
        };
        paging::put(entry, &mut value, items, shown, last, &|value| self.fits(value));
        self.tell(&value)
    }

    fn show(&self, collection: usize, object: &Object) -> Answer {
        let value = self.example(&self.live(collection, object), object.number);
        self.tell(&value)
    }

    fn tell(&self, value: &Value) -> Answer {
        let Some(declared) = self.operation.entry.answers.first() else { return Answer::empty(204) };
        match declared.media_type.as_deref() {
            None => Answer::empty(declared.status),
            Some(media_type) if media_type.ends_with("json") => Answer::json(declared.status, value),
            Some(media_type) => Answer::new(declared.status, media_type, crate::stand_in::WAV),
        }
    }
}

/// Puts fields in place of the members of the same name, all at once where the value stays valid, else one by one.
fn put_fields(value: &mut Value, place: &str, fields: &Map<String, Value>, fits: &impl Fn(&Value) -> bool) {
    let mut whole = value.clone();
    let Some(Value::Object(members)) = whole.pointer_mut(place) else { return };
    for (name, field) in fields {
        if let Some(member) = members.get_mut(name) {
            *member = field.clone();
        }
    }
    if fits(&whole) {
        *value = whole;
        return;
    }
    for (name, field) in fields {
        let Some(member) = value.pointer_mut(place).and_then(|object| object.get_mut(name)) else { continue };
        let before = std::mem::replace(member, field.clone());
        if !fits(value)
            && let Some(member) = value.pointer_mut(place).and_then(|object| object.get_mut(name))
        {
            *member = before;
        }
    }
}
