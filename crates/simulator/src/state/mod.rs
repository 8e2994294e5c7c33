//! What the simulator remembers, one file per area. All of it is bounded, and gone when it stops.

mod caches;
pub(crate) mod collections;
mod files;
mod models;
mod objects;

pub(crate) use caches::Caches;
pub(crate) use files::Files;
pub(crate) use models::Models;
pub(crate) use objects::{Object, Objects};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Everything that is remembered.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) models: Models,
    pub(crate) files: Files,
    pub(crate) objects: Objects,
    pub(crate) caches: Caches,
}

impl World {
    pub(crate) fn new(most: usize, examples: usize, since: u64) -> Self {
        Self {
            models: Models::new(since),
            files: Files::new(since),
            objects: Objects::new(most, examples),
            caches: Caches::default(),
        }
    }
}

/// Locks state. Nobody leaves it half changed, so a panic elsewhere does not spoil it.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
