//! Entries of storages.
//!
//! Who ends tasks that read or write entries locks their storages first, until the commit: what a task read is then
//! still so when its end is on disk, also where it read that there was nothing.

use super::fault::Fault;
use super::rows::bad;
use crate::{Entries, Entry, EntryFilter, EntryKey, EntryWrite};
use bytes::Bytes;
use model::Millis;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Locks storages, in one order, so that two who lock the same ones do not wait in a circle.
pub(super) async fn lock(db: &mut PgConnection, storages: BTreeSet<String>) -> Result<(), Fault> {
    if storages.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "SELECT pg_advisory_xact_lock(number) FROM (
             SELECT DISTINCT hashtextextended('storage/' || name, 0) AS number FROM unnest($1::text[]) AS name ORDER BY 1
         ) AS numbers",
    )
    .bind(storages.into_iter().collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

/// What of the entries asked for is there, in their order.
pub(super) async fn get(db: &mut PgConnection, keys: &[EntryKey], now: Millis) -> Result<Vec<Option<Entry>>, Fault> {
    let rows = sqlx::query(
        "SELECT entry.key, entry.value, entry.at, entry.expires_at, entry.version, given.place
         FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS given (storage, key, place)
         JOIN entry ON entry.storage = given.storage AND entry.key = given.key
         WHERE entry.expires_at IS NULL OR entry.expires_at > $3",
    )
    .bind(keys.iter().map(|of| of.storage.clone()).collect::<Vec<_>>())
    .bind(keys.iter().map(|of| of.key.as_bytes()).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(db)
    .await?;
    let mut found: Vec<Option<Entry>> = vec![None; keys.len()];
    for row in rows {
        let place: i64 = row.try_get(5)?;
        let slot = usize::try_from(place - 1).ok().and_then(|place| found.get_mut(place));
        *slot.ok_or_else(|| bad(format!("an entry at place {place}")))? = Some(entry(&row)?);
    }
    Ok(found)
}

fn entry(row: &PgRow) -> Result<Entry, Fault> {
    let key = String::from_utf8(row.try_get(0)?).map_err(|_| bad("the key of an entry is no text".to_owned()))?;
    let value = Bytes::from(row.try_get::<Vec<u8>, _>(1)?);
    Ok(Entry { key, value, at: row.try_get(2)?, expires_at: row.try_get(3)?, version: row.try_get(4)? })
}

/// What of several ends' entries fits each other and what is there, with what was written: storages are locked.
pub(super) struct Present(HashMap<EntryKey, Option<(Bytes, Option<Millis>)>>);

impl Present {
    /// Reads all that these ends have read.
    pub(super) async fn of(db: &mut PgConnection, ends: &[&Entries]) -> Result<Self, Fault> {
        let keys: BTreeSet<EntryKey> =
            ends.iter().flat_map(|entries| entries.read.iter().map(|(key, _)| key.clone())).collect();
        let keys: Vec<EntryKey> = keys.into_iter().collect();
        // Whether one has expired is looked at for each end by itself.
        let found = if keys.is_empty() { Vec::new() } else { get(db, &keys, Millis::MIN).await? };
        let values = found.into_iter().map(|entry| entry.map(|entry| (entry.value, entry.expires_at)));
        Ok(Self(keys.into_iter().zip(values).collect()))
    }

    /// Whether all that was read is still so; if it is, what is written counts for those after it.
    pub(super) fn take(&mut self, entries: &Entries) -> bool {
        let so = entries.read.iter().all(|(key, read)| {
            let there = self.0.get(key).and_then(Option::as_ref);
            let there = there.filter(|(_, expires_at)| expires_at.is_none_or(|expires_at| expires_at > entries.at));
            there.map(|(value, _)| value) == read.as_ref()
        });
        if so {
            for EntryWrite { of, value, expires_at } in &entries.written {
                self.0.insert(of.clone(), value.clone().map(|value| (value, *expires_at)));
            }
        }
        so
    }
}

/// Writes and deletes entries that no task does.
pub(super) async fn lock_and_write(db: &mut PgConnection, written: &[EntryWrite], now: Millis) -> Result<(), Fault> {
    lock(db, written.iter().map(|written| written.of.storage.clone()).collect()).await?;
    let written: Vec<_> = written.iter().map(|written| (written, now)).collect();
    write(db, &written).await
}

/// Writes and deletes entries, each at its time; of several for one, the last counts.
pub(super) async fn write(db: &mut PgConnection, written: &[(&EntryWrite, Millis)]) -> Result<(), Fault> {
    let last: BTreeMap<&EntryKey, (&EntryWrite, Millis)> =
        written.iter().map(|(written, at)| (&written.of, (*written, *at))).collect();
    let (set, deleted): (Vec<_>, Vec<_>) = last.into_values().partition(|(written, _)| written.value.is_some());
    if !deleted.is_empty() {
        sqlx::query(
            "DELETE FROM entry USING unnest($1::text[], $2::bytea[]) AS given (storage, key)
             WHERE entry.storage = given.storage AND entry.key = given.key",
        )
        .bind(deleted.iter().map(|(written, _)| written.of.storage.clone()).collect::<Vec<_>>())
        .bind(deleted.iter().map(|(written, _)| written.of.key.as_bytes()).collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
    }
    if set.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO entry (storage, key, value, version, at, expires_at)
         SELECT storage, key, value, 1, at, expires_at
         FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[])
              AS given (storage, key, value, at, expires_at)
         ON CONFLICT (storage, key) DO UPDATE SET value = excluded.value, version = entry.version + 1,
                                                  at = excluded.at, expires_at = excluded.expires_at",
    )
    .bind(set.iter().map(|(written, _)| written.of.storage.clone()).collect::<Vec<_>>())
    .bind(set.iter().map(|(written, _)| written.of.key.as_bytes()).collect::<Vec<_>>())
    .bind(set.iter().map(|(written, _)| written.value.as_deref()).collect::<Vec<_>>())
    .bind(set.iter().map(|(_, at)| *at).collect::<Vec<_>>())
    .bind(set.iter().map(|(written, _)| written.expires_at).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

/// One page of a storage, by key.
pub(super) async fn find(db: &mut PgConnection, filter: &EntryFilter, now: Millis) -> Result<Vec<Entry>, Fault> {
    let rows = sqlx::query(
        "SELECT key, value, at, expires_at, version FROM entry
         WHERE storage = $1 AND (expires_at IS NULL OR expires_at > $2) AND ($3::bytea IS NULL OR key > $3)
           AND ($4::bytea IS NULL OR position($4 IN key) > 0 OR position($4 IN value) > 0)
         ORDER BY key LIMIT $5",
    )
    .bind(&filter.storage)
    .bind(now)
    .bind(filter.after.as_deref().map(str::as_bytes))
    .bind(filter.text.as_deref().map(str::as_bytes))
    .bind(i64::from(filter.limit.min(1_000)))
    .fetch_all(db)
    .await?;
    rows.iter().map(entry).collect()
}

/// How many entries each storage has, by name.
pub(super) async fn counts(db: &mut PgConnection, now: Millis) -> Result<Vec<(String, u64)>, Fault> {
    let rows = sqlx::query(
        "SELECT storage, count(*) FROM entry WHERE expires_at IS NULL OR expires_at > $1 GROUP BY storage ORDER BY storage",
    )
    .bind(now)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?.unsigned_abs()))).collect()
}
