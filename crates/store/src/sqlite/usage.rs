//! What calls used, summed for people.

use super::rows::usage_sum;
use crate::{StoreError, UsageBy, UsageSum};
use model::Millis;
use rusqlite::{Connection, params};

/// What is summed, in the order of `attempt_end`.
pub(super) const COLUMNS: [&str; 8] = [
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "total_tokens",
    "pages",
    "audio_seconds",
    "characters",
    "cost",
];

/// Sums the attempts that ended in a span of time and said that they used something. One pass over them.
pub(super) fn sums(db: &Connection, by: UsageBy, since: Millis, until: Millis) -> Result<Vec<UsageSum>, StoreError> {
    let key = match by {
        UsageBy::Route => "(SELECT lane.name FROM task JOIN lane ON lane.id = task.lane WHERE task.id = key >> 24)",
        UsageBy::Model => "model",
        UsageBy::Day => "strftime('%Y-%m-%d', at / 1000, 'unixepoch')",
    };
    // `total` never overflows; beyond 2^53 it is near enough, and the cast keeps it below 2^63.
    let columns =
        COLUMNS.map(|column| format!("CASE WHEN count({column}) > 0 THEN CAST(total({column}) AS INTEGER) END"));
    let sql = format!(
        "SELECT {key} AS name, count(*), count(*) - count(cost), NULL, {} FROM attempt_end
         WHERE at >= ?1 AND at < ?2 AND coalesce(model, {}) IS NOT NULL
         GROUP BY name ORDER BY name",
        columns.join(", "),
        COLUMNS.join(", "),
    );
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map(params![since, until], usage_sum)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sets the currency of all costs where there is none.
pub(super) fn set_currency(db: &Connection, first: &str) -> Result<(), StoreError> {
    db.execute("UPDATE identity SET currency = ?1 WHERE currency IS NULL", [first])?;
    Ok(())
}

/// The currency of all costs.
pub(super) fn currency(db: &Connection) -> Result<Option<String>, StoreError> {
    Ok(db.query_row("SELECT currency FROM identity", [], |row| row.get(0))?)
}
