//! Filters that people keep.

use super::{SqliteStore, people};
use crate::views::MOST_VIEWS;
use crate::{AuditEntry, SavedView, StoreError, Views};
use async_trait::async_trait;
use rusqlite::{Connection, params};

#[async_trait]
impl Views for SqliteStore {
    async fn views(&self, owner: String) -> Result<Vec<SavedView>, StoreError> {
        self.read(move |db| of(db, &owner)).await
    }

    async fn write_view(&self, view: SavedView, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| put(write.db, &view, &audit)).await
    }

    async fn delete_view(&self, owner: String, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| delete(write.db, &owner, &name, &audit)).await
    }
}

/// Those of a person and those that are shared.
fn of(db: &Connection, owner: &str) -> Result<Vec<SavedView>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT owner, name, filter, at FROM saved_view WHERE owner = ?1 OR owner = '' ORDER BY name, owner",
    )?;
    let rows = statement.query_map([owner], |row| {
        Ok(SavedView { owner: row.get(0)?, name: row.get(1)?, filter: row.get(2)?, at: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps one; `false` where there are too many.
fn put(db: &Connection, view: &SavedView, audit: &AuditEntry) -> Result<bool, StoreError> {
    let others = "SELECT count(*) FROM saved_view WHERE owner = ?1 AND name <> ?2";
    let others: i64 = db.prepare_cached(others)?.query_row(params![view.owner, view.name], |row| row.get(0))?;
    if others.unsigned_abs() >= MOST_VIEWS as u64 {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO saved_view (owner, name, filter, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET filter = excluded.filter, at = excluded.at",
    )?
    .execute(params![view.owner, view.name, view.filter, view.at])?;
    people::record(db, std::slice::from_ref(audit))?;
    Ok(true)
}

/// Forgets one; `false` where it is not there.
fn delete(db: &Connection, owner: &str, name: &str, audit: &AuditEntry) -> Result<bool, StoreError> {
    let deleted = db.prepare_cached("DELETE FROM saved_view WHERE owner = ?1 AND name = ?2")?.execute([owner, name])?;
    if deleted == 1 {
        people::record(db, std::slice::from_ref(audit))?;
    }
    Ok(deleted == 1)
}
