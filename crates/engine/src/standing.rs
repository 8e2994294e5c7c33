//! What stands while definitions come and go: turns at files, and calls to look again.

use crate::exchange::{Gate, GateView, Share};
use crate::facts::Facts;
use crate::measures::Measures;
use crate::overheard::Overheard;
use crate::spans::Spans;
use model::definition::Limits;
use model::{Millis, Problem, TaskId};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Attending, Engine, LaneId};
use tokio::sync::{OwnedMutexGuard, watch};

/// So long is waited for calls under way that are more than this engine's part, before another takes its own.
const LONGEST_CALLS: Millis = 30_000;

/// Shared by everything that works on one store in one process.
#[derive(Debug)]
pub struct Standing {
    /// What tells this engine from others that work on the same store: 64 random bits.
    name: String,
    /// Tasks came from elsewhere: everybody looks for work again.
    work: watch::Sender<()>,
    /// Definitions were changed.
    definitions: watch::Sender<()>,
    /// Tasks ended in a lane, for those who wait for one. Lanes that nobody ever waited for are not here.
    ends: Mutex<HashMap<LaneId, watch::Sender<()>>>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Why the store cannot be written at present.
    trouble: Mutex<Option<Problem>>,
    /// Gates before remote systems, by name of the HTTP client.
    gates: Mutex<Gates>,
    facts: Facts,
    overheard: Arc<Overheard>,
    measures: Measures,
    spans: Spans,
}

#[derive(Debug)]
struct Gates {
    all: HashMap<String, Arc<Gate>>,
    /// This engine's part of what may be under way, where others work on the same store.
    share: Share,
    /// Until when the others take this engine for one of them; 0: they have not heard of it.
    until: Millis,
    /// The largest number of an engine that it has heard of, since when, and the largest that it has told so.
    newest: (i64, Millis),
    told: i64,
    /// How many pieces of work there are.
    works: usize,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            name: format!("{:016x}", RandomState::new().build_hasher().finish()),
            work: watch::Sender::new(()),
            definitions: watch::Sender::new(()),
            ends: Mutex::default(),
            turns: Mutex::default(),
            trouble: Mutex::default(),
            gates: Mutex::new(Gates {
                all: HashMap::new(),
                share: Share::ALL,
                until: 0,
                newest: (0, 0),
                told: 0,
                works: 0,
            }),
            facts: Facts::default(),
            overheard: Arc::default(),
            measures: Measures::default(),
            spans: Spans::default(),
        }
    }
}

impl Gates {
    fn set_share(&mut self, share: Share) {
        if self.share != share {
            tracing::debug!(?share, "engines came or went");
            self.share = share;
            self.all.values().for_each(|gate| gate.set_share(share));
        }
    }
}

impl Standing {
    /// What tells this engine from others.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says that there may be work that this process did not make itself, and that any task may have changed.
    pub fn call(&self) {
        self.facts.unnamed();
        self.work.send_replace(());
    }

    /// The same where it is known which tasks changed: those, and new ones.
    pub fn call_for(&self, changed: &[TaskId]) {
        self.facts.tasks(changed.iter().copied());
        self.facts.made();
        self.work.send_replace(());
    }

    /// Says that definitions were changed.
    pub fn definitions_changed(&self) {
        self.facts.definitions();
        self.definitions.send_replace(());
    }

    /// What happened, for those who listen.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is heard of answers while they come in.
    #[must_use]
    pub fn overheard(&self) -> &Arc<Overheard> {
        &self.overheard
    }

    /// Where attempts are told to one who draws them.
    #[must_use]
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// What is measured.
    #[must_use]
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// How the HTTP clients stand that were used or defined since the start, by name.
    #[must_use]
    pub fn clients(&self, now: Millis) -> Vec<(String, GateView)> {
        let gates = self.gates();
        let mut views: Vec<_> = gates.all.iter().map(|(name, gate)| (name.clone(), gate.view(now))).collect();
        views.sort_by(|one, other| one.0.cmp(&other.0));
        views
    }

    /// Hears of calls made from now on.
    #[must_use]
    pub fn calls(&self) -> watch::Receiver<()> {
        self.work.subscribe()
    }

    /// Hears of changes of definitions made from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.definitions.subscribe()
    }

    /// Hears of ends of tasks in a lane from now on.
    pub(crate) fn ends(&self, lane: LaneId) -> watch::Receiver<()> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).entry(lane).or_default().subscribe()
    }

    /// Tasks of these lanes ended, and that is on disk.
    pub(crate) fn ended(&self, lanes: impl Iterator<Item = LaneId>) {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if !ends.is_empty() {
            lanes.filter_map(|lane| ends.get(&lane)).for_each(|end| end.send_replace(()));
        }
    }

    /// The gate before the system of an HTTP client.
    pub(crate) fn gate(&self, client: &str) -> Arc<Gate> {
        let mut gates = self.gates();
        let share = gates.share;
        let gate = gates.all.entry(client.to_owned());
        gate.or_insert_with(|| Arc::new(Gate::new(Limits::default(), share))).clone()
    }

    /// A piece of work begins on a store that other engines may work on too: until they have heard of it, nothing is its
    /// part.
    pub(crate) fn come(&self) {
        let mut gates = self.gates();
        gates.works += 1;
        if gates.until == 0 {
            gates.set_share(Share::NONE);
        }
    }

    /// A piece of work ends; `true` where it was the last one, and others take this engine's part.
    pub(crate) fn go(&self) -> bool {
        let mut gates = self.gates();
        gates.works -= 1;
        if gates.works == 0 {
            gates.until = 0;
        }
        gates.works == 0
    }

    /// What to tell others of this engine. That there is room for those that came lately is said once no more calls are
    /// under way than this engine's part, or after a while.
    pub(crate) fn attending(&self, now: Millis, until: Millis) -> Attending {
        let mut gates = self.gates();
        let (newest, since) = gates.newest;
        if now >= since + LONGEST_CALLS || !gates.all.values().any(|gate| gate.is_over()) {
            gates.told = newest;
        }
        Attending { name: self.name.clone(), heard: gates.told, until }
    }

    /// These work on the store, and take this engine for one of them until then. Nothing is its part before all of them
    /// have made room.
    pub(crate) fn present(&self, engines: &[Engine], now: Millis, until: Millis) {
        let mut gates = self.gates();
        gates.until = until;
        let newest = engines.last().map_or(0, |engine| engine.number);
        if gates.newest.0 != newest {
            gates.newest = (newest, now);
        }
        let Some(own) = engines.iter().find(|engine| engine.name == self.name) else { return };
        let is_known = engines.iter().all(|other| other.number == own.number || other.heard >= own.number);
        let names = engines.iter().map(|engine| engine.number);
        gates.set_share(if is_known { Share::among(names, own.number) } else { Share::NONE });
    }

    /// Whether the others take this engine for one of them: what is its part is not theirs.
    pub(crate) fn is_present(&self, now: Millis) -> bool {
        self.gates().until > now
    }

    fn gates(&self) -> MutexGuard<'_, Gates> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store could not be written, and is tried again.
    pub(crate) fn store_failed(&self, problem: Problem) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
    }

    /// It could be written again.
    pub(crate) fn store_works(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Why the store cannot be written at present; `None`: nothing is known against it.
    #[must_use]
    pub fn trouble(&self) -> Option<Problem> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a turn at what only one may use at a time, by name: a file that two routes write to. It ends when the
    /// guard is dropped.
    pub(crate) async fn turn(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(key.to_owned()).or_default().clone()
        };
        turn.lock_owned().await
    }
}
