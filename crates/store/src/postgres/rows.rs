//! Rows as values, and values as columns.

use crate::UsageSum;
use bytes::Bytes;
use model::{Evidence, Money, Problem, TaskState, Usage};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

type Read<T> = Result<T, sqlx::Error>;

/// A column of bytes.
pub(super) fn bytes(row: &PgRow, column: usize) -> Read<Bytes> {
    row.try_get::<&[u8], _>(column).map(Bytes::copy_from_slice)
}

/// The same, where it may be NULL.
pub(super) fn some_bytes(row: &PgRow, column: usize) -> Read<Option<Bytes>> {
    row.try_get::<Option<&[u8]>, _>(column).map(|bytes| bytes.map(Bytes::copy_from_slice))
}

/// A column of bytes that are a text.
pub(super) fn some_text(row: &PgRow, column: usize) -> Read<Option<String>> {
    let bytes = row.try_get::<Option<&[u8]>, _>(column)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// A number that is never negative.
pub(super) fn number(row: &PgRow, column: usize) -> Read<u32> {
    row.try_get::<i32, _>(column).map(i32::unsigned_abs)
}

/// A state. A number that we do not know comes from a damaged table.
pub(super) fn state(row: &PgRow, column: usize) -> Read<TaskState> {
    let number = row.try_get::<i16, _>(column)?;
    TaskState::from_number(number.into()).ok_or_else(|| bad(format!("there is no state {number}")))
}

/// A state as its column holds it.
pub(super) fn state_column(state: TaskState) -> i16 {
    i16::try_from(state.number()).unwrap_or(i16::MAX)
}

/// A small number as its column holds it.
pub(super) fn number_column(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A problem kept as JSON.
pub(super) fn problem(row: &PgRow, column: usize) -> Read<Option<Problem>> {
    let text = row.try_get::<Option<&str>, _>(column)?;
    text.map(|text| serde_json::from_str(text).map_err(|error| bad(error.to_string()))).transpose()
}

/// Evidence from its word and the wait beside it.
pub(super) fn evidence(row: &PgRow, word: usize, after_ms: usize) -> Read<Evidence> {
    let text = row.try_get::<&str, _>(word)?;
    match Evidence::from_word(text) {
        Some(Evidence::Refused { .. }) => Ok(Evidence::Refused { after_ms: row.try_get(after_ms)? }),
        Some(evidence) => Ok(evidence),
        None => Err(bad(format!("there is no evidence `{text}`"))),
    }
}

/// A sum from its name, two counts and the columns of usage.
pub(super) fn usage_sum(row: &PgRow) -> Read<UsageSum> {
    let count = |column: usize| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let usage = usage(row, 3)?.unwrap_or_default();
    Ok(UsageSum { name: some_text(row, 0)?, calls: count(1)?, unpriced: count(2)?, usage })
}

/// Usage from nine columns, in the order of `attempt_end`; `None` where all are NULL.
pub(super) fn usage(row: &PgRow, first: usize) -> Read<Option<Usage>> {
    let count = |column: usize| row.try_get::<Option<i64>, _>(column).map(|count| count.map(i64::unsigned_abs));
    let usage = Usage {
        model: some_text(row, first)?,
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
pub(super) fn bad(reason: String) -> sqlx::Error {
    sqlx::Error::Decode(reason.into())
}
