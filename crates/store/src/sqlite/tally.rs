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
            for run in [run, ALL_RUNS] {
                add_usage(self.usage.entry(run).or_default(), usage);
            }
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
        *self.tasks.entry((ALL_RUNS, lane, state)).or_default() += by;
    }

    /// Writes everything.
    pub(super) fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        for ((run, lane, state), by) in self.tasks.iter().filter(|(_, by)| **by != 0) {
            db.prepare_cached(
                "INSERT INTO tally (run, lane, state, count) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )?
            .execute([run, lane, state, by])?;
            if *by < 0 {
                db.prepare_cached("DELETE FROM tally WHERE run = ?1 AND lane = ?2 AND state = ?3 AND count = 0")?
                    .execute([run, lane, state])?;
            }
        }
        for (run, usage) in &self.usage {
            db.prepare_cached(
                "INSERT INTO run_usage (run, prompt_tokens, completion_tokens, total_tokens) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET
                     prompt_tokens = coalesce(prompt_tokens + excluded.prompt_tokens, prompt_tokens, excluded.prompt_tokens),
                     completion_tokens = coalesce(completion_tokens + excluded.completion_tokens, completion_tokens,
                                                  excluded.completion_tokens),
                     total_tokens = coalesce(total_tokens + excluded.total_tokens, total_tokens, excluded.total_tokens)",
            )?
            .execute(params![run, integer(usage.prompt_tokens), integer(usage.completion_tokens), integer(usage.total_tokens)])?;
        }
        Ok(())
    }
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
