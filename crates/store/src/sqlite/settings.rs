//! Settings.

use super::{SqliteStore, people};
use crate::{AuditEntry, Settings, StoreError};
use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

#[async_trait]
impl Settings for SqliteStore {
    async fn setting(&self, name: String) -> Result<Option<String>, StoreError> {
        self.read(move |db| {
            let mut found = db.prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
            Ok(found.query_row([name], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn set_setting(&self, name: String, value: String, audit: AuditEntry) -> Result<(), StoreError> {
        self.write(move |write| {
            write
                .db
                .prepare_cached(
                    "INSERT INTO setting (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )?
                .execute(params![name, value])?;
            people::record(write.db, &[audit])
        })
        .await
    }
}
