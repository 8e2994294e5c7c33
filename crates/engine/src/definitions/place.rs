//! Where a problem is: the definition, and a JSON pointer within it.

use super::kind::Kind;
use super::plan::Name;
use serde_json::Value;

/// A place within a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which definition.
    pub name: Name,
    /// A JSON pointer within it (RFC 6901); empty: the definition as a whole.
    pub pointer: String,
}

/// Finds the definition that a dotted place is in, among these.
#[must_use]
pub fn locate<'a>(place: &str, definitions: impl Iterator<Item = (Kind, &'a str, &'a Value)>) -> Option<Place> {
    let (word, rest) = place.split_once('.')?;
    let kind = Kind::from_word(word)?;
    let is_step_end = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[', '/']);
    // Names may contain dots: the longest that fits is meant.
    let fits = definitions.filter(|(of, name, _)| *of == kind && rest.strip_prefix(name).is_some_and(is_step_end));
    let (_, name, value) = fits.max_by_key(|(_, name, _)| name.len())?;
    let pointer = pointer(value, rest.strip_prefix(name)?);
    Some(Place { name: Name { kind: word.to_owned(), name: name.to_owned() }, pointer })
}

/// A dotted place in a value as a JSON pointer. What is not there is taken as it is written.
fn pointer(value: &Value, place: &str) -> String {
    if place.starts_with('/') {
        return place.to_owned();
    }
    let place = place.strip_prefix('.').unwrap_or(place);
    if place.is_empty() {
        return String::new();
    }
    let step = match value {
        Value::Object(members) => {
            let fits = |key: &&String| {
                place
                    .strip_prefix(key.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '/']))
            };
            members
                .keys()
                .filter(fits)
                .max_by_key(|key| key.len())
                .and_then(|key| Some((key.len(), key, members.get(key)?)))
        }
        _ => None,
    };
    if let Some((length, key, member)) = step {
        return format!("/{}{}", escaped(key), pointer(member, &place[length..]));
    }
    if let (Value::Array(items), Some((index, rest))) =
        (value, place.strip_prefix('[').and_then(|rest| rest.split_once(']')))
        && let Some(item) = index.parse::<usize>().ok().and_then(|index| items.get(index))
    {
        return format!("/{index}{}", pointer(item, rest));
    }
    naive(place)
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A dotted place without a look at any value: `retry.attempts`, `transformers[0].filter`.
pub(super) fn naive(place: &str) -> String {
    let steps = place.split(['.', '[']).map(|step| step.strip_suffix(']').unwrap_or(step));
    steps.filter(|step| !step.is_empty()).map(|step| format!("/{}", escaped(step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dotted_places_become_pointers() {
        let definition = json!({
            "publisher": { "http_client": "a" },
            "transformers": [{ "type": "set" }, { "type": "map", "table": { "a.b": { "c/d~": 1 } } }],
        });
        let all = [
            (Kind::Outgoing, "a", &definition),
            (Kind::Outgoing, "a.b", &definition),
            (Kind::Routes, "a", &definition),
        ];
        let cases = [
            ("outgoing.a", Some(("a", ""))),
            ("outgoing.a.publisher.http_client", Some(("a", "/publisher/http_client"))),
            ("outgoing.a.b.publisher", Some(("a.b", "/publisher"))),
            ("outgoing.a.transformers[1].table.a.b.c/d~", Some(("a", "/transformers/1/table/a.b/c~1d~0"))),
            ("outgoing.a.transformers[7].filter", Some(("a", "/transformers/7/filter"))),
            ("outgoing.a.missing.part", Some(("a", "/missing/part"))),
            ("outgoing.a.publisher/payload/0", Some(("a", "/publisher/payload/0"))),
            ("outgoing.ab", None),
            ("incoming.a", None),
            ("elsewhere.a", None),
            ("outgoing", None),
            ("", None),
        ];
        for (place, expected) in cases {
            let found = locate(place, all.into_iter());
            let found = found.as_ref().map(|found| (found.name.name.as_str(), found.pointer.as_str()));
            assert_eq!(found, expected, "{place}");
        }
    }
}
