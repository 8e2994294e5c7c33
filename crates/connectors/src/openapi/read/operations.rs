//! Turns the operations of a document into entries of a catalogue.

use super::clean::Cleaner;
use super::node::Node;
use crate::openapi::catalogue::{Answer, Body, BodyKind, Encoding, Entry, Location, Method, Parameter, Stream};
use crate::openapi::schemas::COMPONENT;
use model::{Credential, Effect, Problem};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most operations of a document. The largest known API has about 1,100.
const MAX_OPERATIONS: usize = 5_000;

/// Longest title that is taken from a document.
const MAX_TITLE: usize = 80;

/// The media type of server-sent events.
const EVENTS: &str = "text/event-stream";

const METHODS: [(&str, Method); 5] = [
    ("get", Method::Get),
    ("post", Method::Post),
    ("put", Method::Put),
    ("patch", Method::Patch),
    ("delete", Method::Delete),
];

/// An operation as it stands in the document.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: Entry,
    /// Whether its path had a `#…`, which tells it from another operation of the same method and path.
    pub(super) marked: bool,
    /// Where it stands in the document.
    pub(super) place: String,
}

/// What reading an operation needs of the rest of the document.
pub(super) struct Reader<'r, 'a> {
    pub(super) root: &'r Node<'a>,
    pub(super) cleaner: &'r mut Cleaner<'a>,
    pub(super) credentials: Credentials<'r>,
}

/// What security schemes are to us.
pub(super) struct Credentials<'r> {
    /// By the scheme's name.
    pub(super) known: &'r BTreeMap<String, Credential>,
    /// Where others stand.
    pub(super) unknown: &'r mut Vec<Problem>,
}

