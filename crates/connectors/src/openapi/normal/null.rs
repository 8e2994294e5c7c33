//! Step 1: null is said beside a schema instead of in it, and what holds one schema alone becomes that schema.

use serde_json::{Map, Value};

/// Null is allowed too.
pub(super) const NULLABLE: &str = "x-nullable";

/// Collapses one schema; those inside it were collapsed before.
pub(super) fn collapse(schema: &mut Map<String, Value>) {
    unwrap_only(schema, "allOf");
    let mut said: Vec<bool> = take_from_type(schema).into_iter().chain(take_from_values(schema)).collect();
    for union in ["anyOf", "oneOf"] {
        said.extend(take_from_union(schema, union));
        unwrap_only(schema, union);
    }
    if schema.remove("nullable") == Some(Value::Bool(true)) {
        said.push(true);
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    // Each keyword must allow it: a type with null beside a list of values without it allows none.
    if said.contains(&true) && !said.contains(&false) {
        schema.insert(NULLABLE.to_owned(), Value::Bool(true));
    }
}

/// `type: [X, null]` becomes `type: X`. Says whether the type allows null; `None` where there is none.
fn take_from_type(schema: &mut Map<String, Value>) -> Option<bool> {
    let Value::Array(kinds) = schema.get_mut("type")? else { return Some(schema.get("type")? == "null") };
    let before = kinds.len();
    kinds.retain(|kind| kind != "null");
    let is_nullable = kinds.len() < before;
    match kinds.as_slice() {
        [] => *schema.get_mut("type")? = Value::from("null"),
        [one] => *schema.get_mut("type")? = one.clone(),
        _ => {}
    }
    Some(is_nullable)
}

/// Values without null. Says whether null is among them; `None` where no values are listed.
fn take_from_values(schema: &mut Map<String, Value>) -> Option<bool> {
    if let Some(constant) = schema.get("const") {
        return Some(constant.is_null());
    }
    let Value::Array(values) = schema.get_mut("enum")? else { return None };
    let before = values.len();
    if before > 1 {
        values.retain(|value| !value.is_null());
    }
    Some(values.len() < before)
}

/// A union without its null. Says whether it allows null; `None` where there is no such union.
fn take_from_union(schema: &mut Map<String, Value>, union: &str) -> Option<bool> {
    let Value::Array(branches) = schema.get_mut(union)? else { return None };
    let before = branches.len();
    if before > 1 {
        branches.retain(|branch| !is_null(branch));
    }
    let is_nullable = |branch: &Value| branch.get(NULLABLE) == Some(&Value::Bool(true));
    let inside = branches.iter().filter(|branch| is_nullable(branch)).count();
    // Of `oneOf` exactly one branch may allow it.
    let nullable =
        if union == "oneOf" { inside + (before - branches.len()) == 1 } else { inside > 0 || branches.len() < before };
    if nullable {
        branches.iter_mut().filter_map(Value::as_object_mut).for_each(|branch| drop(branch.remove(NULLABLE)));
    }
    Some(nullable)
}

fn is_null(schema: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return false };
    schema.get("type").is_some_and(|kind| kind == "null")
        || schema.get("const") == Some(&Value::Null)
        || schema.get("enum").and_then(Value::as_array).is_some_and(|values| values.as_slice() == [Value::Null])
}

/// A keyword that holds a single schema becomes that schema, where the two do not speak of the same.
fn unwrap_only(schema: &mut Map<String, Value>, keyword: &str) {
    let Some([Value::Object(only)]) = schema.get(keyword).and_then(Value::as_array).map(Vec::as_slice) else { return };
    // What closes an object looks at the properties beside it, so the two cannot be told apart.
    let closes = ["additionalProperties", "unevaluatedProperties"]
        .iter()
        .any(|word| schema.contains_key(*word) || only.contains_key(*word) && schema.contains_key("properties"));
    if closes || only.iter().any(|(name, value)| schema.get(name).is_some_and(|own| own != value)) {
        return;
    }
    let only = only.clone();
    schema.remove(keyword);
    schema.extend(only);
}
