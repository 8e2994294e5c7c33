//! Runs by key.

use super::SqliteStore;
use crate::{Runs, StoreError};
use async_trait::async_trait;
use model::{RunId, TaskId};
use rusqlite::OptionalExtension as _;

#[async_trait]
impl Runs for SqliteStore {
    async fn run_of_key(&self, key: String) -> Result<Option<(RunId, TaskId)>, StoreError> {
        self.read(move |db| {
            let mut found = db.prepare_cached("SELECT run, id FROM task WHERE unique_key = ?1")?;
            Ok(found.query_row([key], |row| Ok((RunId(row.get(0)?), TaskId(row.get(1)?)))).optional()?)
        })
        .await
    }
}
