//! What calls used, summed for people.

use super::fault::Fault;
use super::rows::usage_sum;
use super::tally::SUMS;
use crate::changes::ALL_RUNS;
use crate::{UsageBy, UsageSum};
use model::{Millis, RunId};
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Sums the attempts that ended in a span of time and said that they used something. One pass over them.
pub(super) async fn sums(
    db: &mut PgConnection,
    by: UsageBy,
    since: Millis,
    until: Millis,
) -> Result<Vec<UsageSum>, Fault> {
    let key = match by {
        UsageBy::Route => {
            "(SELECT convert_to(lane.name, 'UTF8') FROM task JOIN lane ON lane.id = task.lane WHERE task.id = key >> 24)"
        }
        UsageBy::Model => "model",
        UsageBy::Day => "convert_to(to_char(to_timestamp(at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'UTF8')",
    };
    let columns = SUMS.map(|column| format!("least(sum({column}), {})::bigint", i64::MAX));
    let columns = SUMS.iter().zip(columns).map(|(column, sum)| format!("CASE WHEN count({column}) > 0 THEN {sum} END"));
    let sql = format!(
        "SELECT name, count(*), count(*) - count(cost), NULL::bytea, {}
         FROM (SELECT {key} AS name, * FROM attempt_end
               WHERE at >= $1 AND at < $2 AND (model IS NOT NULL OR coalesce({}) IS NOT NULL)) AS used
         GROUP BY name ORDER BY name NULLS FIRST",
        columns.collect::<Vec<_>>().join(", "),
        SUMS.join(", "),
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(since).bind(until).fetch_all(db).await?;
    Ok(rows.iter().map(usage_sum).collect::<Result<_, _>>()?)
}

/// What a run used, or all runs together.
pub(super) async fn of_run(db: &mut PgConnection, run: Option<RunId>) -> Result<UsageSum, Fault> {
    let sql =
        format!("SELECT NULL::bytea, calls, unpriced, NULL::bytea, {} FROM run_usage WHERE run = $1", SUMS.join(", "));
    let found = sqlx::query(AssertSqlSafe(sql)).bind(run.map_or(ALL_RUNS, |run| run.0)).fetch_optional(db).await?;
    Ok(found.as_ref().map(usage_sum).transpose()?.unwrap_or_default())
}

/// Sets the currency of all costs where there is none.
pub(super) async fn set_currency(db: &mut PgConnection, first: &str) -> Result<Option<String>, Fault> {
    sqlx::query("UPDATE identity SET currency = $1 WHERE currency IS NULL").bind(first).execute(&mut *db).await?;
    currency(db).await
}

/// The currency of all costs.
pub(super) async fn currency(db: &mut PgConnection) -> Result<Option<String>, Fault> {
    Ok(sqlx::query("SELECT currency FROM identity").fetch_one(db).await?.try_get(0)?)
}
