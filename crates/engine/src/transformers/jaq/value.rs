//! Values of the jq language: those of `jaq_json`, with a price on everything that is done to them.

use super::budget::{Stop, charge, charge_bytes, stop};
use super::funs::DEAR;
use super::json;
use super::measure::{WHOLE, key, place, position, positions, weigh, weigh_pair, whole};
use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::{Exn, ValT, ValX, val};
use jaq_json::{Map, Num, Val};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The deepest value, as deep as JSON text is read.
pub(crate) const MAX_DEPTH: u32 = 128;

/// Steps that one may walk into nothing (`null | .a.b.c …`) or slice again and again before each is dear: in a
/// path expression every such step is a link of a list.
const FREE_REACH: u32 = 100;

/// Bytes of a value inside a list.
const SLOT: usize = 24;

/// Bytes of an entry of an object: two values, the hash, the index.
const ENTRY: usize = 80;

pub(crate) type Error = jaq_core::Error<V>;
pub(crate) type ValR = jaq_core::ValR<V>;

/// A value that knows how deep it may be.
///
/// Only text keys, no byte strings: what it holds is JSON, but for numbers JSON cannot write.
pub(crate) struct V {
    val: Val,
    /// Levels of lists and objects in it, at most.
    depth: u32,
    /// How often nothing was indexed or a slice taken on the way here.
    reach: u32,
}

impl V {
    /// A value that holds no others.
    pub(crate) fn scalar(val: Val) -> Self {
        Self { val, depth: 0, reach: 0 }
    }

    /// A value of at most this depth. Stops the run where that is too deep.
    pub(crate) fn container(val: Val, depth: u32) -> Self {
        if depth > MAX_DEPTH {
            stop(Stop::Depth);
        }
        Self { val, depth, reach: 0 }
    }

