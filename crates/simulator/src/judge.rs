//! Whether a request is what its operation asks for, checked to the letter.

use crate::multipart::{self, Part};
use crate::operation::Operation;
use crate::parameter::{self, Parameter};
use crate::refusal::{Fault, Refusal};
use crate::{mistakes, wire};
use bytes::Bytes;
use connectors::openapi::catalogue::{BodyKind, Catalogue, Encoding};
use hyper::HeaderMap;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use model::Credential;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A request that fits its operation, read.
#[derive(Debug)]
pub(crate) struct Judged<'r> {
    slots: Vec<(&'r str, Value)>,
    query: Map<String, Value>,
    payload: Value,
    files: Vec<Part>,
    last_event_id: Option<&'r str>,
    base: &'r str,
}

impl<'r> Judged<'r> {
    /// A request that has nothing but a body.
    pub(crate) fn of_body(payload: Value, base: &'r str) -> Self {
        Self { slots: Vec::new(), query: Map::new(), payload, files: Vec::new(), last_event_id: None, base }
    }

    /// What stands in a slot of the path; empty where the path has no such slot.
    pub(crate) fn slot(&self, name: &str) -> &str {
        self.slots.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// All slots, in order.
    pub(crate) fn slots(&self) -> &[(&'r str, Value)] {
        &self.slots
    }

    /// A parameter of the query that was given.
    pub(crate) fn query(&self, name: &str) -> Option<&Value> {
        self.query.get(name)
    }

    /// The body; null where there is none. Files stand in it as empty texts.
    pub(crate) fn payload(&self) -> &Value {
        &self.payload
    }

    /// A file of a multipart body.
    pub(crate) fn file(&self, name: &str) -> Option<&Part> {
        self.files.iter().find(|part| part.name == name)
    }

    /// The last event of a stream that the client has seen.
    pub(crate) fn last_event_id(&self) -> Option<&'r str> {
        self.last_event_id
    }

    /// Our own address, without a slash at the end.
    pub(crate) fn base(&self) -> &'r str {
        self.base
    }
}

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) slots: &'r [&'r str],
    pub(crate) path: &'r str,
    pub(crate) query: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r Bytes,
    pub(crate) base: &'r str,
}

/// Looks for the key where the operation wants it. Any key but `wrong` is good, unless there is one to have.
pub(crate) fn authorize(kind: Credential, headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = match kind {
        Credential::UserKey => text("x-api-key"),
        Credential::ApiKey | Credential::AdminKey => text("authorization").and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        }),
    };
    let good = given.is_some_and(|given| match key {
        Some(key) => given == key,
        None => !given.is_empty() && given != "wrong",
    });
    if good { Ok(()) } else { Err(Refusal::Unauthorized) }
}

/// Checks everything but the key.
pub(crate) fn judge<'r>(
    catalogue: &Catalogue,
    operation: &'r Operation,
    asked: Asked<'r>,
) -> Result<Judged<'r>, Refusal> {
    accept(operation, asked.headers)?;
    let mut problems = Vec::new();
    if !wire::is_clean(asked.path) || !wire::is_clean(asked.query) {
        problems.push(Fault::new("url_encoding", &["path"], "a character of the target must be percent-encoded"));
    }
    let slots = slots(catalogue, operation, asked.slots, &mut problems);
    let query = query(catalogue, operation, asked.query, &mut problems);
    let (payload, files) = body(catalogue, operation, asked, &mut problems);
    if problems.is_empty() {
        let last_event_id = asked.headers.get("last-event-id").and_then(|value| value.to_str().ok());
        Ok(Judged { slots, query, payload, files, last_event_id, base: asked.base })
    } else {
        Err(Refusal::Invalid(problems))
    }
}

