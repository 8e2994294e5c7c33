//! Runs by key, read.

use super::HeldStore;
use async_trait::async_trait;
use model::{RunId, TaskId};
use store::{Runs, StoreError};

#[async_trait]
impl Runs for HeldStore {
    async fn run_of_key(&self, key: String) -> Result<Option<(RunId, TaskId)>, StoreError> {
        self.reading.run_of_key(key).await
    }
}
