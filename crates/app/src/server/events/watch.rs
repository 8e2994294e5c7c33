//! From what was told to events: how the tasks stand that changed, the counts, health, definitions.

use super::super::Shared;
use super::super::health;
use engine::facts::{Gathered, MOST_NAMED};
use model::{TaskId, TaskKind, TaskState};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use store::{Lane, LaneId, StoreError, Tally, TaskStanding};

/// Routes and definitions that one event names at most.
const MOST_LISTED: usize = 100;

/// An event: its name, and what it says.
type Event = (&'static str, Value);

/// Counts of a lane, by state.
type Counts = BTreeMap<TaskState, u64>;

/// What was told last, to tell what is new.
#[derive(Default)]
pub(super) struct Watch {
    /// The largest number of a task that was seen.
    newest: i64,
    lanes: HashMap<LaneId, Lane>,
    counts: BTreeMap<LaneId, Counts>,
    definitions: BTreeMap<(String, String), i64>,
    revision: i64,
    health: Value,
    /// The store could not be asked: tasks may have changed that nobody names.
    missed: bool,
}

impl Watch {
    /// How everything stands at the beginning. Where the store cannot be asked, it is asked again with the next look.
    pub(super) async fn begin(shared: &Shared) -> Self {
        let mut watch = Self::default();
        watch.missed = watch.look_at_tasks(shared, Gathered::default()).await.is_err();
        watch.missed |= watch.look_at_counts(shared).await.is_err();
        let _ = watch.look_at_definitions(shared).await;
        watch.health = health::in_short(shared);
        watch
    }

    /// The events of what happened since. `looks`: also of what nobody tells.
    pub(super) async fn happened(&mut self, shared: &Shared, gathered: Gathered, looks: bool) -> Vec<Event> {
        let mut events: Vec<Event> =
            gathered.remarks.iter().map(|((event, _), known)| (*event, known.clone())).collect();
        let others_write = looks && shared.store.is_shared();
        if gathered.definitions || (others_write && self.is_newer(shared)) {
            events.extend(self.look_at_definitions(shared).await.ok().flatten());
        }
        let tells = gathered.unnamed || !gathered.tasks.is_empty() || gathered.made;
        if tells || others_write || (looks && self.missed) {
            events.extend(self.look(shared, gathered, others_write && !tells).await);
        }
        if looks {
            let health = health::in_short(shared);
            if health != self.health {
                self.health = health.clone();
                events.push(("health", health));
            }
        }
        events
    }

    async fn look(&mut self, shared: &Shared, mut gathered: Gathered, only_others: bool) -> Vec<Event> {
        gathered.unnamed |= self.missed;
        let looked = async {
            let mut events = if only_others { Vec::new() } else { self.look_at_tasks(shared, gathered).await? };
            let counts = self.look_at_counts(shared).await?;
            if only_others && counts.is_some() {
                events = self.look_at_tasks(shared, Gathered { unnamed: true, ..Gathered::default() }).await?;
            }
            events.extend(counts);
            Ok::<_, StoreError>(events)
        };
        let looked = looked.await;
        self.missed = looked.is_err();
        looked.unwrap_or_default()
    }

    /// The tasks that changed, each by name; where they are too many, that there are.
    async fn look_at_tasks(&mut self, shared: &Shared, gathered: Gathered) -> Result<Vec<Event>, StoreError> {
        let most = u32::try_from(MOST_NAMED + 1).unwrap_or(u32::MAX);
        let newer = shared.store.newer_tasks(TaskId(self.newest), most).await?;
        let is_many = gathered.unnamed || newer.len() + gathered.tasks.len() > MOST_NAMED;
        let mut events = Vec::new();
        if is_many {
            events.push(("tasks.changed", json!({})));
        } else {
            let asked: Vec<TaskId> = gathered.tasks.into_iter().filter(|task| task.0 <= self.newest).collect();
            let found = shared.store.standings(asked.clone()).await?;
            let gone = asked.iter().filter(|task| !found.iter().any(|one| one.id == **task));
            events.extend(gone.map(|task| ("task.changed", json!({ "id": task, "state": "deleted" }))));
            for one in found.iter().chain(newer.iter().rev()) {
                events.push(("task.changed", self.task(shared, one).await?));
            }
        }
        if let Some(newest) = newer.first() {
            self.newest = newest.id.0;
        }
        Ok(events)
    }

    async fn task(&mut self, shared: &Shared, task: &TaskStanding) -> Result<Value, StoreError> {
        let (kind, name) = self.lane(shared, task.lane).await?;
        Ok(json!({ "id": task.id, "state": task.state, kind: name }))
    }

    /// What a lane is: `route` or `incoming`, and its name.
    async fn lane(&mut self, shared: &Shared, lane: LaneId) -> Result<(&'static str, &str), StoreError> {
        if !self.lanes.contains_key(&lane) {
            self.lanes = shared.store.all_lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect();
        }
        let known = self.lanes.get(&lane);
        let is_pull = known.is_some_and(|lane| lane.kind == TaskKind::Pull);
        Ok((if is_pull { "incoming" } else { "route" }, known.map_or("", |lane| &lane.name)))
    }

    /// The counts, where they changed: all states together, and the lanes whose counts are others now.
    async fn look_at_counts(&mut self, shared: &Shared) -> Result<Option<Event>, StoreError> {
        let mut counts: BTreeMap<LaneId, Counts> = BTreeMap::new();
        for Tally { lane, state, count, .. } in shared.store.tally(None).await? {
            counts.entry(lane).or_default().insert(state, count);
        }
        let gone = self.counts.keys().filter(|lane| !counts.contains_key(lane));
        let changed: Vec<LaneId> = counts
            .iter()
            .filter(|(lane, counts)| self.counts.get(lane) != Some(counts))
            .map(|(lane, _)| lane)
            .chain(gone)
            .copied()
            .collect();
        if changed.is_empty() {
            return Ok(None);
        }
        let mut all = Counts::new();
        for (state, count) in counts.values().flatten() {
            *all.entry(*state).or_default() += count;
        }
        let mut lanes: BTreeMap<&'static str, Map<String, Value>> =
            [("route", Map::new()), ("incoming", Map::new())].into();
        for lane in changed.iter().take(MOST_LISTED) {
            let of_lane = json!(counts.get(lane).cloned().unwrap_or_default());
            let (kind, name) = self.lane(shared, *lane).await?;
            lanes.entry(kind).or_default().insert(name.to_owned(), of_lane);
        }
        self.counts = counts;
        let more = changed.len() > MOST_LISTED;
        let event = json!({ "states": all, "routes": lanes["route"], "incoming": lanes["incoming"], "more": more });
        Ok(Some(("counts", event)))
    }

    /// Whether the engine has taken up definitions that were not told.
    fn is_newer(&self, shared: &Shared) -> bool {
        shared.status.borrow().flows.as_ref().is_some_and(|flows| flows.revision > self.revision)
    }

    /// Which definitions changed.
    async fn look_at_definitions(&mut self, shared: &Shared) -> Result<Option<Event>, StoreError> {
        let (revision, all) = shared.store.definitions().await?;
        let now: BTreeMap<(String, String), i64> =
            all.into_iter().map(|one| ((one.kind, one.name), one.revision)).collect();
        let changed =
            now.iter().filter(|(key, revision)| self.definitions.get(key) != Some(revision)).map(|(key, _)| key);
        let gone = self.definitions.keys().filter(|key| !now.contains_key(key));
        let all: Vec<&(String, String)> = changed.chain(gone).collect();
        let listed: Vec<Value> =
            all.iter().take(MOST_LISTED).map(|(kind, name)| json!({ "kind": kind, "name": name })).collect();
        let event = json!({ "revision": revision, "changed": listed, "more": all.len() > MOST_LISTED });
        let is_new = !all.is_empty();
        (self.definitions, self.revision) = (now, revision);
        Ok(is_new.then_some(("definition.changed", event)))
    }
}
