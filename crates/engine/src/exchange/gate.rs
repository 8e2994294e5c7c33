//! Who may send to a remote system, and when: what all routes share of one HTTP client.
//!
//! The service's "not now" pauses the client, not the task alone; so do failures in a row. After a pause one call tries
//! whether the system is back, and the others wait for what it finds.

use super::pace::Pace;
use super::share::Share;
use model::definition::{Breaker, Limits};
use model::{Evidence, HttpAnswer, Millis, Money, Usage};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Caps;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The gate before one remote system. It stands while definitions come and go.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    /// One for each call that may be under way.
    permits: Arc<Semaphore>,
    /// Changes whenever a call may go that could not before.
    changed: watch::Sender<()>,
    /// How many lanes of each priority wait for a permit.
    waiting: watch::Sender<BTreeMap<i32, usize>>,
    /// What the latest answers said of the key: their status, and how many in a row had it.
    key: AtomicU32,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    /// This engine's part of them.
    share: Share,
    /// How many calls may be under way here.
    size: usize,
    /// Permits that are out and too many: they end when they come back.
    owed: usize,
    paused_until: Millis,
    /// After a pause, until a call was answered.
    is_trying: bool,
    /// The call that tries is under way.
    probe_is_out: bool,
    /// Calls in a row that found it broken, and those whose outcome is unknown.
    failures: u32,
    unknowns: u32,
    /// What a call used of late, to be expected of the next.
    tokens: u64,
    cost: Money,
    /// What the service was found to take.
    pace: Pace,
    /// What its answers announce: calls and tokens in a minute.
    announced: [Announced; 2],
}

/// A limit that answers announce, and what they say is left of it.
#[derive(Clone, Copy, Debug, Default)]
struct Announced {
    per_minute: Option<u64>,
    left: Option<u64>,
}

impl Announced {
    fn hear(&mut self, per_minute: Option<u64>, left: Option<u64>) {
        if per_minute.is_some() {
            *self = Self { per_minute, left };
        }
    }

    /// The limit, where it is near: keeping to one that is far away would cost a draw for every call.
    fn near(&self, was_refused: bool) -> Option<u64> {
        let per_minute = self.per_minute?;
        (was_refused || self.left.is_some_and(|left| left < per_minute / NEAR)).then_some(per_minute)
    }
}

/// So many answers in a row that forbid what was asked are about the key.
const FORBIDDEN: u32 = 3;
/// A limit is near when less than this part of it is left.
const NEAR: u64 = 5;

/// How a gate stands, for those who look from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateView {
    /// Calls that may be under way here.
    pub permits: usize,
    /// Calls that are.
    pub under_way: usize,
    /// Lanes that wait for a permit.
    pub waiting: usize,
    /// Until when nothing is sent, where that is so.
    pub paused_until: Option<Millis>,
    /// After a pause, until one call was answered.
    pub is_trying: bool,
}

/// Whether a call may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// It may.
    Go,
    /// It may, alone: it tries whether the system is back.
    Probe,
    /// Not before this time; with the largest one, not before the gate changes.
    Wait(Millis),
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(Limits::default(), Share::ALL)
    }
}

