//! Folds operations of the same method and path into one entry: the document writes the streaming form of an operation
//! as a second one, under a path with a `#…`.

use super::operations::{Found, sort, streams};
use crate::openapi::catalogue::{Body, Entry, Stream};
use crate::openapi::schemas::COMPONENT;
use model::Problem;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Deepest nesting that two schemas are compared to. Schemas that refer to themselves reach it.
const MAX_DEPTH: usize = 200;

/// Most schemas that are compared for one pair of twins. The largest known pair has about 2,000.
const MAX_COMPARED: usize = 100_000;

/// One entry per method and path, sorted by path, then method.
pub(super) fn fold(found: Vec<Found>, schemas: &mut BTreeMap<String, Value>) -> Result<Vec<Entry>, Problem> {
    let mut entries: BTreeMap<_, Found> = BTreeMap::new();
    for next in found {
        let key = (next.entry.path.clone(), next.entry.method);
        let Some(first) = entries.remove(&key) else {
            entries.insert(key, next);
            continue;
        };
        let (base, twin) = if first.marked { (next, first) } else { (first, next) };
        let place = twin.place.clone();
        let folded = fold_two(base, twin, schemas).ok_or_else(|| not_a_twin(&place))?;
        entries.insert(key, folded);
    }
    Ok(entries.into_values().map(|found| found.entry).collect())
}

fn not_a_twin(place: &str) -> Problem {
    Problem::new("openapi_not_understood", "another operation has the same method and path, and this is not its stream")
        .at(place)
}

/// The entry that stands for both; `None` where the second is anything but the streaming form of the first.
fn fold_two(base: Found, twin: Found, schemas: &mut BTreeMap<String, Value>) -> Option<Found> {
    let alike = (base.marked, twin.marked) == (false, true)
        && (base.entry.stream, twin.entry.stream) == (Stream::None, Stream::Always)
        && base.entry.parameters == twin.entry.parameters
        && base.entry.credential == twin.entry.credential
        && base.entry.variants == 1;
    if !alike {
        return None;
    }
    let Found { mut entry, marked, place } = base;
    entry.body = match (entry.body, twin.entry.body) {
        (Some(base), Some(twin)) if (base.kind, base.required) == (twin.kind, twin.required) => {
            Some(Body { schema: fold_bodies(base.schema, &twin.schema, schemas)?, ..base })
        }
        _ => return None,
    };
    entry.answers.extend(twin.entry.answers);
    sort(&mut entry.answers);
    entry.stream = streams(&entry.answers);
    entry.variants += twin.entry.variants;
    Some(Found { entry, marked, place })
}

/// The base's body with `stream` free to be either. A named schema keeps its name.
fn fold_bodies(base: Value, twin: &Value, schemas: &mut BTreeMap<String, Value>) -> Option<Value> {
    let name = component(&base).map(str::to_owned);
    let schema = name.as_ref().map_or(Some(&base), |name| schemas.get(name))?;
    let folded = Folding { schemas, left: MAX_COMPARED }.fold(schema, resolve(twin, schemas)?, MAX_DEPTH)?;
    match name {
        Some(name) => {
            schemas.insert(name, folded);
            Some(base)
        }
        None => Some(folded),
    }
}

struct Folding<'a> {
    schemas: &'a BTreeMap<String, Value>,
    left: usize,
}

impl Folding<'_> {
    /// The base where both say the same. Where one allows only false and the other only true, this is the switch of
    /// the stream: any boolean is allowed, false being the default.
    fn fold(&mut self, base: &Value, twin: &Value, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.left = self.left.checked_sub(1)?;
        if base == twin {
            return Some(base.clone());
        }
        if component(base).is_some() && component(twin).is_some() {
            let resolved = resolve(base, self.schemas)?;
            let same = self.fold(resolved, resolve(twin, self.schemas)?, depth)?;
            return (&same == resolved).then(|| base.clone());
        }
        match (base, twin) {
            (Value::Object(one), Value::Object(other)) if one.len() == other.len() => {
                if (only_boolean(base), only_boolean(twin)) == (Some(false), Some(true)) {
                    return Some(json!({ "type": "boolean", "default": false }));
                }
                let mut members = Map::new();
                for (key, value) in one {
                    members.insert(key.clone(), self.fold(value, other.get(key)?, depth)?);
                }
                Some(Value::Object(members))
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                one.iter().zip(other).map(|(a, b)| self.fold(a, b, depth)).collect::<Option<_>>().map(Value::Array)
            }
            _ => None,
        }
    }
}

/// The one boolean that a schema allows.
fn only_boolean(schema: &Value) -> Option<bool> {
    let only = schema.get("const").or_else(|| match schema.get("enum")?.as_array()?.as_slice() {
        [only] => Some(only),
        _ => None,
    });
    only?.as_bool()
}

fn component(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(COMPONENT)
}

fn resolve<'a>(schema: &'a Value, schemas: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    component(schema).map_or(Some(schema), |name| schemas.get(name))
}
