//! Valid examples of a JSON Schema, the same ones for the same seed.
//!
//! Covers JSON Schema 2020-12 as OpenAPI documents of services use it. Not looked at: `not`, `if`, `contains`,
//! `patternProperties`, `multipleOf`, `unevaluated…`.

mod flat;
mod request;
mod text;

pub use request::example_request;

use flat::{Branch, flatten};
use serde_json::{Map, Number, Value};
use std::cell::Cell;

/// How much of a schema an example shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// What must be there, and of a choice the smallest.
    Smallest,
    /// Every property, every list with an item; of a choice any but null. Deep down as [`Fill::Smallest`].
    Everything,
    /// As [`Fill::Everything`], with quotes, emoji, `${HOME}`, `+ & = %` and line breaks wherever text is free.
    Odd,
}

/// Below this depth an example shows only what must be there, so that recursion ends and size stays sane.
const FULL_DEPTH: usize = 5;

/// No valid example lies deeper; a schema that demands itself has none and is cut here.
const MAX_DEPTH: usize = 40;

/// No example has more values; a schema that asks for more (one that demands itself twice asks for 2^40) is cut here.
const MAX_VALUES: usize = 20_000;

/// A valid instance of `schema`, which holds all it refers to under `$defs`.
///
/// The same arguments give the same value; another seed gives other texts, numbers and choices.
#[must_use]
pub fn example(schema: &Value, seed: u64, fill: Fill) -> Value {
    Maker { root: schema, fill, made: Cell::new(0) }.value(schema, "value", Seed(seed).next("example"), 0)
}

/// Where randomness comes from: a number that is mixed anew on the way to each place of the instance, so that a
/// change in one place leaves the others alone.
#[derive(Clone, Copy, Debug)]
struct Seed(u64);

impl Seed {
    /// The seed of a place below this one.
    fn next(self, place: &str) -> Self {
        let hash = place
            .bytes()
            .fold(self.0 ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        // The finaliser of splitmix64: FNV alone leaves the low bits of near places alike.
        let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(mixed ^ (mixed >> 31))
    }

    fn nth(self, n: usize) -> Self {
        Self(self.0.wrapping_add(n as u64)).next("#")
    }

    /// A number below `end`, which is at least 1.
    fn below(self, end: usize) -> usize {
        usize::try_from(self.0 % (end.max(1) as u64)).unwrap_or(0)
    }
}

struct Maker<'a> {
    root: &'a Value,
    fill: Fill,
    /// Values so far.
    made: Cell<usize>,
}

