//! How calls are let through to a remote system: permits, pauses, and what its limits leave.

use super::dispatch::Shared;
use crate::exchange::{Client, Gate, Pass, Permit};
use crate::measures::Called;
use model::{Millis, Problem};
use std::sync::Arc;
use store::{AttemptEnd, Draw, Drawn, Settle, StoreError};

/// How soon an engine that was out of touch looks again whether others know of it.
const OUT_OF_TOUCH: Millis = 200;

/// Leave for one call. Dropped without a report, the call was not sent.
pub(super) struct Leave {
    _permit: Permit,
    gate: Arc<Gate>,
    /// The call tries whether the system is back, and has not been reported yet.
    pub(super) is_probe: bool,
    /// What was drawn for it.
    tokens: u64,
    cost: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if self.is_probe {
            self.gate.give_up_probe();
        }
    }
}

/// What was admitted.
pub(super) enum Admitted {
    /// So many calls.
    Calls(Vec<Leave>),
    /// None before this time: the day's limit is used up.
    Full(Millis),
    /// None: it is time to stop, other engines have all of what may be under way, or the store failed.
    Stop,
}

/// Waits for leave for at least one call, and takes as many as there are at once, `most` at most.
pub(super) async fn admit(shared: &Shared, client: &Client, priority: i32, most: usize) -> Admitted {
    admit_some(shared, client, priority, most).await.unwrap_or(Admitted::Stop)
}

async fn admit_some(shared: &Shared, client: &Client, priority: i32, most: usize) -> Option<Admitted> {
    loop {
        let _place = client.gate().turn(priority).await;
        let first = client.gate().permit().await?;
        if shared.parts.store.is_shared() && !shared.parts.standing.is_present(shared.now()) {
            // It was out of touch for so long that others may have taken its part.
            pause(shared, shared.now() + OUT_OF_TOUCH).await?;
            continue;
        }
        let is_probe = match wait_to_pass(shared, client).await? {
            Pass::Probe => true,
            Pass::Go | Pass::Wait(_) => false,
        };
        let mut taken = vec![first];
        while !is_probe && taken.len() < most {
            let Some(permit) = client.gate().permit_now() else { break };
            taken.push(permit);
        }
        let (tokens, cost) = client.gate().expected();
        match draw(shared, client, taken.len(), tokens, cost.0).await {
            Ok(drawn) if drawn.calls > 0 => {
                taken.truncate(drawn.calls as usize);
                let gate = || client.gate().clone();
                let leave = |permit| Leave { _permit: permit, gate: gate(), is_probe, tokens, cost: cost.0 };
                return Some(Admitted::Calls(taken.into_iter().map(leave).collect()));
            }
            refused => {
                if is_probe {
                    client.gate().give_up_probe();
                }
                drop(taken);
                match refused {
                    Ok(drawn) if drawn.day_is_full => {
                        tracing::warn!(client = client.name(), "the day's limit is used up");
                        return Some(Admitted::Full(drawn.again_at));
                    }
                    Ok(drawn) => pause(shared, drawn.again_at).await?,
                    Err(error) => {
                        shared.signals.fail(error);
                        return None;
                    }
                }
            }
        }
    }
}

async fn draw(shared: &Shared, client: &Client, calls: usize, tokens: u64, cost: u64) -> Result<Drawn, StoreError> {
    let caps = client.gate().caps(shared.now());
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    if !caps.any() {
        return Ok(Drawn { calls, again_at: 0, day_is_full: false });
    }
    let (client, now) = (client.name().to_owned(), shared.now());
    let asked = Draw { client, now, calls, tokens, cost: model::Money(cost), caps };
    shared.insist_with(asked, |asked| shared.parts.store.draw(asked)).await
}

/// Why tasks wait for the next day.
pub(super) fn day_is_full(client: &Client) -> Problem {
    let name = client.name();
    let reason =
        format!("what the HTTP client \"{name}\" may be asked in a day is used up; the task waits for the next");
    let problem = Problem::new("day_full", reason).at(format!("http_clients.{name}.limits")).warning();
    problem.hint("raise calls_per_day or cost_per_day, then retry the task")
}

async fn pause(shared: &Shared, until: Millis) -> Option<()> {
    let mut stop = shared.stop.clone();
    tokio::select! {
        () = shared.parts.clock.sleep_until(until) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    (!shared.stopping()).then_some(())
}

async fn wait_to_pass(shared: &Shared, client: &Client) -> Option<Pass> {
    let mut changes = client.gate().changes();
    let mut stop = shared.stop.clone();
    loop {
        if shared.stopping() {
            return None;
        }
        let until = match client.gate().pass(shared.now()) {
            Pass::Wait(until) => until,
            pass => return Some(pass),
        };
        tokio::select! {
            () = shared.parts.clock.sleep_until(until), if until != Millis::MAX => {}
            _ = changes.changed() => {}
            _ = stop.changed() => {}
        }
    }
}

/// Right before the bytes leave: what was let through may have been overtaken by the service's "not now". `false` where it
/// is time to stop meanwhile: then it is not sent.
pub(super) async fn still_open(shared: &Shared, client: &Client, is_probe: bool) -> bool {
    let mut changes = client.gate().changes();
    let mut stop = shared.stop.clone();
    while let Some(until) = client.gate().closed_until(shared.now()).filter(|_| !is_probe) {
        if shared.stopping() {
            return false;
        }
        tokio::select! {
            () = shared.parts.clock.sleep_until(until), if until != Millis::MAX => {}
            _ = changes.changed() => {}
            _ = stop.changed() => {}
        }
    }
    true
}

/// What became of a call: the gate hears of it, and what was drawn is set right.
pub(super) async fn report(
    shared: &Shared,
    client: &Client,
    mut leave: Leave,
    end: &AttemptEnd,
    until: Option<Millis>,
    began: Millis,
) {
    let (evidence, usage, now) = (end.evidence, end.usage.as_ref(), shared.now());
    let called = Called { client: client.name(), evidence, status: end.status, took: now - began, usage };
    shared.parts.standing.measures().called(&called);
    if let Some(until) = client.gate().report(evidence, until, leave.is_probe, now) {
        let (client, evidence, wait_ms) = (client.name(), evidence.as_str(), until - now);
        tracing::info!(client, evidence, wait_ms, "nothing is sent to the HTTP client for now; then one call tries");
    }
    leave.is_probe = false;
    let (tokens, expected) = (leave.tokens, leave.cost);
    // Given back when the answer is in, not when it is committed.
    drop(leave);
    if let Some(usage) = usage {
        client.gate().used(usage);
    }
    let caps = client.gate().caps(shared.now());
    if caps.tokens_per_minute.is_none() && caps.cost_per_day.is_none() {
        return;
    }
    let used = usage.and_then(|usage| usage.total_tokens).unwrap_or(0);
    let cost = usage.and_then(|usage| usage.cost).unwrap_or_default().0;
    let apart =
        |used: u64, drawn: u64| i64::try_from(used).unwrap_or(i64::MAX) - i64::try_from(drawn).unwrap_or(i64::MAX);
    let settled = Settle {
        client: client.name().to_owned(),
        now: shared.now(),
        tokens: apart(used, tokens.max(1)),
        cost: apart(cost, expected),
        tokens_per_minute: caps.tokens_per_minute,
    };
    if let Err(error) = shared.parts.store.settle(settled).await {
        tracing::warn!(%error, "what a call used was not counted against its limits");
    }
}
