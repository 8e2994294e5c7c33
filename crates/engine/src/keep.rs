//! Retention: deletes what routes and incoming need not keep, in slices so small that nobody waits for them.

use crate::clock::Clock;
use crate::definitions::from_stored;
use crate::standing::Standing;
use model::definition::Keep;
use model::{Millis, Problem, TaskId, TaskKind};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use store::{EndedTask, LaneId, Store};

/// How often the store is gone through.
const EVERY: Millis = 60 * 60 * 1_000;
/// A day, in milliseconds.
const DAY: Millis = 24 * EVERY;
/// Blobs are deleted when nothing has named them for so long: one that is being written is named soon.
const BLOBS_AFTER: Millis = DAY;
/// Tasks of one slice, entries of one, and bytes that one gives back.
const TASKS: Pace = Pace { size: 100, smallest: 10, largest: 500 };
const ENTRIES: Pace = Pace { size: 100, smallest: 10, largest: 500 };
const BYTES: Pace = Pace { size: 256 << 10, smallest: 64 << 10, largest: 1 << 20 };
/// A slice that took longer is followed by smaller ones, one that took less than half of it by larger ones. Nobody should
/// wait for more than 50 ms: where the disk is busy, one takes several times as long as those before.
const SLICE_TIME: Millis = 10;
/// Others get at least this long between two slices, and at least as long as a slice took.
const PAUSE: Millis = 10;
/// Tasks that one pass deletes at most, so that remembering them needs little memory. The next pass follows at once.
const PASS: usize = 250_000;
/// Tasks of one page.
const PAGE: u32 = 1_000;

/// Goes through a store and deletes what need not be kept.
pub struct Keeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// What is beyond what a lane keeps, or was, and is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// `pull`: of an incoming. `push`: of a route.
    pub kind: TaskKind,
    /// Name of the incoming or route.
    pub name: String,
    /// How many tasks.
    pub tasks: u64,
    /// Bytes of their data, requests and answers.
    pub bytes: u64,
}

/// How much a slice does, by how long the ones before took.
#[derive(Clone, Copy, Debug)]
struct Pace {
    size: u32,
    smallest: u32,
    largest: u32,
}

impl Pace {
    fn learn(&mut self, took: Millis) {
        self.size = match took {
            took if took > SLICE_TIME => (self.size / 2).max(self.smallest),
            took if took * 2 < SLICE_TIME => (self.size * 2).min(self.largest),
            _ => self.size,
        };
    }
}

/// What a pass found: by lane, and the tasks themselves, the oldest first.
struct Found {
    lanes: BTreeMap<LaneId, (u64, u64)>,
    tasks: Vec<EndedTask>,
    more: bool,
}

