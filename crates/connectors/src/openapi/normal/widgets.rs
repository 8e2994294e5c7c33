//! Step 4: what a property is drawn as, where its type alone does not say it.

use super::{each, referred, target};
use crate::openapi::catalogue::{Catalogue, Entry};
use crate::openapi::choices;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const WIDGET: &str = "x-widget";
/// Texts that people write, rather than values.
const PROMPTS: [&str; 7] =
    ["prompt", "instructions", "system_prompt", "content", "text", "suffix", "system_prompt_template"];

/// Chooses for every property.
pub(super) fn choose(catalogue: &Catalogue, entry: &Entry, document: &mut Value) {
    let defs = document.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let recursive = recursive(&defs);
    each(document, &mut |schema| {
        let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
        for (name, property) in properties {
            let widget = widget(catalogue, entry, &defs, &recursive, name, property);
            if let (Some(widget), Some(property)) = (widget, property.as_object_mut()) {
                property.insert(WIDGET.to_owned(), Value::String(widget));
            }
        }
    });
}

fn widget(
    catalogue: &Catalogue,
    entry: &Entry,
    defs: &Map<String, Value>,
    recursive: &BTreeSet<String>,
    name: &str,
    property: &Value,
) -> Option<String> {
    let mut names = BTreeSet::new();
    referred(property, &mut names);
    if names.iter().any(|name| recursive.contains(name)) {
        return Some("json".to_owned());
    }
    let schema = target(defs, property);
    if is_file(defs, schema) {
        return Some("file".to_owned());
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if schema.get("enum").is_some() || schema.get("const").is_some() => None,
        Some("string") if schema.get("format").is_some_and(|format| format == "duration") => {
            Some("duration".to_owned())
        }
        Some("string") if PROMPTS.contains(&name) => Some("prompt".to_owned()),
        Some("string" | "integer") => match choices::of(catalogue, entry, name) {
            Ok(found) if found.list.path == "/v1/models" => Some("model".to_owned()),
            Ok(found) => Some(format!("id:{}", found.list.path)),
            Err(_) => None,
        },
        Some("object") => is_free(schema).then(|| "json".to_owned()),
        Some("array") => {
            schema.get("items").is_none_or(|items| is_free(target(defs, items))).then(|| "json".to_owned())
        }
        Some(_) => None,
        None => is_free(schema).then(|| "json".to_owned()),
    }
}

/// A file, or a list of files, as it stands in a payload.
fn is_file(defs: &Map<String, Value>, schema: &Value) -> bool {
    let one = schema.get("items").map_or(schema, |items| target(defs, items));
    one.get("properties").is_some_and(|properties| properties.get("$blob").is_some())
}

/// What says something of the inside of a value.
const SAYS: [&str; 9] =
    ["properties", "additionalProperties", "anyOf", "oneOf", "allOf", "enum", "const", "$ref", "items"];

/// Whether a schema says nothing of what is inside.
fn is_free(schema: &Value) -> bool {
    !SAYS.iter().any(|word| schema.get(word).is_some_and(|value| !value.is_boolean()))
        && schema.get("type").is_none_or(|kind| kind == "object")
}

/// Definitions that hold themselves.
fn recursive(defs: &Map<String, Value>) -> BTreeSet<String> {
    let direct: BTreeMap<&String, BTreeSet<String>> = defs
        .iter()
        .map(|(name, schema)| {
            let mut names = BTreeSet::new();
            referred(schema, &mut names);
            (name, names)
        })
        .collect();
    let holds_itself = |name: &&String| {
        let (mut seen, mut open) = (BTreeSet::new(), direct.get(name).cloned().unwrap_or_default());
        while let Some(next) = open.pop_first() {
            if let Some(more) = direct.get(&next).filter(|_| seen.insert(next)) {
                open.extend(more.iter().filter(|one| !seen.contains(*one)).cloned());
            }
        }
        seen.contains(*name)
    };
    let found = defs.keys().filter(holds_itself).cloned();
    found.collect()
}
