//! Definitions and their history.

use super::writer::Write;
use crate::{DefinitionChange, StoreError, StoredDefinition};
use model::Millis;
use rusqlite::{Connection, params};

/// The present revision; 0 where nothing was ever applied.
fn revision(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.prepare_cached("SELECT coalesce(max(number), 0) FROM revision")?.query_row([], |row| row.get(0))?)
}

/// The present revision and all definitions, by kind and name.
pub(super) fn all(db: &Connection) -> Result<(i64, Vec<StoredDefinition>), StoreError> {
    let mut statement = db.prepare_cached("SELECT kind, name, body, revision FROM definition ORDER BY kind, name")?;
    let rows = statement.query_map([], |row| {
        Ok(StoredDefinition { kind: row.get(0)?, name: row.get(1)?, body: row.get(2)?, revision: row.get(3)? })
    })?;
    Ok((revision(db)?, rows.collect::<Result<_, _>>()?))
}

/// Carries out changes as one new revision; without changes there is none.
pub(super) fn change(
    write: &Write<'_>,
    expected: i64,
    changes: &[DefinitionChange],
    now: Millis,
) -> Result<i64, StoreError> {
    let present = revision(write.db)?;
    if present != expected {
        return Err(StoreError::Conflict { expected, present });
    }
    if changes.is_empty() {
        return Ok(present);
    }
    let next = present + 1;
    write.db.prepare_cached("INSERT INTO revision (number, at) VALUES (?1, ?2)")?.execute([next, now])?;
    for change in changes {
        write
            .db
            .prepare_cached("INSERT INTO definition_history (revision, kind, name, body) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![next, change.kind, change.name, change.body])?;
        match &change.body {
            Some(body) => write
                .db
                .prepare_cached(
                    "INSERT INTO definition (kind, name, body, revision) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET body = excluded.body, revision = excluded.revision",
                )?
                .execute(params![change.kind, change.name, body, next])?,
            None => write
                .db
                .prepare_cached("DELETE FROM definition WHERE kind = ?1 AND name = ?2")?
                .execute([&change.kind, &change.name])?,
        };
    }
    Ok(next)
}
