//! The filters there are: those of jq that depend on nothing but the payload.

use super::budget::{charge, charge_bytes};
use super::measure::{positions, weigh, whole};
use super::term;
use super::value::{Error, V, ValR};
use super::{Jq, json};
use jaq_core::Native;
use jaq_core::box_iter::box_once;
use jaq_core::load::{self, parse::Def};
use jaq_core::native::{Fun, bome, run, unary, v};
use jaq_json::{Num, Val};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Native filters of jaq that are left out: they end the process, read or write what is outside of the payload (the
/// environment, the log, the host's clock and time zone), may count to two thousand million in one step, or panic on
/// the least number there is (`implode`; ours is below).
const LEFT_OUT: [&str; 10] =
    ["halt", "env", "now", "debug_empty", "stderr_empty", "localtime", "strflocaltime", "jn", "yn", "implode"];

/// Definitions of jaq that stand on what is left out.
const DEFS_LEFT_OUT: [&str; 4] = ["stderr", "debug", "halt", "halt_error"];

/// Native filters that our own definitions wrap. Filter text cannot name what starts with [`HIDDEN`].
const WRAPPED: [(&str, &str); 4] = [
    ("matches", "__matches"),
    ("split_matches", "__split_matches"),
    ("split_", "__split_"),
    ("strptime", "__strptime"),
];

/// What the names of filters start with that are for the library alone.
pub(super) const HIDDEN: &str = "__";

/// What a call of a definition costs: [`super::compile`] puts this before its body.
pub(super) const TICK: &str = "__tick";

/// The same for a definition that calls itself and takes filters: each call keeps the one before it alive, and freeing
/// a chain of millions would take all the stack.
pub(super) const DEAR_TICK: &str = "__dear_tick";

/// Steps for what makes a chain longer that is freed link by link, each a call deeper: so ten million steps make a
/// chain of twenty thousand, for which [`super::STACK`] has room.
pub(super) const DEAR: usize = 500;

/// Every native filter.
pub(super) fn natives() -> impl Iterator<Item = Fun<Jq>> {
    let theirs = jaq_core::funs().chain(jaq_std::funs()).filter(|(name, ..)| !LEFT_OUT.contains(name));
    let theirs = theirs.map(|(name, args, fun)| {
        let ours = WRAPPED.iter().find(|(wrapped, _)| *wrapped == name);
        (ours.map_or(name, |(_, ours)| *ours), args, fun)
    });
    theirs.chain(ours()).chain([(TICK, v(0), tick::<5>()), (DEAR_TICK, v(0), tick::<DEAR>())])
}

/// A definition of the library, written in jq.
pub(super) struct Definition {
    pub(super) def: Def<&'static str>,
    /// What it calls.
    calls: BTreeSet<&'static str>,
}

/// Every definition of the library. Each sees those before it.
pub(super) fn library() -> &'static [Definition] {
    static LIBRARY: OnceLock<Vec<Definition>> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let definition = |mut def: Def<&'static str>| {
            let calls = term::names(&mut def.body);
            Definition { def: term::pay_for_calls(def, false), calls }
        };
        definitions().map(definition).collect()
    })
}

/// The definitions that these names lead to: compiling all of them takes more time and memory than most filters.
pub(super) fn needed(mut names: BTreeSet<&str>) -> Vec<Def<&'static str>> {
    let mut needed = Vec::new();
    for definition in library().iter().rev() {
        if names.contains(definition.def.name) {
            names.extend(&definition.calls);
            needed.push(definition.def.clone());
        }
    }
    needed.reverse();
    needed
}

fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let theirs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let theirs = theirs.filter(|def| !DEFS_LEFT_OUT.contains(&def.name));
    parse(include_str!("first.jq")).chain(theirs).chain(parse(include_str!("last.jq")))
}

