//! Settings.

use super::{PostgresStore, people};
use crate::{AuditEntry, Settings, StoreError};
use async_trait::async_trait;
use sqlx::Row as _;

#[async_trait]
impl Settings for PostgresStore {
    async fn setting(&self, name: String) -> Result<Option<String>, StoreError> {
        self.server
            .read(name, |db, name| {
                Box::pin(async move {
                    let found = sqlx::query("SELECT value FROM setting WHERE name = $1").bind(name);
                    let row = found.fetch_optional(db).await?;
                    Ok(row.map(|row| row.try_get(0)).transpose()?)
                })
            })
            .await
    }

    async fn set_setting(&self, name: String, value: String, audit: AuditEntry) -> Result<(), StoreError> {
        self.server
            .write((name, value, [audit]), |write, (name, value, audit)| {
                Box::pin(async move {
                    let sql = "INSERT INTO setting (name, value) VALUES ($1, $2)
                               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                    sqlx::query(sql).bind(name).bind(value).execute(write.db()).await?;
                    people::record(write.db(), audit).await
                })
            })
            .await
    }
}
