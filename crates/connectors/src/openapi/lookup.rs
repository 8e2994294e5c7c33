//! How operations and schemas of a catalogue are found.

use super::catalogue::{Catalogue, Entry, Method};
use super::schemas::{COMPONENT, rewrite_references};
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

    /// The operation with this method and path template.
    #[must_use]
    pub fn by_signature(&self, method: Method, path: &str) -> Option<&Entry> {
        let key = (path, method);
        let found = self.operations.binary_search_by(|entry| (entry.path.as_str(), entry.method).cmp(&key));
        found.ok().and_then(|index| self.operations.get(index))
    }

    /// A component schema, parsed. Its references begin with `#/schemas/`.
    #[must_use]
    pub fn schema(&self, name: &str) -> Option<Value> {
        self.schemas.get(name).and_then(|text| serde_json::from_str(text.get()).ok())
    }

    /// The schema as a document of its own, which a validator can compile: everything it refers to stands in `$defs`,
    /// and references begin with `#/$defs/`.
    #[must_use]
    pub fn resolved(&self, schema: &Value) -> Value {
        let mut open = Vec::new();
        let mut root = schema.clone();
        localise(&mut root, &mut open);
        let mut definitions = Map::new();
        while let Some(name) = open.pop() {
            if definitions.contains_key(&name) {
                continue;
            }
            if let Some(mut schema) = self.schema(&name) {
                localise(&mut schema, &mut open);
                definitions.insert(name, schema);
            }
        }
        if let Value::Object(root) = &mut root
            && !definitions.is_empty()
        {
            definitions.sort_keys();
            root.insert("$defs".to_owned(), definitions.into());
        }
        root
    }
}

/// Turns references into those of a document of its own, and notes the names.
fn localise(schema: &mut Value, names: &mut Vec<String>) {
    rewrite_references(schema, &mut |target| {
        if let Some(name) = target.strip_prefix(COMPONENT) {
            names.push(name.to_owned());
            *target = format!("#/$defs/{name}");
        }
    });
}
