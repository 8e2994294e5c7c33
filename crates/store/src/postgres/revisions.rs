//! Definitions and their history.

use super::PostgresStore;
use super::fault::Fault;
use super::people::record;
use crate::revisions::{Changed, NAMES};
use crate::{
    AuditEntry, Declared, DefinitionChange, Revise, Revised, Revision, RevisionFilter, Revisions, StoreError,
    StoredDefinition,
};
use async_trait::async_trait;
use sqlx::{PgConnection, Row};

#[async_trait]
impl Revisions for PostgresStore {
    async fn revise(&self, revise: Revise) -> Result<i64, StoreError> {
        self.server.slow().write(revise, |write, revise| Box::pin(change(write.db(), revise))).await
    }

    async fn revisions(&self, filter: RevisionFilter) -> Result<Vec<Revision>, StoreError> {
        self.server.read(filter, |db, filter| Box::pin(list(db, filter))).await
    }

    async fn revised(&self, kind: String, name: String, at: i64) -> Result<Option<Revised>, StoreError> {
        self.server.read((kind, name, at), |db, (kind, name, at)| Box::pin(revised(db, kind, name, *at))).await
    }

    async fn declared(&self) -> Result<Vec<Declared>, StoreError> {
        self.server.read((), |db, ()| Box::pin(declared(db))).await
    }

    async fn declare(&self, variables: Vec<Declared>, audit: AuditEntry) -> Result<(), StoreError> {
        let written = (variables, audit);
        self.server.write(written, |write, (variables, audit)| Box::pin(declare(write.db(), variables, audit))).await
    }
}

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
async fn change(db: &mut PgConnection, revise: &Revise) -> Result<i64, Fault> {
    let Revise { expected, changes, why, audit } = revise;
    // One apply at a time: who waits here sees what the one before made.
    sqlx::query("LOCK TABLE revision IN EXCLUSIVE MODE").execute(&mut *db).await?;
    let (present, expected) = (revision(db).await?, *expected);
    if present != expected {
        return Err(StoreError::Conflict { expected, present }.into());
    }
    if changes.is_empty() {
        return Ok(present);
    }
    let next = present + 1;
    sqlx::query("INSERT INTO revision (number, at, who, origin, why) VALUES ($1, $2, $3, $4, $5)")
        .bind(next)
        .bind(audit.at)
        .bind(&audit.who)
        .bind(&audit.origin)
        .bind(why)
        .execute(&mut *db)
        .await?;
    for change in changes {
        carry_out(db, next, change).await?;
    }
    record(db, std::slice::from_ref(audit)).await?;
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

async fn list(db: &mut PgConnection, filter: &RevisionFilter) -> Result<Vec<Revision>, Fault> {
    let (kind, name) = filter.of.as_ref().map(|(kind, name)| (kind, name)).unzip();
    let rows = sqlx::query(
        "SELECT number, at, who, origin, why, kind, name, is_deleted, changed FROM (
             SELECT page.*, history.kind, history.name, history.body IS NULL AS is_deleted,
                 row_number() OVER (PARTITION BY page.number ORDER BY history.kind, history.name) AS place,
                 count(*) OVER (PARTITION BY page.number) AS changed
             FROM (
                 SELECT number, at, who, origin, why FROM revision
                 WHERE number < $1 AND ($2::text IS NULL OR EXISTS (
                     SELECT 1 FROM definition_history WHERE revision = number AND kind = $2 AND name = $3
                 ))
                 ORDER BY number DESC LIMIT $4
             ) AS page
             JOIN definition_history AS history ON history.revision = page.number
         ) AS found
         WHERE CASE WHEN $2::text IS NULL THEN place <= $5 ELSE kind = $2 AND name = $3 END
         ORDER BY number DESC, place",
    )
    .bind(filter.before.unwrap_or(i64::MAX))
    .bind(kind)
    .bind(name)
    .bind(i64::from(filter.limit.min(1_000)))
    .bind(i64::from(NAMES))
    .fetch_all(db)
    .await?;
    let mut revisions: Vec<Revision> = Vec::new();
    for row in &rows {
        let changed = Changed { kind: row.try_get(5)?, name: row.try_get(6)?, is_deleted: row.try_get(7)? };
        let number = row.try_get(0)?;
        match revisions.last_mut().filter(|last| last.number == number) {
            Some(last) => last.names.push(changed),
            None => revisions.push(Revision {
                number,
                at: row.try_get(1)?,
                who: row.try_get(2)?,
                origin: row.try_get(3)?,
                why: row.try_get(4)?,
                changed: u64::try_from(row.try_get::<i64, _>(8)?).unwrap_or(0),
                names: vec![changed],
            }),
        }
    }
    Ok(revisions)
}

async fn revised(db: &mut PgConnection, kind: &str, name: &str, at: i64) -> Result<Option<Revised>, Fault> {
    let found = sqlx::query(
        "SELECT revision, body FROM definition_history
         WHERE kind = $1 AND name = $2 AND revision <= $3 ORDER BY revision DESC LIMIT 1",
    )
    .bind(kind)
    .bind(name)
    .bind(at)
    .fetch_optional(db)
    .await?;
    found.map(|row| Ok(Revised { revision: row.try_get(0)?, body: row.try_get(1)? })).transpose()
}

async fn declared(db: &mut PgConnection) -> Result<Vec<Declared>, Fault> {
    let rows = sqlx::query("SELECT name, value FROM variable ORDER BY name").fetch_all(db).await?;
    rows.iter().map(|row| Ok(Declared { name: row.try_get(0)?, value: row.try_get(1)? })).collect()
}

async fn declare(db: &mut PgConnection, variables: &[Declared], audit: &AuditEntry) -> Result<(), Fault> {
    sqlx::query("DELETE FROM variable").execute(&mut *db).await?;
    for variable in variables {
        sqlx::query("INSERT INTO variable (name, value) VALUES ($1, $2)")
            .bind(&variable.name)
            .bind(&variable.value)
            .execute(&mut *db)
            .await?;
    }
    record(db, std::slice::from_ref(audit)).await
}
