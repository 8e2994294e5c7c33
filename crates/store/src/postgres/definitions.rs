//! Definitions and their history.

use super::fault::Fault;
use crate::{DefinitionChange, StoreError, StoredDefinition};
use model::Millis;
use sqlx::{PgConnection, Row};

/// The present revision; 0 where nothing was ever applied.
async fn revision(db: &mut PgConnection) -> Result<i64, Fault> {
    Ok(sqlx::query("SELECT coalesce(max(number), 0) FROM revision").fetch_one(db).await?.try_get(0)?)
}

/// The present revision and all definitions, by kind and name.
pub(super) async fn all(db: &mut PgConnection) -> Result<(i64, Vec<StoredDefinition>), Fault> {
    let rows = sqlx::query("SELECT kind, name, body, revision FROM definition ORDER BY kind, name")
        .fetch_all(&mut *db)
        .await?;
    let all = rows.iter().map(|row| {
        Ok(StoredDefinition {
            kind: row.try_get(0)?,
            name: row.try_get(1)?,
            body: row.try_get(2)?,
            revision: row.try_get(3)?,
        })
    });
    let all = all.collect::<Result<_, Fault>>()?;
    Ok((revision(db).await?, all))
}

/// Carries out changes as one new revision; without changes there is none.
pub(super) async fn change(
    db: &mut PgConnection,
    expected: i64,
    changes: &[DefinitionChange],
    now: Millis,
) -> Result<i64, Fault> {
    // One apply at a time: who waits here sees what the one before made.
    sqlx::query("LOCK TABLE revision IN EXCLUSIVE MODE").execute(&mut *db).await?;
    let present = revision(db).await?;
    if present != expected {
        return Err(StoreError::Conflict { expected, present }.into());
    }
    if changes.is_empty() {
        return Ok(present);
    }
    let next = present + 1;
    sqlx::query("INSERT INTO revision (number, at) VALUES ($1, $2)").bind(next).bind(now).execute(&mut *db).await?;
    for change in changes {
        carry_out(db, next, change).await?;
    }
    Ok(next)
}

async fn carry_out(db: &mut PgConnection, revision: i64, change: &DefinitionChange) -> Result<(), Fault> {
    sqlx::query("INSERT INTO definition_history (revision, kind, name, body) VALUES ($1, $2, $3, $4)")
        .bind(revision)
        .bind(&change.kind)
        .bind(&change.name)
        .bind(&change.body)
        .execute(&mut *db)
        .await?;
    let changed = match &change.body {
        Some(body) => sqlx::query(
            "INSERT INTO definition (kind, name, body, revision) VALUES ($1, $2, $3, $4)
             ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body, revision = excluded.revision",
        )
        .bind(&change.kind)
        .bind(&change.name)
        .bind(body)
        .bind(revision),
        None => {
            sqlx::query("DELETE FROM definition WHERE kind = $1 AND name = $2").bind(&change.kind).bind(&change.name)
        }
    };
    changed.execute(db).await?;
    Ok(())
}
