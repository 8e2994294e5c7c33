//! Data that somebody hands in and waits for: what becomes of it.
//!
//! It goes the way of all data: a run with its pull task, and what that makes. Who waits only looks on, so nothing is
//! lost when they stop.

use super::answered::shaped;
use super::storages::known;
use crate::engine::Parts;
use crate::flow::{Feed, Flows, PullFlow};
use bytes::Bytes;
use model::{Evidence, Millis, Problem, RunId, TaskId, TransformContext};
use serde_json::{Value, json};
use store::{LaneId, NewRun, StoreError, TaskFilter, TaskRow, TaskStory};

/// How often a store that others write to is asked, where another engine may do the work.
const POLL: Millis = 200;

/// What is handed in.
#[derive(Clone, Debug)]
pub struct Question {
    /// Feeds this route alone; `None`: all that are on the incoming.
    pub route: Option<String>,
    /// The data.
    pub payload: Value,
    /// Who asks: `proxy otto`.
    pub trigger: String,
    /// At most one run ever has this key.
    pub key: Option<String>,
}

/// What was handed in, and can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its run.
    pub run: RunId,
    /// Its pull task.
    pub task: TaskId,
    /// `false`: it was there already, under its key.
    pub is_new: bool,
    /// The lanes that its tasks pass.
    lanes: [LaneId; 2],
}

/// What has become of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It ended: the push task, or the pull task where that made none.
    Ended(Box<TaskStory>),
    /// It goes on.
    Open(Box<TaskRow>),
}

/// Hands data in at an incoming.
///
/// # Errors
/// `key_reused` where other data was handed in under the key; or what the store says.
pub async fn ask(parts: &Parts, incoming: &PullFlow, question: Question) -> Result<Asked, AskError> {
    let Question { route, payload, trigger, key } = question;
    let feed = |feed: &&Feed| route.as_ref().is_none_or(|route| *route == feed.route);
    let push = incoming.feeds.iter().find(feed).map_or(incoming.lane, |feed| feed.lane);
    let mut asked = json!({ "payload": payload });
    if let Some(route) = route {
        asked["route"] = route.into();
    }
    let run = NewRun {
        in_order: incoming.keeps_order(),
        key: key.clone(),
        ..NewRun::now(incoming.lane, &trigger, parts.clock.now(), Bytes::from(asked.to_string()))
    };
    let lanes = [incoming.lane, push];
    if let Some((run, task)) = parts.store.begin_runs(vec![run]).await?.pop().flatten() {
        parts.standing.call_for(&[]);
        return Ok(Asked { run, task, is_new: true, lanes });
    }
    let Some((run, task)) = parts.store.run_of_key(key.unwrap_or_default()).await? else {
        return Err(AskError::KeyReused);
    };
    let story = parts.store.task(task).await?.ok_or(AskError::KeyReused)?;
    if serde_json::from_slice::<Value>(&story.payload).ok() != Some(asked) {
        return Err(AskError::KeyReused);
    }
    Ok(Asked { run, task, is_new: false, lanes })
}

/// Why data was not taken in.
#[derive(Debug)]
pub enum AskError {
    /// Other data was handed in under the key.
    KeyReused,
    /// What the store says.
    Store(StoreError),
}

impl From<StoreError> for AskError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Waits until it has ended, until a time, or until `gone`: then nobody works on it any more.
///
/// # Errors
/// What the store says.
pub async fn outcome(
    parts: &Parts,
    asked: Asked,
    until: Millis,
    gone: impl Future<Output = ()>,
) -> Result<Outcome, StoreError> {
    let [mut pulls, mut pushes] = asked.lanes.map(|lane| parts.standing.ends(lane));
    let mut gone = std::pin::pin!(gone);
    let mut is_last = false;
    loop {
        let row = latest(parts, asked.task).await?;
        if !row.state.is_open()
            && let Some(story) = parts.store.task(row.id).await?
        {
            return Ok(Outcome::Ended(Box::new(story)));
        }
        let now = parts.clock.now();
        if is_last || now >= until {
            return Ok(Outcome::Open(Box::new(row)));
        }
        let look_at = if parts.store.is_shared() { until.min(now + POLL) } else { until };
        tokio::select! {
            _ = pulls.changed() => {}
            _ = pushes.changed() => {}
            () = parts.clock.sleep_until(look_at) => {}
            () = &mut gone => is_last = true,
        }
    }
}

/// The push task that the pull task made, else the pull task.
async fn latest(parts: &Parts, pull: TaskId) -> Result<TaskRow, StoreError> {
    let gone = || StoreError::Database(format!("task {pull} is gone"));
    let own = row(parts, pull).await?.ok_or_else(gone)?;
    if own.state.is_open() {
        return Ok(own);
    }
    let made = parts.store.task(pull).await?.ok_or_else(gone)?.made.first().copied();
    match made {
        Some(made) => row(parts, made).await?.ok_or_else(gone),
        None => Ok(own),
    }
}

/// A task without its data.
async fn row(parts: &Parts, id: TaskId) -> Result<Option<TaskRow>, StoreError> {
    let filter = TaskFilter { before: Some(TaskId(id.0 + 1)), limit: 1, ..TaskFilter::default() };
    Ok(parts.store.tasks(filter).await?.into_iter().find(|row| row.id == id))
}

/// The answer of a finished task as its publisher made use of it: after the answer transformers. Storages are looked at
/// as they are now, and nothing is written. A problem where the definitions have changed so that the answer does not fit
/// any more.
///
/// # Errors
/// What the store says.
pub async fn answer_of(
    parts: &Parts,
    flows: &Flows,
    story: &TaskStory,
) -> Result<(Value, Option<Problem>), StoreError> {
    let ends = story.attempts.iter().rev().filter_map(|attempt| attempt.end.as_ref());
    let mut answered = ends.filter(|end| end.evidence == Evidence::Answered);
    let Some((at, answer)) = answered.find_map(|end| Some((end.at, end.answer.as_ref()?))) else {
        return Ok((Value::Null, None));
    };
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let Some(flow) = flows.pushes.get(&story.row.lane).cloned() else { return Ok((answer, None)) };
    let work = move |context: &mut TransformContext| shaped(&flow, answer.clone(), context);
    known(at, work, |keys| parts.store.entries(keys, parts.clock.now())).await
}
