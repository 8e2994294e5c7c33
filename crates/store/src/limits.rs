//! What may be drawn from the limits of an HTTP client: the arithmetic, the same on every database.
//!
//! Rates go by the generic cell rate algorithm: one number for each limit, the time from which on another call is
//! within it.

use model::{Millis, Money};
use serde::{Deserialize, Serialize};

/// What an engine asks for before it sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Name of the HTTP client.
    pub client: String,
    /// The time.
    pub now: Millis,
    /// Calls wanted, at least one.
    pub calls: u32,
    /// Tokens that a call is expected to use.
    pub tokens: u64,
    /// What a call is expected to cost.
    pub cost: Money,
    /// What may be drawn.
    pub caps: Caps,
}

/// The limits of an HTTP client. `None`: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caps {
    /// Calls in a second.
    pub per_second: Option<f64>,
    /// Tokens in a minute.
    pub tokens_per_minute: Option<u64>,
    /// Calls in a day, UTC.
    pub calls_per_day: Option<u64>,
    /// Estimated cost of a day, UTC.
    pub cost_per_day: Option<Money>,
}

impl Caps {
    /// Whether anything is limited.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// What was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// So many calls may be sent now.
    pub calls: u32,
    /// Where it is none: when to ask again.
    pub again_at: Millis,
    /// Where it is none because of the day: nothing goes until the next.
    pub day_is_full: bool,
}

/// What a call used otherwise than expected, or what one gave back that was never sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Settle {
    /// Name of the HTTP client.
    pub client: String,
    /// The time.
    pub now: Millis,
    /// Tokens used beyond those drawn; negative: fewer.
    pub tokens: i64,
    /// Cost beyond what was drawn, in billionths; negative: less.
    pub cost: i64,
    /// Of which minute.
    pub tokens_per_minute: Option<u64>,
}

/// The row of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) next_call: i64,
    pub(crate) next_token: i64,
    pub(crate) day: i64,
    pub(crate) calls: i64,
    pub(crate) cost: i64,
}

const DAY: Millis = 86_400_000;
/// Calls may come so much earlier than evenly spread, in microseconds.
const EARLY: i64 = 100_000;
/// Tokens of so long may be used at once, in microseconds.
const TOKENS_EARLY: i64 = 5_000_000;

/// Draws from a row.
pub(crate) fn draw(row: &mut Row, asked: &Draw) -> Drawn {
    let day = asked.now.div_euclid(DAY);
    if row.day != day {
        *row = Row { day, calls: 0, cost: 0, ..*row };
    }
    let now = asked.now.saturating_mul(1_000);
    let mut calls = i64::from(asked.calls.max(1));
    let tomorrow = (day + 1) * DAY;
    if let Some(cap) = asked.caps.calls_per_day {
        calls = calls.min(integer(cap) - row.calls);
    }
    if let Some(cap) = asked.caps.cost_per_day {
        let left = integer(cap.0) - row.cost;
        calls = calls.min(if left <= 0 { 0 } else { (left / integer(asked.cost.0).max(1)).max(0) });
        // What a call costs is not known before the first: then one at a time.
        calls = if asked.cost.0 == 0 { calls.min(1) } else { calls };
    }
    if calls <= 0 {
        return Drawn { calls: 0, again_at: tomorrow, day_is_full: true };
    }
    let mut again = asked.now;
    if let Some(rate) = asked.caps.per_second {
        #[allow(clippy::cast_possible_truncation, reason = "a rate is at least a thousandth")]
        let apart = ((1_000_000.0 / rate) as i64).max(1);
        let early = EARLY.max(apart);
        row.next_call = row.next_call.max(now - early + apart);
        let room = (now - row.next_call).div_euclid(apart) + 1;
        calls = calls.min(room.max(0));
        again = again.max((row.next_call + 999).div_euclid(1_000));
        row.next_call += apart * calls;
    }
    if let Some(per_minute) = asked.caps.tokens_per_minute {
        let each = 60_000_000.0 / per_minute as f64;
        row.next_token = row.next_token.max(now - TOKENS_EARLY);
        if row.next_token > now {
            row.next_call -= rate_back(asked, calls);
            return Drawn { calls: 0, again_at: (row.next_token + 999).div_euclid(1_000), day_is_full: false };
        }
        #[allow(clippy::cast_possible_truncation, reason = "microseconds of some minutes")]
        let spent = (each * asked.tokens.max(1) as f64 * calls as f64) as i64;
        row.next_token += spent;
    }
    row.calls += calls;
    row.cost = row.cost.saturating_add(integer(asked.cost.0).saturating_mul(calls));
    Drawn { calls: u32::try_from(calls).unwrap_or(0), again_at: again.max(asked.now + 1), day_is_full: false }
}

