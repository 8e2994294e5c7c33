//! The loop: claims what is due for lanes that have room, until there is nothing left or it is told to stop.

use super::driver_lane::DriverLane;
use super::http_lane::HttpLane;
use super::lane::{LaneState, Signals};
use super::present;
use super::pull_lane::PullLane;
use super::settle::{Outcome, settle};
use crate::crash;
use crate::engine::Parts;
use crate::flow::{Flows, PullSource, PushFlow, PushTarget};
use model::{Millis, Problem, TaskId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Claim, ClaimRequest, LaneId, StoreError, Token};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long a claim holds unless renewed, where other engines may take it over.
const LEASE: Millis = 60_000;
/// How soon a store that is not available is asked again: twice as long each time.
const FIRST_WAIT: Millis = 100;
const LONGEST_WAIT: Millis = 5_000;
/// How often a store that others write to as well is asked for work, with nothing else to do.
const POLL: Millis = 300;
/// Tasks claimed ahead of an HTTP lane's permits, so that a claim's commit is shared by many.
const AHEAD: usize = 256;

/// What to work on, and for how long.
#[derive(Debug)]
pub struct WorkOptions {
    /// Only these lanes; `None`: all that are defined.
    pub lanes: Option<Vec<LaneId>>,
    /// How long to wait for something that comes due later, with nothing else to do.
    pub until: Until,
    /// Becomes true when it is time to stop: nothing more is claimed or sent, what is under way is awaited.
    pub stop: watch::Receiver<bool>,
}

/// When work ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When nothing is left, or what is left comes due later than after so long a wait.
    Idle(Millis),
    /// Never. A store that is not available at present is waited for.
    Stopped,
}

/// Why work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkEnd {
    /// Nothing is left to do.
    Idle,
    /// What is left comes due at this time, later than was allowed to wait for.
    Waiting(Millis),
    /// It was told to stop.
    Stopped,
}

/// What the loop and the lanes share.
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) flows: Arc<Flows>,
    pub(super) signals: Signals,
    until: Until,
    /// Claims that are not ended yet, by task: to be renewed.
    held: Mutex<HashMap<TaskId, Token>>,
    pub(super) states: HashMap<LaneId, LaneState>,
    pub(super) outcomes: mpsc::UnboundedSender<Outcome>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Shared {
    pub(super) fn now(&self) -> Millis {
        self.parts.clock.now()
    }

    /// Whether nothing more may be sent.
    pub(super) fn stopping(&self) -> bool {
        *self.stop.borrow() || self.signals.failed()
    }

    /// Asks the store; one that is not available at present is asked again where work goes on until it is stopped.
    pub(super) async fn insist<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, StoreError> {
        self.insist_while(|| !*self.stop.borrow(), ask).await
    }

    /// As [`Shared::insist`], also when it is time to stop: for what is known and not on disk yet. Whoever waits for the
    /// end of work says when it has taken too long.
    pub(super) async fn insist_to_the_end<V: Clone, T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        value: V,
        ask: impl Fn(V) -> F,
    ) -> Result<T, StoreError> {
        match self.until {
            Until::Idle(_) => ask(value).await,
            Until::Stopped => self.insist_while(|| true, || ask(value.clone())).await,
        }
    }

    async fn insist_while<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        goes_on: impl Fn() -> bool,
        ask: impl Fn() -> F,
    ) -> Result<T, StoreError> {
        let mut wait = FIRST_WAIT;
        loop {
            match ask().await {
                Err(error) if error.is_passing() && self.until == Until::Stopped && goes_on() => {
                    tracing::warn!(%error, wait_ms = wait, "the store is not available; trying again");
                    self.parts.standing.store_failed(error.problem());
                    self.parts.clock.sleep_until(self.now() + wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                other => {
                    if wait > FIRST_WAIT && other.is_ok() {
                        self.parts.standing.store_works();
                    }
                    return other;
                }
            }
        }
    }

    /// As [`Shared::insist`], for what is given away: copied only where it may be needed again.
    pub(super) async fn insist_with<V: Clone, T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        value: V,
        ask: impl Fn(V) -> F,
    ) -> Result<T, StoreError> {
        match self.until {
            Until::Idle(_) => ask(value).await,
            Until::Stopped => self.insist(|| ask(value.clone())).await,
        }
    }

    /// Room for others: so many tasks of the lane are done with.
    pub(super) fn release(&self, lane: LaneId, count: usize) {
        if let Some(state) = self.states.get(&lane) {
            state.release(count);
        }
        self.signals.wake.notify_one();
    }

    /// Something may be there to claim in that lane.
    pub(super) fn heat(&self, lane: LaneId) {
        if let Some(state) = self.states.get(&lane) {
            state.heat();
        }
    }

    /// Claims to be renewed until they are let go.
    fn hold(&self, tokens: impl Iterator<Item = Token>) {
        if self.parts.store.is_shared() {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.extend(tokens.map(|token| (token.task, token)));
        }
    }

    /// These claims have ended, or are lost.
    pub(super) fn let_go(&self, tokens: impl Iterator<Item = Token>) {
        if self.parts.store.is_shared() {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            for token in tokens {
                // The task may have been claimed anew meanwhile: that claim stays.
                if held.get(&token.task) == Some(&token) {
                    held.remove(&token.task);
                }
            }
        }
    }

    /// Gives back claims that were not started.
    pub(super) async fn hand_back(&self, lane: LaneId, tokens: Vec<Token>) {
        let count = tokens.len();
        self.let_go(tokens.iter().copied());
        match self.insist(|| self.parts.store.hand_back(tokens.clone(), self.now())).await {
            Ok(()) => self.parts.standing.facts().tasks(tokens.iter().map(|token| token.task)),
            // It is time to stop: take-over finds them, and calls under way are still awaited.
            Err(error) if error.is_passing() => tracing::warn!(%error, "claims could not be handed back"),
            Err(error) => self.signals.fail(error),
        }
        self.release(lane, count);
    }
}

