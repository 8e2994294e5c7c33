//! Filters that people keep.

use super::fault::Fault;
use super::{PostgresStore, people};
use crate::views::MOST_VIEWS;
use crate::{AuditEntry, SavedView, StoreError, Views};
use async_trait::async_trait;
use sqlx::{PgConnection, Row};

#[async_trait]
impl Views for PostgresStore {
    async fn views(&self, owner: String) -> Result<Vec<SavedView>, StoreError> {
        self.server.read(owner, |db, owner| Box::pin(of(db, owner))).await
    }

    async fn write_view(&self, view: SavedView, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server.write((view, audit), |write, (view, audit)| Box::pin(put(write.db(), view, audit))).await
    }

    async fn delete_view(&self, owner: String, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server
            .write((owner, name, audit), |write, (owner, name, audit)| Box::pin(delete(write.db(), owner, name, audit)))
            .await
    }
}

/// Those of a person and those that are shared.
async fn of(db: &mut PgConnection, owner: &str) -> Result<Vec<SavedView>, Fault> {
    let text = "SELECT owner, name, filter, at FROM saved_view WHERE owner = $1 OR owner = '' ORDER BY name, owner";
    let rows = sqlx::query(text).bind(owner).fetch_all(db).await?;
    let views = rows.iter().map(|row| {
        Ok(SavedView { owner: row.try_get(0)?, name: row.try_get(1)?, filter: row.try_get(2)?, at: row.try_get(3)? })
    });
    views.collect()
}

/// Keeps one; `false` where there are too many.
async fn put(db: &mut PgConnection, view: &SavedView, audit: &AuditEntry) -> Result<bool, Fault> {
    let others = sqlx::query("SELECT count(*) FROM saved_view WHERE owner = $1 AND name <> $2")
        .bind(&view.owner)
        .bind(&view.name)
        .fetch_one(&mut *db)
        .await?;
    if others.try_get::<i64, _>(0)?.unsigned_abs() >= MOST_VIEWS as u64 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO saved_view (owner, name, filter, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (owner, name) DO UPDATE SET filter = excluded.filter, at = excluded.at",
    )
    .bind(&view.owner)
    .bind(&view.name)
    .bind(&view.filter)
    .bind(view.at)
    .execute(&mut *db)
    .await?;
    people::record(db, std::slice::from_ref(audit)).await?;
    Ok(true)
}

/// Forgets one; `false` where it is not there.
async fn delete(db: &mut PgConnection, owner: &str, name: &str, audit: &AuditEntry) -> Result<bool, Fault> {
    let text = "DELETE FROM saved_view WHERE owner = $1 AND name = $2";
    let deleted = sqlx::query(text).bind(owner).bind(name).execute(&mut *db).await?.rows_affected() == 1;
    if deleted {
        people::record(db, std::slice::from_ref(audit)).await?;
    }
    Ok(deleted)
}
