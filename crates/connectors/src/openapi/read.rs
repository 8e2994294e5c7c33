//! Reads an OpenAPI 3.1 document into a catalogue. What it does not understand is an error, not a guess.

use super::catalogue::{
    Answer, Body, BodyKind, Catalogue, Encoding, Entry, Location, Method, Parameter, Source, Stream,
};
use super::overrides::{Facts, Overrides};
use super::schemas::Schemas;
use model::{Credential, Effect, Problem};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// More operations than this are refused.
const MOST_OPERATIONS: usize = 10_000;
const EVENT_STREAM: &str = "text/event-stream";
const METHODS: [(&str, Method); 5] = [
    ("get", Method::Get),
    ("post", Method::Post),
    ("put", Method::Put),
    ("patch", Method::Patch),
    ("delete", Method::Delete),
];

/// What a document is, for [`Source`].
#[derive(Clone, Debug)]
pub struct Origin {
    /// File name.
    pub file: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// Reads a document.
///
/// # Errors
/// The first thing that is not understood, with its place; `override_fits_nothing` for an override that names nothing.
pub fn read(mut document: Value, overrides: &Overrides, origin: Origin) -> Result<Catalogue, Problem> {
    for repair in &overrides.repairs {
        repair.apply(&mut document)?;
    }
    let mut reader = Reader { schemas: Schemas::of(&document)?, document: &document, overrides, used: BTreeSet::new() };
    let mut entries: BTreeMap<(String, Method), Entry> = BTreeMap::new();
    let mut count = 0;
    for (path, method, operation) in operations(&document)? {
        count += 1;
        let (path, mark) = path.split_once('#').map_or((path, ""), |(path, mark)| (path, mark));
        let key = (path.to_owned(), method);
        if mark == "stream" && entries.contains_key(&key) {
            fold_twin(entries.get_mut(&key));
            continue;
        }
        let entry = reader.entry(path, method, operation)?;
        if entries.insert(key, entry).is_some() {
            return Err(Problem::new("document_twice", "the same method and path stand twice").at(path));
        }
    }
    reader.check_overrides()?;
    let schemas = reader.schemas.reachable(entries.values().flat_map(schemas_of))?;
    let schemas = schemas.into_iter().map(|(name, schema)| raw(&schema).map(|schema| (name, schema)));
    let version = document.pointer("/info/version").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Catalogue {
        source: Source { file: origin.file, sha256: origin.sha256, version, operations: count },
        operations: entries.into_values().collect(),
        schemas: schemas.collect::<Result<_, _>>()?,
    })
}

fn raw(schema: &Value) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(schema.to_string()).map_err(|error| Problem::new("document_schema", error.to_string()))
}

/// Operations in order: those with a plain path before their twins.
fn operations(document: &Value) -> Result<Vec<(&str, Method, &Value)>, Problem> {
    let paths = document["paths"]
        .as_object()
        .ok_or_else(|| Problem::new("document_wrong", "there are no paths").at("paths"))?;
    let mut found = Vec::new();
    for (path, item) in paths {
        if !path.starts_with('/') || path.split('/').any(|part| part == ".." || part == ".") {
            return Err(Problem::new("document_path", format!("\"{path}\" is no path")).at("paths"));
        }
        for (name, operation) in item.as_object().into_iter().flatten() {
            let method = METHODS.iter().find(|(word, _)| word == name);
            let (_, method) = method.ok_or_else(|| {
                Problem::new("document_method", format!("\"{name}\" is not understood")).at(format!("paths.{path}"))
            })?;
            found.push((path.as_str(), *method, operation));
        }
        if found.len() > MOST_OPERATIONS {
            return Err(Problem::new("document_large", format!("more than {MOST_OPERATIONS} operations")).at("paths"));
        }
    }
    found.sort_by_key(|(path, method, _)| (path.split('#').next(), *method, path.len()));
    Ok(found)
}

/// A stream twin says the same as its entry but for `stream`, which then may be either.
fn fold_twin(entry: Option<&mut Entry>) {
    if let Some(entry) = entry {
        entry.variants += 1;
        entry.stream = Stream::Optional;
    }
}

fn schemas_of(entry: &Entry) -> impl Iterator<Item = &Value> {
    let parameters = entry.parameters.iter().map(|parameter| &parameter.schema);
    let answers = entry.answers.iter().filter_map(|answer| answer.schema.as_ref());
    parameters.chain(entry.body.iter().map(|body| &body.schema)).chain(answers)
}

struct Reader<'a> {
    document: &'a Value,
    schemas: Schemas,
    overrides: &'a Overrides,
    used: BTreeSet<String>,
}

