//! Definitions and their history.

use super::SqliteStore;
use super::people::record;
use super::writer::Write;
use crate::revisions::{Changed, NAMES};
use crate::{AuditEntry, Declared, Revise, Revised, Revision, RevisionFilter, Revisions, StoreError, StoredDefinition};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl Revisions for SqliteStore {
    async fn revise(&self, revise: Revise) -> Result<i64, StoreError> {
        self.write(move |write| change(write, &revise)).await
    }

    async fn revisions(&self, filter: RevisionFilter) -> Result<Vec<Revision>, StoreError> {
        self.read(move |db| list(db, &filter)).await
    }

    async fn revised(&self, kind: String, name: String, at: i64) -> Result<Option<Revised>, StoreError> {
        self.read(move |db| revised(db, &kind, &name, at)).await
    }

    async fn declared(&self) -> Result<Vec<Declared>, StoreError> {
        self.read(declared).await
    }

    async fn declare(&self, variables: Vec<Declared>, audit: AuditEntry) -> Result<(), StoreError> {
        self.write(move |write| declare(write.db, &variables, &audit)).await
    }
}

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
fn change(write: &Write<'_>, revise: &Revise) -> Result<i64, StoreError> {
    let Revise { expected, changes, why, audit } = revise;
    let (present, expected) = (revision(write.db)?, *expected);
    if present != expected {
        return Err(StoreError::Conflict { expected, present });
    }
    if changes.is_empty() {
        return Ok(present);
    }
    let next = present + 1;
    write
        .db
        .prepare_cached("INSERT INTO revision (number, at, who, origin, why) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![next, audit.at, audit.who, audit.origin, why])?;
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
    record(write.db, std::slice::from_ref(audit))?;
    Ok(next)
}

fn list(db: &Connection, filter: &RevisionFilter) -> Result<Vec<Revision>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT number, at, who, origin, why, kind, name, is_deleted, changed FROM (
             SELECT page.*, history.kind, history.name, history.body IS NULL AS is_deleted,
                 row_number() OVER (PARTITION BY page.number ORDER BY history.kind, history.name) AS place,
                 count(*) OVER (PARTITION BY page.number) AS changed
             FROM (
                 SELECT number, at, who, origin, why FROM revision
                 WHERE number < ?1 AND (?2 IS NULL OR EXISTS (
                     SELECT 1 FROM definition_history WHERE revision = number AND kind = ?2 AND name = ?3
                 ))
                 ORDER BY number DESC LIMIT ?4
             ) AS page
             JOIN definition_history AS history ON history.revision = page.number
         )
         WHERE CASE WHEN ?2 IS NULL THEN place <= ?5 ELSE kind = ?2 AND name = ?3 END
         ORDER BY number DESC, place",
    )?;
    let (kind, name) = filter.of.as_ref().map(|(kind, name)| (kind, name)).unzip();
    let asked = params![filter.before.unwrap_or(i64::MAX), kind, name, filter.limit.min(1_000), NAMES];
    let mut rows = found.query(asked)?;
    let mut revisions: Vec<Revision> = Vec::new();
    while let Some(row) = rows.next()? {
        let changed = Changed { kind: row.get(5)?, name: row.get(6)?, is_deleted: row.get(7)? };
        let number = row.get(0)?;
        match revisions.last_mut().filter(|last| last.number == number) {
            Some(last) => last.names.push(changed),
            None => revisions.push(Revision {
                number,
                at: row.get(1)?,
                who: row.get(2)?,
                origin: row.get(3)?,
                why: row.get(4)?,
                changed: u64::try_from(row.get::<_, i64>(8)?).unwrap_or(0),
                names: vec![changed],
            }),
        }
    }
    Ok(revisions)
}

fn revised(db: &Connection, kind: &str, name: &str, at: i64) -> Result<Option<Revised>, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT revision, body FROM definition_history
             WHERE kind = ?1 AND name = ?2 AND revision <= ?3 ORDER BY revision DESC LIMIT 1",
        )?
        .query_row(params![kind, name, at], |row| Ok(Revised { revision: row.get(0)?, body: row.get(1)? }))
        .optional()?;
    Ok(found)
}

fn declared(db: &Connection) -> Result<Vec<Declared>, StoreError> {
    let mut found = db.prepare_cached("SELECT name, value FROM variable ORDER BY name")?;
    let rows = found.query_map([], |row| Ok(Declared { name: row.get(0)?, value: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn declare(db: &Connection, variables: &[Declared], audit: &AuditEntry) -> Result<(), StoreError> {
    db.execute("DELETE FROM variable", [])?;
    let mut insert = db.prepare_cached("INSERT INTO variable (name, value) VALUES (?1, ?2)")?;
    for variable in variables {
        insert.execute(params![variable.name, variable.value])?;
    }
    record(db, std::slice::from_ref(audit))
}
