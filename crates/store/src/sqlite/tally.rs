//! Counts and sums that are kept beside the tasks, so that asking for them is cheap.
//!
//! A transaction gathers what changes and saves it once before its commit.

use crate::UsageSum;
use model::{TaskState, Usage};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// The run under which all runs together are counted. Real runs count from 1.
pub(super) const ALL_RUNS: i64 = 0;

/// What a transaction changes in the tables `tally` and `run_usage`.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// By run, lane and state.
    tasks: HashMap<(i64, i64, i64), i64>,
    /// By run.
    usage: HashMap<i64, UsageSum>,
}

impl Changes {
    /// A task came to be.
    pub(super) fn born(&mut self, run: i64, lane: i64, state: TaskState) {
        self.count(run, lane, state.number(), 1);
    }

    /// A task went from one state to another.
    pub(super) fn moved(&mut self, run: i64, lane: i64, from: TaskState, to: TaskState) {
        self.count(run, lane, from.number(), -1);
        self.count(run, lane, to.number(), 1);
    }

    /// A task was deleted.
    pub(super) fn gone(&mut self, run: i64, lane: i64, state: TaskState) {
        self.count(run, lane, state.number(), -1);
    }

    /// An attempt of the run used something.
    pub(super) fn used(&mut self, run: i64, usage: &Usage) {
        let (calls, unpriced) = (1, u64::from(usage.cost.is_none()));
        add(self.usage.entry(run).or_default(), &UsageSum { name: None, calls, unpriced, usage: usage.clone() });
    }

    /// Takes over what a part of the transaction changed.
    pub(super) fn add(&mut self, other: Self) {
        for (key, count) in other.tasks {
            *self.tasks.entry(key).or_default() += count;
        }
        for (run, usage) in other.usage {
            add(self.usage.entry(run).or_default(), &usage);
        }
    }

    fn count(&mut self, run: i64, lane: i64, state: i64, by: i64) {
        *self.tasks.entry((run, lane, state)).or_default() += by;
    }

    /// Writes everything, and the same for all runs together.
    pub(super) fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut all: HashMap<(i64, i64), i64> = HashMap::new();
        for ((run, lane, state), by) in &self.tasks {
            save_count(db, [*run, *lane, *state, *by])?;
            *all.entry((*lane, *state)).or_default() += by;
        }
        for ((lane, state), by) in all {
            save_count(db, [ALL_RUNS, lane, state, by])?;
        }
        let mut sum = UsageSum::default();
        for (run, usage) in &self.usage {
            save_usage(db, *run, usage)?;
            add(&mut sum, usage);
        }
        match sum.calls {
            0 => Ok(()),
            _ => save_usage(db, ALL_RUNS, &sum),
        }
    }
}

/// Adds to a count; `row` is run, lane, state and by how much.
fn save_count(db: &Connection, row: [i64; 4]) -> rusqlite::Result<()> {
    let [run, lane, state, by] = row;
    if by != 0 {
        db.prepare_cached(
            "INSERT INTO tally (run, lane, state, count) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?
        .execute(row)?;
    }
    if by < 0 {
        db.prepare_cached("DELETE FROM tally WHERE run = ?1 AND lane = ?2 AND state = ?3 AND count = 0")?
            .execute([run, lane, state])?;
    }
    Ok(())
}

fn save_usage(db: &Connection, run: i64, sum: &UsageSum) -> rusqlite::Result<()> {
    // A sum beyond 2^63 becomes a fraction, and the cast brings it back to the largest number.
    let columns = "prompt_tokens cached_tokens completion_tokens total_tokens pages audio_seconds characters cost";
    let added = |(index, name): (usize, &str)| {
        let number = index + 4;
        format!("{name} = CAST(coalesce(old.{name} + ?{number}, old.{name}, ?{number}) AS INTEGER)")
    };
    let sql = format!(
        "INSERT INTO run_usage AS old (run, calls, unpriced, {})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET calls = old.calls + ?2, unpriced = old.unpriced + ?3, {}",
        columns.replace(' ', ", "),
        columns.split(' ').enumerate().map(added).collect::<Vec<_>>().join(", "),
    );
    let [prompt, cached, completion, total, pages, seconds, characters] = sum.usage.counts().map(integer);
    let cost = integer(sum.usage.cost.map(|cost| cost.0));
    let (calls, unpriced) = (integer(Some(sum.calls)), integer(Some(sum.unpriced)));
    db.prepare_cached(&sql)?
        .execute(params![run, calls, unpriced, prompt, cached, completion, total, pages, seconds, characters, cost])?;
    Ok(())
}

/// A count as the database holds it. No service counts beyond 2^63; one that claims so gets that.
pub(super) fn integer(count: Option<u64>) -> Option<i64> {
    count.map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

fn add(sum: &mut UsageSum, more: &UsageSum) {
    sum.calls += more.calls;
    sum.unpriced += more.unpriced;
    sum.usage.add(&more.usage);
}
