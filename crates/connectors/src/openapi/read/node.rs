//! A value of the document together with its place, so that every problem can name where it is.

use model::Problem;
use serde_json::Value;

/// Longest chain of references between components that is followed.
const MAX_CHAIN: usize = 8;

/// A value and its JSON pointer in the document.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) place: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, place: String::new() }
    }

    /// A problem at this place.
    pub(super) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::new("openapi_not_understood", reason).at(&self.place)
    }

    fn inner(&self, key: &str, value: &'a Value) -> Self {
        Self { value, place: format!("{}/{}", self.place, escape(key)) }
    }

    /// A member, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.value.get(key).map(|value| self.inner(key, value))
    }

    /// A member that must be there.
    pub(super) fn need(&self, key: &str) -> Result<Node<'a>, Problem> {
        self.get(key).ok_or_else(|| self.problem(format!("\"{key}\" is missing")))
    }

    /// The members of an object.
    pub(super) fn members(&self) -> Result<impl Iterator<Item = (&'a str, Node<'a>)>, Problem> {
        let object = self.value.as_object().ok_or_else(|| self.problem("an object is expected"))?;
        Ok(object.iter().map(|(key, value)| (key.as_str(), self.inner(key, value))))
    }

    /// The members of an object, all of which must be known ones. Extensions (`x-…`) are passed over.
    pub(super) fn known(&self, names: &[&str]) -> Result<(), Problem> {
        for (name, member) in self.members()? {
            if !names.contains(&name) && !name.starts_with("x-") {
                return Err(member.problem(format!("\"{name}\" is not understood here")));
            }
        }
        Ok(())
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<impl Iterator<Item = Node<'a>>, Problem> {
        let list = self.value.as_array().ok_or_else(|| self.problem("a list is expected"))?;
        Ok(list.iter().enumerate().map(|(index, value)| self.inner(&index.to_string(), value)))
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&'a str, Problem> {
        self.value.as_str().ok_or_else(|| self.problem("a text is expected"))
    }

    /// The text of a member that must be there.
    pub(super) fn text_of(&self, key: &str) -> Result<&'a str, Problem> {
        self.need(key)?.text()
    }

    /// A member that is true or false; false where it is missing.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Problem> {
        match self.get(key) {
            None => Ok(false),
            Some(node) => node.value.as_bool().ok_or_else(|| node.problem("true or false is expected")),
        }
    }

    /// What a reference to `#/components/KIND/NAME` points to; itself where it is no reference.
    pub(super) fn follow(self, root: &Node<'a>, kind: &str) -> Result<Node<'a>, Problem> {
        let mut node = self;
        for _ in 0..MAX_CHAIN {
            let Some(reference) = node.get("$ref") else { return Ok(node) };
            let target = reference.text()?;
            let name = target.strip_prefix("#/components/").and_then(|rest| rest.strip_prefix(kind)?.strip_prefix('/'));
            let found = name.and_then(|name| root.get("components")?.get(kind)?.get(name));
            node = found.ok_or_else(|| reference.problem(format!("\"{target}\" is not in this document")))?;
        }
        Err(node.problem("the references go in a circle"))
    }
}

/// A key as a step of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
