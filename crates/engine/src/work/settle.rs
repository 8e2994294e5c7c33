//! Ends become durable: outcomes are gathered and committed together, and what they made wakes its lanes.

use super::conclude::{Ended, conclude};
use super::dispatch::Shared;
use super::pull_lane::{Step, taken_in};
use super::storages::with_storages;
use super::told;
use crate::crash;
use crate::flow::{Flows, PullFlow};
use model::{Millis, RunId, TransformContext};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Claim, Ending, Finish, LaneId, Next, Token};
use tokio::sync::{Semaphore, mpsc};

/// Most ends in one commit's operation.
const BATCH: usize = 512;
/// Commits under way at the same time: while one is on its way to the disk, the next is made.
const COMMITS: usize = 2;

/// The end of a task's attempt, on its way to the store.
#[derive(Clone)]
pub(super) enum Outcome {
    /// Of a push task: listeners are still to be asked.
    Push(Box<Ended>),
    /// Of a pull whose transformers use storages: they are still to be run.
    Page(Arc<PullFlow>, Box<(Claim, Step)>),
    /// Of a pull, complete.
    Whole(Box<Concluded>),
}

/// An end with everything that follows from it.
#[derive(Clone)]
pub(super) struct Concluded {
    pub(super) lane: LaneId,
    pub(super) run: RunId,
    pub(super) finish: Finish,
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

impl Outcome {
    fn lane(&self) -> LaneId {
        match self {
            Self::Push(ended) => ended.claim.lane,
            Self::Page(flow, _) => flow.lane,
            Self::Whole(concluded) => concluded.lane,
        }
    }

    fn uses_storages(&self, flows: &Flows) -> bool {
        match self {
            Self::Push(ended) => flows.ends_with_storages(ended.claim.lane),
            Self::Page(..) => true,
            Self::Whole(..) => false,
        }
    }

