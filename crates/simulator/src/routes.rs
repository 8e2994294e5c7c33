//! Which operation a method and path mean: a tree of segments, made once.

use connectors::openapi::catalogue::Method;

/// The operations of a tree are numbers that the caller knows.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by name.
    literals: Vec<(String, Node)>,
    slot: Option<Box<Node>>,
    operations: [Option<usize>; METHODS.len()],
}

const METHODS: [Method; 5] = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];

/// What a method and path lead to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'p> {
    /// An operation, and what stands in its slots, still encoded, in the path's order.
    Operation(usize, Vec<&'p str>),
    /// The path is known with other methods.
    Methods(Vec<&'static str>),
    /// No such path.
    Nothing,
}

impl Routes {
    /// Adds an operation under a template such as `/v1/models/{model_id}`.
    pub(crate) fn add(&mut self, method: Method, template: &str, operation: usize) {
        let mut node = &mut self.root;
        for segment in segments(template) {
            node = if segment.starts_with('{') {
                node.slot.get_or_insert_default()
            } else {
                let at = match node.literals.binary_search_by(|(name, _)| name.as_str().cmp(segment)) {
                    Ok(at) => at,
                    Err(at) => {
                        node.literals.insert(at, (segment.to_owned(), Node::default()));
                        at
                    }
                };
                &mut node.literals[at].1
            };
        }
        node.operations[index(method)] = Some(operation);
    }

    /// Finds the operation. A literal segment goes before a slot; where it leads to nothing with this method, the
    /// slot is tried.
    pub(crate) fn find<'p>(&self, method: &str, path: &'p str) -> Found<'p> {
        let method = METHODS.into_iter().find(|known| known.as_str() == method);
        let segments: Vec<&str> = segments(path).collect();
        let mut slots = Vec::new();
        let mut others = [false; METHODS.len()];
        if let Some(operation) = self.root.find(method, &segments, &mut slots, &mut others) {
            return Found::Operation(operation, slots);
        }
        let allowed: Vec<&'static str> =
            METHODS.into_iter().zip(others).filter(|(_, known)| *known).map(|(method, _)| method.as_str()).collect();
        if allowed.is_empty() { Found::Nothing } else { Found::Methods(allowed) }
    }
}

impl Node {
    fn find<'p>(
        &self,
        method: Option<Method>,
        segments: &[&'p str],
        slots: &mut Vec<&'p str>,
        others: &mut [bool; METHODS.len()],
    ) -> Option<usize> {
        let Some((segment, rest)) = segments.split_first() else {
            for (known, operation) in others.iter_mut().zip(&self.operations) {
                *known |= operation.is_some();
            }
            return self.operations[index(method?)];
        };
        let literal = self.literals.binary_search_by(|(name, _)| name.as_str().cmp(segment)).ok();
        if let Some(at) = literal
            && let Some(operation) = self.literals[at].1.find(method, rest, slots, others)
        {
            return Some(operation);
        }
        let slot = self.slot.as_ref().filter(|_| !segment.is_empty())?;
        slots.push(segment);
        let found = slot.find(method, rest, slots, others);
        if found.is_none() {
            slots.pop();
        }
        found
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn index(method: Method) -> usize {
    METHODS.iter().position(|known| *known == method).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_operations() {
        let templates = [
            (Method::Get, "/v1/agents"),
            (Method::Get, "/v1/agents/pages"),
            (Method::Get, "/v1/agents/{agent_id}"),
            (Method::Delete, "/v1/agents/{agent_id}"),
            (Method::Get, "/v1/agents/{agent_id}/versions/{version}"),
            (Method::Get, "/v1/agents/pages/odd"),
        ];
        let mut routes = Routes::default();
        for (number, (method, template)) in templates.into_iter().enumerate() {
            routes.add(method, template, number);
        }
        let cases = [
            ("GET", "/v1/agents", Found::Operation(0, vec![])),
            ("GET", "/v1/agents/pages", Found::Operation(1, vec![])),
            ("GET", "/v1/agents/page", Found::Operation(2, vec!["page"])),
            ("DELETE", "/v1/agents/pages", Found::Operation(3, vec!["pages"])),
            ("GET", "/v1/agents/a%2Fb/versions/3", Found::Operation(4, vec!["a%2Fb", "3"])),
            ("GET", "/v1/agents/pages/versions/3", Found::Operation(4, vec!["pages", "3"])),
            ("GET", "/v1/agents/pages/odd", Found::Operation(5, vec![])),
            ("PUT", "/v1/agents/pages", Found::Methods(vec!["GET", "DELETE"])),
            ("HEAD", "/v1/agents", Found::Methods(vec!["GET"])),
            ("get", "/v1/agents", Found::Methods(vec!["GET"])),
            ("GET", "/v1", Found::Nothing),
            ("GET", "/", Found::Nothing),
            ("GET", "/v1/agents/", Found::Nothing),
            ("GET", "/v1//agents", Found::Nothing),
            ("GET", "/v2/agents", Found::Nothing),
            ("GET", "/v1/agents//versions/3", Found::Nothing),
        ];
        for (method, path, expected) in cases {
            assert_eq!(routes.find(method, path), expected, "{method} {path}");
        }
    }
}
