//! Step 1, before null: an object that is described in parts is described in one.

use super::{each, target};
use serde_json::{Map, Value};

/// What parts of an object may say; with anything else they stay apart.
const PLAIN: [&str; 4] = ["type", "properties", "required", "additionalProperties"];

/// Joins the parts of every object.
pub(super) fn join(document: &mut Value) {
    let defs = document.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    each(document, &mut |schema| {
        let Some(Value::Array(parts)) = schema.get("allOf") else { return };
        let parts: Option<Vec<&Map<String, Value>>> =
            parts.iter().map(|part| target(&defs, part).as_object()).collect();
        if let Some(joined) = parts
            .filter(|_| schema.keys().all(|name| name == "allOf" || name == "$defs"))
            .and_then(|parts| join_all(&parts))
        {
            schema.remove("allOf");
            schema.extend(joined);
        }
    });
}

/// One object that is all of these; `None` where one says more than which properties there are, or two do not agree.
fn join_all(parts: &[&Map<String, Value>]) -> Option<Map<String, Value>> {
    let (mut properties, mut required, mut closed) = (Map::new(), Vec::<Value>::new(), None);
    for part in parts {
        if part.get("type")? != "object" || !part.keys().all(|name| PLAIN.contains(&name.as_str())) {
            return None;
        }
        for (name, schema) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if properties.get(name).is_some_and(|known| known != schema) {
                return None;
            }
            properties.insert(name.clone(), schema.clone());
        }
        for name in part.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !required.contains(name) {
                required.push(name.clone());
            }
        }
        match part.get("additionalProperties") {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => closed = Some(*part),
            Some(_) => return None,
        }
    }
    let mut joined = Map::from_iter([("type".to_owned(), Value::from("object"))]);
    if let Some(closed) = closed {
        // What another part has beside it, the closed one refuses.
        let known = closed.get("properties").and_then(Value::as_object)?;
        if !properties.keys().all(|name| known.contains_key(name)) {
            return None;
        }
        joined.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    joined.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        joined.insert("required".to_owned(), Value::Array(required));
    }
    Some(joined)
}
