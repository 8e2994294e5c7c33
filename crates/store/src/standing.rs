//! How tasks stand, asked often and by many: no problem, no data, no counting.

use crate::{LaneId, StoreError};
use async_trait::async_trait;
use model::{TaskId, TaskState};
use serde::Serialize;

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TaskStanding {
    /// Number.
    pub id: TaskId,
    /// Lane.
    pub lane: LaneId,
    /// State.
    pub state: TaskState,
}

/// Questions of those who follow what happens.
#[async_trait]
pub trait Standings: Send + Sync {
    /// How these tasks stand now, in the order asked; those that are not there are left out.
    async fn standings(&self, tasks: Vec<TaskId>) -> Result<Vec<TaskStanding>, StoreError>;

    /// The newest tasks with numbers above this one, newest first. On a store that others write to, one with a smaller
    /// number may still come.
    async fn newer_tasks(&self, than: TaskId, limit: u32) -> Result<Vec<TaskStanding>, StoreError>;
}
