//! The query string: from values to names and texts.

use super::build::{parameters, text_of};
use super::catalogue::{Encoding, Entry, Location};
use model::Problem;
use model::request::kind_of;
use model::schema::pointer;
use serde_json::{Map, Value};

/// The pairs of the query string, not yet encoded: declared parameters in the order of the document, then the others
/// by name. What is null is left out.
pub(super) fn pairs(entry: &Entry, given: &Map<String, Value>, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if given.is_empty() {
        return pairs;
    }
    let declared = parameters(entry, Location::Query);
    for parameter in declared.clone() {
        let Some(value) = given.get(&parameter.name) else { continue };
        let place = pointer("/query", &parameter.name);
        let mut out = Out { pairs: &mut pairs, problems, place: &place };
        match parameter.encoding {
            Encoding::Form => out.form(&parameter.name, value),
            Encoding::Json => out.json(&parameter.name, value),
            Encoding::Spread => out.spread(value, |member| {
                declared.clone().any(|other| other.name == member && other.name != parameter.name)
            }),
        }
    }
    let mut others: Vec<&String> =
        given.keys().filter(|name| !declared.clone().any(|parameter| parameter.name == **name)).collect();
    others.sort_unstable();
    for name in others {
        let place = pointer("/query", name);
        Out { pairs: &mut pairs, problems, place: &place }.form(name, &given[name]);
    }
    pairs
}

struct Out<'a> {
    pairs: &'a mut Vec<(String, String)>,
    problems: &'a mut Vec<Problem>,
    place: &'a str,
}

impl Out<'_> {
    /// A scalar as it is, a list as repeated names.
    fn form(&mut self, name: &str, value: &Value) {
        let scalars = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        for scalar in scalars {
            match text_of(scalar) {
                Some(text) => self.pairs.push((name.to_owned(), text)),
                None if scalar.is_null() => {}
                None => return self.refuse(&format!("{} cannot be written into the query", kind_of(scalar))),
            }
        }
    }

    /// JSON text in one value. A text is taken for JSON text already.
    fn json(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::String(text) => self.pairs.push((name.to_owned(), text.clone())),
            other => self.pairs.push((name.to_owned(), other.to_string())),
        }
    }

    /// An object's members, each under its own name. A member that has the name of another parameter would be read
    /// as that parameter.
    fn spread(&mut self, value: &Value, is_taken: impl Fn(&str) -> bool) {
        match value {
            Value::Null => {}
            Value::Object(members) => {
                for (name, value) in members {
                    if is_taken(name) {
                        let reason = format!("its member \"{name}\" would be read as the parameter of that name");
                        self.problems.push(Problem::new("query_collision", reason).at(pointer(self.place, name)));
                    } else {
                        self.form(name, value);
                    }
                }
            }
            other => self.refuse(&format!("must be an object, is {}", kind_of(other))),
        }
    }

    fn refuse(&mut self, reason: &str) {
        self.problems.push(Problem::new("query_type", reason).at(self.place));
    }
}
