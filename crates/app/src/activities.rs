//! Activities at work: decisions about many tasks, and exports, slice by slice beside the engine.
//!
//! One process at a time works on an activity; where it ends without a word, another goes on with the next slice.

mod export;

pub(crate) use export::file_name;

use crate::filter::{self, Names};
use engine::Standing;
use engine::clock::Clock;
use model::{Millis, Problem, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use store::{
    Activity, AuditEntry, Condition, Decided, Decision, Holder, Search, Slice, SliceEnd, Store, StoreError, Test,
};
use tokio::sync::watch;

/// Tasks of one slice.
const SLICE: u32 = 200;
/// So long a holder may be silent, in milliseconds.
const LEASE: Millis = 60_000;
/// How often is looked for activities that other processes left, in milliseconds.
const LOOK: Millis = 10_000;

/// Kinds of activities.
pub(crate) const DECIDE: &str = "decide";
pub(crate) const EXPORT: &str = "export";

/// What an activity does, and with which tasks. Kept in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Tasks that this filter holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<String>,
    /// Of these, those created from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Millis>,
    /// And before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Millis>,
    /// Or tasks with these numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ids: Option<Vec<i64>>,
    /// What is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Decision>,
    /// Why, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// An export has data, requests and answers too.
    #[serde(default)]
    pub(crate) payloads: bool,
    /// Only tasks with numbers below this one: what came later is not meant.
    pub(crate) below: i64,
}

impl Wish {
    /// The search for its tasks, and the names in use; ages in the filter count from `at`.
    ///
    /// # Errors
    /// What is wrong with the filter, or with the store.
    pub(crate) async fn search(
        &self,
        store: &dyn Store,
        at: Millis,
    ) -> Result<Result<(filter::Wanted, Names), Problem>, StoreError> {
        let parsed = match filter::parse(self.filter.as_deref().unwrap_or_default()) {
            Ok(parsed) => parsed,
            Err(problem) => return Ok(Err(problem)),
        };
        let names = Names::of(store, &parsed).await?;
        let wanted = filter::resolve(&parsed, &names, [self.since, self.until], at);
        Ok(wanted.map(|wanted| (self.narrowed(wanted), names)))
    }

    /// Of what a filter means, what the rest of the wish leaves.
    fn narrowed(&self, mut wanted: filter::Wanted) -> filter::Wanted {
        if let Some(ids) = &self.ids {
            wanted.search.all.push(of_ids(ids.iter().copied()));
        } else if let Some(decision) = self.decision
            && !wanted.search.all.iter().any(asks_state)
        {
            // A state that was asked for is answered for: what does not fit is said. Else only what fits is meant.
            wanted.search.all.push(filter::fitting(decision));
        }
        wanted
    }
}

fn of_ids(ids: impl Iterator<Item = i64>) -> Condition {
    Condition { is_not: false, any: ids.map(|id| Test::Id(TaskId(id))).collect() }
}

fn asks_state(condition: &Condition) -> bool {
    condition.any.iter().any(|test| matches!(test, Test::State(_)))
}

/// Works on activities, one after the other.
pub(crate) struct Worker {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    standing: Arc<Standing>,
    /// What tells it from all others.
    name: String,
}

/// Why work on an activity ends for now.
enum Pause {
    /// It came to its end, or somebody else has it, or it was paused.
    Over,
    Store(StoreError),
}

impl From<StoreError> for Pause {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Worker {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, standing: Arc<Standing>, name: String) -> Self {
        Self { store, clock, standing, name }
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut calls = self.standing.calls();
        // One engine holds a folder of SQLite: whoever held an activity before is gone.
        let mut all = !self.store.is_shared();
        while !*stop.borrow() {
            calls.mark_unchanged();
            match self.store.hold_activity(self.holder(), all).await {
                Ok(Some(activity)) => {
                    if let Err(Pause::Store(error)) = self.work(&activity, &stop).await {
                        tracing::error!(%error, activity = activity.id, "an activity could not go on; it is tried again");
                        self.rest(&mut stop).await;
                    }
                    continue;
                }
                Ok(None) => all = false,
                Err(error) => tracing::error!(%error, "activities cannot be looked for; it is tried again"),
            }
            tokio::select! {
                _ = calls.changed() => {}
                () = self.rest(&mut stop) => {}
            }
        }
    }

