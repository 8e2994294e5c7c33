//! The rate that a service was found to take: learned from its "not now", where nothing announces it.
//!
//! As networks do it (CUBIC, RFC 9438): a refusal cuts the rate by a tenth; then it grows back to where it was, lingers
//! there, and goes further ever faster, so that a limit that was raised is found. Before the first refusal there is no
//! rate, and nothing is held back.

use model::Millis;

/// No service is asked less often than so many times a second for its refusals alone.
const SLOWEST: f64 = 0.5;
/// What a refusal leaves of the rate.
const CUT: f64 = 0.9;
/// So long after a cut the rate is again what was refused.
const BACK: f64 = 60_000.0;
/// After so long without a refusal nothing is held back any more.
const FORGOTTEN: f64 = 4.0 * BACK;
/// While the first guess is looked for, the rate doubles in this time.
const DOUBLES: f64 = 4_000.0;
/// Refusals within this time of a cut are of calls that were under way by then.
const SETTLES: Millis = 1_000;
/// So long a time answers are counted in.
const WINDOW: Millis = 4_000;

/// What is known of the rate of one service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    learned: Option<Learned>,
    /// Answers since the beginning of the window, and in the one before.
    window: Millis,
    answered: u32,
    before: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Learned {
    /// Calls a second that were refused.
    refused: f64,
    cut_at: Millis,
    /// No second refusal has said yet that the guess is near.
    is_guess: bool,
}

impl Pace {
    /// A call was answered.
    pub(crate) fn answered(&mut self, now: Millis) {
        self.count_to(now);
        self.answered += 1;
    }

    /// A call was refused: cuts the rate. Says so where it is a new cut.
    pub(crate) fn refused(&mut self, now: Millis) -> bool {
        self.count_to(now);
        let (refused, is_guess) = match (self.learned, self.rate(now)) {
            (Some(learned), _) if now - learned.cut_at < SETTLES => return false,
            (Some(_), Some(rate)) => (rate, false),
            _ => (self.measured(now), true),
        };
        // Where nothing was answered of late, the refusal was not for the rate.
        if self.answered == 0 && self.before.unwrap_or(0) == 0 {
            return false;
        }
        self.learned = Some(Learned { refused: refused.max(SLOWEST), cut_at: now, is_guess });
        true
    }

    /// Calls a second that may go; `None`: nothing is held back.
    pub(crate) fn rate(&self, now: Millis) -> Option<f64> {
        let learned = self.learned?;
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of minutes")]
        let since = (now - learned.cut_at).max(0) as f64;
        if since > FORGOTTEN {
            return None;
        }
        let grown = if learned.is_guess {
            CUT * (since / DOUBLES).exp2()
        } else {
            1.0 + (1.0 - CUT) * ((since - BACK) / BACK).powi(3)
        };
        Some(learned.refused * grown)
    }

    /// Calls a second that were answered of late.
    fn measured(&self, now: Millis) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of a window")]
        let seconds = ((now - self.window).max(0) as f64 / 1_000.0).max(1.0);
        let present = f64::from(self.answered) / seconds;
        #[allow(clippy::cast_precision_loss, reason = "a small constant")]
        let before = f64::from(self.before.unwrap_or(0)) / (WINDOW as f64 / 1_000.0);
        present.max(before)
    }

    fn count_to(&mut self, now: Millis) {
        let passed = now - self.window;
        if passed >= WINDOW {
            self.before = (passed < 2 * WINDOW).then_some(self.answered);
            (self.window, self.answered) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service with a bucket that fills evenly, and says nothing of it.
    struct Hidden {
        per_second: f64,
        burst: f64,
        left: f64,
        at: f64,
    }

    impl Hidden {
        fn takes(&mut self, now: f64) -> bool {
            self.left = (self.left + (now - self.at) * self.per_second / 1_000.0).min(self.burst);
            self.at = now;
            let takes = self.left >= 1.0;
            self.left -= f64::from(u8::from(takes));
            takes
        }
    }

    /// Asks for so many minutes, as fast as the pace allows and at most 2,000 times a second; a refusal pauses half a second.
    /// Answered and refused, after the first `learning` minutes.
    fn ask(service: &mut Hidden, pace: &mut Pace, from: f64, minutes: f64, learning: f64) -> (u64, u64) {
        let (mut now, mut answered, mut refused) = (from, 0, 0);
        while now < from + minutes * 60_000.0 {
            let counts = now >= from + learning * 60_000.0;
            #[allow(clippy::cast_possible_truncation, reason = "milliseconds")]
            let at = now as Millis;
            if service.takes(now) {
                pace.answered(at);
                answered += u64::from(counts);
            } else {
                pace.refused(at);
                refused += u64::from(counts);
                now += 500.0;
            }
            now += pace.rate(now as Millis).map_or(0.5, |rate| (1_000.0 / rate).max(0.5));
        }
        (answered, refused)
    }

    #[test]
    fn a_hidden_limit_is_used_and_seldom_met() {
        for per_second in [5.0, 20.0, 100.0, 300.0] {
            for burst in [1.0, per_second] {
                let mut service = Hidden { per_second, burst, left: burst, at: 0.0 };
                let mut pace = Pace::default();
                let (answered, refused) = ask(&mut service, &mut pace, 0.0, 30.0, 2.0);
                let used = answered as f64 / (per_second * 28.0 * 60.0);
                let share = refused as f64 / (answered + refused) as f64;
                assert!(used >= 0.9, "{per_second}/s, burst {burst}: {used:.3} used");
                assert!(share < 0.01, "{per_second}/s, burst {burst}: {share:.4} refused");
            }
        }
    }

    #[test]
    fn a_limit_that_changes_is_followed() {
        for (first, then) in [(100.0, 50.0), (50.0, 100.0), (20.0, 200.0)] {
            let mut service = Hidden { per_second: first, burst: first, left: first, at: 0.0 };
            let mut pace = Pace::default();
            ask(&mut service, &mut pace, 0.0, 10.0, 2.0);
            service = Hidden { per_second: then, burst: then, ..service };
            let (answered, refused) = ask(&mut service, &mut pace, 600_000.0, 30.0, 10.0);
            let used = answered as f64 / (then * 20.0 * 60.0);
            assert!(used >= 0.9, "{first} to {then}: {used:.3} used");
            assert!(refused * 100 < answered, "{first} to {then}: {refused} of {answered} refused");
        }
    }

    #[test]
    fn what_was_never_refused_is_not_held_back() {
        let mut pace = Pace::default();
        (0..100_000).for_each(|at| pace.answered(at / 10));
        assert_eq!(pace.rate(10_000), None);
        assert!(pace.refused(10_000));
        assert!(!pace.refused(10_001), "it was under way");
        assert!(pace.rate(10_001).unwrap() > 5_000.0);
        assert_eq!(pace.rate(10_000 + 240_001), None, "forgotten");
    }
}
