//! What stands while definitions come and go: turns at files, and calls to look again.

use crate::exchange::Gate;
use model::Problem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedMutexGuard, watch};

/// Shared by everything that works on one store in one process.
#[derive(Debug)]
pub struct Standing {
    /// Tasks came from elsewhere: everybody looks for work again.
    work: watch::Sender<()>,
    /// Definitions were changed.
    definitions: watch::Sender<()>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Why the store cannot be written at present.
    trouble: Mutex<Option<Problem>>,
    /// Gates before remote systems, by name of the HTTP client.
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            work: watch::Sender::new(()),
            definitions: watch::Sender::new(()),
            turns: Mutex::default(),
            trouble: Mutex::default(),
            gates: Mutex::default(),
        }
    }
}

impl Standing {
    /// Says that there may be work that this process did not make itself.
    pub fn call(&self) {
        self.work.send_replace(());
    }

    /// Says that definitions were changed.
    pub fn definitions_changed(&self) {
        self.definitions.send_replace(());
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

    /// The gate before the system of an HTTP client.
    pub(crate) fn gate(&self, client: &str) -> Arc<Gate> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).entry(client.to_owned()).or_default().clone()
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
