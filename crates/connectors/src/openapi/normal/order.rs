//! Step 3: in which order the properties of objects are shown.

use super::each;
use crate::openapi::catalogue::Entry;
use serde_json::{Map, Value};

const ORDER: &str = "x-order";

/// What people fill in first, by title of the operation. What must be there comes before it in any case.
pub const FIRST: [(&str, &[&str]); 12] = [
    ("Chat Completion", &["model", "messages", "temperature", "max_tokens", "response_format", "tools"]),
    ("FIM Completion", &["model", "prompt", "suffix", "temperature", "max_tokens"]),
    ("Agents Completion", &["agent_id", "messages", "max_tokens", "response_format", "tools"]),
    ("Create Embeddings", &["model", "input", "output_dimension", "output_dtype"]),
    ("OCR", &["model", "document", "pages", "include_image_base64"]),
    ("Create Transcription", &["model", "file", "file_url", "file_id", "language"]),
    ("Create Speech", &["model", "input", "voice_id", "response_format"]),
    ("Upload File", &["file", "purpose"]),
    ("Create Batch Job", &["endpoint", "model", "input_files", "metadata"]),
    ("Create Agent", &["name", "model", "instructions", "description", "tools"]),
    ("Start Conversation", &["agent_id", "model", "inputs", "instructions", "tools"]),
    ("Create Library", &["name", "description"]),
];

/// Says the order: what must be there, what is mostly filled in, the rest as the document has it.
pub(super) fn sort(entry: &Entry, document: &mut Value) {
    let first = FIRST.iter().find(|(title, _)| *title == entry.title).map_or(&[][..], |(_, names)| names);
    each(document, &mut |schema| sort_one(schema, &[]));
    if let Some(root) = document.as_object_mut() {
        sort_one(root, first);
    }
}

fn sort_one(schema: &mut Map<String, Value>, first: &[&str]) {
    let Some(Value::Object(properties)) = schema.get("properties") else { return };
    if properties.len() < 2 {
        return;
    }
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let rank = |name: &String| {
        let place = first.iter().position(|one| one == name).unwrap_or(first.len());
        (!required.contains(&name.as_str()), place)
    };
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| rank(name));
    let names: Value = names.into_iter().map(|name| Value::from(name.as_str())).collect();
    schema.insert(ORDER.to_owned(), names);
}
