//! Saves what a transaction changed in the tables `tally`, `run_usage` and `usage_hour`: last, so that others wait for its rows only
//! while it is committed, and in the order of their keys, so that nobody waits in a circle.

use super::fault::Fault;
use super::rows::{bad, state_column};
use crate::UsageSum;
use crate::changes::{Changes, integer};
use model::TaskState;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Writes everything that changed.
pub(super) async fn save(db: &mut PgConnection, changes: &Changes) -> Result<(), Fault> {
    let counts = changes.counts();
    if !counts.is_empty() {
        save_counts(db, &counts).await?;
    }
    let usage = changes.usage();
    if !usage.is_empty() {
        let runs: Vec<i64> = usage.keys().copied().collect();
        let query = sqlx::query(AssertSqlSafe(RUN.as_str())).bind(runs);
        bind_sums(query, &usage.values().collect::<Vec<_>>()).execute(&mut *db).await?;
    }
    let hours = changes.hours();
    if !hours.is_empty() {
        let query = sqlx::query(AssertSqlSafe(HOUR.as_str()))
            .bind(hours.keys().map(|(hour, ..)| *hour).collect::<Vec<_>>())
            .bind(hours.keys().map(|(_, lane, _)| *lane).collect::<Vec<_>>())
            .bind(hours.keys().map(|(.., model)| model.as_bytes()).collect::<Vec<_>>());
        bind_sums(query, &hours.values().copied().collect::<Vec<_>>()).execute(db).await?;
    }
    Ok(())
}

async fn save_counts(db: &mut PgConnection, counts: &BTreeMap<(i64, i64, i64), i64>) -> Result<(), Fault> {
    let (mut runs, mut lanes, mut states, mut by) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((run, lane, state), more) in counts {
        let state = TaskState::from_number(*state).ok_or_else(|| bad(format!("there is no state {state}")))?;
        runs.push(*run);
        lanes.push(*lane);
        states.push(state_column(state));
        by.push(*more);
    }
    let saved = sqlx::query(
        "INSERT INTO tally AS old (run, lane, state, count)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[])
         ON CONFLICT (run, lane, state) DO UPDATE SET count = old.count + excluded.count
         RETURNING count",
    )
    .bind(&runs)
    .bind(&lanes)
    .bind(&states)
    .bind(by)
    .fetch_all(&mut *db)
    .await?;
    let mut gone = false;
    for row in saved {
        gone |= row.try_get::<i64, _>(0)? == 0;
    }
    if gone {
        sqlx::query(
            "DELETE FROM tally USING unnest($1::bigint[], $2::bigint[], $3::smallint[]) AS changed (run, lane, state)
             WHERE tally.run = changed.run AND tally.lane = changed.lane AND tally.state = changed.state
               AND tally.count = 0",
        )
        .bind(runs)
        .bind(lanes)
        .bind(states)
        .execute(db)
        .await?;
    }
    Ok(())
}

/// The columns of sums, after those of their keys.
fn bind_sums<'q>(query: Query<'q, Postgres, PgArguments>, sums: &[&UsageSum]) -> Query<'q, Postgres, PgArguments> {
    let column =
        |of: &dyn Fn(&UsageSum) -> Option<i64>| -> Vec<Option<i64>> { sums.iter().map(|sum| of(sum)).collect() };
    let query = query.bind(column(&|sum| integer(Some(sum.calls)))).bind(column(&|sum| integer(Some(sum.unpriced))));
    let counts = sums.first().map_or(0, |sum| sum.usage.counts().len());
    let query = (0..counts).fold(query, |query, at| query.bind(column(&|sum| integer(sum.usage.counts()[at]))));
    query.bind(column(&|sum| integer(sum.usage.cost.map(|cost| cost.0))))
}

/// The columns of sums, in the order of the table.
pub(super) const SUMS: [&str; 8] = [
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "total_tokens",
    "pages",
    "audio_seconds",
    "characters",
    "cost",
];

/// What adds to sums of usage, by run and by hour, lane and model.
static RUN: LazyLock<String> = LazyLock::new(|| adding("run_usage", &[("run", "bigint")]));
static HOUR: LazyLock<String> =
    LazyLock::new(|| adding("usage_hour", &[("hour", "bigint"), ("lane", "bigint"), ("model", "bytea")]));

/// A sum stays at 2^63 - 1 once it is there. Added to nothing, a count is the sum.
fn adding(table: &str, key: &[(&str, &str)]) -> String {
    let added = SUMS.map(|column| {
        format!(
            "{column} = CASE WHEN old.{column} IS NULL THEN excluded.{column}
                             WHEN excluded.{column} IS NULL THEN old.{column}
                             ELSE least(old.{column}::numeric + excluded.{column}, {MOST})::bigint END",
            MOST = i64::MAX
        )
    });
    let kinds = key.iter().map(|(_, kind)| *kind).chain(std::iter::repeat_n("bigint", SUMS.len() + 2));
    let arrays: Vec<String> = kinds.zip(1..).map(|(kind, place)| format!("${place}::{kind}[]")).collect();
    let names: Vec<&str> = key.iter().map(|(name, _)| *name).collect();
    format!(
        "INSERT INTO {table} AS old SELECT * FROM unnest({})
         ON CONFLICT ({}) DO UPDATE SET
             calls = old.calls + excluded.calls, unpriced = old.unpriced + excluded.unpriced, {}",
        arrays.join(", "),
        names.join(", "),
        added.join(", ")
    )
}