    fn conclude(self, flows: &Flows, context: &mut TransformContext) -> Concluded {
        let lane = self.lane();
        match self {
            Self::Push(ended) => Concluded { lane, run: ended.claim.run, finish: conclude(flows, *ended, context) },
            Self::Page(flow, page) => {
                let (claim, step) = *page;
                Concluded { lane, run: claim.run, finish: taken_in(flows, &flow, &claim, step, context) }
            }
            Self::Whole(concluded) => *concluded,
        }
    }
}

async fn commit(shared: &Arc<Shared>, batch: Vec<Outcome>) {
    let (stored, plain): (Vec<_>, Vec<_>) = batch.into_iter().partition(|outcome| outcome.uses_storages(&shared.flows));
    if !plain.is_empty() {
        let (flows, now) = (shared.flows.clone(), shared.now());
        let concluded = tokio::task::spawn_blocking(move || {
            let mut context = TransformContext::at(now);
            plain.into_iter().map(|outcome| outcome.conclude(&flows, &mut context)).collect::<Vec<_>>()
        });
        match concluded.await {
            Ok(concluded) => drop(record(shared, concluded).await),
            Err(_) => panicked(),
        }
    }
    if !stored.is_empty() {
        commit_stored(shared, stored).await;
    }
}

/// Commits ends that read or write storages. Those that are overtaken are made anew, of what is there by then.
async fn commit_stored(shared: &Arc<Shared>, mut batch: Vec<Outcome>) {
    while !batch.is_empty() {
        let outcomes = Arc::new(batch);
        let (flows, again) = (shared.flows.clone(), outcomes.clone());
        let concluded = with_storages(shared, shared.now(), move |context| {
            again.iter().map(|outcome| outcome.clone().conclude(&flows, context)).collect::<Vec<_>>()
        });
        let concluded = match concluded.await {
            Ok(concluded) => concluded,
            Err(error) => return shared.signals.fail(error),
        };
        let endings = record(shared, concluded).await;
        let overtaken = outcomes.iter().zip(endings).filter(|(_, ending)| *ending == Ending::Overtaken);
        batch = overtaken.map(|(outcome, _)| outcome.clone()).collect();
    }
}

/// Transformers catch their own panics, so this one is ours: the claims stay and are taken over at the next start.
fn panicked() {
    tracing::error!("concluding a batch panicked");
}

/// Writes ends down; those that are not overtaken make room for others. Empty where the store failed.
async fn record(shared: &Arc<Shared>, concluded: Vec<Concluded>) -> Vec<Ending> {
    let has_page = concluded.iter().any(|concluded| shared.flows.pulls.contains_key(&concluded.lane));
    let follows: Vec<Follows> = concluded.iter().map(Follows::of).collect();
    let ends: Vec<Finish> = concluded.into_iter().map(|concluded| concluded.finish).collect();
    let began = shared.now();
    crash::point("before_outcome");
    // Renewing goes on until the end is on disk: only then may nobody take them over.
    let endings = match shared.insist_to_the_end(ends, |ends| shared.parts.store.finish(ends)).await {
        Ok(endings) => {
            crash::point("after_outcome");
            if has_page {
                crash::point("after_page");
            }
            endings
        }
        Err(error) => {
            shared.signals.fail(error);
            Vec::new()
        }
    };
    let lost = endings.iter().filter(|ending| **ending == Ending::Lost).count();
    if lost > 0 {
        tracing::warn!(lost, "outcomes came after their claim was lost and were not recorded");
    }
    shared.parts.standing.measures().committed(endings.len(), shared.now() - began);
    let on_disk = follows.iter().zip(&endings).filter(|(_, ending)| **ending == Ending::Kept);
    told::tell(shared, on_disk.map(|(follows, _)| follows));
    let is_over = |at: usize| endings.get(at) != Some(&Ending::Overtaken);
    let over = follows.into_iter().enumerate().filter(|(at, _)| is_over(*at)).map(|(_, follows)| follows);
    go_on(shared, &over.collect::<Vec<_>>());
    endings
}

/// What follows from an end for the loop.
pub(super) struct Follows {
    pub(super) lane: LaneId,
    pub(super) run: RunId,
    pub(super) token: Token,
    pub(super) next: Next,
    /// Code of its problem, where it has one.
    pub(super) code: Option<Cow<'static, str>>,
    fed: Vec<LaneId>,
    due_at: Option<Millis>,
}

impl Follows {
    fn of(concluded: &Concluded) -> Self {
        let Concluded { lane, run, finish: end } = concluded;
        let (lane, run) = (*lane, *run);
        let made = end.new_tasks.iter().map(|task| task.lane);
        let due_at = match end.next {
            Next::Retry(at) | Next::Waiting(at) => Some(at),
            _ => None,
        };
        let mut fed: Vec<LaneId> = made.chain(matches!(end.next, Next::Again(_)).then_some(lane)).collect();
        fed.sort_unstable();
        fed.dedup();
        let code = end.end.problem.as_ref().map(|problem| problem.code.clone());
        Self { lane, run, token: end.token, next: end.next, code, fed, due_at }
    }
}

/// Ends are on disk, or lost: their claims are let go, what they made wakes its lanes, and there is room for others.
fn go_on(shared: &Shared, over: &[Follows]) {
    shared.let_go(over.iter().map(|follows| follows.token));
    over.iter().filter_map(|follows| follows.due_at).for_each(|at| shared.signals.due_at(at));
    let fed: BTreeSet<LaneId> = over.iter().flat_map(|follows| follows.fed.iter().copied()).collect();
    fed.into_iter().for_each(|lane| shared.heat(lane));
    let mut done: BTreeMap<LaneId, usize> = BTreeMap::new();
    over.iter().for_each(|follows| *done.entry(follows.lane).or_default() += 1);
    shared.parts.standing.ended(done.keys().copied());
    done.into_iter().for_each(|(lane, count)| shared.release(lane, count));
}