/// Refuses a client that accepts nothing of what the operation answers with.
fn accept(operation: &Operation, headers: &HeaderMap) -> Result<(), Refusal> {
    let wanted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut wanted =
        wanted.flat_map(|value| value.split(',')).map(|range| range.split(';').next().unwrap_or("").trim());
    let offered = operation.media_types();
    if offered.is_empty() || !headers.contains_key(ACCEPT) {
        return Ok(());
    }
    let fits = |range: &str| {
        let group = range.strip_suffix('*').filter(|group| group.ends_with('/'));
        let fits = |media_type: &&str| *media_type == range || group.is_some_and(|group| media_type.starts_with(group));
        range == "*/*" || offered.iter().any(fits)
    };
    if wanted.any(fits) {
        Ok(())
    } else {
        Err(Refusal::NotAcceptable(offered.into_iter().map(str::to_owned).collect()))
    }
}

fn slots<'r>(
    catalogue: &Catalogue,
    operation: &'r Operation,
    given: &[&str],
    problems: &mut Vec<Fault>,
) -> Vec<(&'r str, Value)> {
    let mut slots = Vec::with_capacity(given.len());
    for (parameter, text) in operation.slots.iter().zip(given) {
        let Some(text) = wire::decode(text) else {
            let fault =
                Fault::new("url_encoding", &["path", &parameter.name], "the value is not percent-encoded UTF-8");
            problems.push(fault);
            continue;
        };
        match parameter.read(catalogue, &[text], "path") {
            Ok(value) => slots.push((parameter.name.as_str(), value)),
            Err(found) => problems.extend(found),
        }
    }
    slots
}

fn query(catalogue: &Catalogue, operation: &Operation, text: &str, problems: &mut Vec<Fault>) -> Map<String, Value> {
    let mut query = Map::new();
    if text.is_empty() && operation.query.is_empty() {
        return query;
    }
    let Some(groups) = parameter::grouped(text) else {
        problems.push(Fault::new("url_encoding", &["query"], "the query is not percent-encoded UTF-8"));
        return query;
    };
    let spread = operation.query.iter().find(|parameter| parameter.encoding == Encoding::Spread);
    let mut members = Vec::new();
    for (name, values) in &groups {
        let known = operation.query.iter().find(|parameter| parameter.name == **name);
        match known.filter(|parameter| parameter.encoding != Encoding::Spread) {
            Some(parameter) => match parameter.read(catalogue, values, "query") {
                Ok(value) => drop(query.insert(name.to_string(), value)),
                Err(found) => problems.extend(found),
            },
            None if spread.is_some() => members.push((name.clone(), values.clone())),
            None => problems.push(Fault::new("extra_forbidden", &["query", name], "extra inputs are not permitted")),
        }
    }
    if let Some(parameter) = spread
        && !members.is_empty()
    {
        match parameter.read_spread(catalogue, &members) {
            Ok(value) => drop(query.insert(parameter.name.clone(), value)),
            Err(found) => problems.extend(found),
        }
    }
    let missing = operation
        .query
        .iter()
        .filter(|parameter| parameter.required && groups.iter().all(|(name, _)| **name != parameter.name));
    problems.extend(missing.map(|parameter| Fault::new("missing", &["query", &parameter.name], "field required")));
    query
}

fn body(
    catalogue: &Catalogue,
    operation: &Operation,
    asked: Asked<'_>,
    problems: &mut Vec<Fault>,
) -> (Value, Vec<Part>) {
    let nothing = (Value::Null, Vec::new());
    let Some(body) = &operation.entry.body else {
        if !asked.body.is_empty() {
            problems.push(Fault::new("extra_forbidden", &["body"], "this operation takes no body"));
        }
        return nothing;
    };
    if asked.body.is_empty() {
        if body.required {
            problems.push(Fault::new("missing", &["body"], "field required"));
        }
        return nothing;
    }
    let content_type = asked.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is = |wanted: &str| media_type.eq_ignore_ascii_case(wanted);
    let read = match body.kind {
        BodyKind::Json if is("application/json") => json(asked.body),
        BodyKind::Multipart if is("multipart/form-data") => form(catalogue, operation, asked.body, content_type),
        BodyKind::Multipart if is("application/x-www-form-urlencoded") => encoded(catalogue, operation, asked.body),
        kind => {
            let wanted = if kind == BodyKind::Json { "application/json" } else { "multipart/form-data" };
            let message = format!("the content type must be {wanted}");
            Err(vec![Fault::new("content_type", &["header", "content-type"], message)])
        }
    };
    match read {
        Ok((payload, files)) => {
            let rule = operation.body_rule(catalogue);
            problems.extend(rule.map(|rule| mistakes::find(rule, &payload, &["body"])).unwrap_or_default());
            (payload, files)
        }
        Err(found) => {
            problems.extend(found);
            nothing
        }
    }
}

