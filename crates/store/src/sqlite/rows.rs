//! Rows as values, and values as columns.

use crate::UsageSum;
use bytes::Bytes;
use model::{Evidence, Money, Problem, TaskState, Usage};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Row, RowIndex};

/// A text or blob column, as bytes.
pub(super) fn bytes(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Bytes> {
    row.get_ref(column)?.as_bytes().map(Bytes::copy_from_slice).map_err(rusqlite::Error::from)
}

/// The same, where it may be NULL.
pub(super) fn some_bytes(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Bytes>> {
    row.get_ref(column)?
        .as_bytes_or_null()
        .map(|bytes| bytes.map(Bytes::copy_from_slice))
        .map_err(rusqlite::Error::from)
}

/// A state. A number that we do not know comes from a damaged file.
pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<TaskState> {
    let number = row.get(column)?;
    TaskState::from_number(number).ok_or_else(|| bad(column, format!("there is no state {number}")))
}

/// A problem kept as JSON.
pub(super) fn problem(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Problem>> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    text.map(|text| serde_json::from_str(text).map_err(|error| bad(column, error.to_string()))).transpose()
}

/// Evidence from its word and the wait beside it.
pub(super) fn evidence(row: &Row<'_>, word: usize, after_ms: usize) -> rusqlite::Result<Evidence> {
    let text = row.get_ref(word)?.as_str()?;
    match Evidence::from_word(text) {
        Some(Evidence::Refused { .. }) => Ok(Evidence::Refused { after_ms: row.get(after_ms)? }),
        Some(evidence) => Ok(evidence),
        None => Err(bad(word, format!("there is no evidence `{text}`"))),
    }
}

/// A sum from its name, two counts and the columns of usage.
pub(super) fn usage_sum(row: &Row<'_>) -> rusqlite::Result<UsageSum> {
    let count = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
    let usage = usage(row, 3)?.unwrap_or_default();
    Ok(UsageSum { name: row.get(0)?, calls: count(1)?, unpriced: count(2)?, usage })
}

/// Usage from nine columns, in the order of `attempt_end`; `None` where all are NULL.
pub(super) fn usage(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Usage>> {
    let count = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::unsigned_abs));
    let usage = Usage {
        model: row.get(first)?,
        prompt_tokens: count(first + 1)?,
        cached_tokens: count(first + 2)?,
        completion_tokens: count(first + 3)?,
        total_tokens: count(first + 4)?,
        pages: count(first + 5)?,
        audio_seconds: count(first + 6)?,
        characters: count(first + 7)?,
        cost: count(first + 8)?.map(Money),
    };
    Ok((usage != Usage::default()).then_some(usage))
}

/// A value that the database holds and we cannot read.
pub(super) fn bad(column: usize, reason: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::Other(reason.into())))
}