impl Reader<'_> {
    fn entry(&mut self, path: &str, method: Method, operation: &Value) -> Result<Entry, Problem> {
        let key = format!("{} {path}", method.as_str());
        let none = Facts::default();
        let overrides = self.overrides;
        let facts = overrides.operations.get(&key).unwrap_or(&none);
        self.used.insert(key.clone());
        let (answers, streams) = self.answers(&key, operation)?;
        let default_effect = if method == Method::Get { Effect::Read } else { Effect::Create };
        Ok(Entry {
            title: facts.title.clone().unwrap_or_else(|| operation["summary"].as_str().unwrap_or(&key).to_owned()),
            method,
            path: path.to_owned(),
            area: operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default().to_owned(),
            summary: facts.summary.clone().unwrap_or_default(),
            parameters: self.parameters(&key, path, operation, facts)?,
            body: self.body(&key, operation)?,
            answers,
            stream: facts.stream.unwrap_or(streams),
            variants: 1,
            paging: facts.paging.clone(),
            items: facts.items.clone(),
            effect: facts.effect.unwrap_or(default_effect),
            credential: facts.credential.map_or_else(|| self.credential(&key, operation), Ok)?,
            deprecated: operation["deprecated"] == json!(true),
            replaced_by: facts.replaced_by.clone(),
        })
    }

    fn parameters(
        &mut self,
        key: &str,
        path: &str,
        operation: &Value,
        facts: &Facts,
    ) -> Result<Vec<Parameter>, Problem> {
        let mut parameters = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            let place = format!("{key}.parameters.{name}");
            let location = match parameter["in"].as_str() {
                Some("path") => Location::Path,
                Some("query") => Location::Query,
                Some("header") => Location::Header,
                _ => return Err(Problem::new("document_parameter", "its place is not understood").at(place)),
            };
            if location == Location::Path && !path.contains(&format!("{{{name}}}")) {
                return Err(Problem::new("document_parameter", "the path has no such slot").at(place));
            }
            let (schema, json) = match parameter.pointer("/content/application~1json/schema") {
                Some(schema) => (schema, true),
                None => (&parameter["schema"], false),
            };
            let schema = self.schemas.clean(schema, &place)?;
            let encoding = match facts.encodings.get(&name) {
                Some(encoding) => *encoding,
                None if json => Encoding::Json,
                None => Encoding::Form,
            };
            let required = parameter["required"] == json!(true);
            let deprecated = parameter["deprecated"] == json!(true);
            parameters.push(Parameter { name, location, required, deprecated, encoding, schema });
        }
        for name in facts.encodings.keys() {
            if !parameters.iter().any(|parameter| parameter.name == *name) {
                let reason = format!("there is no parameter \"{name}\"");
                return Err(Problem::new("override_fits_nothing", reason).at(format!("operations.{key}.encodings")));
            }
        }
        Ok(parameters)
    }

    fn body(&mut self, key: &str, operation: &Value) -> Result<Option<Body>, Problem> {
        let body = &operation["requestBody"];
        if body.is_null() {
            return Ok(None);
        }
        let place = format!("{key}.requestBody");
        let content = body["content"].as_object().filter(|content| content.len() == 1);
        let (media, described) = content
            .and_then(|content| content.iter().next())
            .ok_or_else(|| Problem::new("document_body", "a body must have one media type").at(&place))?;
        let kind = match media.as_str() {
            "application/json" => BodyKind::Json,
            "multipart/form-data" => BodyKind::Multipart,
            other => return Err(Problem::new("document_body", format!("{other} is not understood")).at(place)),
        };
        let schema = self.schemas.clean(&described["schema"], &place)?;
        Ok(Some(Body { kind, required: body["required"] == json!(true), schema }))
    }

    fn answers(&mut self, key: &str, operation: &Value) -> Result<(Vec<Answer>, Stream), Problem> {
        let mut answers = Vec::new();
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            let Some(status) = status.parse::<u16>().ok().filter(|status| (200..300).contains(status)) else {
                continue;
            };
            let content = response["content"].as_object();
            if content.is_none_or(serde_json::Map::is_empty) {
                answers.push(Answer { status, media_type: None, schema: None });
            }
            for (media, described) in content.into_iter().flatten() {
                let schema = match media.as_str() {
                    "application/json" => {
                        Some(self.schemas.clean(&described["schema"], &format!("{key}.responses.{status}"))?)
                    }
                    _ => None,
                };
                answers.push(Answer { status, media_type: Some(media.clone()), schema });
            }
        }
        answers.sort_by_key(|answer| answer.status);
        let streaming = |answer: &Answer| answer.media_type.as_deref() == Some(EVENT_STREAM);
        let stream = match answers.iter().filter(|answer| streaming(answer)).count() {
            0 => Stream::None,
            count if count == answers.len() => Stream::Always,
            _ => Stream::Optional,
        };
        Ok((answers, stream))
    }

    fn credential(&self, key: &str, operation: &Value) -> Result<Credential, Problem> {
        let asked = operation.get("security").unwrap_or(&self.document["security"]);
        let scheme = asked.pointer("/0").and_then(Value::as_object).and_then(|scheme| scheme.keys().next());
        match scheme.map(String::as_str) {
            Some("ApiKey") | None => Ok(Credential::ApiKey),
            Some("AdminApiKey") => Ok(Credential::AdminKey),
            Some("DashboardUserContextAuth") => Ok(Credential::UserKey),
            Some(other) => Err(Problem::new("document_security", format!("\"{other}\" is not understood"))
                .at(format!("{key}.security"))),
        }
    }

    fn check_overrides(&self) -> Result<(), Problem> {
        let unknown = self.overrides.operations.keys().find(|key| !self.used.contains(*key));
        match unknown {
            None => Ok(()),
            Some(key) => {
                let reason = format!("the document has no operation \"{key}\"");
                Err(Problem::new("override_fits_nothing", reason).at(format!("operations.{key}")))
            }
        }
    }
}
