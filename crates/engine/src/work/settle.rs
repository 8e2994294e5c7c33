//! Ends become durable: outcomes are gathered and committed together, and what they made wakes its lanes.

use super::conclude::{Ended, conclude};
use super::dispatch::Shared;
use crate::crash;
use std::collections::HashMap;
use std::sync::Arc;
use store::{Finish, LaneId, Next};
use tokio::sync::{Semaphore, mpsc};

/// Most ends in one commit's operation.
const BATCH: usize = 512;
/// Commits under way at the same time: while one is on its way to the disk, the next is made.
const COMMITS: usize = 2;

/// The end of a task's attempt, on its way to the store.
pub(super) enum Outcome {
    /// Of a push task: listeners are still to be asked.
    Push(Box<Ended>),
    /// Of a pull, complete.
    Whole(LaneId, Box<Finish>),
}

/// Runs until every sender is gone.
pub(super) async fn settle(shared: Arc<Shared>, mut ended: mpsc::UnboundedReceiver<Outcome>) {
    let commits = Arc::new(Semaphore::new(COMMITS));
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        if ended.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let Ok(permit) = commits.clone().acquire_owned().await else { return };
        // What came while we waited for the permit goes along.
        while batch.len() < BATCH {
            let Ok(outcome) = ended.try_recv() else { break };
            batch.push(outcome);
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            commit(&shared, batch).await;
            drop(permit);
        });
    }
}

impl Shared {
    /// Ends tasks and returns when that is on disk.
    pub(super) async fn settle_now(self: &Arc<Self>, ended: Vec<Ended>) {
        commit(self, ended.into_iter().map(|ended| Outcome::Push(Box::new(ended))).collect()).await;
    }
}

async fn commit(shared: &Arc<Shared>, batch: Vec<Outcome>) {
    let now = shared.now();
    let has_page = batch.iter().any(|outcome| matches!(outcome, Outcome::Whole(..)));
    let flows = shared.flows.clone();
    let concluded = tokio::task::spawn_blocking(move || {
        batch
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Push(ended) => (ended.claim.lane, conclude(&flows, *ended, now)),
                Outcome::Whole(lane, finish) => (lane, *finish),
            })
            .collect::<Vec<(LaneId, Finish)>>()
    })
    .await;
    let Ok(concluded) = concluded else {
        // Transformers catch their own panics, so this one is ours: the claims stay and are taken over at the next start.
        tracing::error!("concluding a batch panicked");
        return;
    };
    let mut done: HashMap<LaneId, usize> = HashMap::new();
    let mut fed: Vec<LaneId> = Vec::new();
    let mut ends = Vec::with_capacity(concluded.len());
    for (lane, finish) in concluded {
        *done.entry(lane).or_default() += 1;
        fed.extend(finish.new_tasks.iter().map(|task| task.lane));
        fed.extend(matches!(finish.next, Next::Again(_)).then_some(lane));
        if let Next::Retry(at) | Next::Waiting(at) = finish.next {
            shared.signals.due_at(at);
        }
        ends.push(finish);
    }
    crash::point("before_outcome");
    // Renewing goes on until the end is on disk: only then may nobody take them over.
    let tokens: Vec<_> = ends.iter().map(|finish| finish.token).collect();
    match shared.insist_to_the_end(ends, |ends| shared.parts.store.finish(ends)).await {
        Ok(kept) => {
            crash::point("after_outcome");
            if has_page {
                crash::point("after_page");
            }
            let lost = kept.iter().filter(|kept| !**kept).count();
            if lost > 0 {
                tracing::warn!(lost, "outcomes came after their claim was lost and were not recorded");
            }
        }
        Err(error) => shared.signals.fail(error),
    }
    shared.let_go(tokens.into_iter());
    fed.sort_unstable();
    fed.dedup();
    for lane in fed {
        shared.heat(lane);
    }
    for (lane, count) in done {
        shared.release(lane, count);
    }
}
