//! One flat schema from references, `allOf` and a chosen branch of `anyOf` or `oneOf`.

use super::Seed;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Which branch of a choice to take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Branch {
    /// The one with the least in it.
    Smallest,
    /// Any that is more than null.
    Any(Seed),
}

/// References that lead nowhere but to each other are cut after this many.
const MAX_HOPS: usize = 32;

/// How deep a branch is looked into to tell how much it demands.
const COST_DEPTH: usize = 5;

/// The keywords that hold at this place, without `$ref`, `allOf`, `anyOf`, `oneOf`. Borrowed where nothing has to be
/// laid together, which is nearly everywhere: a copy would be one of everything below.
pub(super) fn flatten<'s>(
    root: &'s Value,
    schema: &'s Value,
    branch: Branch,
    hops: usize,
) -> Cow<'s, Map<String, Value>> {
    let Value::Object(keywords) = schema else { return Cow::default() };
    if hops > MAX_HOPS {
        return Cow::default();
    }
    if !keywords.keys().any(|key| matches!(key.as_str(), "$ref" | "allOf" | "anyOf" | "oneOf")) {
        return Cow::Borrowed(keywords);
    }
    let own = keywords.iter().filter(|(key, _)| {
        !matches!(key.as_str(), "$ref" | "$defs" | "allOf" | "anyOf" | "oneOf" | "discriminator" | "default")
    });
    let own: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut flat = Cow::Owned(own);
    if let Some(target) = target(root, schema) {
        lay(&mut flat, flatten(root, target, branch, hops + 1));
    }
    for part in list(keywords, "allOf") {
        lay(&mut flat, flatten(root, part, branch, hops + 1));
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(chosen) = choose(root, list(keywords, keyword), branch) {
            let mut part = flatten(root, chosen, branch, hops + 1);
            require_tags(&mut part, keywords.get("discriminator"), chosen);
            lay(&mut flat, part);
        }
    }
    flat
}

fn lay<'s>(flat: &mut Cow<'s, Map<String, Value>>, part: Cow<'s, Map<String, Value>>) {
    if flat.is_empty() {
        *flat = part;
    } else {
        merge(flat.to_mut(), part.into_owned());
    }
}

fn list<'s>(keywords: &'s Map<String, Value>, keyword: &str) -> &'s [Value] {
    keywords.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a schema's `$ref` stands for.
fn target<'s>(root: &'s Value, schema: &Value) -> Option<&'s Value> {
    root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
}

fn choose<'s>(root: &Value, branches: &'s [Value], branch: Branch) -> Option<&'s Value> {
    match branch {
        Branch::Smallest => branches.iter().min_by_key(|part| cost(root, part, COST_DEPTH)),
        Branch::Any(seed) => {
            let real: Vec<&Value> = branches.iter().filter(|part| !is_null(part)).collect();
            real.get(seed.next("branch").below(real.len())).copied().or(branches.first())
        }
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null") || schema.get("const") == Some(&Value::Null)
}

/// About how many values the smallest instance has. Looks `depth` levels down and then guesses high, so that a
/// schema that demands itself is the last choice.
fn cost(root: &Value, schema: &Value, depth: usize) -> usize {
    const DEEP: usize = 100;
    let Value::Object(keywords) = schema else { return 1 };
    if depth == 0 {
        return DEEP;
    }
    if keywords.get("type").and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(|kind| kind == "null")) {
        return 0;
    }
    if keywords.contains_key("const") || keywords.contains_key("enum") {
        return 1;
    }
    let below = |part: &Value| cost(root, part, depth - 1);
    let mut sum = usize::from(!is_null(schema));
    sum += target(root, schema).map_or(0, below);
    sum += list(keywords, "allOf").iter().map(below).sum::<usize>();
    for keyword in ["oneOf", "anyOf"] {
        sum += list(keywords, keyword).iter().map(below).min().unwrap_or(0);
    }
    if keywords.get("minItems").and_then(Value::as_u64) > Some(0) {
        sum += keywords.get("items").map_or(1, below);
    }
    let properties = keywords.get("properties");
    for name in list(keywords, "required").iter().filter_map(Value::as_str) {
        sum += properties.and_then(|properties| properties.get(name)).map_or(1, below);
    }
    sum
}

