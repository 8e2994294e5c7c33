//! Finding things in a catalogue.

use super::catalogue::{Catalogue, Entry, Method};
use super::schemas::{IN_CATALOGUE, references};
use model::{Problem, suggest};
use serde_json::{Map, Value};

impl Catalogue {
    /// The operation with a title, without regard to case. `method` is needed where several have it.
    ///
    /// # Errors
    /// `entity_unknown`, with the nearest title or the methods that have it; `entity_ambiguous`.
    pub fn find(&self, method: Option<Method>, title: &str) -> Result<&Entry, Problem> {
        let titled: Vec<&Entry> =
            self.operations.iter().filter(|entry| entry.title.eq_ignore_ascii_case(title.trim())).collect();
        let fitting: Vec<&&Entry> =
            titled.iter().filter(|entry| method.is_none_or(|method| method == entry.method)).collect();
        let methods = || titled.iter().map(|entry| entry.method.as_str()).collect::<Vec<_>>().join(", ");
        match (fitting.as_slice(), method) {
            ([entry], _) => Ok(entry),
            ([], Some(method)) if !titled.is_empty() => {
                let reason = format!("there is no entity \"{title}\" with method {}", method.as_str());
                Err(Problem::new("entity_unknown", reason).hint(format!("it has method {}", methods())))
            }
            ([], _) => {
                let problem = Problem::new("entity_unknown", format!("there is no entity \"{title}\""));
                let same = self.operations.iter().filter(|entry| method.is_none_or(|method| method == entry.method));
                let near = suggest::nearest(title, same.map(|entry| entry.title.as_str()));
                let near =
                    near.or_else(|| suggest::nearest(title, self.operations.iter().map(|entry| entry.title.as_str())));
                Err(match near {
                    Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
                    None => problem.hint("tramontane entities lists them all"),
                })
            }
            _ => {
                let reason = format!("there are several entities \"{title}\"");
                Err(Problem::new("entity_ambiguous", reason).hint(format!("say which method: {}", methods())))
            }
        }
    }

    /// The operation with a method and path template.
    #[must_use]
    pub fn by_signature(&self, method: Method, path: &str) -> Option<&Entry> {
        self.operations.iter().find(|entry| entry.method == method && entry.path == path)
    }

    /// A component schema.
    #[must_use]
    pub fn schema(&self, name: &str) -> Option<Value> {
        self.schemas.get(name).and_then(|text| serde_json::from_str(text.get()).ok())
    }

    /// A schema that stands alone: everything it reaches is in its `$defs`.
    #[must_use]
    pub fn resolved(&self, schema: &Value) -> Value {
        let mut waiting = Vec::new();
        references(schema, &mut waiting);
        let mut definitions = Map::new();
        while let Some(name) = waiting.pop() {
            if definitions.contains_key(&name) {
                continue;
            }
            let component = self.schema(&name).unwrap_or(Value::Bool(true));
            references(&component, &mut waiting);
            definitions.insert(name, localised(component));
        }
        let mut out = localised(schema.clone());
        if let (Value::Object(members), false) = (&mut out, definitions.is_empty()) {
            definitions.sort_keys();
            members.insert("$defs".to_owned(), Value::Object(definitions));
        }
        out
    }
}

/// The same schema with its references into `$defs`.
fn localised(schema: Value) -> Value {
    match schema {
        Value::String(text) => match text.strip_prefix(IN_CATALOGUE) {
            Some(name) => Value::String(format!("#/$defs/{name}")),
            None => Value::String(text),
        },
        Value::Array(list) => list.into_iter().map(localised).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, localised(value))).collect(),
        other => other,
    }
}