#[allow(clippy::expect_used, reason = "the text is part of the program, and every test compiles it")]
fn parse(text: &'static str) -> impl Iterator<Item = Def<&'static str>> {
    load::parse(text, |parser| parser.defs()).expect("our own definitions are right").into_iter()
}

fn tick<const STEPS: usize>() -> Native<Jq> {
    Native::new(|cv| {
        charge(STEPS);
        box_once(Ok(cv.1))
    })
    .with_paths(|cv| {
        charge(STEPS);
        box_once(Ok(cv.1))
    })
    .with_update(|cv, update| {
        charge(STEPS);
        update(cv.1)
    })
}

fn ours() -> impl Iterator<Item = Fun<Jq>> {
    let filters: [jaq_core::native::Filter<jaq_core::RunPtr<Jq>>; 11] = [
        ("now", v(0), |cv| box_once(Ok(V::from(cv.0.data().now as f64 / 1000.0)))),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("tojson", v(0), |cv| bome(Ok(V::text(json::text(&cv.1))))),
        ("implode", v(0), |cv| bome(implode(&cv.1))),
        ("length", v(0), |cv| bome(length(cv.1))),
        ("contains", v(1), |cv| unary(cv, |outer, inner| Ok(V::from(contains(outer.val(), inner.val()))))),
        ("has", v(1), |cv| unary(cv, |value, key| Ok(V::from(value.find(&key)?.is_some())))),
        ("indices", v(1), |cv| unary(cv, |value, part| indices(&value, &part))),
        ("bsearch", v(1), |cv| unary(cv, |list, value| bsearch(&list, &value))),
        ("__concat", v(0), |cv| bome(concat(&cv.1))),
        ("__charge_match", v(1), |cv| unary(cv, |value, pattern| charge_match(value, &pattern))),
    ];
    filters.into_iter().map(run::<Jq>)
}

fn text(value: &V) -> Result<&[u8], Error> {
    match value.val() {
        Val::TStr(text) => {
            charge(1 + text.len() / 64);
            Ok(text)
        }
        _ => Err(Error::typ(value.clone(), "string")),
    }
}

fn list(value: &V) -> Result<&[Val], Error> {
    match value.val() {
        Val::Arr(list) => Ok(list),
        _ => Err(Error::typ(value.clone(), "list")),
    }
}

fn from_json(value: &V) -> ValR {
    let text = text(value)?;
    json::parse(text).map_err(|reason| Error::str(format_args!("cannot read {value} as JSON: {reason}")))
}

/// A text of the characters with these numbers.
fn implode(value: &V) -> ValR {
    let character = |val: &Val| {
        charge(1);
        let number = whole(&V::scalar(val.clone()));
        let found = number.and_then(|number| char::from_u32(u32::try_from(number).ok()?));
        found.ok_or_else(|| Error::str("only the numbers of Unicode characters make a text"))
    };
    Ok(V::text(list(value)?.iter().map(character).collect::<Result<_, _>>()?))
}

fn length(value: V) -> ValR {
    charge(1);
    Ok(match value.val() {
        Val::Null => V::from(0usize),
        Val::Bool(_) => return Err(Error::str(format_args!("{value} has no length"))),
        Val::Num(Num::Float(number)) => V::scalar(Val::from(number.abs())),
        Val::Num(_) if value < V::from(0usize) => return -value,
        Val::Num(_) => value,
        Val::TStr(bytes) | Val::BStr(bytes) => {
            charge(bytes.len() / 16);
            V::from(String::from_utf8_lossy(bytes).chars().count())
        }
        Val::Arr(list) => V::from(list.len()),
        Val::Obj(map) => V::from(map.len()),
    })
}

fn contains(outer: &Val, inner: &Val) -> bool {
    charge(1);
    match (outer, inner) {
        (Val::TStr(outer), Val::TStr(inner)) => {
            charge((outer.len() + inner.len()) / 16);
            let (outer, inner) = (String::from_utf8_lossy(outer), String::from_utf8_lossy(inner));
            outer.contains(&*inner)
        }
        (Val::Arr(outer), Val::Arr(inner)) => inner.iter().all(|i| outer.iter().any(|o| contains(o, i))),
        (Val::Obj(outer), Val::Obj(inner)) => {
            inner.iter().all(|(key, i)| outer.get(key).is_some_and(|o| contains(o, i)))
        }
        _ => outer == inner,
    }
}

/// Where a part stands: in a text counted in characters, in a list in items.
fn indices(value: &V, part: &V) -> ValR {
    match (value.val(), part.val()) {
        (Val::Null, _) => Ok(V::scalar(Val::Null)),
        (Val::TStr(whole), Val::TStr(part)) => {
            if part.is_empty() {
                return Ok(std::iter::empty().collect());
            }
            charge(whole.len() / 16);
            let starts = whole.iter().enumerate().filter(|(_, byte)| **byte & 0xC0 != 0x80);
            let at = starts.enumerate().filter(|(_, (start, _))| whole[*start..].starts_with(part));
            Ok(at.map(|(character, _)| V::from(character)).collect())
        }
        (Val::Arr(whole), Val::Arr(part)) => Ok(positions(whole, part).into_iter().collect()),
        (Val::Arr(whole), _) => Ok(positions(whole, std::slice::from_ref(part.val())).into_iter().collect()),
        _ => Err(Error::index(value.clone(), part.clone())),
    }
}

fn bsearch(value: &V, wanted: &V) -> ValR {
    let found = list(value)?.binary_search_by(|item| {
        weigh(item);
        item.cmp(wanted.val())
    });
    Ok(match found {
        Ok(at) => V::from(at),
        Err(at) => V::from(-1 - at as isize),
    })
}

/// All texts of a list in one.
fn concat(value: &V) -> ValR {
    let mut whole = Vec::new();
    for part in list(value)? {
        let Val::TStr(part) = part else { return Err(Error::str("a match is replaced by a text")) };
        charge_bytes(part.len());
        whole.extend_from_slice(part);
    }
    Ok(V::scalar(Val::utf8_str(whole)))
}

/// What looking for a pattern costs: at worst, length times size.
fn charge_match(value: V, pattern: &V) -> ValR {
    let size = pattern_size(text(pattern)?);
    charge(size);
    let length = text(&value)?.len();
    charge(length / 4 + length.saturating_mul(size) / 32);
    Ok(value)
}

/// About how many states a regular expression has: its letters, times what `{n,m}` makes of them.
fn pattern_size(pattern: &[u8]) -> usize {
    let mut groups = vec![0usize];
    let mut atom = 0usize;
    let mut at = 0;
    while let Some(byte) = pattern.get(at) {
        let mut size = 1;
        at += 1;
        match byte {
            b'\\' => at += 1,
            b'(' => {
                groups.push(0);
                continue;
            }
            b')' if groups.len() > 1 => size += groups.pop().unwrap_or(0),
            b'{' => {
                let end = pattern[at..].iter().position(|byte| *byte == b'}').unwrap_or(0);
                let times = pattern[at..at + end].split(|byte| *byte == b',');
                let times = times.filter_map(|number| std::str::from_utf8(number).ok()?.trim().parse().ok());
                size = atom.saturating_mul(times.max().unwrap_or(1usize));
                at += end;
            }
            _ => {}
        }
        atom = size;
        if let Some(group) = groups.last_mut() {
            *group = group.saturating_add(size);
        }
    }
    groups.into_iter().fold(0, usize::saturating_add)
}
