//! Secrets, and the key that seals.

use super::PostgresStore;
use super::fault::Fault;
use super::people::record;
use crate::seal::{COLUMNS, Key, Sealed};
use crate::secrets::{NewSecret, Sealing, StoredSecret, agree, is_present, resealed};
use crate::{AuditEntry, Secrets, StoreError};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

#[async_trait]
impl Secrets for PostgresStore {
    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        self.server.read((), |db, ()| Box::pin(all(db))).await
    }

    async fn write_secret(&self, new: NewSecret, audit: AuditEntry) -> Result<(), StoreError> {
        self.server.write((new, audit), |on, (new, audit)| Box::pin(write(on.db(), new, audit))).await
    }

    async fn delete_secret(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server.write((name, audit), |on, (name, audit)| Box::pin(delete(on.db(), name, audit))).await
    }

    async fn sealing(&self) -> Result<Option<Sealing>, StoreError> {
        self.server.read((), |db, ()| Box::pin(sealing(db))).await
    }

    async fn reseal(&self, from: Key, to: Key, audit: AuditEntry) -> Result<u64, StoreError> {
        let asked = (from, to, audit);
        self.server.write(asked, |on, (from, to, audit)| Box::pin(reseal(on.db(), from, to, audit))).await
    }
}

async fn all(db: &mut PgConnection) -> Result<Vec<StoredSecret>, Fault> {
    let sql = "SELECT name, value, created_at, rotated_at, \"by\" FROM secret ORDER BY name";
    let rows = sqlx::query(sql).fetch_all(db).await?;
    let secret = |row: &sqlx::postgres::PgRow| {
        Ok(StoredSecret {
            name: row.try_get(0)?,
            value: row.try_get(1)?,
            created_at: row.try_get(2)?,
            rotated_at: row.try_get(3)?,
            by: row.try_get(4)?,
        })
    };
    rows.iter().map(secret).collect()
}

async fn write(db: &mut PgConnection, new: &NewSecret, audit: &AuditEntry) -> Result<(), Fault> {
    take(db, &new.value).await?;
    sqlx::query(
        "INSERT INTO secret (name, value, created_at, rotated_at, \"by\") VALUES ($1, $2, $3, $3, $4)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, rotated_at = excluded.rotated_at,
             \"by\" = excluded.\"by\"",
    )
    .bind(&new.name)
    .bind(&new.value.value)
    .bind(audit.at)
    .bind(&audit.who)
    .execute(&mut *db)
    .await?;
    count(db).await?;
    record(db, std::slice::from_ref(audit)).await
}

async fn delete(db: &mut PgConnection, name: &str, audit: &AuditEntry) -> Result<bool, Fault> {
    // The same order as in every other change: first the sealing.
    count(db).await?;
    let deleted = sqlx::query("DELETE FROM secret WHERE name = $1").bind(name).execute(&mut *db).await?;
    let is_deleted = deleted.rows_affected() == 1;
    if is_deleted {
        record(db, std::slice::from_ref(audit)).await?;
    }
    Ok(is_deleted)
}

async fn sealing(db: &mut PgConnection) -> Result<Option<Sealing>, Fault> {
    read(db, "SELECT proof, revision FROM sealing").await
}

async fn read(db: &mut PgConnection, sql: &'static str) -> Result<Option<Sealing>, Fault> {
    let found = sqlx::query(sql).fetch_optional(db).await?;
    found.map(|row| Ok(Sealing { proof: row.try_get(0)?, revision: row.try_get(1)? })).transpose()
}

/// The row is held until the commit, so that nobody changes the key meanwhile.
async fn hold(db: &mut PgConnection) -> Result<Option<Sealing>, Fault> {
    read(db, "SELECT proof, revision FROM sealing FOR UPDATE").await
}

/// To be called in the transaction that writes a sealed value, of whatever column: a store has one key at a time.
pub(super) async fn take(db: &mut PgConnection, sealed: &Sealed) -> Result<(), Fault> {
    let sql = "INSERT INTO sealing (one, proof, revision) VALUES (1, $1, 0) ON CONFLICT DO NOTHING";
    sqlx::query(sql).bind(&sealed.proof).execute(&mut *db).await?;
    let sealing = hold(db).await?.ok_or(StoreError::Closed)?;
    Ok(agree(&sealing.proof, &sealed.value)?)
}

async fn reseal(db: &mut PgConnection, from: &Key, to: &Key, audit: &AuditEntry) -> Result<u64, Fault> {
    let Some(sealing) = hold(db).await? else { return Ok(0) };
    is_present(&sealing.proof, from)?;
    let mut count = 0;
    for column in &COLUMNS {
        let (table, row, value) = (column.table, column.row, column.value);
        let sql = format!("SELECT {row}::text, {value} FROM {table} WHERE {value} IS NOT NULL FOR UPDATE");
        let update = format!("UPDATE {table} SET {value} = $2 WHERE {row}::text = $1");
        for found in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *db).await? {
            let (name, sealed): (String, Vec<u8>) = (found.try_get(0)?, found.try_get(1)?);
            let sealed = resealed((from, to), column, &name, &sealed)?;
            sqlx::query(AssertSqlSafe(update.clone())).bind(&name).bind(sealed).execute(&mut *db).await?;
            count += 1;
        }
    }
    sqlx::query("UPDATE sealing SET proof = $1, revision = revision + 1")
        .bind(to.proof().map_err(StoreError::Refused)?)
        .execute(&mut *db)
        .await?;
    record(db, std::slice::from_ref(audit)).await?;
    Ok(count)
}

async fn count(db: &mut PgConnection) -> Result<(), Fault> {
    sqlx::query("UPDATE sealing SET revision = revision + 1").execute(db).await?;
    Ok(())
}
