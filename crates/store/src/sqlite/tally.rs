//! Counts and sums that are kept beside the tasks, so that asking for them is cheap.
//!
//! A transaction gathers what changes and saves it once before its commit.

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
    usage: HashMap<i64, Usage>,
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

    /// An attempt of the run used something.
    pub(super) fn used(&mut self, run: i64, usage: &Usage) {
        if !usage.is_empty() {
            add_usage(self.usage.entry(run).or_default(), usage);
        }
    }

    /// Takes over what a part of the transaction changed.
    pub(super) fn add(&mut self, other: Self) {
        for (key, count) in other.tasks {
            *self.tasks.entry(key).or_default() += count;
        }
        for (run, usage) in other.usage {
            add_usage(self.usage.entry(run).or_default(), &usage);
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
        let mut sum = Usage::default();
        for (run, usage) in &self.usage {
            save_usage(db, *run, usage)?;
            add_usage(&mut sum, usage);
        }
        match sum.is_empty() {
            true => Ok(()),
            false => save_usage(db, ALL_RUNS, &sum),
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

fn save_usage(db: &Connection, run: i64, usage: &Usage) -> rusqlite::Result<()> {
    // A sum beyond 2^63 becomes a fraction, and the cast brings it back to the largest number.
    db.prepare_cached(
        "INSERT INTO run_usage AS old (run, prompt_tokens, completion_tokens, total_tokens) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET
             prompt_tokens = CAST(coalesce(old.prompt_tokens + ?2, old.prompt_tokens, ?2) AS INTEGER),
             completion_tokens = CAST(coalesce(old.completion_tokens + ?3, old.completion_tokens, ?3) AS INTEGER),
             total_tokens = CAST(coalesce(old.total_tokens + ?4, old.total_tokens, ?4) AS INTEGER)",
    )?
    .execute(params![
        run,
        integer(usage.prompt_tokens),
        integer(usage.completion_tokens),
        integer(usage.total_tokens)
    ])?;
    Ok(())
}

/// A count as the database holds it. No service counts beyond 2^63; one that claims so gets that.
pub(super) fn integer(count: Option<u64>) -> Option<i64> {
    count.map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

fn add_usage(sum: &mut Usage, more: &Usage) {
    let add = |sum: &mut Option<u64>, more: Option<u64>| {
        if let Some(more) = more {
            *sum = Some(sum.unwrap_or(0).saturating_add(more));
        }
    };
    add(&mut sum.prompt_tokens, more.prompt_tokens);
    add(&mut sum.completion_tokens, more.completion_tokens);
    add(&mut sum.total_tokens, more.total_tokens);
}
