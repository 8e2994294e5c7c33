//! JSON into values of the jq language and back, without text in between.

use super::budget::{charge, charge_bytes};
use super::measure::key;
use super::value::{MAX_DEPTH, V};
use jaq_json::{Map, Num, Val};
use serde_json::{Number, Value};
use std::sync::Arc;

/// Bytes of a JSON value inside a list.
const NODE: usize = 72;

/// What a payload becomes. `None` where it is nested too deep.
pub(crate) fn read(value: &Value) -> Option<V> {
    let (val, depth) = read_at(value, 0)?;
    Some(V::container(val, depth))
}

fn read_at(value: &Value, level: u32) -> Option<(Val, u32)> {
    Some(match value {
        Value::Null => (Val::Null, 0),
        Value::Bool(yes) => (Val::Bool(*yes), 0),
        Value::Number(number) => (Val::Num(read_number(number)), 0),
        Value::String(text) => (key(text), 0),
        Value::Array(_) | Value::Object(_) if level >= MAX_DEPTH => return None,
        Value::Array(items) => {
            let mut depth = 0;
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                let (val, below) = read_at(item, level + 1)?;
                depth = depth.max(below);
                list.push(val);
            }
            (Val::Arr(Arc::new(list)), depth + 1)
        }
        Value::Object(entries) => {
            let mut depth = 0;
            let mut map = Map::with_capacity_and_hasher(entries.len(), Default::default());
            for (name, value) in entries {
                let (val, below) = read_at(value, level + 1)?;
                depth = depth.max(below);
                map.insert(key(name), val);
            }
            (Val::obj(map), depth + 1)
        }
    })
}

fn read_number(number: &Number) -> Num {
    if let Some(number) = number.as_i64() {
        return Num::from_integral(number);
    }
    match number.as_u64() {
        Some(number) => Num::from_integral(number),
        None => Num::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// What came out, as JSON: `None` if there is a number in it that JSON cannot write (infinite, or none at all).
pub(crate) fn write(value: &V) -> Option<Value> {
    write_val(value.val(), &mut |_| None)
}

/// JSON text. Numbers that JSON cannot write become `null`, as in jq.
pub(crate) fn text(value: &V) -> String {
    let value = write_val(value.val(), &mut |_| Some(Value::Null)).unwrap_or_default();
    value.to_string()
}

/// A JSON value from a text.
pub(crate) fn parse(text: &[u8]) -> Result<V, String> {
    let nodes = text.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    charge_bytes(text.len() + (nodes + 1) * 2 * NODE);
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    read(&value).ok_or_else(|| "nested too deep".to_owned())
}

fn write_val(val: &Val, odd: &mut impl FnMut(f64) -> Option<Value>) -> Option<Value> {
    charge_bytes(NODE);
    Some(match val {
        Val::Null => Value::Null,
        Val::Bool(yes) => Value::Bool(*yes),
        Val::Num(number) => match write_number(number) {
            Ok(number) => Value::Number(number),
            Err(number) => odd(number)?,
        },
        Val::TStr(text) | Val::BStr(text) => Value::String(write_text(text)),
        Val::Arr(list) => Value::Array(list.iter().map(|val| write_val(val, odd)).collect::<Option<_>>()?),
        Val::Obj(map) => {
            let entries = map.iter().map(|(key, val)| Some((write_key(key), write_val(val, odd)?)));
            Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}

/// Whole numbers beyond 64 bits become floats, as in jq.
fn write_number(number: &Num) -> Result<Number, f64> {
    let float = match number {
        Num::Int(number) => return Ok(Number::from(*number)),
        Num::BigInt(number) => match u64::try_from(&**number) {
            Ok(number) => return Ok(Number::from(number)),
            Err(_) => number.to_string().parse().unwrap_or(f64::NAN),
        },
        Num::Float(number) => *number,
        Num::Dec(text) => text.parse().unwrap_or(f64::NAN),
    };
    Number::from_f64(float).ok_or(float)
}

fn write_key(key: &Val) -> String {
    match key {
        Val::TStr(text) | Val::BStr(text) => write_text(text),
        // Keys are text: `V::from_map` lets nothing else in.
        _ => String::new(),
    }
}

/// Bytes that are no UTF-8 (from `@base64d`) become U+FFFD.
fn write_text(text: &[u8]) -> String {
    charge_bytes(text.len());
    charge(1);
    String::from_utf8_lossy(text).into_owned()
}
