//! What happens after an attempt: one pure table from what is known and what a repeat would do.

use model::definition::{OnUnknown, Retry};
use model::{Effect, Evidence, Millis};
use store::Next;

/// The longest `Retry-After` that is honoured: a day.
pub const LONGEST_WAIT: Millis = 86_400_000;

/// What is known when the decision is made.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What a repeat of the call does.
    pub effect: Effect,
    /// What is known about the attempt.
    pub evidence: Evidence,
    /// A complete answer that cannot be used, or an answer that says no repeat can ever succeed.
    pub final_problem: bool,
    /// Attempts before this one that ended in a retry.
    pub tries: u32,
}

/// What the definitions say.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// When to try again.
    pub retry: Retry,
    /// What to do with a paid or creating call whose answer was lost.
    pub on_unknown: OnUnknown,
}

/// Decides. `random` is at least 0 and below 1.
#[must_use]
pub fn decide(case: Case, policy: &Policy, now: Millis, random: f64) -> Next {
    use Effect::{Compute, Create, Findable, Idempotent, Read};
    use Evidence::{Answered, ErrorAnswer, NotSent, Refused, Rejected, Unknown};
    match (case.evidence, case.effect) {
        (Answered, _) if case.final_problem => Next::Failed,
        (Answered, _) => Next::Finished,
        (Rejected, _) => Next::Failed,
        (NotSent | Refused { .. }, _) if case.final_problem => Next::Failed,
        (NotSent | Refused { .. }, _) => again(case, policy, now, random, Next::Failed),
        // Something broke there: a pure computation may be asked for again, a creation may have happened.
        (ErrorAnswer, Read | Idempotent | Compute) => again(case, policy, now, random, Next::Failed),
        (Unknown, Read) => again(case, policy, now, random, Next::Failed),
        (Unknown, Idempotent) => again(case, policy, now, random, Next::Unknown),
        (ErrorAnswer, Findable | Create) | (Unknown, Findable | Create | Compute) => match policy.on_unknown {
            OnUnknown::Hold => Next::Unknown,
            OnUnknown::Resend => again(case, policy, now, random, Next::Unknown),
        },
    }
}

/// Another attempt while the policy has one left, else `exhausted`.
fn again(case: Case, policy: &Policy, now: Millis, random: f64, exhausted: Next) -> Next {
    if case.tries + 1 >= policy.retry.attempts {
        return exhausted;
    }
    let asked = match case.evidence {
        Evidence::Refused { after_ms } => after_ms.unwrap_or(0).clamp(0, LONGEST_WAIT),
        _ => 0,
    };
    Next::Retry(now + asked + backoff(&policy.retry, case.tries, random))
}

