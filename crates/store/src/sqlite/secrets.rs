//! Secrets, and the key that seals.

use super::SqliteStore;
use super::people::record;
use crate::seal::{COLUMNS, Key, Sealed};
use crate::secrets::{NewSecret, Sealing, StoredSecret, agree, is_present, resealed};
use crate::{AuditEntry, Secrets, StoreError};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl Secrets for SqliteStore {
    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        self.read(all).await
    }

    async fn write_secret(&self, new: NewSecret, audit: AuditEntry) -> Result<(), StoreError> {
        self.write(move |on| write(on.db, &new, &audit)).await
    }

    async fn delete_secret(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |on| delete(on.db, &name, &audit)).await
    }

    async fn sealing(&self) -> Result<Option<Sealing>, StoreError> {
        self.read(sealing).await
    }

    async fn reseal(&self, from: Key, to: Key, audit: AuditEntry) -> Result<u64, StoreError> {
        self.write(move |on| reseal(on.db, &from, &to, &audit)).await
    }
}

fn all(db: &Connection) -> Result<Vec<StoredSecret>, StoreError> {
    let mut found =
        db.prepare_cached("SELECT name, value, created_at, rotated_at, \"by\" FROM secret ORDER BY name")?;
    let secrets = found.query_map([], |row| {
        Ok(StoredSecret {
            name: row.get(0)?,
            value: row.get(1)?,
            created_at: row.get(2)?,
            rotated_at: row.get(3)?,
            by: row.get(4)?,
        })
    })?;
    Ok(secrets.collect::<Result<_, _>>()?)
}

fn write(db: &Connection, new: &NewSecret, audit: &AuditEntry) -> Result<(), StoreError> {
    take(db, &new.value)?;
    db.prepare_cached(
        "INSERT INTO secret (name, value, created_at, rotated_at, \"by\") VALUES (?1, ?2, ?3, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, rotated_at = excluded.rotated_at,
             \"by\" = excluded.\"by\"",
    )?
    .execute(params![new.name, new.value.value, audit.at, audit.who])?;
    count(db)?;
    record(db, std::slice::from_ref(audit))
}

fn delete(db: &Connection, name: &str, audit: &AuditEntry) -> Result<bool, StoreError> {
    let is_deleted = db.prepare_cached("DELETE FROM secret WHERE name = ?1")?.execute([name])? == 1;
    if is_deleted {
        count(db)?;
        record(db, std::slice::from_ref(audit))?;
    }
    Ok(is_deleted)
}

fn sealing(db: &Connection) -> Result<Option<Sealing>, StoreError> {
    let mut found = db.prepare_cached("SELECT proof, revision FROM sealing")?;
    let sealing = found.query_row([], |row| Ok(Sealing { proof: row.get(0)?, revision: row.get(1)? })).optional()?;
    Ok(sealing)
}

/// To be called in the transaction that writes a sealed value, of whatever column: a store has one key at a time.
pub(super) fn take(db: &Connection, sealed: &Sealed) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO sealing (one, proof, revision) VALUES (1, ?1, 0) ON CONFLICT DO NOTHING")?
        .execute([&sealed.proof])?;
    let proof: Vec<u8> = db.prepare_cached("SELECT proof FROM sealing")?.query_row([], |row| row.get(0))?;
    agree(&proof, &sealed.value)
}

fn reseal(db: &Connection, from: &Key, to: &Key, audit: &AuditEntry) -> Result<u64, StoreError> {
    let Some(sealing) = sealing(db)? else { return Ok(0) };
    is_present(&sealing.proof, from)?;
    let mut count = 0;
    for column in &COLUMNS {
        let (table, row, value) = (column.table, column.row, column.value);
        let mut found =
            db.prepare(&format!("SELECT CAST({row} AS TEXT), {value} FROM {table} WHERE {value} IS NOT NULL"))?;
        let sealed: Vec<(String, Vec<u8>)> =
            found.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let mut update = db.prepare(&format!("UPDATE {table} SET {value} = ?2 WHERE CAST({row} AS TEXT) = ?1"))?;
        for (name, sealed) in sealed {
            update.execute(params![name, resealed((from, to), column, &name, &sealed)?])?;
            count += 1;
        }
    }
    db.prepare_cached("UPDATE sealing SET proof = ?1, revision = revision + 1")?
        .execute([to.proof().map_err(StoreError::Refused)?])?;
    record(db, std::slice::from_ref(audit))?;
    Ok(count)
}

fn count(db: &Connection) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE sealing SET revision = revision + 1")?.execute([])?;
    Ok(())
}