    /// What it is made of.
    pub(crate) fn val(&self) -> &Val {
        &self.val
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    pub(crate) fn into_val(self) -> Val {
        self.val
    }

    pub(crate) fn text(text: String) -> Self {
        charge_bytes(text.len());
        Self::scalar(Val::utf8_str(text.into_bytes()))
    }

    fn child(&self, val: Val) -> Self {
        charge(1);
        let depth = if matches!(val, Val::Arr(_) | Val::Obj(_)) { self.depth.saturating_sub(1) } else { 0 };
        Self { val, depth, reach: self.reach }
    }

    fn walked(mut self, reach: u32) -> Self {
        self.reach = reach.saturating_add(1);
        charge(if self.reach > FREE_REACH { DEAR } else { 1 });
        self
    }

    /// The child at an index: `None` where there is none.
    pub(crate) fn find(&self, index: &Self) -> Result<Option<Self>, Error> {
        charge(1);
        Ok(match (&self.val, &index.val) {
            (Val::Null, _) => None,
            (Val::Obj(map), Val::TStr(_)) => {
                weigh(&index.val);
                map.get(&index.val).map(|val| self.child(val.clone()))
            }
            (Val::Arr(list), Val::Num(_)) => {
                let at = whole(index).ok_or_else(|| Error::typ(index.clone(), "integer"))?;
                position(at, list.len()).map(|at| self.child(list[at].clone()))
            }
            (Val::Arr(list), Val::Arr(part)) => {
                let found: Self = positions(list, part).into_iter().collect();
                Some(found.walked(self.reach))
            }
            (Val::Arr(_) | Val::TStr(_), Val::Obj(range)) => {
                let bound = |name: &str| range.get(&key(name)).map(|val| Self::scalar(val.clone()));
                let (start, end) = (bound("start"), bound("end"));
                Some(self.clone().range(start.as_ref()..end.as_ref())?)
            }
            _ => return Err(Error::index(self.clone(), index.clone())),
        })
    }

    /// A list's children after an update; what gave nothing is gone.
    fn update_list<'a, I: Iterator<Item = ValX<'a, Self>>>(self, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        let mut list = Vec::new();
        let mut depth = 0;
        for item in self.values() {
            for value in f(item?) {
                let value = value?;
                charge_bytes(SLOT);
                depth = depth.max(value.depth);
                list.push(value.val);
            }
        }
        Ok(Self::container(Val::Arr(Arc::new(list)), depth + 1))
    }

    /// An object's children after an update; what gave nothing is gone.
    fn update_object<'a, I: Iterator<Item = ValX<'a, Self>>>(
        map: Arc<Map>,
        parent: &Self,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let map = Arc::try_unwrap(map).unwrap_or_else(|map| {
            charge_bytes(map.len() * ENTRY);
            (*map).clone()
        });
        let mut changed = Map::default();
        let mut depth = 0;
        for (key, val) in map {
            let Some(value) = f(parent.child(val)).next().transpose()? else { continue };
            charge_bytes(ENTRY);
            depth = depth.max(value.depth);
            changed.insert(key, value.val);
        }
        Ok(Self::container(Val::obj(changed), depth + 1))
    }

    /// What its children need to know of it.
    fn parent(&self) -> Self {
        Self { val: Val::Null, depth: self.depth, reach: self.reach }
    }
}

impl Clone for V {
    fn clone(&self) -> Self {
        charge(1);
        Self { val: self.val.clone(), depth: self.depth, reach: self.reach }
    }
}

impl ValT for V {
    fn from_num(text: &str) -> ValR {
        match Val::from_num(text) {
            Ok(val @ Val::Num(Num::Int(_) | Num::BigInt(_))) => Ok(Self::scalar(val)),
            _ => text.parse::<f64>().map(Self::from).map_err(|_| Error::str("not a number")),
        }
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> ValR {
        let mut map = Map::default();
        let mut depth = 0;
        charge(1);
        for (key, value) in entries {
            if !matches!(key.val, Val::TStr(_)) {
                return Err(Error::typ(key, "key of an object, which must be a string"));
            }
            weigh(&key.val);
            charge_bytes(ENTRY);
            depth = depth.max(value.depth);
            map.insert(key.val, value.val);
        }
        Ok(Self::container(Val::obj(map), depth + 1))
    }

    fn key_values(self) -> BoxIter<'static, Result<(Self, Self), Error>> {
        match &self.val {
            Val::Arr(list) => {
                let list = Arc::clone(list);
                Box::new((0..list.len()).map(move |at| Ok((Self::from(at), self.child(list[at].clone())))))
            }
            Val::Obj(map) => {
                let map = Arc::clone(map);
                Box::new((0..map.len()).filter_map(move |at| {
                    let (key, val) = map.get_index(at)?;
                    Some(Ok((Self::scalar(key.clone()), self.child(val.clone()))))
                }))
            }
            _ => box_once(Err(Error::typ(self, "list or object"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR>> {
        let parent = self.parent();
        // What nobody else holds is moved out: its children can then be changed in place.
        match self.val {
            Val::Arr(list) => match Arc::try_unwrap(list) {
                Ok(list) => Box::new(list.into_iter().map(move |val| Ok(parent.child(val)))),
                Err(list) => Box::new((0..list.len()).map(move |at| Ok(parent.child(list[at].clone())))),
            },
            Val::Obj(map) => match Arc::try_unwrap(map) {
                Ok(map) => Box::new(map.into_iter().map(move |(_, val)| Ok(parent.child(val)))),
                Err(map) => {
                    Box::new((0..map.len()).filter_map(move |at| Some(Ok(parent.child(map.get_index(at)?.1.clone())))))
                }
            },
            _ => box_once(Err(Error::typ(self, "list or object"))),
        }
    }

    fn index(self, index: &Self) -> ValR {
        let nothing = |reach| Self::scalar(Val::Null).walked(reach);
        Ok(self.find(index)?.unwrap_or_else(|| nothing(self.reach)))
    }

    fn range(self, range: val::Range<&Self>) -> ValR {
        for bound in [range.start, range.end].into_iter().flatten() {
            if !matches!(bound.val, Val::Null) && whole(bound).is_none() {
                return Err(Error::typ(bound.clone(), "integer"));
            }
        }
        let bound = |bound: Option<&Self>| bound.and_then(whole).map(Val::from);
        let (start, end) = (bound(range.start), bound(range.end));
        match &self.val {
            Val::Null => return Ok(Self::scalar(Val::Null).walked(self.reach)),
            Val::TStr(text) => charge(1 + text.len() / 16),
            Val::Arr(list) => charge_bytes(list.len() * SLOT),
            _ => return Err(Error::typ(self, "list or text")),
        }
        let (depth, reach) = (self.depth, self.reach);
        let val = self.val.range(start.as_ref()..end.as_ref()).map_err(|_| Error::str("not a range"))?;
        Ok(Self { val, depth, reach: 0 }.walked(reach))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        let parent = self.parent();
        match self.val {
            Val::Obj(map) => Self::update_object(map, &parent, f),
            Val::Arr(_) => self.update_list(f),
            _ => opt.fail(self, |v| Exn::from(Error::typ(v, "list or object"))),
        }
    }

    /// Unlike in jaq, and as in jq, what is missing is made: an object for a key, a list for a number.
    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let (depth, parent) = (self.depth, self.parent());
        let put = |val, inner: u32| Ok(Self::container(val, depth.max(inner + 1)));
        match (self.val, &index.val) {
            (Val::Arr(list), Val::Obj(range)) => {
                let bound = |name: &str| range.get(&key(name)).map(|val| Self::scalar(val.clone()));
                let (start, end) = (bound("start"), bound("end"));
                Self { val: Val::Arr(list), depth, reach: 0 }.map_range(start.as_ref()..end.as_ref(), opt, f)
            }
            (val @ (Val::Obj(_) | Val::Null), Val::TStr(_)) => {
                let mut map = if let Val::Obj(map) = val { map } else { Arc::default() };
                weigh(&index.val);
                charge_bytes(if Arc::get_mut(&mut map).is_some() { ENTRY } else { map.len() * ENTRY });
                let old = Arc::make_mut(&mut map).get_mut(&index.val).map(std::mem::take);
                let value = f(old.map_or(Self::scalar(Val::Null), |val| parent.child(val))).next().transpose()?;
                let Some(value) = value else {
                    Arc::make_mut(&mut map).shift_remove(&index.val);
                    return put(Val::Obj(map), 0);
                };
                Arc::make_mut(&mut map).insert(index.val.clone(), value.val);
                put(Val::Obj(map), value.depth)
            }
            (val @ (Val::Arr(_) | Val::Null), Val::Num(_)) => {
                let mut list = if let Val::Arr(list) = val { list } else { Arc::default() };
                let Some(at) = whole(index).and_then(|at| place(at, list.len())) else {
                    let list = Self { val: Val::Arr(list), depth, reach: 0 };
                    return opt.fail(list, |_| Exn::from(Error::str(format_args!("index {index} is out of bounds"))));
                };
                let unshared = Arc::get_mut(&mut list).is_some();
                charge_bytes((at + 1).saturating_sub(list.len()).max(1).saturating_mul(SLOT));
                charge_bytes(if unshared { 0 } else { list.len() * SLOT });
                let items = Arc::make_mut(&mut list);
                if at >= items.len() {
                    items.resize(at + 1, Val::Null);
                }
                let old = std::mem::take(&mut items[at]);
                let Some(value) = f(parent.child(old)).next().transpose()? else {
                    items.remove(at);
                    return put(Val::Arr(list), 0);
                };
                items[at] = value.val;
                put(Val::Arr(list), value.depth)
            }
            (val, _) => {
                let value = Self { val, depth, reach: 0 };
                opt.fail(value, |v| Exn::from(Error::index(v, index.clone())))
            }
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: val::Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let Val::Arr(list) = &self.val else {
            return opt.fail(self, |v| Exn::from(Error::typ(v, "list")));
        };
        let bound = |bound: Option<&Self>, otherwise| {
            bound.and_then(whole).map_or(otherwise, |at| match at {
                0.. => (at as usize).min(list.len()),
                _ => list.len().saturating_sub(at.unsigned_abs()),
            })
        };
        let start = bound(range.start, 0);
        let end = bound(range.end, list.len()).max(start);
        let depth = self.depth;
        let part = self.clone().range(range).map_err(Exn::from)?;
        let part = f(part).next().transpose()?.unwrap_or_else(|| std::iter::empty().collect());
        let inner = part.depth;
        let Val::Arr(part) = part.val else { return Err(Exn::from(Error::typ(part, "list"))) };
        charge_bytes((list.len() + part.len()) * SLOT);
        let changed = list[..start].iter().chain(part.iter()).chain(&list[end..]).cloned().collect();
        Ok(Self::container(Val::Arr(Arc::new(changed)), depth.max(inner)))
    }

    fn as_bool(&self) -> bool {
        charge(1);
        !matches!(self.val, Val::Null | Val::Bool(false))
    }

    fn into_string(self) -> Self {
        match self.val {
            Val::TStr(_) => self,
            _ => Self::text(json::text(&self)),
        }
    }
}

impl jaq_std::ValT for V {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self.val {
            Val::Arr(_) => Ok(self.values().flatten().collect()),
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self.val, Val::Num(Num::Int(_) | Num::BigInt(_)))
    }

    fn as_isize(&self) -> Option<isize> {
        jaq_std::ValT::as_isize(&self.val)
    }

    fn as_f64(&self) -> Option<f64> {
        jaq_std::ValT::as_f64(&self.val)
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self.val, Val::TStr(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        let bytes = jaq_std::ValT::as_bytes(&self.val)?;
        charge(1 + bytes.len() / 64);
        Some(bytes)
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        charge_bytes(SLOT);
        Self::scalar(jaq_std::ValT::as_sub_str(&self.val, sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        charge_bytes(bytes.as_ref().len());
        Self::scalar(jaq_std::ValT::from_utf8_bytes(bytes))
    }
}

impl From<bool> for V {
    fn from(yes: bool) -> Self {
        charge(1);
        Self::scalar(Val::Bool(yes))
    }
}

impl From<isize> for V {
    fn from(number: isize) -> Self {
        charge(1);
        Self::scalar(Val::from(number))
    }
}

impl From<usize> for V {
    fn from(number: usize) -> Self {
        charge(1);
        Self::scalar(Val::from(number))
    }
}

/// What was calculated: `10 / 2` is `5`, as jq writes it, not `5.0`.
impl From<f64> for V {
    fn from(number: f64) -> Self {
        charge(1);
        let is_whole = number.fract() == 0.0 && number.abs() < WHOLE;
        Self::scalar(if is_whole { Val::from(number as isize) } else { Val::from(number) })
    }
}

impl From<String> for V {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<val::Range<V>> for V {
    fn from(range: val::Range<V>) -> Self {
        let bounds = [("start", range.start), ("end", range.end)];
        let entries = bounds.into_iter().filter_map(|(name, bound)| Some((key(name), bound?.val)));
        Self::container(Val::obj(entries.collect()), 1)
    }
}

impl FromIterator<V> for V {
    fn from_iter<I: IntoIterator<Item = V>>(items: I) -> Self {
        charge(1);
        let mut depth = 0;
        let list = items.into_iter().map(|item| {
            charge_bytes(SLOT);
            depth = depth.max(item.depth);
            item.val
        });
        let list: Vec<Val> = list.collect();
        Self::container(Val::Arr(Arc::new(list)), depth + 1)
    }
}

impl Ord for V {
    fn cmp(&self, other: &Self) -> Ordering {
        weigh_pair(&self.val, &other.val);
        self.val.cmp(&other.val)
    }
}

impl PartialOrd for V {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for V {
    fn eq(&self, other: &Self) -> bool {
        weigh_pair(&self.val, &other.val);
        self.val == other.val
    }
}

impl Eq for V {}

/// For messages: short, however large the value is.
impl fmt::Display for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.val {
            Val::Arr(list) if list.is_empty() => f.write_str("[]"),
            Val::Obj(map) if map.is_empty() => f.write_str("{}"),
            Val::Arr(list) => write!(f, "a list of {}", list.len()),
            Val::Obj(map) => write!(f, "an object of {}", map.len()),
            Val::TStr(text) | Val::BStr(text) => {
                let text = String::from_utf8_lossy(&text[..text.len().min(200)]);
                let short: String = text.chars().take(40).collect();
                write!(f, "{short:?}{}", if short.len() < text.len() { "…" } else { "" })
            }
            scalar => scalar.fmt(f),
        }
    }
}
