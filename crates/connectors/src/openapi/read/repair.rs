//! Repairs of a schema that the document has wrong.

use serde::Deserialize;
use serde_json::Value;

/// One repair. `at` is a JSON pointer into the schema as it stands in the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Repair {
    /// Puts a value in the place of what is there, or as a new member of an object that is there.
    Set { at: String, to: Value },
    /// Adds an item to a list.
    Add { at: String, item: Value },
    /// Removes a member; with `item`, removes that item of a list instead.
    Remove {
        at: String,
        #[serde(default)]
        item: Option<Value>,
    },
}

impl Repair {
    /// Repairs the schema.
    ///
    /// # Errors
    /// Why the repair does not fit: nothing is there, or it is so already.
    pub(super) fn apply(&self, schema: &mut Value) -> Result<(), String> {
        match self {
            Self::Set { at, to } => set(schema, at, to),
            Self::Add { at, item } => {
                let list = list(schema, at)?;
                if list.contains(item) {
                    return Err(format!("{item} is in {at} already"));
                }
                list.push(item.clone());
                Ok(())
            }
            Self::Remove { at, item: Some(item) } => {
                let list = list(schema, at)?;
                let index = list.iter().position(|found| found == item).ok_or(format!("{item} is not in {at}"))?;
                list.remove(index);
                Ok(())
            }
            Self::Remove { at, item: None } => {
                let (parent, key) = split(at)?;
                let object = schema.pointer_mut(parent).and_then(Value::as_object_mut);
                let removed = object.and_then(|object| object.shift_remove(&key));
                removed.map(|_| ()).ok_or(format!("there is nothing at {at}"))
            }
        }
    }
}

fn list<'a>(schema: &'a mut Value, at: &str) -> Result<&'a mut Vec<Value>, String> {
    schema.pointer_mut(at).and_then(Value::as_array_mut).ok_or_else(|| format!("there is no list at {at}"))
}

fn set(schema: &mut Value, at: &str, to: &Value) -> Result<(), String> {
    if schema.pointer(at) == Some(to) {
        return Err(format!("{at} is so already"));
    }
    if let Some(found) = schema.pointer_mut(at) {
        *found = to.clone();
        return Ok(());
    }
    let (parent, key) = split(at)?;
    let object = schema.pointer_mut(parent).and_then(Value::as_object_mut);
    object.ok_or_else(|| format!("there is no object at {parent}"))?.insert(key, to.clone());
    Ok(())
}

/// The pointer to the parent, and the last step.
fn split(at: &str) -> Result<(&str, String), String> {
    let (parent, key) = at.rsplit_once('/').ok_or_else(|| format!("\"{at}\" is no JSON pointer to a member"))?;
    Ok((parent, key.replace("~1", "/").replace("~0", "~")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn repairs_what_is_there_and_refuses_the_rest() {
        let schema = json!({"required": ["a", "b"], "additionalProperties": false, "properties": {"x/y": {}}});
        let cases = [
            (json!({"set": {"at": "/additionalProperties", "to": true}}), Ok(("/additionalProperties", json!(true)))),
            (json!({"set": {"at": "/properties/c", "to": {}}}), Ok(("/properties/c", json!({})))),
            (json!({"set": {"at": "", "to": {"type": "string"}}}), Ok(("", json!({"type": "string"})))),
            (json!({"add": {"at": "/required", "item": "c"}}), Ok(("/required", json!(["a", "b", "c"])))),
            (json!({"remove": {"at": "/required", "item": "a"}}), Ok(("/required", json!(["b"])))),
            (json!({"remove": {"at": "/properties/x~1y"}}), Ok(("/properties", json!({})))),
            (json!({"set": {"at": "/additionalProperties", "to": false}}), Err("already")),
            (json!({"set": {"at": "/nothing/c", "to": {}}}), Err("no object at /nothing")),
            (json!({"set": {"at": "c", "to": {}}}), Err("no JSON pointer")),
            (json!({"add": {"at": "/required", "item": "a"}}), Err("already")),
            (json!({"add": {"at": "/properties", "item": "a"}}), Err("no list")),
            (json!({"remove": {"at": "/required", "item": "c"}}), Err("not in /required")),
            (json!({"remove": {"at": "/required", "item": null}}), Ok(("/properties", json!({"x/y": {}})))),
            (json!({"remove": {"at": "/nothing"}}), Err("nothing at /nothing")),
        ];
        for (repair, expected) in cases {
            let mut repaired = schema.clone();
            let outcome = serde_json::from_value::<Repair>(repair.clone()).unwrap().apply(&mut repaired);
            match expected {
                Ok((at, value)) => assert_eq!((outcome, repaired.pointer(at)), (Ok(()), Some(&value)), "{repair}"),
                Err(reason) => {
                    assert!(outcome.as_ref().is_err_and(|found| found.contains(reason)), "{repair}: {outcome:?}")
                }
            }
        }
    }
}
