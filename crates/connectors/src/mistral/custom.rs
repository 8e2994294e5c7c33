//! `entity: custom`: an operation that the catalogue does not know, by method and path template.

use super::catalogue::catalogue;
use super::operation::EntryOperation;
use crate::openapi::catalogue::{Answer, Body, BodyKind, Encoding, Entry, Location, Method, Parameter, Stream};
use crate::openapi::template;
use model::http::Preflight;
use model::{Credential, Effect, HttpAnswer, Operation, Prepared, Problem, Reading, Request, Usage, suggest};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The name that stands in `entity`.
pub(super) const CUSTOM: &str = "custom";

/// Options that only `entity: custom` has.
const OPTIONS: [&str; 3] = ["path_template", "credential", "effect"];

/// Whether options ask for such an operation.
pub(super) fn is_custom(options: &Value) -> bool {
    options.get("entity").and_then(Value::as_str).is_some_and(|entity| entity.trim().eq_ignore_ascii_case(CUSTOM))
}

/// The options of `entity: custom`, for the schema of the connector.
pub(super) fn schema() -> Value {
    json!({
        "path_template": {
            "description": "Path of an operation that the catalogue does not know, with `entity: custom`: \
                `/v1/things/{thing_id}`. Each slot is a required path parameter.",
            "type": "string"
        },
        "credential": {
            "description": "With `entity: custom`: the kind of key that the operation asks for: `api_key` (the \
                default), `admin_key` or `user_key`.",
            "type": "string"
        },
        "effect": {
            "description": "With `entity: custom`: what a repeat does at the service: `read`, `idempotent`, `compute` \
                or `create`. The default follows the method. What is said here decides whether a call with an unclear \
                outcome is repeated, so it is on whoever writes it.",
            "type": "string"
        }
    })
}

/// Options of `entity: custom` on another entity, where they would say something that nobody reads.
pub(super) fn misplaced(options: &Value) -> Vec<Problem> {
    let set = |name: &&str| options.get(*name).is_some_and(|value| !value.is_null());
    let problem = |name: &'static str| {
        Problem::new("option_misplaced", format!("{name} belongs to \"entity: custom\""))
            .at(name)
            .hint("the catalogue knows it of this entity: leave it out, or write entity: custom")
    };
    OPTIONS.into_iter().filter(set).map(problem).collect()
}

/// The operation that options describe.
///
/// # Errors
/// Everything that is wrong with `path_template`, `credential` and `effect`.
pub(super) fn entry(method: Method, options: &Value) -> Result<&'static Entry, Vec<Problem>> {
    let mut problems = Vec::new();
    let effect = effect(method, options).map_err(|problem| problems.push(problem)).ok();
    let credential = choice(options, "credential", &["api_key", "admin_key", "user_key"]);
    let credential = credential.map_err(|problem| problems.push(problem)).ok();
    let path = path(options).map_err(|problem| problems.push(problem)).ok();
    match (path, effect, credential) {
        (Some(path), Some(effect), Some(credential)) => {
            Ok(kept(method, &path, effect, credential.unwrap_or(Credential::ApiKey)))
        }
        _ => Err(problems),
    }
}

fn path(options: &Value) -> Result<String, Problem> {
    let Some(path) = options.get("path_template").and_then(Value::as_str) else {
        return Err(Problem::new("path_template_missing", "a custom operation needs its path")
            .at("path_template")
            .hint("write it with slots in braces: /v1/things/{thing_id}"));
    };
    template::slots(path).map_err(|problem| problem.at("path_template"))?;
    Ok(path.to_owned())
}

fn effect(method: Method, options: &Value) -> Result<Effect, Problem> {
    let usual = match method {
        Method::Get => Effect::Read,
        Method::Put | Method::Delete => Effect::Idempotent,
        Method::Post | Method::Patch => Effect::Create,
    };
    if options.get("effect").and_then(Value::as_str) == Some(Effect::Findable.as_str()) {
        return Err(Problem::new("option_wrong", "nobody knows how to find what a custom operation made")
            .at("effect")
            .hint("write create: after an unclear outcome it waits for a person"));
    }
    let given = choice(options, "effect", &["read", "idempotent", "compute", "create"])?;
    Ok(given.unwrap_or(usual))
}

