//! Sizes and positions: what looking at a value costs, and where an index points.

use super::budget::charge;
use super::value::V;
use jaq_json::{Num, Val};

/// Up to here a float holds every whole number: 2^53.
pub(super) const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A text as a key.
pub(super) fn key(name: &str) -> Val {
    Val::utf8_str(name.as_bytes().to_vec())
}

/// A whole number that fits the machine. `2.0` is one too.
pub(super) fn whole(value: &V) -> Option<isize> {
    match &value.val() {
        Val::Num(Num::Float(number)) if number.fract() == 0.0 && number.abs() < WHOLE => Some(*number as isize),
        Val::Num(number) => number.as_isize(),
        _ => None,
    }
}

/// Where an index points in a list, counted from the end if negative.
pub(super) fn position(index: isize, length: usize) -> Option<usize> {
    let at = if index < 0 { length.checked_sub(index.unsigned_abs())? } else { index.unsigned_abs() };
    (at < length).then_some(at)
}

/// Where `part` starts in `list`.
pub(super) fn positions(list: &[Val], part: &[Val]) -> Vec<V> {
    if part.is_empty() {
        return Vec::new();
    }
    let windows = list.windows(part.len()).enumerate();
    windows
        .filter(|(_, window)| {
            weigh_all(part);
            *window == part
        })
        .map(|(at, _)| V::from(at))
        .collect()
}

/// Pays for looking at all of a value. Shared parts count each time they occur.
pub(super) fn weigh(val: &Val) {
    match val {
        Val::TStr(text) | Val::BStr(text) => charge(1 + text.len() / 64),
        Val::Arr(list) => weigh_all(list),
        Val::Obj(map) => map.iter().for_each(|(key, val)| {
            weigh(key);
            weigh(val);
        }),
        _ => charge(1),
    }
}

/// Pays for comparing two values: at most the smaller one is looked at.
pub(super) fn weigh_pair(left: &Val, right: &Val) {
    match (left, right) {
        (Val::TStr(l), Val::TStr(r)) => charge(1 + l.len().min(r.len()) / 64),
        (Val::Arr(l), Val::Arr(r)) => weigh_all(if l.len() < r.len() { l } else { r }),
        (Val::Obj(l), Val::Obj(r)) if !l.is_empty() && !r.is_empty() => {
            charge(l.len() + r.len());
            weigh(if l.len() < r.len() { left } else { right });
        }
        _ => charge(1),
    }
}

fn weigh_all(list: &[Val]) {
    charge(1);
    list.iter().for_each(weigh);
}

/// Where an index points in a list that may grow.
pub(super) fn place(index: isize, length: usize) -> Option<usize> {
    if index < 0 { length.checked_sub(index.unsigned_abs()) } else { Some(index.unsigned_abs()) }
}
