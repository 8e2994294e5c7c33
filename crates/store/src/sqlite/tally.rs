//! Saves what a transaction changed in the tables `tally`, `run_usage` and `usage_hour`.

use super::usage::COLUMNS;
use crate::UsageSum;
use crate::changes::{Changes, integer};
use rusqlite::{Connection, Statement, ToSql, params, params_from_iter};
use std::sync::LazyLock;

/// Writes everything that changed.
pub(super) fn save(db: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    for ((run, lane, state), by) in changes.counts() {
        save_count(db, [run, lane, state, by])?;
    }
    for (run, sum) in changes.usage() {
        add(&mut *db.prepare_cached(&RUN)?, params![run], &sum)?;
    }
    for ((hour, lane, model), sum) in changes.hours() {
        add(&mut *db.prepare_cached(&HOUR)?, params![hour, lane, model], sum)?;
    }
    Ok(())
}

/// Adds to a count; `row` is run, lane, state and by how much.
fn save_count(db: &Connection, row: [i64; 4]) -> rusqlite::Result<()> {
    let [run, lane, state, by] = row;
    db.prepare_cached(
        "INSERT INTO tally (run, lane, state, count) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )?
    .execute(row)?;
    if by < 0 {
        db.prepare_cached("DELETE FROM tally WHERE run = ?1 AND lane = ?2 AND state = ?3 AND count = 0")?
            .execute([run, lane, state])?;
    }
    Ok(())
}

/// What adds to sums of usage, by run and by hour, lane and model.
static RUN: LazyLock<String> = LazyLock::new(|| adding("run_usage", &["run"]));
static HOUR: LazyLock<String> = LazyLock::new(|| adding("usage_hour", &["hour", "lane", "model"]));

fn adding(table: &str, key: &[&str]) -> String {
    let (calls, first) = (key.len() + 1, key.len() + 3);
    // A sum beyond 2^63 becomes a fraction, and the cast brings it back to the largest number.
    let added = COLUMNS.iter().zip(first..).map(|(name, number)| {
        format!("{name} = CAST(coalesce(old.{name} + ?{number}, old.{name}, ?{number}) AS INTEGER)")
    });
    let values: Vec<String> = (1..first + COLUMNS.len()).map(|number| format!("?{number}")).collect();
    format!(
        "INSERT INTO {table} AS old ({}, calls, unpriced, {}) VALUES ({})
         ON CONFLICT DO UPDATE SET calls = old.calls + ?{calls}, unpriced = old.unpriced + ?{}, {}",
        key.join(", "),
        COLUMNS.join(", "),
        values.join(", "),
        calls + 1,
        added.collect::<Vec<_>>().join(", "),
    )
}

/// Adds to a sum; the values of its key come first.
fn add(statement: &mut Statement<'_>, key: &[&dyn ToSql], sum: &UsageSum) -> rusqlite::Result<()> {
    let counts = sum.usage.counts().map(integer);
    let own = [integer(Some(sum.calls)), integer(Some(sum.unpriced))];
    let cost = [integer(sum.usage.cost.map(|cost| cost.0))];
    let values = own.iter().chain(&counts).chain(&cost).map(|value| value as &dyn ToSql);
    statement.execute(params_from_iter(key.iter().copied().chain(values))).map(|_| ())
}
