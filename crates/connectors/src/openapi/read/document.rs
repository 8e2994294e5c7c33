//! A document as it lies in a file: YAML 1.2 or JSON, read under limits so that a hostile one costs little.

use model::Problem;
use saphyr_parser::Event;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// The largest document that is read, in bytes. The largest known API description has 4 MiB.
pub const MAX_BYTES: usize = 16 << 20;

/// Most values in a document, counted after aliases are followed. The largest known API description has 61,000.
const MAX_VALUES: usize = 500_000;

/// Deepest nesting. Both parsers keep to it too.
const MAX_DEPTH: usize = 128;

/// Reads a document. JSON where it begins with `{`, else YAML 1.2. Unlike the plain parsers this refuses keys that stand
/// twice in one object, and values that JSON does not have.
///
/// # Errors
/// `document_unreadable`, with the line.
pub fn parse(text: &str) -> Result<Value, Problem> {
    if text.len() > MAX_BYTES {
        return Err(unreadable(format!("the document is larger than {} MiB", MAX_BYTES >> 20)));
    }
    if text.trim().is_empty() {
        return Err(unreadable("the document is empty".to_owned()));
    }
    let left = Cell::new(MAX_VALUES);
    let seed = Strict { left: &left };
    if text.trim_start().starts_with('{') {
        let mut parser = serde_json::Deserializer::from_str(text);
        return seed
            .deserialize(&mut parser)
            .and_then(|value| parser.end().map(|()| value))
            .map_err(|error| unreadable(error.to_string()).line(line(error.line())));
    }
    check_size(text)?;
    seed.deserialize(yaml_serde::Deserializer::from_str(text)).map_err(|error| {
        let problem = unreadable(error.to_string());
        match error.location() {
            Some(location) => problem.line(line(location.line())),
            None => problem,
        }
    })
}

/// Refuses YAML that is nested too deep or has too many values. The parser would refuse it as well, but only after time
/// that grows with the square of either: hours for a few MiB of brackets.
fn check_size(text: &str) -> Result<(), Problem> {
    let (mut depth, mut values) = (0_usize, 0_usize);
    for event in saphyr_parser::Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| unreadable(error.to_string()).line(line(error.marker().line())))?;
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        // Counts keys and ends too, so it is generous; the exact count follows when aliases are known.
        values += 1;
        let reason = match (depth > MAX_DEPTH, values > 2 * MAX_VALUES) {
            (true, _) => format!("the document is nested deeper than {MAX_DEPTH}"),
            (_, true) => too_many_values(),
            _ => continue,
        };
        return Err(unreadable(reason).line(line(span.start.line())));
    }
    Ok(())
}

fn too_many_values() -> String {
    format!("the document has more than {MAX_VALUES} values")
}

fn line(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn unreadable(reason: String) -> Problem {
    Problem::new("document_unreadable", reason)
}

/// Reads one value and everything in it, as long as some are left.
#[derive(Clone, Copy)]
struct Strict<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(D::Error::custom(too_many_values())),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that JSON does not have"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("\"{name}\" stands twice in one object")));
            }
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_yaml_1_2_and_json_alike() {
        let yaml = "limits: {high: 1e+09, low: 1e-08}\n200: on\nfree: null\nlist: [1, -1, 'x']\n";
        let json = r#"{"limits": {"high": 1e+09, "low": 1e-08}, "200": "on", "free": null, "list": [1, -1, "x"]}"#;
        assert_eq!(parse(yaml).unwrap(), parse(json).unwrap());
        assert_eq!(parse(yaml).unwrap()["limits"]["high"], json!(1e9));
    }

    #[test]
    fn refuses_what_json_cannot_hold_and_says_where() {
        let deep = "[".repeat(4_000_000);
        let bomb = (1..8).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
            let before = vec![format!("*a{}", n - 1); 10].join(", ");
            text + &format!("a{n}: &a{n} [{before}]\n")
        });
        let cases = [
            ("a: 1\nb: {c: 1, c: 2}\n", "twice", Some(2)),
            (r#"{"a": 1, "a": 2}"#, "twice", Some(1)),
            ("a: .nan\n", "does not have", Some(1)),
            ("a: !secret b\n", "", Some(1)),
            ("a: [1\n", "", Some(2)),
            ("{\"a\": \n", "EOF", Some(2)),
            ("{} {}", "trailing", Some(1)),
            ("a: 1\n---\nb: 2\n", "", None),
            (&deep, "recursion limit", Some(1)),
            (&"a: {".repeat(1_000_000), "deeper than 128", Some(1)),
            (&format!("{{\"a\": {deep}"), "recursion", Some(1)),
            (&bomb, "", None),
            (&"x".repeat(MAX_BYTES + 1), "larger than 16 MiB", None),
        ];
        for (text, reason, line) in cases {
            let start = &text[..text.len().min(30)];
            let problem = parse(text).expect_err(start);
            assert!(problem.reason.contains(reason), "{start}: {problem}");
            if line.is_some() {
                assert_eq!(problem.line, line, "{start}: {problem}");
            }
        }
    }
}
