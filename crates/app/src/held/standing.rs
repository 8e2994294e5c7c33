//! How tasks stand.

use super::HeldStore;
use async_trait::async_trait;
use model::TaskId;
use store::{Standings, StoreError, TaskStanding};

#[async_trait]
impl Standings for HeldStore {
    async fn standings(&self, tasks: Vec<TaskId>) -> Result<Vec<TaskStanding>, StoreError> {
        self.reading.standings(tasks).await
    }

    async fn newer_tasks(&self, than: TaskId, limit: u32) -> Result<Vec<TaskStanding>, StoreError> {
        self.reading.newer_tasks(than, limit).await
    }
}
