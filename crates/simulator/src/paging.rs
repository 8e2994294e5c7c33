//! Pages of a list, in the scheme of its operation.

use crate::judge::Judged;
use crate::stand_in::{end, set_total};
use connectors::openapi::catalogue::{Entry, Paging};
use serde_json::Value;
use std::ops::Range;

/// Page size where neither the client nor the catalogue names one.
const SIZE: usize = 50;

/// Which items of a list a request asks for, by place. `numbers` are what cursors stand on, in rising order; a
/// cursor is the number after which the page begins, so that items deleted meanwhile move nothing.
pub(crate) fn range(entry: &Entry, request: &Judged<'_>, numbers: &[u64]) -> Range<usize> {
    let asked = |name: &str| request.query(name).or_else(|| request.payload().get(name));
    let count = |name: &str| asked(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    let (start, size) = match &entry.paging {
        None => (0, usize::MAX),
        Some(Paging::Cursor { parameter, size, .. }) => {
            let start = match asked(parameter).and_then(Value::as_str).filter(|token| !token.is_empty()) {
                Some(token) => match token.strip_prefix("after-").and_then(|number| number.parse::<u64>().ok()) {
                    Some(after) => numbers.partition_point(|number| *number <= after),
                    None => numbers.len(),
                },
                None => 0,
            };
            // Without a size this list comes whole, for clients older than its pages.
            let whole = entry.path == "/v1/workflows/schedules";
            (start, count(size).unwrap_or(if whole { usize::MAX } else { SIZE }))
        }
        Some(Paging::Page { parameter, size, first, default_size, .. }) => {
            let size = count(size).unwrap_or(*default_size as usize);
            let page = count(parameter).unwrap_or(*first as usize).saturating_sub(*first as usize);
            (page.saturating_mul(size), size)
        }
        Some(Paging::Offset { parameter, size, default_size, .. }) => {
            (count(parameter).unwrap_or(0), count(size).unwrap_or(*default_size as usize))
        }
        // A window is found by the items' times.
        Some(Paging::Window { .. }) => (0, usize::MAX),
    };
    let start = start.min(numbers.len());
    start..start.saturating_add(size).min(numbers.len())
}

/// Puts items into an answer and says whether there are more. `last` is the number of the page's last item.
pub(crate) fn put(
    entry: &Entry,
    value: &mut Value,
    items: Vec<Value>,
    (shown, all): (Range<usize>, usize),
    last: Option<u64>,
    fits: &impl Fn(&Value) -> bool,
) {
    if let Some(list) = entry.items.as_deref().and_then(|place| value.pointer_mut(place)) {
        *list = Value::Array(items);
    }
    let more = shown.end < all;
    match &entry.paging {
        Some(Paging::Cursor { next, .. }) => {
            let token = last.filter(|_| more).map(|last| Value::from(format!("after-{last}")));
            match token {
                Some(token) => end(value, next, &[token], fits),
                None => end(value, next, &[Value::Null, "".into()], fits),
            }
        }
        Some(Paging::Page { more: place, total, .. }) => {
            if let Some(place) = place {
                let none = [Value::Bool(false), Value::Null, "".into()];
                let some = [Value::Bool(true), "more".into()];
                end(value, place, if more { &some } else { &none }, fits);
            }
            set_total(value, total.as_deref(), all, fits);
        }
        Some(Paging::Offset { total, .. }) => set_total(value, total.as_deref(), all, fits),
        Some(Paging::Window { .. }) | None => {}
    }
}
