//! What a run came to.

use super::usage::in_words;
use crate::exit::Exit;
use crate::print::{Printer, time};
use crate::progress::{LaneProgress, Progress};
use engine::WorkEnd;
use model::{RunId, TaskState};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use store::UsageSum;

/// What a run came to.
pub(crate) struct Summary {
    /// The run that was begun or went on.
    run: RunId,
    end: WorkEnd,
    seconds: f64,
    usage: UsageSum,
    currency: String,
    /// Counts by run and lane (kind and name), then state; of earlier runs too that were still open.
    lanes: Vec<(RunId, String, BTreeMap<TaskState, u64>)>,
    /// Files that were written to.
    files: Vec<String>,
}

impl Summary {
    /// What runs came to, of which the last is the one that was begun or went on.
    pub(crate) fn new(all: &[Progress], end: WorkEnd, seconds: f64) -> Self {
        let last = all.last();
        let (usage, currency) = last.map(Progress::usage).unwrap_or_default();
        let of_run = |progress: &Progress| {
            let run = progress.run;
            let lane =
                |lane: &LaneProgress| (run, format!("{} {}", lane.kind.as_str(), lane.name), lane.states.clone());
            progress.lanes.iter().map(lane).collect::<Vec<_>>()
        };
        Self {
            run: last.map_or(RunId(0), |last| last.run),
            end,
            seconds,
            usage,
            currency,
            lanes: all.iter().flat_map(of_run).collect(),
            files: last.map(|last| last.files.clone()).unwrap_or_default(),
        }
    }

    /// How many tasks of the run are in a state.
    pub(crate) fn count(&self, state: TaskState) -> u64 {
        self.lanes.iter().filter_map(|(_, _, counts)| counts.get(&state)).sum()
    }

    /// Whether all of it went well.
    pub(crate) fn exit(&self) -> Exit {
        let failed = self.count(TaskState::Failed) + self.count(TaskState::Rejected);
        match self.end {
            WorkEnd::Stopped => Exit::Stopped,
            _ if self.count(TaskState::Unknown) > 0 => Exit::Unknown,
            _ if failed > 0 => Exit::Failed,
            WorkEnd::Waiting(_) => Exit::Waiting,
            WorkEnd::Idle => Exit::Done,
        }
    }

    pub(crate) fn print(&self, printer: &Printer) {
        if printer.json() {
            return printer.value(&self.value());
        }
        self.print_table(printer);
        if self.usage.calls > 0 {
            printer.data(&in_words(&self.usage, &self.currency));
        }
        for file in &self.files {
            printer.data(&format!("result: {file}"));
        }
        if let WorkEnd::Waiting(at) = self.end {
            printer.say(&format!("what is left comes due at {}; run it again then, nothing is lost", time(at)));
        }
        if self.count(TaskState::Unknown) > 0 {
            printer.say("some outcomes are unknown: tramontane tasks list --state unknown");
        }
        if self.count(TaskState::Failed) > 0 {
            printer.say("some tasks failed: tramontane tasks list --state failed");
        }
    }

    fn print_table(&self, printer: &Printer) {
        let states: Vec<TaskState> = TaskState::ALL.into_iter().filter(|state| self.count(*state) > 0).collect();
        let mut head = vec!["run", "lane"];
        head.extend(states.iter().map(|state| state.as_str()));
        head.push("seconds");
        let rows = self.lanes.iter().map(|(run, name, counts)| {
            let mut row = vec![run.to_string(), name.clone()];
            row.extend(states.iter().map(|state| counts.get(state).copied().unwrap_or(0).to_string()));
            row.push(format!("{:.2}", self.seconds));
            row
        });
        printer.table(&head, &rows.collect::<Vec<_>>());
    }

    fn value(&self) -> Value {
        let by_state = |counts: &BTreeMap<TaskState, u64>| -> Map<String, Value> {
            counts.iter().map(|(state, count)| (state.as_str().to_owned(), json!(count))).collect()
        };
        let mut all: BTreeMap<TaskState, u64> = BTreeMap::new();
        let mut by_lane: BTreeMap<&str, BTreeMap<TaskState, u64>> = BTreeMap::new();
        for (_, name, counts) in &self.lanes {
            for (state, count) in counts {
                *all.entry(*state).or_default() += count;
                *by_lane.entry(name).or_default().entry(*state).or_default() += count;
            }
        }
        let lanes: Map<String, Value> =
            by_lane.iter().map(|(name, counts)| ((*name).to_owned(), Value::Object(by_state(counts)))).collect();
        let (end, due_at) = match self.end {
            WorkEnd::Idle => ("idle", None),
            WorkEnd::Stopped => ("stopped", None),
            WorkEnd::Waiting(at) => ("waiting", Some(time(at))),
        };
        json!({
            "run": self.run, "end": end, "due_at": due_at, "seconds": self.seconds, "states": by_state(&all),
            "lanes": lanes, "usage": crate::story::usage_value(&self.usage, Some(&self.currency)), "files": self.files,
        })
    }
}
