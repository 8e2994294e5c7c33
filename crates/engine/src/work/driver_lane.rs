//! Push tasks that a driver delivers, one batch at a time.
//!
//! What the driver needs to recognise a cut batch (its mark) is committed with START of every task of the batch.

use super::conclude::{Ended, plain_end};
use super::dispatch::Shared;
use super::http_lane::UNKNOWN_HINT;
use super::settle::Outcome;
use super::storages::with_storages;
use crate::crash;
use crate::decide::{Case, decide};
use crate::flow::PushFlow;
use bytes::Bytes;
use model::driver::{Failure, Target};
use model::{Evidence, Problem, TransformContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use store::{Claim, Next, Start};
use tokio::sync::mpsc;

pub(super) struct DriverLane {
    shared: Arc<Shared>,
    flow: Arc<PushFlow>,
    target: Arc<dyn Target>,
}

/// The mark as committed with START: which batch, where in it, and the driver's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BatchMark {
    /// The batch, named by its first task's attempt.
    pub(super) batch: (i64, u32),
    /// The task's place in the batch.
    pub(super) position: usize,
    /// How many tasks the batch has.
    pub(super) size: usize,
    /// What the driver gave.
    pub(super) target: Value,
}

/// A task with what is to be delivered.
struct Item {
    claim: Claim,
    payload: Value,
    /// What START records: the payload, where the transformers changed it.
    recorded: Option<Bytes>,
}

impl DriverLane {
    pub(super) fn new(shared: Arc<Shared>, flow: Arc<PushFlow>, target: Arc<dyn Target>) -> Self {
        Self { shared, flow, target }
    }

    pub(super) async fn run(self, mut inbox: mpsc::UnboundedReceiver<Vec<Claim>>) {
        let mut pending: Vec<Claim> = Vec::new();
        loop {
            if pending.is_empty() {
                let Some(claims) = inbox.recv().await else { return };
                pending = claims;
            }
            while pending.len() < self.target.batch_limit() {
                let Ok(more) = inbox.try_recv() else { break };
                pending.extend(more);
            }
            let rest = pending.split_off(pending.len().min(self.target.batch_limit()));
            let batch = std::mem::replace(&mut pending, rest);
            if self.shared.stopping() {
                self.shared.hand_back(self.flow.lane, batch.iter().map(|claim| claim.token).collect()).await;
                continue;
            }
            self.deliver(batch).await;
        }
    }

    async fn deliver(&self, claims: Vec<Claim>) {
        let items = self.transform(claims).await;
        if items.is_empty() {
            return;
        }
        // One batch at a time per target, also where two routes lead to the same one.
        let _turn = match self.target.exclusive_key() {
            Some(key) => Some(self.shared.parts.standing.turn(&key).await),
            None => None,
        };
        let mark = match self.target.mark().await {
            Ok(mark) => mark,
            Err(failure) => return self.end_all(items, Err(failure)).await,
        };
        crash::point("after_mark");
        let Some(items) = self.start(items, &mark).await else { return };
        let payloads: Vec<Value> = items.iter().map(|item| item.payload.clone()).collect();
        let delivered = self.target.deliver(&mark, &payloads).await;
        crash::point("after_delivery");
        self.end_all(items, delivered).await;
    }

    /// Runs the outgoing's transformers; what they drop or refuse ends here.
    async fn transform(&self, claims: Vec<Claim>) -> Vec<Item> {
        let (flow, now) = (self.flow.clone(), self.shared.now());
        let transformed: Vec<Result<Item, Box<Ended>>> = if flow.looks_up() {
            let transformed = with_storages(&self.shared, now, move |context| {
                claims.iter().map(|claim| transform(&flow, claim.clone(), context)).collect()
            });
            transformed.await.unwrap_or_else(|error| {
                self.shared.signals.fail(error);
                Vec::new()
            })
        } else {
            let transformed = tokio::task::spawn_blocking(move || {
                let mut context = TransformContext::at(now);
                claims.into_iter().map(|claim| transform(&flow, claim, &mut context)).collect()
            });
            transformed.await.unwrap_or_default()
        };
        let mut items = Vec::new();
        for one in transformed {
            match one {
                Ok(item) => items.push(item),
                Err(ended) => drop(self.shared.outcomes.send(Outcome::Push(ended))),
            }
        }
        items
    }

