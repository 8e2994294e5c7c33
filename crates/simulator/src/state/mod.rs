//! What the simulator remembers, one file per area. All of it is bounded, and gone when it stops.

mod files;
mod models;

pub(crate) use files::Files;
pub(crate) use models::Models;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Everything that is remembered.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) models: Models,
    pub(crate) files: Files,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { models: Models::new(), files: Files::default() }
    }
}

/// Locks state. Nobody leaves it half changed, so a panic elsewhere does not spoil it.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