impl Gate {
    pub(crate) fn new(limits: Limits, share: Share) -> Self {
        let size = share.of(limits.parallel);
        let state = State {
            limits,
            share,
            size,
            owed: 0,
            paused_until: 0,
            is_trying: false,
            probe_is_out: false,
            failures: 0,
            unknowns: 0,
            tokens: 0,
            cost: Money::default(),
            pace: Pace::default(),
            announced: [Announced::default(); 2],
        };
        Self {
            state: Mutex::new(state),
            permits: Arc::new(Semaphore::new(size)),
            changed: watch::Sender::new(()),
            waiting: watch::Sender::new(BTreeMap::new()),
            key: AtomicU32::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes other limits up. Calls under way go on; where they are too many, none is sent until enough have ended.
    pub(crate) fn set(&self, limits: Limits) {
        let mut state = self.state();
        state.limits = limits;
        self.resize(&mut state);
    }

    /// Takes another part of the limits, in the same way.
    pub(crate) fn set_share(&self, share: Share) {
        let mut state = self.state();
        state.share = share;
        self.resize(&mut state);
    }

    fn resize(&self, state: &mut State) {
        let size = state.share.of(state.limits.parallel);
        if size >= state.size {
            let more = size - state.size;
            let back = more.min(state.owed);
            state.owed -= back;
            self.permits.add_permits(more - back);
        } else {
            let fewer = state.size - size;
            state.owed += fewer - self.permits.forget_permits(fewer);
        }
        let was_shut = state.size == 0;
        state.size = size;
        if was_shut != (size == 0) {
            self.changed.send_replace(());
        }
    }

    /// How it stands.
    pub(crate) fn view(&self, now: Millis) -> GateView {
        let waiting = self.waiting.borrow().values().sum();
        let state = self.state();
        GateView {
            permits: state.size,
            under_way: (state.size + state.owed).saturating_sub(self.permits.available_permits()),
            waiting,
            paused_until: (state.paused_until > now).then_some(state.paused_until),
            is_trying: state.is_trying,
        }
    }

    /// Whether no call may go here at all: others have all of what may be under way.
    pub(crate) fn is_shut(&self) -> bool {
        self.state().size == 0
    }

    /// Whether more calls are under way than may be.
    pub(crate) fn is_over(&self) -> bool {
        self.state().owed > 0
    }

    /// Waits for a permit for one call; `None` where no call may go here at all.
    pub(crate) async fn permit(self: &Arc<Self>) -> Option<Permit> {
        let mut changes = self.changes();
        while !self.is_shut() {
            tokio::select! {
                // Never closed.
                Ok(permit) = self.permits.clone().acquire_owned() => {
                    return Some(Permit { gate: self.clone(), permit: Some(permit) });
                }
                _ = changes.changed() => {}
            }
        }
        None
    }

    /// A permit for one more call, where there is one at once.
    pub(crate) fn permit_now(self: &Arc<Self>) -> Option<Permit> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(Permit { gate: self.clone(), permit: Some(permit) })
    }

    /// What is to be drawn from the store before a call: what the definition allows, and what the service takes.
    pub(crate) fn caps(&self, now: Millis) -> Caps {
        let state = self.state();
        let limits = state.limits;
        let rate = state.pace.rate(now);
        let [calls, tokens] = state.announced.map(|announced| announced.near(rate.is_some()));
        #[allow(clippy::cast_precision_loss, reason = "calls of a minute")]
        let announced = calls.map(|most| most as f64 / 60.0);
        let per_second = [limits.requests_per_second, announced, rate];
        Caps {
            per_second: per_second.into_iter().flatten().reduce(f64::min),
            tokens_per_minute: limits.tokens_per_minute.into_iter().chain(tokens).min(),
            calls_per_day: limits.calls_per_day,
            cost_per_day: limits.cost_per_day,
        }
    }

    /// Whether the service refuses the key, with which status; `None`: nothing is known.
    pub(crate) fn key(&self) -> Option<Result<(), u16>> {
        let known = self.key.load(Ordering::Relaxed);
        let (status, times) = (known >> 16, known & 0xffff);
        match status {
            0 => None,
            // A 403 may be about what was asked for; several in a row are about who asks.
            401 => Some(Err(401)),
            403 if times >= FORBIDDEN => Some(Err(403)),
            403 => None,
            _ => Some(Ok(())),
        }
    }

    /// Hears what an answer says of the key.
    fn heard_of_key(&self, status: u16) {
        let status = match status {
            200..=299 => 200,
            401 | 403 => u32::from(status),
            _ => return,
        };
        let known = self.key.load(Ordering::Relaxed);
        let times = if known >> 16 == status { (known & 0xffff) + 1 } else { 1 };
        let heard = status << 16 | times.min(FORBIDDEN);
        // Written when it changes alone: every call passes here.
        if heard != known {
            self.key.store(heard, Ordering::Relaxed);
        }
    }

    /// Hears what an answer announces of the service's limits, and of the key.
    pub(crate) fn heard(&self, answer: &HttpAnswer) {
        self.heard_of_key(answer.status);
        let number = |name: &str| answer.header(name)?.trim().parse::<u64>().ok();
        let limit = |name: &str| number(name).filter(|most| *most > 0);
        let (calls, tokens) = (limit("x-ratelimit-limit-req-minute"), limit("x-ratelimit-limit-tokens-minute"));
        if calls.is_some() || tokens.is_some() {
            let mut state = self.state();
            state.announced[0].hear(calls, number("x-ratelimit-remaining-req-minute"));
            state.announced[1].hear(tokens, number("x-ratelimit-remaining-tokens-minute"));
        }
    }

    /// What the next call is expected to use: the most of late.
    pub(crate) fn expected(&self) -> (u64, Money) {
        let state = self.state();
        (state.tokens, state.cost)
    }

    /// Remembers what a call used. What is expected falls slowly, so that a cheap call does not hide dear ones.
    pub(crate) fn used(&self, usage: &Usage) {
        let mut state = self.state();
        let tokens = usage.total_tokens.unwrap_or(0);
        let cost = usage.cost.unwrap_or_default();
        state.tokens = tokens.max(state.tokens - state.tokens / 16);
        state.cost = cost.max(Money(state.cost.0 - state.cost.0 / 16));
    }

    /// Asks whether a call may go.
    pub(crate) fn pass(&self, now: Millis) -> Pass {
        let mut state = self.state();
        if state.paused_until > now {
            return Pass::Wait(state.paused_until);
        }
        if !state.is_trying {
            return Pass::Go;
        }
        if state.probe_is_out {
            return Pass::Wait(Millis::MAX);
        }
        state.probe_is_out = true;
        Pass::Probe
    }

    /// Until when a call that was let through may no longer go, because the service has said "not now" since; `None`: it
    /// may. With the largest time, not before the gate changes.
    pub(crate) fn closed_until(&self, now: Millis) -> Option<Millis> {
        let state = self.state();
        match (state.paused_until > now, state.is_trying) {
            (true, _) => Some(state.paused_until),
            (false, true) => Some(Millis::MAX),
            (false, false) => None,
        }
    }

    /// A call that was to try was not sent after all.
    pub(crate) fn give_up_probe(&self) {
        self.state().probe_is_out = false;
        self.changed.send_replace(());
    }

    /// What became of a call. `until`: the service asked to be left alone until then. `Some` where that pauses it anew: until when.
    pub(crate) fn report(
        &self,
        evidence: Evidence,
        until: Option<Millis>,
        was_probe: bool,
        now: Millis,
    ) -> Option<Millis> {
        let paused = {
            let mut state = self.state();
            let before = state.paused_until;
            if was_probe {
                state.probe_is_out = false;
            }
            match evidence {
                Evidence::Answered | Evidence::Rejected => {
                    (state.failures, state.unknowns) = (0, 0);
                    state.pace.answered(now);
                    // Answers to what was sent before the pause say nothing about after it.
                    if was_probe || state.paused_until <= now {
                        state.is_trying = false;
                    }
                }
                Evidence::Refused { .. } => {
                    // One call alone is never too many: what refuses it is not the rate.
                    if !was_probe
                        && state.pace.refused(now)
                        && let Some(rate) = state.pace.rate(now)
                    {
                        tracing::info!(rate, "the service refused a call: so many a second may go for now");
                    }
                    state.pause(until.unwrap_or(now));
                }
                Evidence::NotSent | Evidence::ErrorAnswer | Evidence::Unknown => {
                    state.failures += 1;
                    state.unknowns = if evidence == Evidence::Unknown { state.unknowns + 1 } else { 0 };
                    let Breaker { after, after_unknown, pause } = state.limits.breaker;
                    if was_probe || state.failures >= after || state.unknowns >= after_unknown {
                        (state.failures, state.unknowns) = (0, 0);
                        state.pause(now + pause.0);
                    }
                }
            }
            // Many calls hear of the same pause; it is told once.
            (before <= now && state.paused_until > now).then_some(state.paused_until)
        };
        self.changed.send_replace(());
        paused
    }

    /// Hears of changes made from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits with this priority until nobody waits with a smaller one.
    pub(crate) async fn turn(self: &Arc<Self>, priority: i32) -> Place {
        self.waiting.send_modify(|waiting| *waiting.entry(priority).or_default() += 1);
        let place = Place { gate: self.clone(), priority };
        let mut waiting = self.waiting.subscribe();
        // The sender is ours, so waiting cannot fail.
        let _ = waiting.wait_for(|waiting| waiting.keys().next().is_none_or(|first| *first >= priority)).await;
        place
    }
}

impl State {
    fn pause(&mut self, until: Millis) {
        self.paused_until = self.paused_until.max(until);
        self.is_trying = true;
    }
}

/// Leave for one call to be under way; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

/// A place among those that wait; left when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    priority: i32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.waiting.send_modify(|waiting| {
            if let Some(count) = waiting.get_mut(&self.priority) {
                *count -= 1;
                if *count == 0 {
                    waiting.remove(&self.priority);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::definition::Span;

    const NOW: Millis = 1_000_000;
    const REFUSED: Evidence = Evidence::Refused { after_ms: None };

    fn gate(after: u32, after_unknown: u32) -> Gate {
        let breaker = Breaker { after, after_unknown, pause: Span(30_000) };
        Gate::new(Limits { breaker, ..Limits::default() }, Share::ALL)
    }

    #[test]
    fn a_refusal_pauses_all_and_one_call_tries_after_it() {
        let gate = gate(20, 5);
        assert_eq!(gate.pass(NOW), Pass::Go);
        gate.report(REFUSED, Some(NOW + 500), false, NOW);
        assert_eq!(gate.pass(NOW + 499), Pass::Wait(NOW + 500));
        // An answer to an older call does not end the pause.
        gate.report(Evidence::Answered, None, false, NOW + 1);
        assert_eq!(gate.pass(NOW + 2), Pass::Wait(NOW + 500));
        assert_eq!(gate.pass(NOW + 500), Pass::Probe);
        assert_eq!(gate.pass(NOW + 500), Pass::Wait(Millis::MAX));
        gate.report(REFUSED, Some(NOW + 900), true, NOW + 510);
        assert_eq!(gate.pass(NOW + 899), Pass::Wait(NOW + 900));
        assert_eq!(gate.pass(NOW + 900), Pass::Probe);
        gate.report(Evidence::Answered, None, true, NOW + 910);
        assert_eq!(gate.pass(NOW + 910), Pass::Go);
    }

    #[test]
    fn an_announced_limit_counts_where_it_is_near() {
        let answer = |headers: &[(&str, &str)]| HttpAnswer {
            status: 200,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: bytes::Bytes::new(),
            kept: None,
            truncated: false,
        };
        let gate = gate(20, 5);
        let hear = |left: &str| {
            gate.heard(&answer(&[
                ("x-ratelimit-limit-tokens-minute", "1000"),
                ("x-ratelimit-remaining-tokens-minute", left),
                ("x-ratelimit-limit-req-minute", "600"),
                ("x-ratelimit-remaining-req-minute", "500"),
            ]));
        };
        hear("900");
        assert!(!gate.caps(NOW).any(), "far away it costs nothing");
        hear("150");
        assert_eq!((gate.caps(NOW).tokens_per_minute, gate.caps(NOW).per_second), (Some(1_000), None));
        hear("900");
        gate.report(Evidence::Answered, None, false, NOW);
        gate.report(REFUSED, Some(NOW + 1), false, NOW + 10);
        assert_eq!(gate.caps(NOW + 20).tokens_per_minute, Some(1_000), "a refusal says that it is near");
        assert!(gate.caps(NOW + 20).per_second.is_some_and(|rate| rate <= 10.0));
        gate.heard(&answer(&[("x-ratelimit-limit-tokens-minute", "many")]));
        assert_eq!(gate.caps(NOW + 20).tokens_per_minute, Some(1_000), "what cannot be read changes nothing");
    }

    #[test]
    fn a_refused_key_is_noticed_until_it_is_taken_again() {
        type Known = Option<Result<(), u16>>;
        let cases: [(&[u16], Known); 10] = [
            (&[], None),
            (&[500, 404, 429], None),
            (&[200], Some(Ok(()))),
            (&[401], Some(Err(401))),
            (&[401, 500], Some(Err(401))),
            (&[401, 204], Some(Ok(()))),
            (&[200, 403, 403], None),
            (&[200, 403, 403, 403, 403], Some(Err(403))),
            (&[403, 403, 404, 403], Some(Err(403))),
            (&[403, 403, 200, 403], None),
        ];
        for (statuses, expected) in cases {
            let gate = gate(20, 5);
            statuses.iter().for_each(|status| gate.heard_of_key(*status));
            assert_eq!(gate.key(), expected, "{statuses:?}");
        }
    }

    #[test]
    fn failures_in_a_row_pause_it_and_unknown_ones_sooner() {
        for (evidence, count) in [(Evidence::ErrorAnswer, 4), (Evidence::NotSent, 4), (Evidence::Unknown, 2)] {
            let gate = gate(4, 2);
            for _ in 1..count {
                gate.report(evidence, None, false, NOW);
                assert_eq!(gate.pass(NOW), Pass::Go, "{evidence:?}");
            }
            gate.report(Evidence::Rejected, None, false, NOW);
            for _ in 0..count {
                assert_eq!(gate.pass(NOW), Pass::Go, "an answer begins the count anew");
                gate.report(evidence, None, false, NOW);
            }
            assert_eq!(gate.pass(NOW), Pass::Wait(NOW + 30_000), "{evidence:?}");
            assert_eq!(gate.pass(NOW + 30_000), Pass::Probe);
            gate.report(evidence, None, true, NOW + 30_001);
            assert_eq!(gate.pass(NOW + 30_002), Pass::Wait(NOW + 60_001), "one failure of the probe suffices");
        }
    }
}
