//! Answers made use of: what a publisher does with one before its task counts as finished, and with a kept one again.

use super::conclude::Ended;
use super::http_lane::joined;
use crate::flow::{Expect, Flows, PushFlow, PushTarget, single};
use bytes::Bytes;
use model::{Evidence, Problem, Request, TransformContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Claim, Next, TaskStory};

/// A kept answer that is used again: nothing is sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// The attempt that it answered.
    pub(super) from_attempt: u32,
    pub(super) request: Option<Request>,
    pub(super) answer: Value,
}

/// The kept answer that the task of a claim is to use.
pub(super) fn kept(claim: &Claim) -> Option<Kept> {
    serde_json::from_slice(claim.resume.as_deref()?).ok()
}

/// Where problems of answer transformers and of `expect` stand.
const PUBLISHER: &str = "outgoing.";

/// What a task must remember so that its next attempt uses the answer that it has, instead of asking again.
///
/// # Errors
/// `no_answer`: none of its attempts has an answer that could be used.
pub fn from_answer(story: &TaskStory) -> Result<Bytes, Problem> {
    let answered = story.attempts.iter().rev().find_map(|attempt| {
        let end = attempt.end.as_ref().filter(|end| end.evidence == Evidence::Answered)?;
        // An attempt that used a kept answer sent nothing: it has no START.
        attempt.started_at?;
        // What the publisher found wrong may be right after a change. A web page or a broken stream stays what it is.
        let ours = |problem: &Problem| !problem.is_error() || problem.place.starts_with(PUBLISHER);
        end.problem.as_ref().is_none_or(ours).then_some(())?;
        Some((attempt, end.answer.as_ref()?))
    });
    let id = story.row.id;
    let missing = || {
        Problem::new("no_answer", "no attempt of it has an answer that could be used")
            .at(format!("task {id}"))
            .hint("retry it without --from-answer: the call is then made again")
    };
    let (attempt, answer) = answered.ok_or_else(missing)?;
    let kept = Kept {
        from_attempt: attempt.number,
        request: attempt.request.as_deref().and_then(|text| serde_json::from_slice(text).ok()),
        answer: serde_json::from_slice(answer).map_err(|_| missing())?,
    };
    serde_json::to_vec(&kept).map(Bytes::from).map_err(|_| missing())
}

/// Runs the answer transformers and looks whether what they made is as expected. What is not fails the task; the answer
/// stays with its attempt.
pub(super) fn shape(flows: &Flows, ended: &mut Ended, context: &mut TransformContext) {
    let Some(flow) = flows.pushes.get(&ended.claim.lane).filter(|_| ended.next == Next::Finished) else { return };
    let mark = context.storages.mark();
    let (answer, problem) = shaped(flow, std::mem::take(&mut ended.answer), context);
    ended.answer = answer;
    if let Some(problem) = problem {
        context.storages.back_to(mark);
        fail(ended, problem);
    }
}

/// What a publisher makes of an answer, and what is wrong with it: a transformer's problem, or `answer_unexpected`.
pub(super) fn shaped(flow: &PushFlow, answer: Value, context: &mut TransformContext) -> (Value, Option<Problem>) {
    let PushTarget::Http(push) = &flow.target else { return (answer, None) };
    let place = |member: &str| format!("{PUBLISHER}{}.publisher.{member}", flow.outgoing);
    let mut answer = answer;
    if !push.answer_chain.is_empty() {
        match single(&push.answer_chain, answer, context, || place("answer_transformers")) {
            Ok(changed) => answer = changed.unwrap_or_default(),
            Err(problem) => return (Value::Null, Some(problem)),
        }
    }
    let problems = push.expect.as_ref().map(|Expect { checker }| checker.problems(&answer)).unwrap_or_default();
    let problem = (!problems.is_empty()).then(|| {
        let reason = format!("the answer is not as expected: {}", joined(problems));
        Problem::new("answer_unexpected", reason).at(place("expect"))
    });
    (answer, problem)
}

fn fail(ended: &mut Ended, problem: Problem) {
    let hint = "the answer is kept; after a change, tramontane tasks retry --from-answer uses it without a new call";
    ended.end.problem = Some(if problem.hint.is_some() { problem } else { problem.hint(hint) });
    ended.next = Next::Failed;
}
