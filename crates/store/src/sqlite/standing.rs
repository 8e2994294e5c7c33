//! How tasks stand.

use super::SqliteStore;
use super::rows::state;
use crate::standing::{Standings, TaskStanding};
use crate::{LaneId, StoreError};
use async_trait::async_trait;
use model::TaskId;
use rusqlite::{OptionalExtension, Row, params};

#[async_trait]
impl Standings for SqliteStore {
    async fn standings(&self, tasks: Vec<TaskId>) -> Result<Vec<TaskStanding>, StoreError> {
        self.read(move |db| {
            let mut one = db.prepare_cached("SELECT id, lane, state FROM task WHERE id = ?1")?;
            let found = tasks.into_iter().map(|task| one.query_row([task.0], standing).optional());
            Ok(found.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn newer_tasks(&self, than: TaskId, limit: u32) -> Result<Vec<TaskStanding>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT id, lane, state FROM task WHERE id > ?1 ORDER BY id DESC LIMIT ?2";
            let mut newer = db.prepare_cached(sql)?;
            Ok(newer.query_map(params![than.0, limit], standing)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn standing(row: &Row<'_>) -> rusqlite::Result<TaskStanding> {
    Ok(TaskStanding { id: TaskId(row.get(0)?), lane: LaneId(row.get(1)?), state: state(row, 2)? })
}
