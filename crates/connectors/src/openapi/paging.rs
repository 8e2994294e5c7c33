//! Lists: their items, and how they go on.

use super::build::parameters;
use super::catalogue::{Entry, Location, Paging};
use model::Request;
use serde_json::{Map, Value};

/// The most pages of one walk. A service that answers any page with a full one would be walked for ever.
pub const MAX_PAGES: u32 = 100_000;

/// The items of a list answer, in order: none where the list is null, `None` where there is no list.
#[must_use]
pub fn items(entry: &Entry, answer: &Value) -> Option<Vec<Value>> {
    list(entry, answer).map(<[Value]>::to_vec)
}

/// As [`items`], without a copy. A bare list is taken where the document promises one in an object.
fn list<'a>(entry: &Entry, answer: &'a Value) -> Option<&'a [Value]> {
    let pointer = entry.items.as_deref()?;
    match answer.pointer(pointer) {
        Some(Value::Array(items)) => Some(items),
        Some(Value::Null) => Some(&[]),
        _ => answer.as_array().map(Vec::as_slice),
    }
}

/// The request of the page after this one, `None` at the end.
///
/// A cursor goes on until the answer has none, even over a page that a filter left empty; one that does not move ends
/// the walk. Counted pages and items go on as long as the answer says that there is more; where it does not say, up
/// to the total; where it has none, up to a page that is short or empty. A page is only called short where the size
/// asked for is not above the usual one: a service may give less than a larger one. A window ends at an empty or
/// short page, or where its edge does not move.
#[must_use]
pub fn next_page(entry: &Entry, request: &Request, answer: &Value, page: u32) -> Option<Request> {
    if page.saturating_add(1) >= MAX_PAGES {
        return None;
    }
    let walk = Walk { entry, request, answer, count: list(entry, answer).map_or(0, |items| items.len() as u64) };
    let (parameter, value) = match entry.paging.as_ref()? {
        Paging::Cursor { parameter, next, .. } => (parameter, walk.cursor(parameter, next)?),
        Paging::Page { parameter, size, first, more, total, default_size } => {
            let number = walk.number(parameter).unwrap_or(u64::from(*first));
            let seen = number.saturating_sub(u64::from(*first));
            let size = walk.size(size, *default_size);
            let goes_on = match more {
                Some(more) if answer.pointer(more).is_some() => answer.pointer(more).is_some_and(says_more),
                _ => walk.goes_on(total.as_deref(), seen, size),
            };
            (parameter, goes_on.then(|| Value::from(number + 1))?)
        }
        Paging::Offset { parameter, size, total, default_size } => {
            let offset = walk.number(parameter).unwrap_or(0) + walk.count;
            let goes_on = match total.as_deref().and_then(|total| answer.pointer(total)?.as_u64()) {
                Some(total) => walk.count > 0 && offset < total,
                None => walk.is_full(walk.size(size, *default_size)),
            };
            (parameter, goes_on.then(|| Value::from(offset))?)
        }
        Paging::Window { parameter, size, at, default_size } => {
            let edge = list(entry, answer)?.last()?.pointer(at)?;
            let moves = !edge.is_null() && walk.given(parameter) != Some(edge);
            (parameter, (moves && walk.is_full(walk.size(size, *default_size))).then(|| edge.clone())?)
        }
    };
    Some(walk.with(parameter, value))
}

/// The request that asks for pages of this size, unless it says one itself; `None` where the list has no pages.
#[must_use]
pub fn sized(entry: &Entry, request: Request, size: u32) -> Option<Request> {
    let (Paging::Cursor { size: parameter, .. }
    | Paging::Page { size: parameter, .. }
    | Paging::Offset { size: parameter, .. }
    | Paging::Window { size: parameter, .. }) = entry.paging.as_ref()?;
    let walk = Walk { entry, request: &request, answer: &Value::Null, count: 0 };
    Some(if walk.given(parameter).is_some() { request } else { walk.with(parameter, Value::from(size)) })
}

/// One page in a walk over a list.
struct Walk<'a> {
    entry: &'a Entry,
    request: &'a Request,
    answer: &'a Value,
    count: u64,
}

/// A page size, and whether a page with fewer items must be the last.
#[derive(Clone, Copy)]
struct Size {
    size: u64,
    trusted: bool,
}

impl Walk<'_> {
    fn cursor(&self, parameter: &str, next: &str) -> Option<Value> {
        let token = self.answer.pointer(next)?;
        let ends = matches!(token, Value::Null | Value::Bool(false)) || token.as_str() == Some("");
        (!ends && self.given(parameter) != Some(token)).then(|| token.clone())
    }

    fn goes_on(&self, total: Option<&str>, pages_seen: u64, size: Size) -> bool {
        let Some(total) = total.and_then(|total| self.answer.pointer(total)?.as_u64()) else {
            return self.is_full(size);
        };
        // Where the size cannot be trusted, each page before is taken to have been no larger than this one.
        let seen = if size.trusted { pages_seen * size.size + self.count } else { (pages_seen + 1) * self.count };
        self.count > 0 && seen < total
    }

    fn is_full(&self, size: Size) -> bool {
        self.count > 0 && (!size.trusted || self.count >= size.size)
    }

    fn size(&self, parameter: &str, default: u32) -> Size {
        let usual = u64::from(default);
        let size = self.number(parameter).unwrap_or(usual);
        Size { size, trusted: size > 0 && size <= usual }
    }

    /// The value that the request has for a parameter, in the query or in the body.
    fn given(&self, parameter: &str) -> Option<&Value> {
        if self.is_in_query(parameter) {
            self.request.query.get(parameter)
        } else {
            self.request.payload.as_ref()?.get(parameter)
        }
    }

    fn number(&self, parameter: &str) -> Option<u64> {
        let value = self.given(parameter)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// Searches take it in the query too, where they declare it there.
    fn is_in_query(&self, parameter: &str) -> bool {
        self.entry.body.is_none() || parameters(self.entry, Location::Query).any(|known| known.name == parameter)
    }

    fn with(&self, parameter: &str, value: Value) -> Request {
        let mut next = self.request.clone();
        if self.is_in_query(parameter) {
            next.query.insert(parameter.to_owned(), value);
            return next;
        }
        let payload = next.payload.get_or_insert(Value::Null);
        if !payload.is_object() {
            *payload = Value::Object(Map::new());
        }
        payload[parameter] = value;
        next
    }
}

/// True, a number but 0, a text or list that is not empty.
fn says_more(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}