/// What was deleted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pruned {
    /// By lane; lanes with nothing to delete are left out.
    pub lanes: Vec<Beyond>,
    /// Blobs that nothing named any more.
    pub blobs: u64,
    /// Expired entries of storages.
    pub entries: u64,
    /// Bytes that the database's file gave back.
    pub given_back: u64,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Nothing is looked at yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Prunes now and then every hour, until it is dropped.
    pub(crate) async fn run(self, standing: Arc<Standing>) {
        loop {
            let next = self.clock.now() + EVERY;
            match self.prune().await {
                Ok(pruned) if !pruned.lanes.is_empty() => {
                    tracing::info!(?pruned, "old tasks were deleted");
                    standing.facts().unnamed();
                }
                Ok(_) => {}
                Err(problems) => {
                    for problem in problems {
                        tracing::warn!(%problem, "old tasks could not be deleted; trying again in an hour");
                    }
                }
            }
            self.clock.sleep_until(next).await;
        }
    }

    /// Says what pruning would delete now, and changes nothing.
    ///
    /// # Errors
    /// What the store says, and definitions that this version cannot read.
    pub async fn foresee(&self) -> Result<Vec<Beyond>, Vec<Problem>> {
        let found = self.look().await?;
        self.named(&found.lanes).await
    }

    /// Deletes what is beyond what lanes keep, then blobs that nothing names, then gives space back.
    ///
    /// # Errors
    /// As [`Keeper::foresee`]. What was deleted by then stays deleted.
    pub async fn prune(&self) -> Result<Pruned, Vec<Problem>> {
        let mut lanes: BTreeMap<LaneId, (u64, u64)> = BTreeMap::new();
        loop {
            let found = self.look().await?;
            for task in self.delete(&found.tasks).await.map_err(one)? {
                let sum = lanes.entry(task.lane).or_default();
                *sum = (sum.0 + 1, sum.1 + task.bytes);
            }
            if !found.more {
                break;
            }
        }
        let lanes = self.named(&lanes).await?;
        let entries = self.delete_expired().await.map_err(one)?;
        let before = self.clock.now() - BLOBS_AFTER;
        let blobs = self.store.sweep_blobs(before).await.map_err(one)?;
        let given_back = self.give_back().await.map_err(one)?;
        Ok(Pruned { lanes, blobs, entries, given_back })
    }

    /// Goes through all ended tasks, newest first, and remembers those that are beyond what their lane keeps.
    async fn look(&self) -> Result<Found, Vec<Problem>> {
        let keeps = self.keeps().await?;
        let now = self.clock.now();
        let mut kept: HashMap<LaneId, (u64, u64)> = HashMap::new();
        let mut found = Found { lanes: BTreeMap::new(), tasks: Vec::new(), more: false };
        let mut oldest = VecDeque::new();
        let mut before = None;
        loop {
            let page = self.store.ended(before, PAGE).await.map_err(one)?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            for task in page {
                let keep = keeps.get(&task.lane).copied().unwrap_or_default();
                if stays(&task, keep, now, kept.entry(task.lane).or_default()) {
                    continue;
                }
                let sum = found.lanes.entry(task.lane).or_default();
                *sum = (sum.0 + 1, sum.1 + task.bytes);
                oldest.push_back(task);
                if oldest.len() > PASS {
                    oldest.pop_front();
                    found.more = true;
                }
            }
        }
        found.tasks = oldest.into_iter().rev().collect();
        Ok(found)
    }

    /// What each defined lane keeps. Others keep what is usual.
    async fn keeps(&self) -> Result<HashMap<LaneId, Keep>, Vec<Problem>> {
        let (_, stored) = self.store.definitions().await.map_err(one)?;
        let definitions = from_stored(&stored)?;
        let lanes = self.store.all_lanes().await.map_err(one)?;
        let keep = |kind, name: &str| match kind {
            TaskKind::Pull => definitions.incoming.get(name).map(|incoming| incoming.keep),
            TaskKind::Push => definitions.routes.get(name).map(|route| route.keep),
        };
        Ok(lanes.iter().filter_map(|lane| Some((lane.id, keep(lane.kind, &lane.name)?))).collect())
    }

    async fn named(&self, lanes: &BTreeMap<LaneId, (u64, u64)>) -> Result<Vec<Beyond>, Vec<Problem>> {
        let known = self.store.all_lanes().await.map_err(one)?;
        let beyond = known.into_iter().filter_map(|lane| {
            let (tasks, bytes) = *lanes.get(&lane.id)?;
            Some(Beyond { kind: lane.kind, name: lane.name, tasks, bytes })
        });
        Ok(beyond.collect())
    }

    /// Deletes slice by slice, and tells what is gone: a task that somebody ran again meanwhile stays.
    async fn delete(&self, tasks: &[EndedTask]) -> Result<Vec<EndedTask>, store::StoreError> {
        let mut pace = TASKS;
        let mut gone = Vec::with_capacity(tasks.len());
        let mut rest = tasks;
        while !rest.is_empty() {
            let (slice, later) = rest.split_at(rest.len().min(pace.size as usize));
            rest = later;
            let began = self.clock.now();
            let ids: Vec<TaskId> = slice.iter().map(|task| task.id).collect();
            let deleted = self.store.delete_ended(ids).await?;
            gone.extend(slice.iter().zip(deleted).filter(|(_, deleted)| *deleted).map(|(task, _)| *task));
            pace.learn(self.let_others(began).await);
        }
        Ok(gone)
    }

    async fn delete_expired(&self) -> Result<u64, store::StoreError> {
        let (mut all, mut pace) = (0, ENTRIES);
        loop {
            let began = self.clock.now();
            let deleted = self.store.delete_expired(began, pace.size).await?;
            all += deleted;
            if deleted < u64::from(pace.size) {
                return Ok(all);
            }
            pace.learn(self.let_others(began).await);
        }
    }

    async fn give_back(&self) -> Result<u64, store::StoreError> {
        let (mut all, mut pace) = (0, BYTES);
        loop {
            let began = self.clock.now();
            match self.store.give_back(u64::from(pace.size)).await? {
                0 => return Ok(all),
                bytes => all += bytes,
            }
            pace.learn(self.let_others(began).await);
        }
    }

    /// Rests after a slice that began at this time; tells how long it took.
    async fn let_others(&self, began: Millis) -> Millis {
        let now = self.clock.now();
        let took = now - began;
        self.clock.sleep_until(now + took.max(PAUSE)).await;
        took
    }
}

/// Whether a task is within what its lane keeps; `kept` is what newer ones of the lane take up. Once one is beyond the
/// number or the bytes, all older ones are.
fn stays(task: &EndedTask, keep: Keep, now: Millis, kept: &mut (u64, u64)) -> bool {
    *kept = (kept.0 + 1, kept.1.saturating_add(task.bytes));
    let young = now - task.finished_at < i64::from(keep.days) * DAY;
    young && keep.tasks.is_none_or(|most| kept.0 <= most) && keep.bytes.is_none_or(|most| kept.1 <= most)
}

#[allow(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn one(error: store::StoreError) -> Vec<Problem> {
    vec![error.problem()]
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
