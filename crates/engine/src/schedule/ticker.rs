//! Looks at the clock, and begins the runs of schedules.

use super::Scheduled;
use crate::engine::Parts;
use crate::flow::Flows;
use bytes::Bytes;
use model::Millis;
use model::definition::Overlap;
use std::sync::Arc;
use store::{NewRun, Schedule, StoreError};

/// How long after a failure of the store it is asked again.
const PATIENCE: Millis = 1_000;
/// The longest rest: a clock that was set is noticed after so long.
const LONGEST_REST: Millis = 60_000;

/// Begins runs as their times come.
pub(crate) struct Ticker {
    parts: Parts,
    flows: Arc<Flows>,
}

impl Ticker {
    pub(crate) fn new(parts: Parts, flows: Arc<Flows>) -> Self {
        Self { parts, flows }
    }

    /// Goes on until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            let now = self.parts.clock.now();
            let next = match self.tick(now).await {
                Ok(next) => next.map_or(now + LONGEST_REST, |next| next.min(now + LONGEST_REST)),
                Err(error) => {
                    tracing::warn!(%error, "schedules could not be seen to; trying again");
                    now + PATIENCE
                }
            };
            self.parts.clock.sleep_until(next).await;
        }
    }

    /// Begins what is due; returns when something is due next.
    pub(crate) async fn tick(&self, now: Millis) -> Result<Option<Millis>, StoreError> {
        if self.flows.schedules.is_empty() {
            return Ok(None);
        }
        let lines = self.flows.schedules.iter().map(|one| (one.name.clone(), one.line())).collect();
        let known = self.parts.store.schedules(lines, now).await?;
        let mut runs = Vec::new();
        let mut next: Option<Millis> = None;
        for (scheduled, known) in self.flows.schedules.iter().zip(&known) {
            if known.paused.is_some() {
                continue;
            }
            runs.extend(self.runs(scheduled, known, now));
            next = next.into_iter().chain(scheduled.next_after(now)).min();
        }
        if !runs.is_empty() {
            for run in &runs {
                let (schedule, late) =
                    (run.trigger.as_str(), run.skipped.as_ref().map(|problem| problem.code.as_ref()));
                match late {
                    Some(code) => tracing::warn!(schedule, code, "a time of a schedule is passed over"),
                    None => tracing::info!(schedule, "a schedule begins a run"),
                }
            }
            self.parts.store.begin_runs(runs).await?;
            self.parts.standing.call_for(&[]);
        }
        Ok(next)
    }

    fn runs(&self, scheduled: &Scheduled, known: &Schedule, now: Millis) -> Vec<NewRun> {
        let due = scheduled.due(known.since, now);
        // Runs that make up for several missed times follow each other.
        let alone = due.len() == 1;
        let runs = due.into_iter().map(|occurrence| {
            #[allow(clippy::cast_possible_truncation, reason = "a part of a span")]
            let jitter = (scheduled.definition.jitter.0 as f64 * self.parts.random.fraction()) as Millis;
            let trigger = format!("schedule {}", scheduled.name);
            NewRun {
                due_at: now + jitter,
                key: Some(format!("schedule/{}/{}", scheduled.name, occurrence.slot)),
                occurrence: Some((scheduled.name.clone(), occurrence.slot)),
                unless_open: alone && scheduled.definition.overlap == Overlap::Skip,
                skipped: occurrence.skipped,
                ..NewRun::now(scheduled.lane, &trigger, now, Bytes::from_static(b"{}"))
            }
        });
        runs.collect()
    }
}
