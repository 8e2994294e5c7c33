//! What happens, told to everybody who listens: small facts, at most four times a second.
//!
//! One task gathers what the engine and the API tell ([`engine::facts::Facts`]), asks the store how the tasks stand that
//! changed, and writes the events once for all listeners, into a ring. A listener reads the ring at its own pace: whoever
//! is too slow, or was away for too long, is told to look at everything anew.

mod ring;
mod watch;

use super::Shared;
use axum::body::Bytes;
use model::Millis;
use ring::Ring;
use serde_json::json;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch as channel;
use watch::Watch;

/// So long is gathered before it is told.
const WINDOW: Millis = 250;
/// How often it is looked for what nobody tells: health, and what other machines did.
const LOOK: Millis = 1_000;
/// So long it is gathered on for those who may come back, when nobody listens any more.
const LINGER: Millis = 60_000;
/// How often a listener hears that the line is alive, and is asked whether they still may.
pub(crate) const HEARTBEAT: Millis = 15_000;
/// Listeners at once.
const MOST: usize = 500;

/// Where listeners meet what happens.
#[derive(Debug)]
pub(crate) struct Hub {
    ring: Mutex<Ring>,
    listeners: AtomicUsize,
    /// How many there are, for the one who tells.
    wanted: channel::Sender<usize>,
    /// The newest event; `None` while nothing is gathered.
    newest: channel::Sender<Option<u64>>,
    stop: channel::Receiver<bool>,
    /// How many follow a task of their own.
    pub(crate) following: Arc<AtomicUsize>,
}

/// Somebody who listens, until it is dropped.
pub(crate) struct Listener {
    hub: Arc<Hub>,
    newest: channel::Receiver<Option<u64>>,
    stop: channel::Receiver<bool>,
    /// The id of the last event that they had before.
    had: Option<String>,
    /// The number of the last event that they were sent.
    sent: Option<u64>,
    /// When it was looked whether they still may.
    asked: Millis,
}

/// What a listener is to be sent.
pub(crate) enum Heard {
    Events(Bytes),
    /// Nothing happened for a while.
    Heartbeat,
}

impl Hub {
    pub(crate) fn new(stop: channel::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::default(),
            listeners: AtomicUsize::new(0),
            wanted: channel::Sender::new(0),
            newest: channel::Sender::new(None),
            stop,
            following: Arc::default(),
        })
    }

    /// Somebody comes to listen; `had` is the id of the last event that they know. `None` where too many do.
    pub(crate) fn join(self: &Arc<Self>, had: Option<String>, now: Millis) -> Option<Listener> {
        let room = |count: usize| (count < MOST).then_some(count + 1);
        let before = self.listeners.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        self.wanted.send_replace(before + 1);
        let (newest, stop) = (self.newest.subscribe(), self.stop.clone());
        Some(Listener { hub: self.clone(), newest, stop, had, sent: None, asked: now })
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    /// Becomes true when it is time to stop.
    pub(crate) fn stop(&self) -> channel::Receiver<bool> {
        self.stop.clone()
    }

    /// Tells what happens, until it is time to stop.
    pub(crate) async fn run(self: Arc<Self>, shared: Shared) {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.tell(&shared) => {}
        }
    }

    async fn tell(&self, shared: &Shared) {
        let mut wanted = self.wanted.subscribe();
        loop {
            if wanted.wait_for(|count| *count > 0).await.is_err() {
                return;
            }
            shared.standing.facts().listen(true);
            self.gather(shared).await;
            shared.standing.facts().listen(false);
            self.newest.send_replace(None);
        }
    }

    /// Gathers and tells until nobody has listened for a while.
    async fn gather(&self, shared: &Shared) {
        let mut watch = Watch::begin(shared).await;
        {
            let mut ring = self.ring();
            // What tells this life from every other; nobody gains anything by guessing it.
            ring.begin(format!("{:016x}", RandomState::new().build_hasher().finish()));
            self.newest.send_replace(Some(0));
        }
        let (facts, clock) = (shared.standing.facts(), &shared.clock);
        let (mut told, mut looked, mut heard) = (clock.now(), clock.now(), clock.now());
        loop {
            let look = (looked + LOOK).max(told + WINDOW);
            tokio::select! {
                () = facts.come() => clock.sleep_until(told + WINDOW).await,
                () = clock.sleep_until(look) => {}
            }
            told = clock.now();
            let events = watch.happened(shared, facts.take(), told >= look).await;
            if told >= look {
                looked = told;
            }
            if !events.is_empty() {
                let mut ring = self.ring();
                ring.add(&events);
                self.newest.send_replace(Some(ring.newest()));
            }
            if self.listeners() > 0 {
                heard = told;
            } else if told >= heard + LINGER {
                return;
            }
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// What is to be sent next; `None` where that is the end: it is time to stop, or they were too slow.
    pub(crate) async fn next(&mut self, shared: &Shared) -> Option<Heard> {
        loop {
            let newest = *self.newest.borrow_and_update();
            match (newest, self.sent) {
                (Some(_), None) => return Some(Heard::Events(self.begin())),
                (Some(newest), Some(sent)) if newest != sent => {
                    let ring = self.hub.ring();
                    let bytes = ring.after(sent)?;
                    self.sent = Some(ring.newest());
                    return Some(Heard::Events(bytes));
                }
                (None, Some(_)) => return None,
                _ => {}
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                () = shared.clock.sleep_until(shared.clock.now() + HEARTBEAT) => return Some(Heard::Heartbeat),
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    /// Whether it is time to look whether they still may.
    pub(crate) fn is_to_be_asked(&mut self, shared: &Shared) -> bool {
        let now = shared.clock.now();
        let is_due = now >= self.asked + HEARTBEAT;
        if is_due {
            self.asked = now;
        }
        is_due
    }

    /// What they missed, or that they have to look at everything anew.
    fn begin(&mut self) -> Bytes {
        let ring = self.hub.ring();
        self.sent = Some(ring.newest());
        let had = self.had.take();
        let missed = had.as_deref().and_then(|id| ring.after(ring.number(id)?));
        missed.unwrap_or_else(|| {
            let reason = if had.is_some() { "missed" } else { "begin" };
            ring.written("reset", &json!({ "reason": reason }), ring.newest()).into()
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.wanted.send_replace(self.hub.listeners.fetch_sub(1, Ordering::AcqRel) - 1);
    }
}