/// Full jitter: a random part of a span that grows with every try, at least one millisecond.
fn backoff(retry: &Retry, tries: u32, random: f64) -> Millis {
    #[allow(clippy::cast_precision_loss, reason = "spans are at most ten years")]
    let (first, max) = (retry.first.0 as f64, retry.max.0 as f64);
    let grown = first * retry.factor.powi(i32::try_from(tries.min(1_000)).unwrap_or(1_000));
    #[allow(clippy::cast_possible_truncation, reason = "clamped to the longest span")]
    let wait = (grown.min(max) * random) as Millis;
    wait.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::definition::Span;

    const NOW: Millis = 1_000_000;

    fn policy(attempts: u32, on_unknown: OnUnknown) -> Policy {
        let retry = Retry { attempts, first: Span(1_000), factor: 2.0, max: Span(60_000) };
        Policy { retry, on_unknown }
    }

    fn outcome(effect: Effect, evidence: Evidence, tries: u32, policy: &Policy) -> &'static str {
        let case = Case { effect, evidence, final_problem: false, tries };
        match decide(case, policy, NOW, 0.5) {
            Next::Finished => "finished",
            Next::Failed => "failed",
            Next::Unknown => "unknown",
            Next::Retry(_) => "retry",
            Next::Skipped | Next::Again(_) | Next::Waiting(_) => "impossible",
        }
    }

    /// Every cell: effect by evidence, with attempts left, with none left, and with `on_unknown: resend`.
    #[test]
    fn every_cell() {
        use Effect::{Compute, Create, Findable, Idempotent, Read};
        use Evidence::{Answered, ErrorAnswer, NotSent, Refused, Rejected, Unknown};
        let refused = Refused { after_ms: None };
        //                                   attempts left  none left   resend, left  resend, none left
        let table = [
            (NotSent, Read, ["retry", "failed", "retry", "failed"]),
            (NotSent, Idempotent, ["retry", "failed", "retry", "failed"]),
            (NotSent, Findable, ["retry", "failed", "retry", "failed"]),
            (NotSent, Compute, ["retry", "failed", "retry", "failed"]),
            (NotSent, Create, ["retry", "failed", "retry", "failed"]),
            (refused, Read, ["retry", "failed", "retry", "failed"]),
            (refused, Idempotent, ["retry", "failed", "retry", "failed"]),
            (refused, Findable, ["retry", "failed", "retry", "failed"]),
            (refused, Compute, ["retry", "failed", "retry", "failed"]),
            (refused, Create, ["retry", "failed", "retry", "failed"]),
            (Rejected, Read, ["failed"; 4]),
            (Rejected, Idempotent, ["failed"; 4]),
            (Rejected, Findable, ["failed"; 4]),
            (Rejected, Compute, ["failed"; 4]),
            (Rejected, Create, ["failed"; 4]),
            (ErrorAnswer, Read, ["retry", "failed", "retry", "failed"]),
            (ErrorAnswer, Idempotent, ["retry", "failed", "retry", "failed"]),
            (ErrorAnswer, Findable, ["unknown", "unknown", "retry", "unknown"]),
            (ErrorAnswer, Compute, ["retry", "failed", "retry", "failed"]),
            (ErrorAnswer, Create, ["unknown", "unknown", "retry", "unknown"]),
            (Answered, Read, ["finished"; 4]),
            (Answered, Idempotent, ["finished"; 4]),
            (Answered, Findable, ["finished"; 4]),
            (Answered, Compute, ["finished"; 4]),
            (Answered, Create, ["finished"; 4]),
            (Unknown, Read, ["retry", "failed", "retry", "failed"]),
            (Unknown, Idempotent, ["retry", "unknown", "retry", "unknown"]),
            (Unknown, Findable, ["unknown", "unknown", "retry", "unknown"]),
            (Unknown, Compute, ["unknown", "unknown", "retry", "unknown"]),
            (Unknown, Create, ["unknown", "unknown", "retry", "unknown"]),
        ];
        assert_eq!(table.len(), 6 * Effect::ALL.len(), "the table is complete");
        for (evidence, effect, expected) in table {
            let seen = [
                outcome(effect, evidence, 0, &policy(3, OnUnknown::Hold)),
                outcome(effect, evidence, 2, &policy(3, OnUnknown::Hold)),
                outcome(effect, evidence, 0, &policy(3, OnUnknown::Resend)),
                outcome(effect, evidence, 2, &policy(3, OnUnknown::Resend)),
            ];
            assert_eq!(seen, expected, "{evidence:?} × {effect:?}");
        }
    }

    #[test]
    fn what_can_never_succeed_is_not_tried_again() {
        for evidence in [Evidence::NotSent, Evidence::Refused { after_ms: Some(5) }, Evidence::Answered] {
            let case = Case { effect: Effect::Read, evidence, final_problem: true, tries: 0 };
            assert_eq!(decide(case, &policy(3, OnUnknown::Resend), NOW, 0.5), Next::Failed, "{evidence:?}");
        }
    }

    #[test]
    fn waits_grow_are_capped_and_come_after_retry_after() {
        let at = |tries, after_ms, random| {
            let case =
                Case { effect: Effect::Read, evidence: Evidence::Refused { after_ms }, final_problem: false, tries };
            match decide(case, &policy(100, OnUnknown::Hold), NOW, random) {
                Next::Retry(at) => at - NOW,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(at(0, None, 0.5), 500);
        assert_eq!(at(1, None, 0.5), 1_000);
        assert_eq!(at(4, None, 0.999_999), 15_999);
        assert_eq!(at(90, None, 0.5), 30_000, "capped at half of the longest wait");
        assert_eq!(at(0, None, 0.0), 1, "never at once");
        assert_eq!(at(0, Some(30_000), 0.5), 30_500, "Retry-After comes first, jitter on top");
        assert_eq!(at(0, Some(i64::MAX), 0.0), LONGEST_WAIT + 1);
        assert_eq!(at(0, Some(-5), 0.0), 1);
    }
}
