//! Entries of storages.

use super::text::Text;
use crate::{Entries, Entry, EntryFilter, EntryKey, EntryWrite, StoreError};
use bytes::Bytes;
use model::Millis;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What of the entries asked for is there, in their order.
pub(super) fn get(db: &Connection, keys: &[EntryKey], now: Millis) -> Result<Vec<Option<Entry>>, StoreError> {
    keys.iter().map(|key| one(db, key, now)).collect()
}

fn one(db: &Connection, of: &EntryKey, now: Millis) -> Result<Option<Entry>, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT key, value, at, expires_at, version FROM entry
             WHERE storage = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
        )?
        .query_row(params![of.storage, of.key, now], entry)
        .optional()?;
    Ok(found)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let value = match row.get_ref(1)? {
        ValueRef::Text(text) => Bytes::copy_from_slice(text),
        other => return Err(rusqlite::Error::InvalidColumnType(1, "value".to_owned(), other.data_type())),
    };
    Ok(Entry { key: row.get(0)?, value, at: row.get(2)?, expires_at: row.get(3)?, version: row.get(4)? })
}

/// Whether all that was read is still so.
pub(super) fn still_so(db: &Connection, entries: &Entries) -> Result<bool, StoreError> {
    for (key, read) in &entries.read {
        if one(db, key, entries.at)?.map(|entry| entry.value) != *read {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes and deletes entries.
pub(super) fn write(db: &Connection, written: &[EntryWrite], now: Millis) -> Result<(), StoreError> {
    for EntryWrite { of, value, expires_at } in written {
        match value {
            Some(value) => db
                .prepare_cached(
                    "INSERT INTO entry (storage, key, value, version, at, expires_at) VALUES (?1, ?2, ?3, 1, ?4, ?5)
                     ON CONFLICT DO UPDATE SET value = excluded.value, version = version + 1, at = excluded.at,
                                               expires_at = excluded.expires_at",
                )?
                .execute(params![of.storage, of.key, Text(value), now, expires_at])?,
            None => db
                .prepare_cached("DELETE FROM entry WHERE storage = ?1 AND key = ?2")?
                .execute(params![of.storage, of.key])?,
        };
    }
    Ok(())
}

/// One page of a storage, by key.
pub(super) fn find(db: &Connection, filter: &EntryFilter, now: Millis) -> Result<Vec<Entry>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT key, value, at, expires_at, version FROM entry
         WHERE storage = ?1 AND (expires_at IS NULL OR expires_at > ?2) AND (?3 IS NULL OR key > ?3)
           AND (?4 IS NULL OR instr(key, ?4) > 0 OR instr(value, ?4) > 0)
         ORDER BY key LIMIT ?5",
    )?;
    let most = filter.limit.min(1_000);
    let rows = statement.query_map(params![filter.storage, now, filter.after, filter.text, most], entry)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many entries each storage has, by name.
pub(super) fn counts(db: &Connection, now: Millis) -> Result<Vec<(String, u64)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT storage, count(*) FROM entry WHERE expires_at IS NULL OR expires_at > ?1 GROUP BY storage ORDER BY storage",
    )?;
    let rows = statement.query_map([now], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