/// An option that takes one of some words.
fn choice<T: DeserializeOwned>(options: &Value, name: &'static str, words: &[&str]) -> Result<Option<T>, Problem> {
    let Some(given) = options.get(name).filter(|given| !given.is_null()) else { return Ok(None) };
    let known = given.as_str().is_some_and(|given| words.contains(&given));
    match serde_json::from_value(given.clone()) {
        Ok(value) if known => Ok(Some(value)),
        _ => {
            let problem = Problem::new("option_wrong", format!("{given} is none of {}", words.join(", "))).at(name);
            let near = given.as_str().and_then(|given| suggest::hint(given, words.iter().copied()));
            Err(problem.hint(near.unwrap_or_else(|| format!("known are: {}", words.join(", ")))))
        }
    }
}

/// Operations of catalogues live as long as the process, so these do too. There is one for each distinct set of options
/// in the definitions, however often they are compiled.
fn kept(method: Method, path: &str, effect: Effect, credential: Credential) -> &'static Entry {
    type Key = (Method, String, &'static str, &'static str);
    static KEPT: Mutex<BTreeMap<Key, &'static Entry>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (method, path.to_owned(), effect.as_str(), credential.option());
    kept.entry(key).or_insert_with(|| Box::leak(Box::new(new(method, path, effect, credential))))
}

fn new(method: Method, path: &str, effect: Effect, credential: Credential) -> Entry {
    let slot = |name: &str| Parameter {
        name: name.to_owned(),
        location: Location::Path,
        required: true,
        deprecated: false,
        encoding: Encoding::Form,
        schema: Value::Bool(true),
    };
    let body = Body { kind: BodyKind::Json, required: false, schema: Value::Bool(true) };
    Entry {
        title: format!("{CUSTOM} {} {path}", method.as_str()),
        method,
        path: path.to_owned(),
        area: CUSTOM.to_owned(),
        summary: "An operation that the catalogue does not know".to_owned(),
        parameters: template::slots(path).unwrap_or_default().into_iter().map(slot).collect(),
        body: (method != Method::Get).then_some(body),
        // A schema is not known; without one an empty answer is as good as any.
        answers: vec![Answer { status: 200, media_type: Some("application/json".to_owned()), schema: None }],
        stream: Stream::None,
        variants: 1,
        paging: None,
        items: None,
        wait: None,
        find: None,
        effect,
        credential,
        deprecated: false,
        replaced_by: None,
    }
}

/// A warning where the catalogue knows the operation, which then brings its checks, effect and pages along.
pub(super) fn known(entry: &Entry) -> Option<Problem> {
    let same = |known: &&Entry| known.method == entry.method && template::is_of(&entry.path, known);
    let known = catalogue().operations.iter().find(same)?;
    let reason = format!("the catalogue knows this operation: \"{}\"", known.title);
    let hint = format!(
        "write entity: {} and leave path_template out: its checks, its effect ({}) and its pages come along",
        known.title,
        known.effect.as_str()
    );
    Some(Problem::new("custom_known", reason).at("path_template").hint(hint).warning())
}

/// A custom operation. What the catalogue would say of query and payload is not known, so nothing is said of them.
#[derive(Debug)]
pub(super) struct CustomOperation {
    inner: Arc<EntryOperation>,
}

impl CustomOperation {
    pub(super) fn new(inner: Arc<EntryOperation>) -> Self {
        Self { inner }
    }
}

impl Operation for CustomOperation {
    fn title(&self) -> &str {
        self.inner.title()
    }

    fn signature(&self) -> String {
        self.inner.signature()
    }

    fn effect(&self, request: &Request) -> Effect {
        self.inner.effect(request)
    }

    fn credential(&self) -> Credential {
        self.inner.credential()
    }

    fn prepare(&self, request: &Request, _: Preflight) -> Result<Prepared, Vec<Problem>> {
        self.inner.prepare(request, Preflight::Off)
    }

    fn read(&self, answer: &HttpAnswer) -> Reading {
        self.inner.read(answer)
    }

    fn usage(&self, request: &Request, answer: &Value, base_uri: &str) -> Option<Usage> {
        self.inner.usage(request, answer, base_uri)
    }

    fn items(&self, answer: &Value) -> Option<Vec<Value>> {
        self.inner.items(answer)
    }

    fn next_page(&self, request: &Request, answer: &Value, page: u32) -> Option<Request> {
        self.inner.next_page(request, answer, page)
    }
}