    /// Returns after a while, or when it must stop.
    async fn rest(&self, stop: &mut watch::Receiver<bool>) {
        tokio::select! {
            () = self.clock.sleep_until(self.clock.now() + LOOK) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    fn holder(&self) -> Holder {
        let now = self.clock.now();
        Holder { name: self.name.clone(), until: now + LEASE, now }
    }

    async fn work(&self, activity: &Activity, stop: &watch::Receiver<bool>) -> Result<(), Pause> {
        let wish = match serde_json::from_str::<Wish>(&activity.wish) {
            Ok(wish) => wish,
            Err(error) => {
                let problem = Problem::new("activity_unreadable", format!("what it does cannot be read: {error}"));
                return self.fail(activity, problem).await;
            }
        };
        match activity.kind.as_str() {
            DECIDE => self.decide(activity, &wish, stop).await,
            EXPORT => self.export(activity, &wish, stop).await,
            other => {
                self.fail(activity, Problem::new("activity_unknown", format!("there is no activity {other}"))).await
            }
        }
    }

    /// The tasks that are still to come, by their numbers; a wish that names them has its own way to them.
    async fn decide(&self, activity: &Activity, wish: &Wish, stop: &watch::Receiver<bool>) -> Result<(), Pause> {
        let Some(decision) = wish.decision else {
            return self.fail(activity, Problem::new("activity_unreadable", "it has no decision")).await;
        };
        let search = match wish.search(self.store.as_ref(), activity.created_at).await? {
            Ok((wanted, _)) => wanted.search,
            Err(problem) => return self.fail(activity, problem).await,
        };
        let mut below = activity.below;
        while !*stop.borrow() {
            let began = self.clock.now();
            let page = match &wish.ids {
                Some(ids) => self.named(ids, below).await?,
                None => self.found(search.clone(), below).await?,
            };
            let decided = Decided::new(decision, &activity.who, wish.why.clone(), began);
            let end = page.next.is_none().then(|| self.end(activity, None, None));
            below = page.next.unwrap_or(TaskId(0));
            let is_last = end.is_some();
            let about: Vec<TaskId> = page.tasks.iter().map(|(task, _)| *task).collect();
            let slice = Slice { tasks: page.tasks, decided: Some(decided), end, ..self.slice(activity, below, began) };
            if !self.advance(slice).await? {
                return Err(Pause::Over);
            }
            self.standing.call_for(&about);
            if is_last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes down how far it came, and tells those who listen.
    async fn advance(&self, slice: Slice) -> Result<bool, StoreError> {
        let id = slice.activity;
        let is_ours = self.store.advance_activity(slice).await?;
        if let Some(now) = self.store.activity(id).await? {
            let (phase, done, total, refused) = (now.phase.as_str(), now.done, now.total, now.refused);
            let known = json!({ "id": id, "phase": phase, "done": done, "total": total, "refused": refused });
            self.standing.facts().remark("activity.progress", &id.to_string(), known);
        }
        Ok(is_ours)
    }

    async fn found(&self, search: Search, below: TaskId) -> Result<Page, Pause> {
        let found = self.store.search(Search { before: Some(below), limit: SLICE, ..search }).await?;
        let tasks = found.tasks.iter().map(|task| (task.row.id, task.row.state)).collect();
        Ok(Page { tasks, next: found.next })
    }

    /// The next of these numbers. One that is not there has any state: that it is not there is said of it.
    async fn named(&self, ids: &[i64], below: TaskId) -> Result<Page, Pause> {
        let mut rest: Vec<i64> = ids.iter().copied().filter(|id| *id < below.0).collect();
        rest.sort_unstable_by(|a, b| b.cmp(a));
        rest.dedup();
        let is_last = rest.len() <= SLICE as usize;
        rest.truncate(SLICE as usize);
        let all = vec![of_ids(rest.iter().copied())];
        let found = self.store.search(Search { all, limit: SLICE, ..Search::default() }).await?;
        let state = |id: i64| {
            let task = found.tasks.iter().find(|task| task.row.id.0 == id);
            task.map_or(model::TaskState::New, |task| task.row.state)
        };
        let next = rest.last().filter(|_| !is_last).map(|id| TaskId(*id));
        Ok(Page { tasks: rest.iter().map(|id| (TaskId(*id), state(*id))).collect(), next })
    }

    fn slice(&self, activity: &Activity, below: TaskId, began: Millis) -> Slice {
        let holder = self.holder();
        Slice {
            activity: activity.id,
            took: holder.now - began,
            holder,
            tasks: Vec::new(),
            decided: None,
            seen: 0,
            below,
            is_anew: false,
            end: None,
        }
    }

    fn end(&self, activity: &Activity, problem: Option<Problem>, result: Option<String>) -> SliceEnd {
        let what = if problem.is_some() { "activity.failed" } else { "activity.done" };
        let audit = AuditEntry {
            id: 0,
            at: self.clock.now(),
            who: activity.who.clone(),
            origin: activity.origin.clone(),
            what: what.to_owned(),
            subject: format!("activity {}", activity.id),
            details: Some(activity.wish.clone()),
        };
        SliceEnd { problem, result, audit }
    }

    /// Tells those who listen how far it has come.
    async fn fail(&self, activity: &Activity, problem: Problem) -> Result<(), Pause> {
        let end = Some(self.end(activity, Some(problem), None));
        let slice = Slice { end, ..self.slice(activity, activity.below, self.clock.now()) };
        self.advance(slice).await?;
        Ok(())
    }
}

/// Tasks of a slice, and where the next one begins.
struct Page {
    tasks: Vec<(TaskId, model::TaskState)>,
    next: Option<TaskId>,
}
