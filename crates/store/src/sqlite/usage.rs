//! What calls used, summed for people.

use crate::{StoreError, UsageBy, UsageSum};
use model::{Millis, Usage};
use rusqlite::{Connection, params};

/// Sums the attempts that ended in a span of time and said that they used something. One pass over them.
pub(super) fn sums(db: &Connection, by: UsageBy, since: Millis, until: Millis) -> Result<Vec<UsageSum>, StoreError> {
    let key = match by {
        UsageBy::Route => "(SELECT lane.name FROM task JOIN lane ON lane.id = task.lane WHERE task.id = key >> 24)",
        UsageBy::Model => "model",
        UsageBy::Day => "strftime('%Y-%m-%d', at / 1000, 'unixepoch')",
    };
    // `total` never overflows; beyond 2^53 it is near enough, and the cast keeps it below 2^63.
    let sum = |column: &str| format!("CASE WHEN count({column}) > 0 THEN CAST(total({column}) AS INTEGER) END");
    let sql = format!(
        "SELECT {key} AS name, count(*), {}, {}, {} FROM attempt_end
         WHERE at >= ?1 AND at < ?2
           AND (model IS NOT NULL OR coalesce(prompt_tokens, completion_tokens, total_tokens) IS NOT NULL)
         GROUP BY name ORDER BY name",
        sum("prompt_tokens"),
        sum("completion_tokens"),
        sum("total_tokens"),
    );
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map(params![since, until], |row| {
        let count = |index| row.get::<_, Option<i64>>(index).map(|sum| sum.and_then(|sum| u64::try_from(sum).ok()));
        let usage =
            Usage { model: None, prompt_tokens: count(2)?, completion_tokens: count(3)?, total_tokens: count(4)? };
        Ok(UsageSum { name: row.get(0)?, calls: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0), usage })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
