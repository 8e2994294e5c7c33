//! What an earlier process left behind: attempts that were started and never ended.

use super::conclude::{Ended, conclude, plain_end};
use super::driver_lane::BatchMark;
use super::http_lane::UNKNOWN_HINT;
use super::look::{self, looking};
use super::repeat;
use super::storages::known;
use super::wait::waiting;
use crate::decide::{Case, Policy, decide};
use crate::engine::Parts;
use crate::flow::{Flows, PullSource, PushFlow, PushTarget};
use model::definition::{OnUnknown, Retry};
use model::driver::{Recovery, Target};
use model::{Effect, Evidence, Millis, Problem, Request, TransformContext};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Claim, Ending, Finish, Interrupted, StoreError};

/// How long the claims hold while they are settled.
const LEASE: Millis = 600_000;

/// Settles every interrupted attempt; returns how many there were.
///
/// # Errors
/// What the store says.
pub async fn take_over(parts: &Parts, flows: &Arc<Flows>) -> Result<usize, Problem> {
    let now = parts.clock.now();
    let claims =
        parts.store.take_over(!parts.store.is_shared(), now, now + LEASE).await.map_err(|error| error.problem())?;
    let count = claims.len();
    let mut batches: BTreeMap<_, Vec<(BatchMark, Claim)>> = BTreeMap::new();
    let mut ends = Vec::new();
    for claim in claims {
        match driver_mark(flows, &claim) {
            Some(mark) => batches.entry((claim.lane.0, mark.batch)).or_default().push((mark, claim)),
            None => ends.push(cut(parts, flows, claim)),
        }
    }
    for batch in batches.into_values() {
        ends.extend(recover(parts, flows, batch).await);
    }
    if count > 0 {
        tracing::info!(count, "attempts that an earlier process had begun are settled");
    }
    record(parts, flows, ends).await.map_err(|error| error.problem())?;
    // What was claimed and not begun went back to being new, and nobody says which.
    parts.standing.facts().unnamed();
    Ok(count)
}

/// Ends what was interrupted, with all that follows from it. What is overtaken in a storage is made anew.
async fn record(parts: &Parts, flows: &Arc<Flows>, mut ends: Vec<Ended>) -> Result<(), StoreError> {
    while !ends.is_empty() {
        let now = parts.clock.now();
        let all = Arc::new(ends);
        let (ended, again) = (all.clone(), flows.clone());
        let work = move |context: &mut TransformContext| {
            ended.iter().map(|ended| conclude(&again, ended.clone(), context)).collect::<Vec<Finish>>()
        };
        let finishes = known(now, work, |keys| parts.store.entries(keys, now)).await?;
        let endings = parts.store.finish(finishes).await?;
        let overtaken = all.iter().zip(endings).filter(|(_, ending)| *ending == Ending::Overtaken);
        ends = overtaken.map(|(ended, _)| ended.clone()).collect();
    }
    Ok(())
}

fn target_of<'a>(flows: &'a Flows, claim: &Claim) -> Option<(&'a PushFlow, &'a dyn Target)> {
    let flow = flows.pushes.get(&claim.lane)?;
    match &flow.target {
        PushTarget::Driver(target) => Some((flow, target.as_ref())),
        _ => None,
    }
}

fn driver_mark(flows: &Flows, claim: &Claim) -> Option<BatchMark> {
    target_of(flows, claim)?;
    serde_json::from_slice(claim.interrupted.as_ref()?.mark.as_deref()?).ok()
}

/// A call that was cut: all that is known is that it may have been sent.
fn cut(parts: &Parts, flows: &Flows, claim: Claim) -> Ended {
    let interrupted = claim.interrupted.clone().unwrap_or_else(|| no_record(&claim));
    let request: Option<Request> = interrupted.request.as_deref().and_then(|text| serde_json::from_slice(text).ok());
    let (effect, policy) = effect_of(flows, &claim, request.as_ref());
    let problem = Problem::new("interrupted", "the process ended while the call was under way");
    let case = Case { effect, evidence: Evidence::Unknown, final_problem: false, tries: claim.tries };
    let mut ended = end(parts, claim, &policy, case, interrupted.attempt, problem, request);
    if effect == Effect::Findable
        && let Some(PushTarget::Http(push)) = flows.pushes.get(&ended.claim.lane).map(|flow| &flow.target)
        && let Some(request) = &ended.request
        && let times = (interrupted.started_at, parts.clock.now())
        && let Some(turn) = look::begin(push, &ended.claim, request, times, &mut ended.end)
    {
        (ended.next, ended.resume) = (turn.next, turn.resume);
    }
    if matches!(flows.pushes.get(&ended.claim.lane).map(|flow| &flow.target), Some(PushTarget::Http(_))) {
        ended.resume = ended.resume.or_else(|| repeat::remember(effect, Evidence::Unknown));
    }
    ended
}

