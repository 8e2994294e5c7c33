//! Step 2: the branches of a union get names, and where a property tells them apart, it is named too.

use super::{DEFS, each, target};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const TAG: &str = "x-tag";
const HIDDEN: &str = "x-hidden";

/// A definition, and its property that is a tag.
type Hidden = BTreeSet<(String, String)>;

/// Finds the tags of all unions.
pub(super) fn tag(document: &mut Value) {
    let defs = document.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut hidden = Hidden::new();
    each(document, &mut |schema| tag_one(&defs, schema, &mut hidden));
    for (name, property) in hidden {
        if let Some(definition) = document.get_mut("$defs").and_then(|defs| defs.get_mut(&name)) {
            hide(definition, &property);
        }
    }
}

fn tag_one(defs: &Map<String, Value>, schema: &mut Map<String, Value>, hidden: &mut Hidden) {
    let discriminator = schema.remove("discriminator");
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = schema.get_mut(keyword) else { continue };
        if branches.len() < 2 {
            continue;
        }
        let Some((property, titles)) = told_apart(defs, branches, discriminator.as_ref()) else {
            name_by_kind(defs, branches);
            continue;
        };
        for (branch, title) in branches.iter_mut().zip(titles) {
            match branch.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(DEFS)) {
                Some(name) => drop(hidden.insert((last(defs, name), property.clone()))),
                None => hide(branch, &property),
            }
            name_it(branch, title);
        }
        schema.insert(TAG.to_owned(), Value::String(property));
    }
}

/// The property whose value differs from branch to branch, and its values.
fn told_apart(
    defs: &Map<String, Value>,
    branches: &[Value],
    discriminator: Option<&Value>,
) -> Option<(String, Vec<String>)> {
    if let Some(named) = discriminator.and_then(|found| found.get("propertyName")).and_then(Value::as_str) {
        let mapping = discriminator.and_then(|found| found.get("mapping")).and_then(Value::as_object);
        let titles = branches.iter().map(|branch| {
            let mapped = || {
                let own = branch.get("$ref")?;
                let keys = mapping?.iter().filter(|(_, target)| *target == own).map(|(key, _)| key.as_str());
                Some(keys.collect::<Vec<_>>().join(", ")).filter(|keys| !keys.is_empty())
            };
            mapped().or_else(|| constant(defs, branch, named))
        });
        return Some((named.to_owned(), titles.collect::<Option<_>>()?));
    }
    let properties = target(defs, branches.first()?).get("properties")?.as_object()?;
    properties.keys().find_map(|property| {
        let values: Vec<String> =
            branches.iter().map(|branch| constant(defs, branch, property)).collect::<Option<_>>()?;
        let distinct: BTreeSet<&String> = values.iter().collect();
        (distinct.len() == branches.len()).then(|| (property.clone(), values.clone()))
    })
}

/// The one value that a property of a branch can have.
fn constant(defs: &Map<String, Value>, branch: &Value, property: &str) -> Option<String> {
    let schema = target(defs, target(defs, branch).get("properties")?.get(property)?);
    let only = match (schema.get("const"), schema.get("enum").and_then(Value::as_array).map(Vec::as_slice)) {
        (Some(constant), _) => constant,
        (None, Some([only])) => only,
        _ => return None,
    };
    only.as_str().map(str::to_owned)
}

/// Branches that nothing tells apart but what they are: "text", "list of texts", or what the document calls them.
fn name_by_kind(defs: &Map<String, Value>, branches: &mut [Value]) {
    for branch in branches {
        let named = branch.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(DEFS));
        let title = match (kind(target(defs, branch)), named) {
            (Some("object") | None, Some(name)) => name.to_owned(),
            (Some("array"), _) => {
                let items = target(defs, branch).get("items").map(|items| target(defs, items));
                match items.and_then(kind) {
                    Some(inner) if inner != "array" => format!("list of {}s", word(inner)),
                    _ => "list".to_owned(),
                }
            }
            (Some(kind), _) => word(kind).to_owned(),
            (None, None) => "anything".to_owned(),
        };
        name_it(branch, title);
    }
}

fn kind(schema: &Value) -> Option<&str> {
    schema.get("type").and_then(Value::as_str)
}

fn word(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "whole number",
        "boolean" => "switch",
        "array" => "list",
        other => other,
    }
}

fn name_it(branch: &mut Value, title: String) {
    if let Some(branch) = branch.as_object_mut() {
        branch.entry("title").or_insert(Value::String(title));
    }
}

fn hide(schema: &mut Value, property: &str) {
    let found = schema.get_mut("properties").and_then(|properties| properties.get_mut(property));
    if let Some(found) = found.and_then(Value::as_object_mut) {
        found.insert(HIDDEN.to_owned(), Value::Bool(true));
    }
}

/// The definition that a definition is another name of.
fn last(defs: &Map<String, Value>, name: &str) -> String {
    let mut name = name;
    for _ in 0..8 {
        let next = defs.get(name).and_then(|schema| schema.get("$ref")?.as_str()?.strip_prefix(DEFS));
        let Some(next) = next else { break };
        name = next;
    }
    name.to_owned()
}
