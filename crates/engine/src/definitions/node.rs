//! A JSON value that remembers in which line each part of it was written.

use serde_json::{Map, Value};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The line in which it begins, counted from 1.
    pub(super) line: u64,
    /// The value.
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Neither list nor object.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// An object, in the order written, without duplicate keys.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its key.
    pub(super) key: String,
    /// The line of the key.
    pub(super) line: u64,
    /// Its value.
    pub(super) value: Node,
}

impl Node {
    /// The plain value.
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_value).collect(),
            Content::Object(members) => {
                Value::Object(members.iter().map(|member| (member.key.clone(), member.value.to_value())).collect())
            }
        }
    }

    /// The line of a dotted place (`transformers[0].filter`), as deep as it is there: what is missing is reported
    /// where it should be. `None` where not even its first step is there.
    pub(super) fn line_of(&self, place: &str) -> Option<u64> {
        match &self.content {
            Content::Scalar(_) => None,
            Content::List(items) => {
                let (index, rest) = place.strip_prefix('[')?.split_once(']')?;
                let item = items.get(index.parse::<usize>().ok()?)?;
                Some(item.line_of(rest).unwrap_or(item.line))
            }
            Content::Object(members) => {
                let place = place.strip_prefix('.').unwrap_or(place);
                // Keys may contain dots: the longest that fits is meant.
                let fits = |member: &&Member| {
                    place.strip_prefix(&member.key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let member = members.iter().filter(fits).max_by_key(|member| member.key.len())?;
                Some(member.value.line_of(&place[member.key.len()..]).unwrap_or(member.line))
            }
        }
    }
}

/// The options of a part: its members but `type`.
pub(super) fn options_of(part: &Map<String, Value>) -> Value {
    Value::Object(
        part.iter().filter(|(key, _)| *key != "type").map(|(key, value)| (key.clone(), value.clone())).collect(),
    )
}
