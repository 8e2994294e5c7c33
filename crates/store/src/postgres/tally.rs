//! Saves what a transaction changed in the tables `tally` and `run_usage`: last, so that others wait for its rows only
//! while it is committed, and in the order of their keys, so that nobody waits in a circle.

use super::fault::Fault;
use super::rows::{bad, state_column};
use crate::UsageSum;
use crate::changes::{Changes, integer};
use model::TaskState;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::BTreeMap;

/// Writes everything that changed.
pub(super) async fn save(db: &mut PgConnection, changes: &Changes) -> Result<(), Fault> {
    let counts = changes.counts();
    if !counts.is_empty() {
        save_counts(db, &counts).await?;
    }
    let usage = changes.usage();
    if !usage.is_empty() {
        save_usage(db, &usage).await?;
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

async fn save_usage(db: &mut PgConnection, sums: &BTreeMap<i64, UsageSum>) -> Result<(), Fault> {
    let runs: Vec<i64> = sums.keys().copied().collect();
    let calls: Vec<Option<i64>> = sums.values().map(|sum| integer(Some(sum.calls))).collect();
    let unpriced: Vec<Option<i64>> = sums.values().map(|sum| integer(Some(sum.unpriced))).collect();
    let count = |at: usize| -> Vec<Option<i64>> { sums.values().map(|sum| integer(sum.usage.counts()[at])).collect() };
    let cost: Vec<Option<i64>> = sums.values().map(|sum| integer(sum.usage.cost.map(|cost| cost.0))).collect();
    sqlx::query(AssertSqlSafe(save_usage_text()))
        .bind(runs)
        .bind(calls)
        .bind(unpriced)
        .bind(count(0))
        .bind(count(1))
        .bind(count(2))
        .bind(count(3))
        .bind(count(4))
        .bind(count(5))
        .bind(count(6))
        .bind(cost)
        .execute(db)
        .await?;
    Ok(())
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

/// A sum stays at 2^63 - 1 once it is there. Added to nothing, a count is the sum.
fn save_usage_text() -> String {
    let added = SUMS.map(|column| {
        format!(
            "{column} = CASE WHEN old.{column} IS NULL THEN excluded.{column}
                             WHEN excluded.{column} IS NULL THEN old.{column}
                             ELSE least(old.{column}::numeric + excluded.{column}, {MOST})::bigint END",
            MOST = i64::MAX
        )
    });
    format!(
        "INSERT INTO run_usage AS old
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                              $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
         ON CONFLICT (run) DO UPDATE SET
             calls = old.calls + excluded.calls, unpriced = old.unpriced + excluded.unpriced, {}",
        added.join(", ")
    )
}
