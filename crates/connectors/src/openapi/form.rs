//! Forms: from a payload to the fields of a multipart body.

use super::build::text_of;
use super::catalogue::{BodyKind, Catalogue, Entry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Problem;
use model::form::{Content, Field, FilePart, FileSource, Form};
use model::media_type;
use model::request::kind_of;
use model::schema::pointer;
use serde_json::{Map, Value, json};

/// Said wherever something else stands in a file's place.
const FILE_HINT: &str = "a file is {\"$blob\": id} or {\"$base64\": ..., \"filename\": ...}; the subscriber folder and \
                         tramontane call --file bring files in";

/// The fields of a payload: texts in their order, lists as repeated names, then the files.
pub(super) fn form(payload: &Value, problems: &mut Vec<Problem>) -> Option<Form> {
    let Value::Object(members) = payload else {
        let reason = format!("must be an object of the form's fields, is {}", kind_of(payload));
        problems.push(Problem::new("payload_type", reason).at("/payload"));
        return None;
    };
    let (mut texts, mut files) = (Vec::new(), Vec::new());
    for (name, value) in members {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values.iter().filter(|value| !value.is_null()) {
            match content(value) {
                Ok(content) => {
                    let into = if matches!(content, Content::File(_)) { &mut files } else { &mut texts };
                    into.push(Field { name: name.clone(), content });
                }
                Err(problem) => problems.push(problem.within(&pointer("/payload", name))),
            }
        }
    }
    texts.append(&mut files);
    Some(Form(texts))
}

fn content(value: &Value) -> Result<Content, Problem> {
    match value {
        Value::Object(members) if members.contains_key("$blob") || members.contains_key("$base64") => {
            file(members).map(Content::File)
        }
        Value::Object(_) => Err(Problem::new("file_wrong", "an object here must be a file").hint(FILE_HINT)),
        Value::Array(_) => Err(Problem::new("payload_type", "a form has no lists in lists")),
        scalar => Ok(Content::Text(text_of(scalar).unwrap_or_default())),
    }
}

fn file(members: &Map<String, Value>) -> Result<FilePart, Problem> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let source = match (text("$blob"), text("$base64")) {
        (Some(id), None) if id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
            FileSource::Blob(id.to_owned())
        }
        (None, Some(text)) => {
            let bytes = STANDARD.decode(text.as_bytes());
            let wrong = |error| Problem::new("file_wrong", format!("$base64 cannot be read: {error}")).at("/$base64");
            FileSource::Bytes(bytes.map_err(wrong)?.into())
        }
        (Some(_), Some(_)) => {
            return Err(Problem::new("file_wrong", "has both $blob and $base64").hint(FILE_HINT));
        }
        _ => return Err(Problem::new("file_wrong", "$blob is the id of a blob: 32 hex digits").hint(FILE_HINT)),
    };
    let filename = text("filename").or_else(|| text("name")).unwrap_or("file");
    // A name is a name: where it lay before is nobody's business.
    let filename = filename.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).unwrap_or("file").to_owned();
    let media_type = text("media_type").unwrap_or_else(|| media_type::of(&filename)).to_owned();
    Ok(FilePart { filename, media_type, source })
}

/// In the facts of the catalogue: the name of the one file of a form.
pub(crate) const FILE_NAME: &str = "file.name";
/// Its size in bytes.
pub(crate) const FILE_SIZE: &str = "file.size";

/// Name and size (where it is known) of the first file in a payload.
pub(crate) fn first_file(payload: &Value) -> Option<(String, Option<u64>)> {
    let members = payload.as_object()?.values().filter_map(Value::as_object);
    let found = members.filter_map(|members| Some((members, file(members).ok()?))).next();
    let (members, part) = found?;
    let size = match &part.source {
        FileSource::Bytes(bytes) => Some(bytes.len() as u64),
        FileSource::Blob(_) => members.get("size").and_then(Value::as_u64),
    };
    Some((part.filename, size))
}

/// Names of the form's fields that are files.
pub(crate) fn file_fields(catalogue: &Catalogue, entry: &Entry) -> Vec<String> {
    let Some(body) = entry.body.as_ref().filter(|body| body.kind == BodyKind::Multipart) else { return Vec::new() };
    let schema = catalogue.resolved(&body.schema);
    let fields = find(&schema, &schema, "properties");
    let of_file = |field: &Value| {
        let list = |name: &str| field.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let forms = list("anyOf").into_iter().chain(list("allOf")).chain([field.clone()]);
        forms.map(|form| target(&schema, &form).clone()).any(|form| is_binary(&form))
    };
    let fields = fields.and_then(Value::as_object).into_iter().flatten();
    fields.filter(|(_, field)| of_file(target(&schema, field))).map(|(name, _)| name.clone()).collect()
}

/// A file stands in a payload as an object, where the document says binary.
pub(super) fn describe_files(schema: &mut Value) {
    match schema {
        Value::Object(members) if is_binary_members(members) => {
            *schema = json!({
                "type": "object",
                "properties": {
                    "$blob": { "type": "string" }, "$base64": { "type": "string" },
                    "filename": { "type": "string" }, "name": { "type": "string" }, "media_type": { "type": "string" },
                    "size": { "type": "integer" }, "sha256": { "type": "string" },
                },
            });
        }
        Value::Object(members) => members.values_mut().for_each(describe_files),
        Value::Array(items) => items.iter_mut().for_each(describe_files),
        _ => {}
    }
}

/// What a text in the place of a file is told.
pub(crate) fn no_file(name: &str) -> Problem {
    let reason = "is a text, and a file is never named by one";
    Problem::new("file_wrong", reason).at(pointer("/payload", name)).hint(FILE_HINT)
}

fn is_binary(schema: &Value) -> bool {
    schema.as_object().is_some_and(is_binary_members)
}

fn is_binary_members(members: &Map<String, Value>) -> bool {
    members.get("format").and_then(Value::as_str) == Some("binary")
}

/// What a reference leads to; anything else is itself.
fn target<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn find<'a>(document: &'a Value, schema: &'a Value, member: &str) -> Option<&'a Value> {
    target(document, schema).get(member)
}
