//! Claims that came to no end: when a task is parked because of them, and in which words.

use crate::keys::ATTEMPTS;
use crate::{AttemptEnd, Entries, Finish, Next, Token};
use model::{Evidence, Millis, Problem};

/// Claims without an end after which a task is parked.
pub(crate) const MOST_CLAIMS: u32 = 3;
/// Claims that a task can ever have. The other half of the numbers is for take-overs, each of which is a crash.
pub(crate) const MOST_ATTEMPTS: u32 = ATTEMPTS / 2;

/// No number is left for another attempt.
pub(crate) fn too_many_attempts() -> Problem {
    Problem::new("too_many_attempts", format!("the task has had {MOST_ATTEMPTS} attempts")).hint("insert its data anew")
}

/// So many claims were lost that the task itself may be why.
pub(crate) fn claimed_too_often(lost: u32) -> Problem {
    Problem::new("claimed_too_often", format!("work on it was begun {lost} times and never came to an end"))
        .hint("look for what this task has that others have not, then retry it")
}

/// The end of a claim because of a problem that no engine can solve.
pub(crate) fn parked(token: Token, next: Next, number: u32, problem: Problem, at: Millis) -> Finish {
    let evidence = if next == Next::Unknown { Evidence::Unknown } else { Evidence::NotSent };
    let end = AttemptEnd {
        number,
        at,
        evidence,
        status: None,
        problem: Some(problem),
        answer: None,
        headers: None,
        usage: None,
        request: None,
    };
    Finish { token, end, next, new_tasks: Vec::new(), cursor: None, resume: None, entries: Entries::default() }
}

/// Why an occurrence is skipped whose run before still goes on.
pub(crate) fn overlap() -> Problem {
    Problem::new("overlap", "the run before was still going on").warning()
}
