//! What rules are held against: asked of the store by its indexes and counts, a few rows at a time.

use super::Watcher;
use crate::flow::Flows;
use crate::models;
use model::definition::When;
use model::{Millis, TaskKind, TaskState};
use std::collections::BTreeMap;
use store::{KeyRefused, LaneId, Store, StoreError};

/// An occurrence is overdue so long after its time.
const OVERDUE: Millis = 120_000;
/// So many runs of an incoming are looked through for the latest of a schedule.
const RUNS: u32 = 20;

/// What a rule is held against. Only what the rule asks for is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Failed tasks of the rule's time, by lane: `route ocr`, `incoming mails`.
    pub failed: BTreeMap<String, u64>,
    /// Tasks whose outcome is unknown, by lane.
    pub unknown: BTreeMap<String, u64>,
    /// Since when the first task that could be begun has been due, by lane.
    pub waiting: BTreeMap<String, Millis>,
    /// Schedules whose latest time was left out, or is overdue.
    pub missed: BTreeMap<String, Missed>,
    /// What was used of the day's limits, by HTTP client.
    pub budgets: BTreeMap<String, Budget>,
    /// HTTP clients whose keys are refused.
    pub refused: Vec<KeyRefused>,
    /// Room on the disk of the data folder; `None`: it could not be asked.
    pub space: Option<Space>,
    /// Models in use that have a date on which they go.
    pub retiring: Vec<Retiring>,
}

/// A time of a schedule for which nothing ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It was left out, and its run says why.
    LeftOut(i64),
    /// It was due then, and nothing has begun yet.
    Overdue(Millis),
}

/// What was used of a day's limits, and the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Calls begun, of how many.
    pub calls: Option<(u64, u64)>,
    /// Cost in billionths, of how much.
    pub cost: Option<(u64, u64)>,
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is free.
    pub free: u64,
    /// All of it.
    pub all: u64,
}

/// A model in use that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retiring {
    /// The HTTP client that sees it.
    pub client: String,
    /// Its id.
    pub model: String,
    /// When.
    pub at: Millis,
    /// The model in its place.
    pub replacement: Option<String>,
    /// The routes concerned.
    pub routes: Vec<String>,
}

impl Watcher {
    /// Gathers what a rule asks for.
    pub(super) async fn facts(&self, flows: &Flows, when: &When, now: Millis) -> Result<Facts, StoreError> {
        let store = self.parts.store.as_ref();
        let mut facts = Facts::default();
        match when {
            When::FailedTasks { within, .. } => {
                let names = lane_names(store).await?;
                let failed = store.failed_since(now - within.0).await?;
                facts.failed = failed.iter().filter_map(|(lane, n)| Some((names.get(lane)?.clone(), *n))).collect();
            }
            When::UnknownOutcomes { .. } => {
                let names = lane_names(store).await?;
                let tallies = store.tally(None).await?;
                let unknown = tallies.iter().filter(|tally| tally.state == TaskState::Unknown);
                facts.unknown =
                    unknown.filter_map(|tally| Some((names.get(&tally.lane)?.clone(), tally.count))).collect();
            }
            When::OldestWaiting { .. } => {
                let pulls = flows.pulls.values().map(|flow| (flow.lane, lane_name(TaskKind::Pull, &flow.name)));
                let pushes = flows.pushes.values().map(|flow| (flow.lane, lane_name(TaskKind::Push, &flow.name)));
                for (lane, name) in pulls.chain(pushes) {
                    if let Some(due) = store.next_due(vec![lane]).await?.filter(|due| *due < now) {
                        facts.waiting.insert(name, due);
                    }
                }
            }
            When::ScheduleMissed { schedule } => {
                facts.missed = missed(store, flows, schedule.as_deref(), now).await?;
            }
            When::Budget { client, .. } => facts.budgets = budgets(store, flows, client, now).await?,
            When::KeyRefused { .. } => {
                facts.refused = store.keys_refused().await?;
                facts.refused.retain(|refused| flows.clients.contains_key(&refused.client));
            }
            When::Disk { .. } => facts.space = space(store),
            When::ModelRetirement { .. } => facts.retiring = models::retiring(store, &flows.definitions).await?,
        }
        Ok(facts)
    }
}

/// What a lane is called among subjects.
pub(super) fn lane_name(kind: TaskKind, name: &str) -> String {
    match kind {
        TaskKind::Pull => format!("incoming {name}"),
        TaskKind::Push => format!("route {name}"),
    }
}

async fn lane_names(store: &dyn Store) -> Result<BTreeMap<LaneId, String>, StoreError> {
    let lanes = store.all_lanes().await?;
    Ok(lanes.into_iter().map(|lane| (lane.id, lane_name(lane.kind, &lane.name))).collect())
}

async fn missed(
    store: &dyn Store,
    flows: &Flows,
    only: Option<&str>,
    now: Millis,
) -> Result<BTreeMap<String, Missed>, StoreError> {
    let asked = flows.schedules.iter().filter(|one| only.is_none_or(|only| only == one.name));
    let asked: Vec<_> = asked.collect();
    let lines = asked.iter().map(|one| (one.name.clone(), one.line())).collect();
    let known = store.schedules(lines, now).await?;
    let mut missed = BTreeMap::new();
    for (scheduled, known) in asked.into_iter().zip(known) {
        if known.paused.is_some() {
            continue;
        }
        if let Some(occurrence) = scheduled.due(known.since, now - OVERDUE).last() {
            missed.insert(scheduled.name.clone(), Missed::Overdue(occurrence.slot));
            continue;
        }
        let trigger = format!("schedule {}", scheduled.name);
        let runs = store.runs(Some(scheduled.lane), RUNS).await?;
        let Some(latest) = runs.iter().find(|run| run.trigger == trigger) else { continue };
        let tally = store.tally(Some(latest.id)).await?;
        let is_left_out = |tally: &store::Tally| tally.lane == scheduled.lane && tally.state == TaskState::Skipped;
        if tally.iter().any(is_left_out) {
            missed.insert(scheduled.name.clone(), Missed::LeftOut(latest.id.0));
        }
    }
    Ok(missed)
}

async fn budgets(
    store: &dyn Store,
    flows: &Flows,
    client: &str,
    now: Millis,
) -> Result<BTreeMap<String, Budget>, StoreError> {
    let Some(definition) = flows.definitions.http_clients.get(client) else { return Ok(BTreeMap::new()) };
    let drawn = store.drawn_of_day(now).await?;
    let drawn = drawn.iter().find(|drawn| drawn.client == client);
    let limits = definition.limits;
    let budget = Budget {
        calls: limits.calls_per_day.map(|most| (drawn.map_or(0, |drawn| drawn.calls), most)),
        cost: limits.cost_per_day.map(|most| (drawn.map_or(0, |drawn| drawn.cost), most.0)),
    };
    Ok(BTreeMap::from([(client.to_owned(), budget)]))
}

fn space(store: &dyn Store) -> Option<Space> {
    let stat = rustix::fs::statvfs(store.blob_folder().folder()).ok()?;
    let size = stat.f_frsize;
    Some(Space { free: stat.f_bavail.saturating_mul(size), all: stat.f_blocks.saturating_mul(size) })
}