/// A batch that was cut: the driver says what became of it.
async fn recover(parts: &Parts, flows: &Flows, mut batch: Vec<(BatchMark, Claim)>) -> Vec<Ended> {
    batch.sort_by_key(|(mark, _)| mark.position);
    let Some((mark, first)) = batch.first().map(|(mark, claim)| (mark.clone(), claim)) else { return Vec::new() };
    let Some((flow, target)) = target_of(flows, first) else { return Vec::new() };
    let payloads: Option<Vec<Value>> = batch.iter().map(|(_, claim)| delivered_payload(claim)).collect();
    let recovery = match payloads {
        Some(payloads) if payloads.len() == mark.size => target.recover(&mark.target, &payloads).await,
        _ => Recovery::Unknown(Problem::new("batch_incomplete", "a part of the interrupted batch is no longer there")),
    };
    let (evidence, problem) = match recovery {
        Recovery::Undone => {
            let reason = "the process ended while the batch was delivered; what had been written was taken back";
            (Evidence::NotSent, Problem::new("interrupted", reason))
        }
        Recovery::Unknown(problem) => (Evidence::Unknown, problem),
    };
    let effect = target.effect();
    let ends = batch.into_iter().map(|(_, claim)| {
        let number = claim.interrupted.as_ref().map_or(claim.token.attempt, |interrupted| interrupted.attempt);
        let case = Case { effect, evidence, final_problem: false, tries: claim.tries };
        end(parts, claim, &flow.policy, case, number, problem.clone(), None)
    });
    ends.collect()
}

/// What was to be delivered: the recorded request where there is one, else the payload.
fn delivered_payload(claim: &Claim) -> Option<Value> {
    let recorded = claim.interrupted.as_ref()?.request.as_ref().unwrap_or(&claim.payload);
    serde_json::from_slice(recorded).ok()
}

fn end(
    parts: &Parts,
    claim: Claim,
    policy: &Policy,
    case: Case,
    number: u32,
    problem: Problem,
    request: Option<Request>,
) -> Ended {
    let now = parts.clock.now();
    let next = decide(case, policy, now, parts.random.fraction());
    let problem = if next == store::Next::Unknown { problem.hint(UNKNOWN_HINT) } else { problem };
    let end = plain_end(number, now, case.evidence, Some(problem));
    Ended { claim, request, answer: Value::Null, end, next, resume: None }
}

/// What a repeat would do. A lane that is no longer defined counts as the worst: nobody repeats it unasked.
fn effect_of(flows: &Flows, claim: &Claim, request: Option<&Request>) -> (Effect, Policy) {
    let held = |retry| Policy { retry, on_unknown: OnUnknown::Hold };
    let empty = Request::default();
    let request = request.unwrap_or(&empty);
    if let Some(flow) = flows.pushes.get(&claim.lane) {
        let effect = match &flow.target {
            // It only asked about an earlier call.
            PushTarget::Http(_) if waiting(claim).is_some() || looking(claim).is_some() => Effect::Read,
            PushTarget::Http(push) => push.operation.effect(request),
            PushTarget::Driver(target) => target.effect(),
            PushTarget::Nothing => Effect::Read,
        };
        return (effect, flow.policy);
    }
    if let Some(flow) = flows.pulls.get(&claim.lane) {
        let effect = match &flow.source {
            PullSource::Http(pull) => pull.operation.effect(request),
            _ => Effect::Read,
        };
        return (effect, held(flow.retry));
    }
    (Effect::Create, held(Retry::default()))
}

/// Take-over returns only attempts with a record; this keeps us whole if one has none.
fn no_record(claim: &Claim) -> Interrupted {
    Interrupted { attempt: claim.token.attempt, started_at: 0, request: None, mark: None }
}