/// Makes the members that tell the branches of a choice apart required: those with one possible value, and the
/// discriminator's.
fn require_tags(part: &mut Cow<'_, Map<String, Value>>, discriminator: Option<&Value>, chosen: &Value) {
    let properties = part.get("properties").and_then(Value::as_object);
    let single = |schema: &Value| {
        schema.get("const").is_some() || schema.get("enum").and_then(Value::as_array).is_some_and(|all| all.len() == 1)
    };
    let mut tags: Vec<String> =
        properties.into_iter().flatten().filter(|(_, schema)| single(schema)).map(|(name, _)| name.clone()).collect();
    if let Some(name) = discriminator.and_then(|it| it.get("propertyName")).and_then(Value::as_str) {
        if let Some(value) = mapped(discriminator, chosen)
            && !tags.iter().any(|tag| tag == name)
        {
            let mut known = Map::new();
            known.insert(name.to_owned(), serde_json::json!({"const": value}));
            let mut keywords = Map::new();
            keywords.insert("properties".to_owned(), Value::Object(known));
            merge(part.to_mut(), keywords);
        }
        tags.push(name.to_owned());
    }
    let required = list(part, "required");
    if tags.iter().all(|tag| required.iter().any(|name| name == tag)) {
        return;
    }
    let mut keywords = Map::new();
    keywords.insert("required".to_owned(), tags.into());
    merge(part.to_mut(), keywords);
}

/// The value that a discriminator's mapping gives to a branch.
fn mapped<'s>(discriminator: Option<&'s Value>, chosen: &Value) -> Option<&'s str> {
    let reference = chosen.get("$ref")?.as_str()?.rsplit('/').next()?;
    let mapping = discriminator?.get("mapping")?.as_object()?;
    let known = mapping.iter().find(|(_, to)| to.as_str().and_then(|to| to.rsplit('/').next()) == Some(reference));
    known.map(|(value, _)| value.as_str())
}

/// Lays a second schema's keywords over the first: what is valid then is valid for both.
fn merge(flat: &mut Map<String, Value>, other: Map<String, Value>) {
    close(flat, &other);
    for (key, new) in other {
        let Some(old) = flat.get_mut(&key) else {
            flat.insert(key, new);
            continue;
        };
        match (key.as_str(), old, new) {
            ("properties", Value::Object(old), Value::Object(new)) => merge_properties(old, new),
            ("required", Value::Array(old), Value::Array(new)) => {
                let fresh: Vec<Value> = new.into_iter().filter(|name| !old.contains(name)).collect();
                old.extend(fresh);
            }
            ("enum", Value::Array(old), Value::Array(new)) => old.retain(|value| new.contains(value)),
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", old, new) if new.as_f64() > old.as_f64() => {
                *old = new
            }
            ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems", old, new) if new.as_f64() < old.as_f64() => {
                *old = new
            }
            // A list gives way to a single type, and "number" to "integer".
            ("type", old, new) if old.is_array() || new == "integer" => *old = new,
            ("additionalProperties", old, new) if new == Value::Bool(false) || *old == Value::Bool(true) => *old = new,
            _ => {}
        }
    }
}

fn merge_properties(old: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, new) in new {
        match old.get_mut(&name) {
            None => {
                old.insert(name, new);
            }
            Some(old) if *old == new || *old == Value::Bool(false) => {}
            Some(old) => *old = serde_json::json!({"allOf": [std::mem::take(old), new]}),
        }
    }
}

/// Where one of two schemas is closed, what it does not know may not be there.
fn close(flat: &mut Map<String, Value>, other: &Map<String, Value>) {
    let closed = |keywords: &Map<String, Value>| keywords.get("additionalProperties") == Some(&Value::Bool(false));
    let empty = Map::new();
    let known = |keywords: &Map<String, Value>| {
        let properties = keywords.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        properties.keys().cloned().collect::<Vec<_>>()
    };
    let (mine, theirs) = (known(flat), known(other));
    let mut barred: Vec<String> = Vec::new();
    if closed(flat) {
        barred.extend(theirs.iter().filter(|name| !mine.contains(name)).cloned());
    }
    if closed(other) {
        barred.extend(mine.iter().filter(|name| !theirs.contains(name)).cloned());
    }
    if barred.is_empty() {
        return;
    }
    if let Value::Object(properties) = flat.entry("properties").or_insert_with(|| Value::Object(Map::new())) {
        for name in barred {
            properties.insert(name, Value::Bool(false));
        }
    }
}
