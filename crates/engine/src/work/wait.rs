//! Work that goes on after the answer that started it: the task waits, holds nothing meanwhile, and asks how it stands.

use crate::flow::HttpPush;
use bytes::Bytes;
use model::definition::Poll;
use model::http::{Preflight, Progress};
use model::{Evidence, Millis, Operation, Prepared, Problem, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use store::{AttemptEnd, Claim, Next};

/// What a waiting task remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    /// The request that asks how the work stands.
    pub(super) request: Request,
    /// The request that started the work.
    pub(super) started: Request,
    /// When it was started.
    since: Millis,
    /// How often it was asked for.
    polls: u32,
}

/// How a task goes on that waits, or may have to.
pub(super) struct Turn {
    pub(super) next: Next,
    /// What it remembers from now on; `None` leaves it as it is.
    pub(super) resume: Option<Bytes>,
}

/// Nothing is remembered any more: a task that is tried again starts its work anew.
pub(super) const FORGET: Bytes = Bytes::from_static(b"null");

/// What the task of a claim waits for. A task that does must never start its work again by itself.
pub(super) fn waiting(claim: &Claim) -> Option<Waiting> {
    serde_json::from_slice::<Option<Waiting>>(claim.resume.as_deref()?).ok().flatten()
}

/// The operation that tells how the work of a publisher stands. It is asked even where the definition has meanwhile
/// lost its `wait_until`.
///
/// # Errors
/// `wait_lost` where the outgoing now does something that cannot be asked.
pub(super) fn asked(push: &HttpPush) -> Result<Arc<dyn Operation>, Problem> {
    let own = push.wait.as_ref().map(|wait| wait.operation.clone());
    own.or_else(|| push.operation.poll()).ok_or_else(|| {
        Problem::new("wait_lost", "the task waits for work that its outgoing no longer starts")
            .hint("give the outgoing its operation back, or resolve the task")
    })
}

/// Builds the question.
///
/// # Errors
/// [`asked`]'s, and what cannot be built.
pub(super) fn question(push: &HttpPush, waiting: &Waiting) -> Result<Prepared, Vec<Problem>> {
    let operation = asked(push).map_err(|problem| vec![problem])?;
    operation.prepare(&waiting.request, Preflight::Off)
}

/// Whether the work that a task waits for is no longer there: asking on would never tell more.
pub(super) fn gone(waiting: Option<&Waiting>, end: &mut AttemptEnd) -> bool {
    let gone = waiting.is_some() && matches!(end.status, Some(404 | 410));
    if gone {
        end.problem = end.problem.take().map(|problem| problem.hint("the work is gone; a retry starts it anew"));
    }
    gone
}

/// Decides after a good answer whether the task waits (on). `before` is what it waited for until now.
pub(super) fn turn(
    push: &HttpPush,
    before: Option<Waiting>,
    started: &Request,
    answer: &Value,
    end: &mut AttemptEnd,
    now: Millis,
) -> Option<Turn> {
    let poll = match (&push.wait, &before) {
        (Some(wait), _) => wait.poll,
        (None, Some(_)) => Poll::default(),
        (None, None) => return None,
    };
    Some(match push.operation.progress(answer) {
        Progress::Done => Turn { next: Next::Finished, resume: Some(FORGET) },
        Progress::Failed(word) => {
            let reason = format!("the work that was started came to nothing: {word}");
            end.problem = Some(Problem::new("work_failed", reason).hint("a retry starts it anew"));
            Turn { next: Next::Failed, resume: Some(FORGET) }
        }
        Progress::Running(word) => {
            let request = match &before {
                Some(before) => Some(before.request.clone()),
                None => push.operation.poll_request(started, answer),
            };
            go_on(poll, before, request, started, word.as_deref(), end, now)
        }
    })
}

fn go_on(
    poll: Poll,
    before: Option<Waiting>,
    request: Option<Request>,
    started: &Request,
    word: Option<&str>,
    end: &mut AttemptEnd,
    now: Millis,
) -> Turn {
    let Some(request) = request else {
        let reason = "the answer does not say what to ask for, so the work cannot be followed";
        end.evidence = Evidence::Unknown;
        end.problem = Some(Problem::new("wait_impossible", reason));
        return Turn { next: Next::Unknown, resume: None };
    };
    let waiting = match before {
        Some(before) => Waiting { polls: before.polls.saturating_add(1), ..before },
        None => Waiting { request, started: started.clone(), since: now, polls: 0 },
    };
    if now - waiting.since > poll.at_most.0 {
        let state = word.map(|word| format!(" and is {word}")).unwrap_or_default();
        let reason = format!("the work goes on for longer than {}{state}", poll.at_most);
        let problem = Problem::new("wait_too_long", reason);
        end.problem = Some(problem.hint("a retry goes on asking; poll.at_most of the publisher sets the limit"));
        return Turn { next: Next::Failed, resume: None };
    }
    let due = now + delay(poll, waiting.polls);
    Turn { next: Next::Waiting(due), resume: serde_json::to_vec(&waiting).ok().map(Bytes::from) }
}

/// Half as long again each time.
fn delay(poll: Poll, polls: u32) -> Millis {
    let (mut delay, longest) = (poll.first.0.max(1), poll.longest.0.max(1));
    for _ in 0..polls.min(64) {
        delay = (delay + delay / 2 + 1).min(longest);
    }
    delay.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::definition::Span;

    #[test]
    fn questions_come_at_growing_distance() {
        let poll = Poll { first: Span(2_000), longest: Span(10_000), at_most: Span(60_000) };
        let delays: Vec<Millis> = [0, 1, 2, 3, 4, 1_000_000].map(|polls| delay(poll, polls)).to_vec();
        assert_eq!(delays, [2_000, 3_001, 4_502, 6_754, 10_000, 10_000]);
        let odd = Poll { first: Span(0), longest: Span(0), at_most: Span(0) };
        assert_eq!(delay(odd, 9), 1);
    }
}
