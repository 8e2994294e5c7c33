//! A call whose answer was lost and whose result can be found: the task asks the service what is there, takes what it
//! finds for its answer, and sends again only what is not there.

use super::conclude::{Ended, plain_end};
use super::dispatch::Shared;
use super::http_lane::{UNKNOWN_HINT, answered_end};
use super::wait::{FORGET, Turn, turn};
use crate::decide::{Case, decide};
use crate::exchange::Exchanged;
use crate::flow::{HttpPush, PushFlow};
use bytes::Bytes;
use model::http::{Likeness, Preflight};
use model::{Effect, Evidence, HttpAnswer, Millis, Operation, Prepared, Problem, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AttemptEnd, Claim, Next};

/// How often it is looked for. What was on its way when the connection broke may still arrive: after 5 s, 15 s more and
/// 45 s more it has, or never will.
const LOOKS: u32 = 3;
const FIRST_LOOK: Millis = 5_000;

/// What a task remembers whose call was lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lost {
    /// How many calls of it were lost.
    calls_lost: u32,
    /// Where looking for the last one stands; `None` where that is over.
    look: Option<Look>,
}

/// Where looking stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// The request that asks next.
    pub(super) request: Request,
    /// The request that was lost.
    pub(super) started: Request,
    /// When it was sent.
    began: Millis,
    /// How often everything was looked through.
    looks: u32,
    /// Pages looked through this time.
    pages: u32,
    /// What was found this time that is it.
    found: Vec<Value>,
    /// How many things were found this time that may be it.
    unsure: u32,
}

fn lost(claim: &Claim) -> Option<Lost> {
    serde_json::from_slice(claim.resume.as_deref()?).ok()
}

/// What the task of a claim looks for.
pub(super) fn looking(claim: &Claim) -> Option<Look> {
    lost(claim)?.look
}

/// After a call was lost: the task waits, and then looks. `None` where the call cannot be found.
pub(super) fn begin(
    push: &HttpPush,
    claim: &Claim,
    started: &Request,
    (began, now): (Millis, Millis),
    end: &mut AttemptEnd,
) -> Option<Turn> {
    push.operation.find()?;
    let request = push.operation.find_request(started)?;
    let calls_lost = lost(claim).map_or(0, |lost| lost.calls_lost) + 1;
    let look = Look { request, started: started.clone(), began, looks: 0, pages: 0, found: Vec::new(), unsure: 0 };
    let hint = "what it may have made is looked for before anything is sent again";
    end.problem = end.problem.take().map(|problem| problem.hint(hint));
    Some(Turn { next: Next::Waiting(now + FIRST_LOOK), resume: remembered(calls_lost, Some(look)) })
}

fn remembered(calls_lost: u32, look: Option<Look>) -> Option<Bytes> {
    serde_json::to_vec(&Lost { calls_lost, look }).ok().map(Bytes::from)
}

/// Builds the question.
///
/// # Errors
/// `look_lost` where the outgoing now does something that cannot be found, and what cannot be built.
pub(super) fn question(push: &HttpPush, look: &Look) -> Result<Prepared, Vec<Problem>> {
    let Some(operation) = push.operation.find() else {
        let reason = "the task looks for what its outgoing no longer makes";
        let hint = "give the outgoing its operation back, or resolve the task";
        return Err(vec![Problem::new("look_lost", reason).hint(hint)]);
    };
    operation.prepare(&look.request, Preflight::Off)
}

/// Reads what the service says of it.
pub(super) fn judge(shared: &Shared, flow: &PushFlow, push: &HttpPush, claim: Claim, exchanged: Exchanged) -> Ended {
    let now = shared.now();
    let (Some(operation), Some(Lost { calls_lost, look: Some(look) })) = (push.operation.find(), lost(&claim)) else {
        let problem = Problem::new("look_lost", "nothing is known any more of what is looked for");
        return held(claim, None, plain_end(0, now, Evidence::Unknown, Some(problem)));
    };
    let number = claim.token.attempt;
    let (mut end, reading, http) = match exchanged {
        Exchanged::Answer(http) => {
            let reading = operation.read(&http);
            (answered_end(number, now, &http, &reading), Some(reading), Some(http))
        }
        Exchanged::Lost { evidence, problem, .. } => (plain_end(number, now, evidence, Some(problem)), None, None),
        Exchanged::Unkept { error, head } => (super::http_lane::unkept(shared, &claim, error, &head), None, None),
    };
    let nothing_there = matches!(end.status, Some(404 | 410));
    let is_good = end.evidence == Evidence::Answered && !end.problem.as_ref().is_some_and(Problem::is_error);
    if !is_good && !nothing_there {
        let case = Case { effect: Effect::Read, evidence: end.evidence, final_problem: true, tries: claim.tries };
        let case = Case { final_problem: reading.is_some_and(|reading| reading.permanent), ..case };
        let next = decide(case, &flow.policy, now, shared.parts.random.fraction());
        if matches!(next, Next::Retry(_)) {
            return Ended { claim, request: Some(look.started), answer: Value::Null, end, next, resume: None };
        }
        end.problem = end.problem.map(|problem| problem.within("looking for a lost call"));
        let resume = remembered(calls_lost, None);
        return Ended { resume, ..held(claim, Some(look.started), end) };
    }
    // What lies there is no answer of the call; a person finds it where it is.
    end.answer = None;
    let mut look = look;
    let mut following = None;
    if let (true, Some(reading), Some(http)) = (is_good, &reading, &http) {
        following = sift(push, operation.as_ref(), &mut look, &reading.answer, http, now);
    }
    if let Some(request) = following {
        let look = Look { request, pages: look.pages + 1, ..look };
        let (started, resume) = (look.started.clone(), remembered(calls_lost, Some(look)));
        return Ended { claim, request: Some(started), answer: Value::Null, end, next: Next::Again(now), resume };
    }
    conclude(shared, flow, push, claim, end, calls_lost, look)
}

