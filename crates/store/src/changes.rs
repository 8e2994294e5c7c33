//! Counts and sums that are kept beside the tasks, so that asking for them is cheap.
//!
//! A transaction gathers what changes, and its adapter saves it once before the commit.

use crate::UsageSum;
use model::{Millis, TaskState, Usage};
use std::collections::{BTreeMap, HashMap};

/// The run under which all runs together are counted. Real runs count from 1.
pub(crate) const ALL_RUNS: i64 = 0;

/// Milliseconds of an hour.
const HOUR: Millis = 3_600_000;
/// Letters of a model's name that its sums are kept under.
const MODEL: usize = 200;

/// An hour since 1970, a lane, and a model; empty where the answer named none.
pub(crate) type HourKey = (i64, i64, String);

/// What a transaction changes in the tables `tally`, `run_usage` and `usage_hour`.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// By run, lane and state.
    tasks: HashMap<(i64, i64, i64), i64>,
    /// By run.
    usage: HashMap<i64, UsageSum>,
    /// By hour, lane and model.
    hours: HashMap<HourKey, UsageSum>,
}

impl Changes {
    /// A task came to be.
    pub(crate) fn born(&mut self, run: i64, lane: i64, state: TaskState) {
        self.count(run, lane, state.number(), 1);
    }

    /// A task went from one state to another.
    pub(crate) fn moved(&mut self, run: i64, lane: i64, from: TaskState, to: TaskState) {
        self.count(run, lane, from.number(), -1);
        self.count(run, lane, to.number(), 1);
    }

    /// Whether tasks of a lane came to be open in this transaction. Only of runs that are begun in it.
    pub(crate) fn has_open(&self, lane: i64) -> bool {
        self.tasks.iter().any(|((_, of, state), count)| *of == lane && *state < 4 && *count > 0)
    }

    /// A task was deleted.
    pub(crate) fn gone(&mut self, run: i64, lane: i64, state: TaskState) {
        self.count(run, lane, state.number(), -1);
    }

    /// An attempt of the run and lane that ended at this time used something.
    pub(crate) fn used(&mut self, run: i64, lane: i64, at: Millis, usage: &Usage) {
        let (calls, unpriced) = (1, u64::from(usage.cost.is_none()));
        let model = usage.model.as_deref().unwrap_or_default().chars().take(MODEL).collect();
        let sum = UsageSum { name: None, calls, unpriced, usage: Usage { model: None, ..usage.clone() } };
        add(self.usage.entry(run).or_default(), &sum);
        add(self.hours.entry((at.div_euclid(HOUR), lane, model)).or_default(), &sum);
    }

    /// Takes over what a part of the transaction changed.
    pub(crate) fn add(&mut self, other: Self) {
        for (key, count) in other.tasks {
            *self.tasks.entry(key).or_default() += count;
        }
        for (run, usage) in other.usage {
            add(self.usage.entry(run).or_default(), &usage);
        }
        for (key, usage) in other.hours {
            add(self.hours.entry(key).or_default(), &usage);
        }
    }

    fn count(&mut self, run: i64, lane: i64, state: i64, by: i64) {
        *self.tasks.entry((run, lane, state)).or_default() += by;
    }

    /// By how much each count changes, by run, lane and state, and those of all runs together.
    pub(crate) fn counts(&self) -> BTreeMap<(i64, i64, i64), i64> {
        let mut counts = BTreeMap::new();
        for ((run, lane, state), by) in &self.tasks {
            *counts.entry((*run, *lane, *state)).or_default() += by;
            *counts.entry((ALL_RUNS, *lane, *state)).or_default() += by;
        }
        counts.retain(|_, by| *by != 0);
        counts
    }

    /// What is added to the sums of usage, by run, and to that of all runs together.
    pub(crate) fn usage(&self) -> BTreeMap<i64, UsageSum> {
        let mut sums = BTreeMap::new();
        for (run, usage) in &self.usage {
            add(sums.entry(*run).or_default(), usage);
            add(sums.entry(ALL_RUNS).or_default(), usage);
        }
        sums
    }

    /// What is added to the sums of hours, in the order of their keys.
    pub(crate) fn hours(&self) -> BTreeMap<&HourKey, &UsageSum> {
        self.hours.iter().collect()
    }
}

/// A count as the database holds it. No service counts beyond 2^63; one that claims so gets that.
pub(crate) fn integer(count: Option<u64>) -> Option<i64> {
    count.map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

fn add(sum: &mut UsageSum, more: &UsageSum) {
    sum.calls += more.calls;
    sum.unpriced += more.unpriced;
    sum.usage.add(&more.usage);
}