impl<'a> Reader<'_, 'a> {
    /// All operations, in the order of the document.
    pub(super) fn operations(&mut self) -> Result<Vec<Found>, Problem> {
        let mut found = Vec::new();
        for (key, item) in self.root.need("paths")?.members()? {
            let path = key.split('#').next().unwrap_or(key);
            let slots = slots(path).map_err(|reason| item.problem(reason))?;
            let shared = item.get("parameters");
            for (name, operation) in item.members()? {
                let Some((_, method)) = METHODS.iter().find(|(word, _)| *word == name) else {
                    if ["parameters", "summary", "description"].contains(&name) || name.starts_with("x-") {
                        continue;
                    }
                    return Err(operation.problem(format!("\"{name}\" is not understood here")));
                };
                if found.len() == MAX_OPERATIONS {
                    return Err(operation.problem(format!("there are more than {MAX_OPERATIONS} operations")));
                }
                let entry = self.operation(*method, path, shared.as_ref(), &operation)?;
                let named: BTreeSet<&str> = entry
                    .parameters
                    .iter()
                    .filter(|parameter| parameter.location == Location::Path)
                    .map(|parameter| parameter.name.as_str())
                    .collect();
                if named != slots {
                    return Err(operation.problem("the slots of the path and its parameters differ"));
                }
                found.push(Found { entry, marked: path.len() < key.len(), place: operation.place });
            }
        }
        Ok(found)
    }

    fn operation(
        &mut self,
        method: Method,
        path: &str,
        shared: Option<&Node<'a>>,
        node: &Node<'a>,
    ) -> Result<Entry, Problem> {
        node.known(&[
            "tags",
            "summary",
            "description",
            "externalDocs",
            "operationId",
            "parameters",
            "requestBody",
            "responses",
            "deprecated",
            "security",
        ])?;
        let summary = node.get("summary").map(|summary| summary.text()).transpose()?.map(str::trim);
        let title = summary.filter(|text| (1..=MAX_TITLE).contains(&text.len())).unwrap_or(path).to_owned();
        let tags: Vec<Node<'a>> = match node.get("tags") {
            Some(tags) => tags.items()?.collect(),
            None => Vec::new(),
        };
        let area = tags.first().map(Node::text).transpose()?;
        let answers = self.answers(&node.need("responses")?)?;
        Ok(Entry {
            summary: title.clone(),
            title,
            method,
            path: path.to_owned(),
            area: area.unwrap_or("other").to_owned(),
            parameters: self.parameters(shared, node.get("parameters").as_ref())?,
            body: node.get("requestBody").map(|body| self.body(body)).transpose()?,
            stream: streams(&answers),
            answers,
            variants: 1,
            paging: None,
            items: None,
            wait: None,
            find: None,
            // What the document does not say is taken for the worst: never repeated on its own.
            effect: if method == Method::Get { Effect::Read } else { Effect::Create },
            credential: self.credential(node)?,
            deprecated: node.flag("deprecated")?,
            replaced_by: None,
        })
    }

    /// The operation's parameters; those of the whole path come first, unless the operation has its own of that name.
    fn parameters(&mut self, shared: Option<&Node<'a>>, own: Option<&Node<'a>>) -> Result<Vec<Parameter>, Problem> {
        let mut all: Vec<Parameter> = Vec::new();
        for (list, replaces) in [(shared, false), (own, true)] {
            let Some(list) = list else { continue };
            let begin = all.len();
            for node in list.items()? {
                let node = node.follow(self.root, "parameters")?;
                let parameter = self.parameter(&node)?;
                let same = |other: &Parameter| (&other.name, other.location) == (&parameter.name, parameter.location);
                match all.iter().position(same) {
                    Some(index) if replaces && index < begin => all[index] = parameter,
                    Some(_) => return Err(node.problem(format!("\"{}\" stands twice here", parameter.name))),
                    None => all.push(parameter),
                }
            }
        }
        Ok(all)
    }

    fn parameter(&mut self, node: &Node<'a>) -> Result<Parameter, Problem> {
        node.known(&[
            "name",
            "in",
            "description",
            "required",
            "deprecated",
            "schema",
            "content",
            "example",
            "examples",
            "style",
            "explode",
        ])?;
        let place = node.need("in")?;
        let (location, style) = match place.text()? {
            "path" => (Location::Path, "simple"),
            "query" => (Location::Query, "form"),
            "header" => (Location::Header, "simple"),
            other => return Err(place.problem(format!("parameters in \"{other}\" are not understood"))),
        };
        let usual = node.get("style").is_none_or(|found| found.value == style)
            && node.get("explode").is_none_or(|found| found.value == (location == Location::Query));
        if !usual {
            return Err(node.problem("only the default style of a parameter is understood"));
        }
        let (schema, encoding) = match node.get("content") {
            Some(content) => {
                content.known(&["application/json"])?;
                (self.cleaner.clean(&content.need("application/json")?.need("schema")?)?, Encoding::Json)
            }
            None => {
                let schema = self.cleaner.clean(&node.need("schema")?)?;
                let spread = location == Location::Query && self.is_object(&schema);
                (schema, if spread { Encoding::Spread } else { Encoding::Form })
            }
        };
        let required = node.flag("required")?;
        if location == Location::Path && !required {
            return Err(node.problem("a slot of the path must be required"));
        }
        let name = node.text_of("name")?.to_owned();
        Ok(Parameter { name, location, required, deprecated: node.flag("deprecated")?, encoding, schema })
    }

    /// Whether a schema is that of an object. References are followed as far as they go in one direction.
    fn is_object(&self, schema: &Value) -> bool {
        let mut schema = schema;
        for _ in 0..8 {
            let union = schema.get("anyOf").and_then(Value::as_array);
            let only = union.and_then(|union| {
                let mut others = union.iter().filter(|one| one.get("type").is_none_or(|kind| kind != "null"));
                others.next().filter(|_| others.next().is_none())
            });
            let reference =
                schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix(COMPONENT));
            match only.or_else(|| self.cleaner.schemas.get(reference?)) {
                Some(inner) => schema = inner,
                None => break,
            }
        }
        match schema.get("type") {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            _ => schema.get("properties").is_some(),
        }
    }

    fn body(&mut self, node: Node<'a>) -> Result<Body, Problem> {
        let node = node.follow(self.root, "requestBodies")?;
        node.known(&["description", "content", "required"])?;
        let content = node.need("content")?;
        let mut kinds = content.members()?;
        let (Some((name, media)), None) = (kinds.next(), kinds.next()) else {
            return Err(content.problem("one media type is expected"));
        };
        let kind = match name {
            "application/json" => BodyKind::Json,
            "multipart/form-data" => BodyKind::Multipart,
            _ => return Err(media.problem(format!("the media type \"{name}\" is not understood"))),
        };
        media.known(&["schema", "example", "examples"])?;
        Ok(Body { kind, required: node.flag("required")?, schema: self.cleaner.clean(&media.need("schema")?)? })
    }

    /// The successful answers, smallest status first, JSON before events.
    fn answers(&mut self, node: &Node<'a>) -> Result<Vec<Answer>, Problem> {
        let mut answers = Vec::new();
        for (status, answer) in node.members()? {
            if status == "default" || !status.starts_with('2') {
                continue;
            }
            let Ok(status @ 200..=299) = status.parse::<u16>() else {
                return Err(answer.problem("a status code of three digits is expected"));
            };
            let answer = answer.follow(self.root, "responses")?;
            answer.known(&["description", "content", "headers", "links"])?;
            let content = answer.get("content");
            let media: Vec<_> = match &content {
                Some(content) => content.members()?.collect(),
                None => Vec::new(),
            };
            if media.is_empty() {
                answers.push(Answer { status, media_type: None, schema: None });
            }
            for (media_type, media) in media {
                media.known(&["schema", "example", "examples"])?;
                let described = media_type == "application/json" || media_type == EVENTS;
                let schema = media.get("schema").filter(|_| described);
                let schema = schema.map(|schema| self.cleaner.clean(&schema)).transpose()?;
                answers.push(Answer { status, media_type: Some(media_type.to_owned()), schema });
            }
        }
        if answers.is_empty() {
            return Err(node.problem("no successful answer is declared"));
        }
        sort(&mut answers);
        Ok(answers)
    }

    fn credential(&mut self, node: &Node<'a>) -> Result<Credential, Problem> {
        let Some(security) = node.get("security").or_else(|| self.root.get("security")) else {
            return Ok(Credential::ApiKey);
        };
        let Some(first) = security.items()?.next() else {
            return Err(security.problem("operations without a credential are not understood"));
        };
        let mut schemes = first.members()?;
        let (Some((name, scheme)), None) = (schemes.next(), schemes.next()) else {
            return Err(first.problem("one security scheme is expected"));
        };
        if let Some(known) = self.credentials.known.get(name) {
            return Ok(*known);
        }
        let reason = format!("the security scheme \"{name}\" is not known");
        self.credentials.unknown.push(scheme.problem(reason).hint("name its kind in the overrides, under credentials"));
        Ok(Credential::ApiKey)
    }
}