/// What a refused draw had moved the rate on by.
fn rate_back(asked: &Draw, calls: i64) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "a rate is at least a thousandth")]
    asked.caps.per_second.map_or(0, |rate| ((1_000_000.0 / rate) as i64).max(1) * calls)
}

/// Sets a row right after a call.
pub(crate) fn settle(row: &mut Row, settle: &Settle) {
    if let Some(per_minute) = settle.tokens_per_minute {
        #[allow(clippy::cast_possible_truncation, reason = "microseconds of some minutes")]
        let moved = (60_000_000.0 / per_minute as f64 * settle.tokens as f64) as i64;
        row.next_token = row.next_token.saturating_add(moved);
    }
    row.cost = row.cost.saturating_add(settle.cost).max(0);
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_790_000_000_000;

    fn asked(now: Millis, calls: u32, caps: Caps) -> Draw {
        Draw { client: "m".to_owned(), now, calls, tokens: 100, cost: Money(10), caps }
    }

    /// Ten greedy routes for a minute: what is granted is the rate, to two per cent, and in no second more than that
    /// and what may come early.
    #[test]
    fn a_rate_is_held_however_many_ask() {
        for rate in [1.0, 7.0, 50.0, 333.0] {
            let caps = Caps { per_second: Some(rate), ..Caps::default() };
            let mut row = Row::default();
            let mut granted = Vec::new();
            for at in 0..60_000 {
                for _ in 0..10 {
                    let drawn = draw(&mut row, &asked(NOW + at, 8, caps));
                    assert!(drawn.calls > 0 || drawn.again_at > NOW + at);
                    granted.extend(std::iter::repeat_n(at, drawn.calls as usize));
                }
            }
            let expected = rate * 60.0;
            let seen = granted.len() as f64;
            assert!((seen - expected).abs() <= expected * 0.02 + 1.0 + rate * 0.1, "{rate}: {seen} of {expected}");
            for window in granted.windows((rate * 1.1) as usize + 3) {
                assert!(window.last().unwrap() - window[0] >= 990, "{rate}: {window:?}");
            }
        }
    }

    #[test]
    fn what_is_refused_may_be_asked_again_when_it_says() {
        let caps = Caps { per_second: Some(2.0), ..Caps::default() };
        let mut row = Row::default();
        assert_eq!(draw(&mut row, &asked(NOW, 5, caps)).calls, 1);
        let refused = draw(&mut row, &asked(NOW, 5, caps));
        assert_eq!((refused.calls, refused.again_at), (0, NOW + 500));
        assert_eq!(draw(&mut row, &asked(refused.again_at - 1, 5, caps)).calls, 0);
        assert_eq!(draw(&mut row, &asked(refused.again_at, 5, caps)).calls, 1);
    }

    /// A thousand days of random asking, with costs that turn out otherwise: no cap is passed by a call granted.
    #[test]
    fn a_day_is_never_passed() {
        let mut seed = 7_u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for trial in 0..1_000 {
            let (calls, cost) = (1 + random(50), 1 + random(500));
            let caps = Caps { calls_per_day: Some(calls), cost_per_day: Some(Money(cost)), ..Caps::default() };
            let (mut row, mut granted, mut spent) = (Row::default(), 0, 0);
            let start = (NOW / DAY + trial) * DAY;
            for _ in 0..100 {
                let now = start + random(DAY as u64) as i64;
                let drawn = draw(&mut row, &asked(now, 1 + random(8) as u32, caps));
                if drawn.calls == 0 {
                    assert_eq!((drawn.again_at, drawn.day_is_full), (start + DAY, true));
                }
                granted += u64::from(drawn.calls);
                spent += 10 * u64::from(drawn.calls);
                assert!(granted <= calls && spent <= cost, "{trial}: {granted} of {calls}, {spent} of {cost}");
            }
            assert!(draw(&mut row, &asked(start + DAY, 1, caps)).calls == u32::from(cost >= 10));
        }
    }

    #[test]
    fn tokens_are_counted_as_they_were_used() {
        let caps = Caps { tokens_per_minute: Some(6_000), ..Caps::default() };
        let mut row = Row::default();
        // Five seconds' worth at once: 500 tokens, five calls; the next waits for what goes beyond.
        let granted: u32 = (0..10).map(|_| draw(&mut row, &asked(NOW, 1, caps)).calls).sum();
        assert_eq!(granted, 6);
        let used = Settle { client: "m".to_owned(), now: NOW, tokens: 900, cost: 0, tokens_per_minute: Some(6_000) };
        settle(&mut row, &used);
        let drawn = draw(&mut row, &asked(NOW, 1, caps));
        assert_eq!((drawn.calls, drawn.again_at), (0, NOW + 10_000));
        assert_eq!(draw(&mut row, &asked(NOW + 10_000, 1, caps)).calls, 1);
    }
}
