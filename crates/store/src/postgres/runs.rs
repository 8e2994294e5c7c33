//! Runs by key.

use super::PostgresStore;
use super::fault::Fault;
use crate::{Runs, StoreError};
use async_trait::async_trait;
use model::{RunId, TaskId};
use sqlx::{PgConnection, Row as _};

#[async_trait]
impl Runs for PostgresStore {
    async fn run_of_key(&self, key: String) -> Result<Option<(RunId, TaskId)>, StoreError> {
        self.server.read(key, |db, key| Box::pin(find(db, key))).await
    }
}

async fn find(db: &mut PgConnection, key: &str) -> Result<Option<(RunId, TaskId)>, Fault> {
    let sql = "SELECT run, id FROM task WHERE sha256(unique_key) = sha256($1)";
    let found = sqlx::query(sql).bind(key.as_bytes()).fetch_optional(db).await?;
    found.map(|row| Ok((RunId(row.try_get(0)?), TaskId(row.try_get(1)?)))).transpose()
}
