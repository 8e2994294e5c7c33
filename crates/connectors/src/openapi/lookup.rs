//! How operations and schemas of a catalogue are found.

use super::catalogue::{Catalogue, Entry, Method};
use super::schemas::{COMPONENT, rewrite_references};
use model::{Problem, suggest};
use serde_json::{Map, Value};

impl Catalogue {
    /// The operation with this title, without regard to case. The method may be left out where only one has it.
    ///
    /// # Errors
    /// `entity_unknown`, with the nearest title or the methods that have this one; `method_needed` where several
    /// methods have it. Both without a place: that is for the caller to say.
    pub fn find(&self, method: Option<Method>, title: &str) -> Result<&Entry, Problem> {
        let wanted = title.trim().to_lowercase();
        let named: Vec<&Entry> = self.operations.iter().filter(|entry| entry.title.to_lowercase() == wanted).collect();
        let fitting: Vec<&Entry> =
            named.iter().copied().filter(|entry| method.is_none_or(|method| entry.method == method)).collect();
        match fitting[..] {
            [entry] => Ok(entry),
            [] => Err(self.unknown(method, title, &named)),
            _ => Err(Problem::new("method_needed", format!("several operations are called \"{}\"", named[0].title))
                .hint(format!("say the method: {}", methods(&named)))),
        }
    }

    fn unknown(&self, method: Option<Method>, title: &str, named: &[&Entry]) -> Problem {
        let Some(method) = method else {
            let problem = Problem::new("entity_unknown", format!("no operation is called \"{title}\""));
            return with_hint(problem, self.suggest(title, |_| true));
        };
        let problem = Problem::new("entity_unknown", format!("no {} operation is called \"{title}\"", method.as_str()));
        if !named.is_empty() {
            let hint = format!("\"{}\" has the method {}", named[0].title, methods(named));
            return problem.hint(hint);
        }
        let near = self.suggest(title, |entry| entry.method == method);
        with_hint(problem, near.or_else(|| self.suggest(title, |_| true)))
    }

    fn suggest(&self, title: &str, among: impl Fn(&Entry) -> bool) -> Option<String> {
        let titles = self.operations.iter().filter(|entry| among(entry)).map(|entry| entry.title.as_str());
        suggest::nearest(title.trim(), titles).map(|name| format!("did you mean \"{name}\"?"))
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

fn methods(entries: &[&Entry]) -> String {
    let mut methods: Vec<Method> = entries.iter().map(|entry| entry.method).collect();
    methods.sort_unstable();
    methods.into_iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

fn with_hint(problem: Problem, hint: Option<String>) -> Problem {
    Problem { hint, ..problem }
}