/// Takes out of a page what is it, or may be; the request of the next page, where there is one.
fn sift(
    push: &HttpPush,
    operation: &dyn Operation,
    look: &mut Look,
    answer: &Value,
    http: &HttpAnswer,
    now: Millis,
) -> Option<Request> {
    let items = operation.items(answer);
    let is_list = items.is_some();
    for item in items.unwrap_or_else(|| vec![answer.clone()]) {
        match push.operation.likeness(&look.started, &item, http, (look.began, now)) {
            Likeness::Same => look.found.push(item),
            Likeness::Unsure => look.unsure += 1,
            Likeness::Other => {}
        }
    }
    is_list.then(|| operation.next_page(&look.request, answer, look.pages)).flatten()
}

/// Everything was looked through.
fn conclude(
    shared: &Shared,
    flow: &PushFlow,
    push: &HttpPush,
    claim: Claim,
    mut end: AttemptEnd,
    calls_lost: u32,
    mut look: Look,
) -> Ended {
    let now = shared.now();
    let started = look.started.clone();
    match (look.found.len(), look.unsure) {
        (1, 0) => {
            let answer = look.found.remove(0);
            let reason = "the answer of the call was lost; this was found at the service, and taken for it";
            end.problem = Some(Problem::new("adopted", reason).warning());
            end.evidence = Evidence::Answered;
            end.answer = Some(answer.to_string().into());
            let (mut next, mut resume) = (Next::Finished, Some(FORGET));
            if let Some(turn) = turn(push, None, &started, &answer, &mut end, now) {
                (next, resume) = (turn.next, turn.resume.or(resume));
            }
            Ended { claim, request: Some(started), answer, end, next, resume }
        }
        (0, 0) if look.looks + 1 < LOOKS => {
            let wait = FIRST_LOOK * 3_i64.pow(look.looks + 1);
            end.problem =
                Some(Problem::new("not_there_yet", "it was looked for and is not there; it may still come").warning());
            let request = push.operation.find_request(&started).unwrap_or_else(|| look.request.clone());
            let look = Look { request, looks: look.looks + 1, pages: 0, ..look };
            let resume = remembered(calls_lost, Some(look));
            Ended { claim, request: Some(started), answer: Value::Null, end, next: Next::Waiting(now + wait), resume }
        }
        (0, 0) => {
            // What is not there was never made: as if the call had not been sent.
            let reason = format!("the answer of the call was lost; looked for {LOOKS} times, it is not there");
            end.problem = Some(Problem::new("not_there", reason));
            let tries = calls_lost.saturating_sub(1);
            let case = Case { effect: Effect::Findable, evidence: Evidence::NotSent, final_problem: false, tries };
            let next = decide(case, &flow.policy, now, shared.parts.random.fraction());
            let resume = remembered(calls_lost, None);
            Ended { claim, request: Some(started), answer: Value::Null, end, next, resume }
        }
        (found, unsure) => {
            let count = found + unsure as usize;
            let reason = format!("the answer of the call was lost; {count} things are there that may be what it made");
            end.problem = Some(Problem::new("found_several", reason));
            Ended { resume: remembered(calls_lost, None), ..held(claim, Some(started), end) }
        }
    }
}

/// It stays unknown, and a person decides.
fn held(claim: Claim, request: Option<Request>, mut end: AttemptEnd) -> Ended {
    end.number = claim.token.attempt;
    end.evidence = Evidence::Unknown;
    end.problem = end.problem.map(|problem| problem.hint(UNKNOWN_HINT));
    Ended { claim, request, answer: Value::Null, end, next: Next::Unknown, resume: None }
}
