//! What follows from the end of a push task: the outcome, and the tasks of the routes that listen.

use super::answered::shape;
use crate::flow::{Flows, PullFlow};
use bytes::Bytes;
use model::{Evidence, Millis, Problem, Request, TaskState, TransformContext};
use serde_json::{Value, json};
use store::{AttemptEnd, Claim, Finish, LaneId, NewTask, Next};

/// Priority of what comes before all that is queued.
const FIRST: i64 = -1;

/// A push task at the end of an attempt.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) claim: Claim,
    /// The request as sent; `None` where it never came to one.
    pub(super) request: Option<Request>,
    /// What the publisher got back.
    pub(super) answer: Value,
    pub(super) end: AttemptEnd,
    pub(super) next: Next,
    /// What the task remembers from now on; `None` leaves it as it is.
    pub(super) resume: Option<Bytes>,
}

/// An attempt's end with nothing but evidence and a problem.
pub(super) fn plain_end(number: u32, at: Millis, evidence: Evidence, problem: Option<Problem>) -> AttemptEnd {
    AttemptEnd { number, at, evidence, status: None, problem, answer: None, headers: None, usage: None, request: None }
}

/// The end of a task, with the tasks that listeners make of it. Pure work: called off the async threads.
pub(super) fn conclude(flows: &Flows, ended: Ended, context: &mut TransformContext) -> Finish {
    let mut ended = ended;
    shape(flows, &mut ended, context);
    let Ended { claim, request, answer, end, next, resume } = ended;
    let mut new_tasks = Vec::new();
    if let Some(state) = end_state(next)
        && let Some(listeners) = flows.listeners.get(&claim.lane)
    {
        let mut wanted = listeners.iter().filter(|listener| listener.wants(state)).peekable();
        if wanted.peek().is_some() {
            let mut report = report_of(flows, &claim, request, answer, &end, state);
            while let Some(listener) = wanted.next() {
                // The last one gets the tree itself: most routes have one listener, and a copy is dear.
                let own = if wanted.peek().is_some() { report.clone() } else { std::mem::take(&mut report) };
                new_tasks.extend(fed(&listener.pull, own, None, &claim, context));
            }
        }
    }
    Finish { token: claim.token, end, next, new_tasks, cursor: None, resume, entries: flows.entries(context) }
}

/// The state that a task ends in, where it ends.
pub(super) fn end_state(next: Next) -> Option<TaskState> {
    match next {
        Next::Finished => Some(TaskState::Finished),
        Next::Failed => Some(TaskState::Failed),
        Next::Unknown => Some(TaskState::Unknown),
        Next::Skipped => Some(TaskState::Skipped),
        Next::Retry(_) | Next::Again(_) | Next::Waiting(_) => None,
    }
}

/// What a listener gets: the whole story of the task in one payload.
fn report_of(
    flows: &Flows,
    claim: &Claim,
    request: Option<Request>,
    answer: Value,
    end: &AttemptEnd,
    state: TaskState,
) -> Value {
    let route = flows.pushes.get(&claim.lane).map(|flow| Value::from(flow.name.as_str()));
    let members = [
        ("data", serde_json::from_slice(&claim.payload).unwrap_or_default()),
        ("request", request.map(Request::into_value).unwrap_or_default()),
        ("answer", answer),
        ("status", end.status.into()),
        ("usage", json!(end.usage)),
        ("state", Value::from(state.as_str())),
        ("problem", json!(end.problem)),
        ("task", claim.token.task.0.into()),
        ("route", route.unwrap_or_default()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The push tasks that one payload becomes, on this route `only` where it names one; where its transformers fail, a
/// failed pull task that keeps it. Then it leaves nothing behind in storages.
pub(super) fn fed(
    flow: &PullFlow,
    payload: Value,
    only: Option<&str>,
    source: &Claim,
    context: &mut TransformContext,
) -> Vec<NewTask> {
    let now = context.now;
    let mark = context.storages.mark();
    // A failure is rare, and only then the payload is needed again.
    let kept = (flow.has_transformers() || only.is_some()).then(|| payload.clone());
    match flow.feed(payload, only, context) {
        Ok(payloads) => payloads
            .into_iter()
            .map(|fed| NewTask {
                priority: if flow.real_time { FIRST } else { 0 },
                due_at: now + fed.delay,
                order_key: fed.order_key,
                identifier: fed.identifier,
                ..made_from(source, fed.lane, TaskState::New, fed.payload.to_string().into(), now)
            })
            .collect(),
        Err(problem) => {
            context.storages.back_to(mark);
            let mut payload = json!({ "payload": kept.unwrap_or_default() });
            if let Some(route) = only {
                payload["route"] = route.into();
            }
            let failed = made_from(source, flow.lane, TaskState::Failed, payload.to_string().into(), now);
            vec![NewTask { problem: Some(problem), ..failed }]
        }
    }
}

/// A task made from another, in the same run.
pub(super) fn made_from(source: &Claim, lane: LaneId, state: TaskState, payload: Bytes, now: Millis) -> NewTask {
    NewTask {
        lane,
        run: source.run,
        source: Some(source.token.task),
        priority: 0,
        due_at: now,
        order_key: None,
        unique_key: None,
        identifier: None,
        state,
        payload,
        problem: None,
    }
}
