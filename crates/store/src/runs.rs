//! Runs that are found again by what their caller calls them.

use crate::StoreError;
use async_trait::async_trait;
use model::{RunId, TaskId};

/// Runs by key.
#[async_trait]
pub trait Runs: Send + Sync {
    /// The run that was begun under this key, and its pull task; `None` where there is none, or none any more.
    async fn run_of_key(&self, key: String) -> Result<Option<(RunId, TaskId)>, StoreError>;
}