impl Maker<'_> {
    /// `name` is what the value is called where it stands, for texts that say something.
    fn value(&self, schema: &Value, name: &str, seed: Seed, depth: usize) -> Value {
        self.made.set(self.made.get() + 1);
        if depth > MAX_DEPTH || self.made.get() > MAX_VALUES {
            return Value::Null;
        }
        let lean = self.lean(depth);
        let branch = if lean { Branch::Smallest } else { Branch::Any(seed) };
        let flat = flatten(self.root, schema, branch, 0);
        if let Some(constant) = flat.get("const") {
            return constant.clone();
        }
        if let Some(Value::Array(choices)) = flat.get("enum") {
            return choice(&flat, choices, seed, lean);
        }
        match self.kind(&flat, lean) {
            "null" => Value::Null,
            "boolean" => Value::Bool(seed.below(2) == 1),
            "integer" => integer(&flat, seed),
            "number" => number(&flat, seed),
            "array" => self.array(&flat, name, seed, depth),
            "object" => self.object(&flat, seed, depth),
            _ => Value::String(self.text(&flat, name, seed)),
        }
    }

    fn lean(&self, depth: usize) -> bool {
        self.fill == Fill::Smallest || depth > FULL_DEPTH
    }

    /// The type to make: the declared one, else the one that the other keywords speak of, else text.
    fn kind<'s>(&self, flat: &'s Map<String, Value>, lean: bool) -> &'s str {
        match flat.get("type") {
            Some(Value::String(kind)) => kind,
            Some(Value::Array(kinds)) => {
                let mut kinds = kinds.iter().filter_map(Value::as_str);
                let null = kinds.clone().any(|kind| kind == "null");
                if lean && null { "null" } else { kinds.find(|kind| *kind != "null").unwrap_or("null") }
            }
            _ if flat.contains_key("properties") || flat.contains_key("required") => "object",
            _ if flat.contains_key("items") || flat.contains_key("prefixItems") => "array",
            _ => "string",
        }
    }

    fn array(&self, flat: &Map<String, Value>, name: &str, seed: Seed, depth: usize) -> Value {
        let first = flat.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let least = bound(flat, "minItems").unwrap_or(0);
        let wanted = match (self.lean(depth), flat.get("items")) {
            (true, _) | (_, Some(Value::Bool(false))) => least,
            (false, _) => least.max(first.len()).max(1),
        };
        let count = wanted.min(bound(flat, "maxItems").unwrap_or(usize::MAX));
        let any = Value::Bool(true);
        let rest = flat.get("items").unwrap_or(&any);
        let unique = flat.get("uniqueItems") == Some(&Value::Bool(true));
        let mut items: Vec<Value> = Vec::with_capacity(count);
        for n in 0..count {
            let schema = first.get(n).unwrap_or(rest);
            let mut item = self.value(schema, name, seed.nth(n), depth + 1);
            // Another seed gives another item soon, unless the schema allows too few.
            for attempt in 1..16 {
                if !unique || !items.contains(&item) {
                    break;
                }
                item = self.value(schema, name, seed.nth(n + 1000 * attempt), depth + 1);
            }
            items.push(item);
        }
        Value::Array(items)
    }

    fn object(&self, flat: &Map<String, Value>, seed: Seed, depth: usize) -> Value {
        let lean = self.lean(depth);
        let required: Vec<&str> =
            flat.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let none = Map::new();
        let properties = flat.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut made = Map::new();
        for (name, schema) in properties {
            let wanted = required.contains(&name.as_str()) || !lean;
            if wanted && *schema != Value::Bool(false) {
                made.insert(name.clone(), self.value(schema, name, seed.next(name), depth + 1));
            }
        }
        let rest = flat.get("additionalProperties");
        for name in required.into_iter().filter(|name| !properties.contains_key(*name)) {
            let schema = rest.unwrap_or(&Value::Bool(true));
            made.insert(name.to_owned(), self.value(schema, name, seed.next(name), depth + 1));
        }
        match rest {
            Some(rest @ Value::Object(_)) if !lean => self.free_member(flat, rest, seed, depth, &mut made),
            Some(rest @ Value::Bool(true)) if !lean && properties.is_empty() => {
                self.free_member(flat, rest, seed, depth, &mut made);
            }
            _ => {}
        }
        Value::Object(made)
    }

    /// Adds a member whose name the schema leaves open.
    fn free_member(
        &self,
        flat: &Map<String, Value>,
        schema: &Value,
        seed: Seed,
        depth: usize,
        made: &mut Map<String, Value>,
    ) {
        let seed = seed.next("*");
        let name = match flat.get("propertyNames") {
            Some(Value::Object(names)) => {
                let mut names = names.clone();
                names.entry("type").or_insert_with(|| "string".into());
                let mut names = Value::Object(names);
                if let (Some(defs), Value::Object(names)) = (self.root.get("$defs"), &mut names) {
                    names.entry("$defs").or_insert_with(|| defs.clone());
                }
                self.value(&names, "key", seed, depth + 1)
            }
            _ => Value::String(self.text(&Map::new(), "key", seed)),
        };
        if let Value::String(name) = name {
            let value = self.value(schema, "value", seed.next("value"), depth + 1);
            made.entry(name).or_insert(value);
        }
    }

    fn text(&self, flat: &Map<String, Value>, name: &str, seed: Seed) -> String {
        let (least, most) = (bound(flat, "minLength").unwrap_or(0), bound(flat, "maxLength").unwrap_or(usize::MAX));
        let odd = self.fill == Fill::Odd;
        if let Some(pattern) = flat.get("pattern").and_then(Value::as_str)
            && let Some(text) = text::matching(pattern, seed, odd, least, most)
        {
            return text;
        }
        let format = flat.get("format").and_then(Value::as_str);
        if let Some(text) = format.and_then(|format| text::of_format(format, name, seed)) {
            return text;
        }
        text::free(name, seed, odd, least, most)
    }
}

/// One of an enumeration that the bounds allow too; null only where it must be.
fn choice(flat: &Map<String, Value>, choices: &[Value], seed: Seed, lean: bool) -> Value {
    let (low, high) = range(flat, 0.0);
    let fits = |choice: &Value| match choice.as_f64() {
        Some(number) => low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high),
        None => lean || !choice.is_null(),
    };
    let fit: Vec<&Value> = choices.iter().filter(|choice| fits(choice)).collect();
    fit.get(seed.below(fit.len())).map_or(Value::Null, |choice| (*choice).clone())
}

fn bound(flat: &Map<String, Value>, keyword: &str) -> Option<usize> {
    flat.get(keyword).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok())
}

/// Lowest and highest value, as far as they are bounded. `step` is what an exclusive bound stays away.
fn range(flat: &Map<String, Value>, step: f64) -> (Option<f64>, Option<f64>) {
    let get = |keyword: &str| flat.get(keyword).and_then(Value::as_f64);
    let low = [get("minimum"), get("exclusiveMinimum").map(|bound| bound + step)];
    let high = [get("maximum"), get("exclusiveMaximum").map(|bound| bound - step)];
    (low.into_iter().flatten().reduce(f64::max), high.into_iter().flatten().reduce(f64::min))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounds of a schema are small")]
fn integer(flat: &Map<String, Value>, seed: Seed) -> Value {
    let spread = seed.below(9) as i64;
    let value = match range(flat, 1.0) {
        (Some(low), Some(high)) => (low.ceil() as i64).saturating_add(spread).min(high.floor() as i64),
        (Some(low), None) => (low.ceil() as i64).saturating_add(spread),
        (None, Some(high)) => (high.floor() as i64).min(spread),
        (None, None) => spread,
    };
    value.into()
}

/// A number with a fraction where there is room: quarters are exact in binary and decimal.
#[allow(clippy::cast_precision_loss, reason = "at most 9")]
fn number(flat: &Map<String, Value>, seed: Seed) -> Value {
    let spread = seed.below(9) as f64 / 4.0;
    let value = match range(flat, 0.25) {
        (Some(low), Some(high)) => (low + spread).min(high).max(low),
        (Some(low), None) => low + spread,
        (None, Some(high)) => high.min(spread),
        (None, None) => spread,
    };
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests;