/// Whether an operation with these answers streams: always where it answers nothing but events.
pub(super) fn streams(answers: &[Answer]) -> Stream {
    let is_stream = |answer: &Answer| answer.media_type.as_deref() == Some(EVENTS);
    match answers.iter().filter(|answer| is_stream(answer)).count() {
        0 => Stream::None,
        count if count == answers.len() => Stream::Always,
        _ => Stream::Optional,
    }
}

/// Smallest status first, then by media type, which puts JSON before events.
pub(super) fn sort(answers: &mut [Answer]) {
    answers.sort_by(|a, b| (a.status, &a.media_type).cmp(&(b.status, &b.media_type)));
}

/// The slots of a path template.
///
/// # Errors
/// Why the path is none that may be sent.
fn slots(path: &str) -> Result<BTreeSet<&str>, String> {
    let Some(segments) = path.strip_prefix('/') else {
        return Err("a path begins with \"/\"".to_owned());
    };
    let mut slots = BTreeSet::new();
    for segment in segments.split('/') {
        let slot = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let text = slot.unwrap_or(segment);
        if matches!(text, "" | "." | "..") {
            return Err("a path has no empty steps, \".\" or \"..\"".to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte)) {
            return Err(format!("\"{segment}\" is neither a step of a path nor a slot"));
        }
        if let Some(slot) = slot
            && !slots.insert(slot)
        {
            return Err(format!("the slot \"{slot}\" stands twice in the path"));
        }
    }
    Ok(slots)
}