/// One piece of work: lanes, their tasks, and the loop that feeds them.
pub struct Work {
    shared: Arc<Shared>,
    lanes: Vec<LaneId>,
    calls: watch::Receiver<()>,
    tasks: JoinSet<()>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

impl Work {
    /// Sets the lanes up; nothing is claimed yet.
    #[must_use]
    pub fn new(parts: Parts, flows: Arc<Flows>, options: WorkOptions) -> Self {
        let mut lanes: Vec<LaneId> = match options.lanes {
            Some(lanes) => lanes,
            None => flows.pulls.keys().chain(flows.pushes.keys()).copied().collect(),
        };
        // Pushes first: what is further on its way comes before what is new, so that a backlog drains.
        lanes.sort_by_key(|lane| (flows.pulls.contains_key(lane), *lane));
        let mut states = HashMap::new();
        let mut inboxes = Vec::new();
        for lane in &lanes {
            let (state, inbox) = LaneState::new(capacity(&flows, *lane));
            states.insert(*lane, state);
            inboxes.push((*lane, inbox));
        }
        let (outcomes, ended) = mpsc::unbounded_channel();
        let signals = Signals::new();
        let calls = parts.standing.calls();
        let (until, stop) = (options.until, options.stop);
        let shared = Arc::new(Shared { parts, flows, signals, until, held: Mutex::default(), states, outcomes, stop });
        let mut tasks = JoinSet::new();
        tasks.spawn(settle(shared.clone(), ended));
        if shared.parts.store.is_shared() {
            shared.parts.standing.come();
            tasks.spawn(renew(shared.clone()));
            tasks.spawn(present::stay(shared.clone()));
        }
        for (lane, inbox) in inboxes {
            spawn_lane(&mut tasks, &shared, lane, inbox);
        }
        Self { shared, lanes, calls, tasks }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// What the store says.
    pub async fn run(mut self) -> Result<WorkEnd, Problem> {
        let end = self.turn().await;
        self.tasks.shutdown().await;
        if self.shared.parts.store.is_shared() {
            present::leave(&self.shared).await;
        }
        match self.shared.signals.take_failure() {
            Some(error) => Err(error.problem()),
            None => end.map_err(|error| error.problem()),
        }
    }

    async fn turn(&mut self) -> Result<WorkEnd, StoreError> {
        let began = self.shared.now();
        let mut stop = self.shared.stop.clone();
        loop {
            if self.shared.signals.failed() {
                return Ok(WorkEnd::Stopped);
            }
            if !*stop.borrow() && self.claim().await? {
                continue;
            }
            let in_hand: usize = self.shared.states.values().map(LaneState::in_hand).sum();
            if in_hand == 0 {
                if *stop.borrow() {
                    return Ok(WorkEnd::Stopped);
                }
                match self.rest(began).await? {
                    Some(end) => return Ok(end),
                    None => continue,
                }
            }
            let timer = self.shared.signals.take_timer().min(self.next_poll());
            tokio::select! {
                () = self.shared.signals.wake.notified() => {}
                () = self.shared.parts.clock.sleep_until(timer), if timer != Millis::MAX => self.all_hot(),
                _ = self.calls.changed() => self.all_hot(),
                _ = stop.changed(), if !*stop.borrow() => {}
            }
        }
    }

    /// Claims for the lanes that want something; `false` where none does.
    async fn claim(&self) -> Result<bool, StoreError> {
        let wants: Vec<(LaneId, usize)> = self
            .lanes
            .iter()
            .filter(|lane| !self.shared.flows.is_shut(**lane))
            .map(|lane| (*lane, self.shared.states[lane].wants()))
            .filter(|(_, count)| *count > 0)
            .collect();
        if wants.is_empty() {
            return Ok(false);
        }
        let now = self.shared.now();
        let asked = wants.iter().map(|(lane, count)| (*lane, u32::try_from(*count).unwrap_or(u32::MAX)));
        let request = ClaimRequest { lanes: asked.collect(), now, lease_until: now + LEASE };
        let claims = self.shared.insist_with(request, |request| self.shared.parts.store.claim(request)).await?;
        if !claims.is_empty() {
            crash::point("after_claim");
        }
        self.shared.hold(claims.iter().map(|claim| claim.token));
        self.shared.parts.standing.facts().tasks(claims.iter().map(|claim| claim.token.task));
        let mut by_lane: HashMap<LaneId, Vec<Claim>> = HashMap::new();
        for claim in claims {
            by_lane.entry(claim.lane).or_default().push(claim);
        }
        for (lane, asked) in wants {
            if let Some(claims) = by_lane.remove(&lane) {
                self.shared.states[&lane].accept(claims, asked);
            }
        }
        Ok(true)
    }

    /// Nothing is in hand and nothing can be claimed now: waits for what comes due later, or ends.
    async fn rest(&mut self, began: Millis) -> Result<Option<WorkEnd>, StoreError> {
        let due = self.shared.insist(|| self.shared.parts.store.next_due(self.lanes.clone())).await?;
        let now = self.shared.now();
        let wake_at = match (self.shared.until, due) {
            (Until::Idle(_), None) => return Ok(Some(WorkEnd::Idle)),
            (Until::Idle(longest), Some(due)) if due > began.max(now) + longest => {
                return Ok(Some(WorkEnd::Waiting(due)));
            }
            (_, due) => due.unwrap_or(Millis::MAX).min(self.next_poll()),
        };
        if wake_at > now {
            let mut stop = self.shared.stop.clone();
            tokio::select! {
                () = self.shared.parts.clock.sleep_until(wake_at), if wake_at != Millis::MAX => {}
                () = self.shared.signals.wake.notified() => {}
                _ = self.calls.changed() => {}
                _ = stop.changed() => {}
            }
        }
        self.all_hot();
        Ok(None)
    }

    /// When to look for what others wrote; never, where nobody else can.
    fn next_poll(&self) -> Millis {
        if self.shared.parts.store.is_shared() { self.shared.now() + POLL } else { Millis::MAX }
    }

    fn all_hot(&self) {
        self.shared.signals.clear_timer();
        for state in self.shared.states.values() {
            state.heat();
        }
    }
}

/// Renews what is held, for ever: three times before it would run out.
async fn renew(shared: Arc<Shared>) {
    loop {
        shared.parts.clock.sleep_until(shared.now() + LEASE / 3).await;
        let held: Vec<Token> = {
            let held = shared.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.values().copied().collect()
        };
        if held.is_empty() {
            continue;
        }
        let until = shared.now() + LEASE;
        match shared.parts.store.renew(held.clone(), until).await {
            Ok(kept) => {
                let lost: Vec<Token> =
                    held.iter().zip(kept).filter(|(_, kept)| !kept).map(|(token, _)| *token).collect();
                shared.let_go(lost.into_iter());
            }
            Err(error) => tracing::warn!(%error, "claims could not be renewed"),
        }
    }
}

/// How many tasks of a lane may be in hand.
fn capacity(flows: &Flows, lane: LaneId) -> usize {
    match flows.pushes.get(&lane) {
        None => match flows.pulls.get(&lane).map(|flow| &flow.source) {
            // Events do not wait for each other, unless they were begun so.
            Some(PullSource::Webhook(_) | PullSource::Proxy(_) | PullSource::Call) => AHEAD,
            // Pages of one incoming follow each other.
            _ => 1,
        },
        Some(flow) => match &flow.target {
            PushTarget::Http(_) => AHEAD + 2 * flow.parallel as usize,
            PushTarget::Driver(target) => 2 * target.batch_limit(),
            PushTarget::Nothing => 4 * AHEAD,
        },
    }
}

fn spawn_lane(tasks: &mut JoinSet<()>, shared: &Arc<Shared>, lane: LaneId, inbox: mpsc::UnboundedReceiver<Vec<Claim>>) {
    if let Some(flow) = shared.flows.pulls.get(&lane) {
        tasks.spawn(PullLane::new(shared.clone(), flow.clone()).run(inbox));
    } else if let Some(flow) = shared.flows.pushes.get(&lane) {
        spawn_push_lane(tasks, shared, flow.clone(), inbox);
    }
}

fn spawn_push_lane(
    tasks: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    flow: Arc<PushFlow>,
    inbox: mpsc::UnboundedReceiver<Vec<Claim>>,
) {
    match &flow.target {
        PushTarget::Driver(target) => {
            let target = target.clone();
            tasks.spawn(DriverLane::new(shared.clone(), flow, target).run(inbox));
        }
        PushTarget::Http(_) | PushTarget::Nothing => {
            tasks.spawn(HttpLane::new(shared.clone(), flow).run(inbox));
        }
    }
}