type ReadBody = Result<(Value, Vec<Part>), Vec<Fault>>;

fn json(body: &Bytes) -> ReadBody {
    serde_json::from_slice(body)
        .map(|payload| (payload, Vec::new()))
        .map_err(|error| vec![Fault::new("json_invalid", &["body"], format!("the body is not JSON: {error}"))])
}

/// A multipart body as an object of its fields.
fn form(catalogue: &Catalogue, operation: &Operation, body: &Bytes, content_type: &str) -> ReadBody {
    let broken = |message: &str| vec![Fault::new("multipart_invalid", &["body"], message)];
    let boundary = multipart::boundary(content_type).ok_or_else(|| broken("the content type names no boundary"))?;
    let parts = multipart::parts(body, boundary).map_err(broken)?;
    let fields = operation.fields(catalogue);
    let (mut problems, mut files) = (Vec::new(), Vec::new());
    let mut texts: Vec<(String, Vec<Cow<'_, str>>)> = Vec::new();
    for part in parts {
        let wants_file = fields.iter().any(|field| field.name == part.name && field.is_file(catalogue));
        match (wants_file, part.filename.is_some()) {
            (true, true) => files.push(part),
            (true, false) => problems.push(Fault::new("value_error", &["body", &part.name], "a file must have a name")),
            (false, _) => match (part.filename, String::from_utf8(part.content.into())) {
                (None, Ok(text)) => match texts.iter_mut().find(|(name, _)| *name == part.name) {
                    Some((_, values)) => values.push(text.into()),
                    None => texts.push((part.name, vec![text.into()])),
                },
                _ => problems.push(Fault::new("value_error", &["body", &part.name], "a text is expected")),
            },
        }
    }
    let mut payload = members(catalogue, fields, &texts, &mut problems);
    for file in &files {
        if payload.insert(file.name.clone(), "".into()).is_some() {
            problems.push(Fault::new("value_error", &["body", &file.name], "the file is given more than once"));
        }
    }
    if problems.is_empty() { Ok((Value::Object(payload), files)) } else { Err(problems) }
}

/// What official clients send for a form without a file.
fn encoded(catalogue: &Catalogue, operation: &Operation, body: &Bytes) -> ReadBody {
    let text = std::str::from_utf8(body).ok().and_then(parameter::grouped);
    let groups = text.ok_or_else(|| vec![Fault::new("form_invalid", &["body"], "the body is not an encoded form")])?;
    let texts: Vec<(String, Vec<Cow<'_, str>>)> =
        groups.into_iter().map(|(name, values)| (name.into_owned(), values)).collect();
    let mut problems = Vec::new();
    let payload = members(catalogue, operation.fields(catalogue), &texts, &mut problems);
    if problems.is_empty() { Ok((Value::Object(payload), Vec::new())) } else { Err(problems) }
}

fn members(
    catalogue: &Catalogue,
    fields: &[Parameter],
    texts: &[(String, Vec<Cow<'_, str>>)],
    problems: &mut Vec<Fault>,
) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, values) in texts {
        match fields.iter().find(|field| field.name == *name).map(|field| field.read_field(catalogue, values)) {
            Some(Ok(value)) => drop(members.insert(name.clone(), value)),
            Some(Err(found)) => problems.push(found),
            None => problems.push(Fault::new("extra_forbidden", &["body", name], "extra inputs are not permitted")),
        }
    }
    members
}
