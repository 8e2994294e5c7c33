//! Filters that people keep.

use crate::{AuditEntry, StoreError};
use async_trait::async_trait;
use model::Millis;
use serde::{Deserialize, Serialize};

/// Views that one person can have, and that can be shared.
pub const MOST_VIEWS: usize = 500;

/// A filter with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedView {
    /// Whose it is; empty: everybody's.
    pub owner: String,
    /// What it is called.
    pub name: String,
    /// The filter.
    pub filter: String,
    /// When it was last changed.
    pub at: Millis,
}

/// Keeps filters.
#[async_trait]
pub trait Views {
    /// Those of a person and those that are shared, by name.
    async fn views(&self, owner: String) -> Result<Vec<SavedView>, StoreError>;

    /// Keeps one, and records it; `false` where there are [`MOST_VIEWS`] already.
    async fn write_view(&self, view: SavedView, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Forgets one, and records it; `false` where it is not there.
    async fn delete_view(&self, owner: String, name: String, audit: AuditEntry) -> Result<bool, StoreError>;
}