    /// Commits START of the whole batch; `None` where the batch cannot go on.
    async fn start(&self, items: Vec<Item>, mark: &Value) -> Option<Vec<Item>> {
        let first = items.first()?.claim.token;
        let (at, revision, size) = (self.shared.now(), self.shared.flows.revision, items.len());
        let starts = items.iter().enumerate().map(|(position, item)| {
            let mark = BatchMark { batch: (first.task.0, first.attempt), position, size, target: mark.clone() };
            Start {
                token: item.claim.token,
                at,
                revision,
                request: item.recorded.clone(),
                mark: serde_json::to_vec(&mark).ok().map(Bytes::from),
            }
        });
        let starts: Vec<Start> = starts.collect();
        let held = match self.shared.insist_with(starts, |starts| self.shared.parts.store.start(starts)).await {
            Ok(held) => held,
            Err(error) => {
                self.shared.signals.fail(error);
                return None;
            }
        };
        crash::point("after_start");
        if held.iter().all(|held| *held) {
            return Some(items);
        }
        // Somebody took a task over. The batch was marked as a whole, so nothing of it is delivered.
        let lost = held.iter().filter(|held| !**held).count();
        self.shared.release(self.flow.lane, lost);
        let kept = items.into_iter().zip(held).filter(|(_, held)| *held).map(|(item, _)| item).collect();
        let problem = Problem::new("batch_broken", "another engine took over a part of the batch");
        self.end_all(kept, Err(Failure { evidence: Evidence::NotSent, problem })).await;
        None
    }

    /// Ends a batch and waits until its end is on disk: the next batch's mark must not be taken before.
    async fn end_all(&self, items: Vec<Item>, delivered: Result<(), Failure>) {
        let now = self.shared.now();
        let (evidence, problem) = match delivered {
            Ok(()) => (Evidence::Answered, None),
            Err(failure) => (failure.evidence, Some(failure.problem)),
        };
        let ends = items.into_iter().map(|item| {
            let Item { claim, payload, .. } = item;
            let case = Case { effect: self.target.effect(), evidence, final_problem: false, tries: claim.tries };
            let mut next = decide(case, &self.flow.policy, now, self.shared.parts.random.fraction());
            let mut end = plain_end(claim.token.attempt, now, evidence, problem.clone());
            self.flow.keep_deadline(claim.created_at, &mut next, &mut end.problem);
            if next == Next::Unknown {
                end.problem = end.problem.map(|problem| problem.hint(UNKNOWN_HINT));
            }
            Ended { claim, request: None, answer: payload, end, next, resume: None }
        });
        self.shared.settle_now(ends.collect()).await;
    }
}

fn transform(flow: &PushFlow, claim: Claim, context: &mut TransformContext) -> Result<Item, Box<Ended>> {
    let now = context.now;
    let ended = |claim: Claim, problem, next| {
        let end = plain_end(claim.token.attempt, now, Evidence::NotSent, Some(problem));
        Box::new(Ended { claim, request: None, answer: Value::Null, end, next, resume: None })
    };
    if let Some(problem) = flow.too_late(claim.created_at, now) {
        return Err(ended(claim, problem, Next::Failed));
    }
    let payload = match serde_json::from_slice::<Value>(&claim.payload) {
        Ok(payload) => payload,
        Err(error) => {
            let problem = Problem::new("payload_broken", format!("the stored payload is no JSON: {error}"));
            return Err(ended(claim, problem, Next::Failed));
        }
    };
    if flow.chain.is_empty() {
        return Ok(Item { claim, payload, recorded: None });
    }
    match flow.transform(payload, context) {
        Ok(Some(payload)) => {
            let recorded = Some(Bytes::from(payload.to_string()));
            Ok(Item { claim, payload, recorded })
        }
        Ok(None) => {
            Err(ended(claim, Problem::new("dropped", "the transformers dropped the payload").warning(), Next::Skipped))
        }
        Err(problem) => Err(ended(claim, problem, Next::Failed)),
    }
}
