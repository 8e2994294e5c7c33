//! What triggers runs: how far schedules were seen to, and the addresses of webhooks.

use crate::{LaneId, Schedule, StoreError};
use model::Millis;
use rusqlite::{Connection, params};

/// What is known of a schedule. Another line than before begins anew.
pub(super) fn known(db: &Connection, name: &str, line: &str, now: Millis) -> Result<Schedule, StoreError> {
    db.prepare_cached(
        "INSERT INTO schedule (name, line, since) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET line = excluded.line, since = excluded.since WHERE line <> excluded.line",
    )?
    .execute(params![name, line, now])?;
    let schedule = db
        .prepare_cached("SELECT name, since, paused_at, paused_by FROM schedule WHERE name = ?1")?
        .query_row([name], |row| {
            let paused = row.get::<_, Option<Millis>>(2)?.zip(row.get::<_, Option<String>>(3)?);
            Ok(Schedule { name: row.get(0)?, since: row.get(1)?, paused })
        })?;
    Ok(schedule)
}

/// Everything up to this time is seen to.
pub(super) fn seen(db: &Connection, name: &str, slot: Millis) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE schedule SET since = max(since, ?2) WHERE name = ?1")?.execute(params![name, slot])?;
    Ok(())
}

/// Pauses a schedule or lets it go on; `false` where it is not known.
pub(super) fn pause(
    db: &Connection,
    name: &str,
    paused: Option<(Millis, String)>,
    now: Millis,
) -> Result<bool, StoreError> {
    let changed = match paused {
        Some((at, by)) => db
            .prepare_cached(
                "UPDATE schedule SET paused_at = coalesce(paused_at, ?2), paused_by = coalesce(paused_by, ?3)
                 WHERE name = ?1",
            )?
            .execute(params![name, at, by])?,
        None => db
            .prepare_cached(
                "UPDATE schedule SET since = CASE WHEN paused_at IS NULL THEN since ELSE ?2 END,
                     paused_at = NULL, paused_by = NULL WHERE name = ?1",
            )?
            .execute(params![name, now])?,
    };
    Ok(changed == 1)
}

/// The address of a lane's webhook, made where it is new.
pub(super) fn webhook_path(db: &Connection, lane: LaneId) -> Result<String, StoreError> {
    db.prepare_cached(
        "INSERT INTO webhook (lane, path) VALUES (?1, lower(hex(randomblob(16)))) ON CONFLICT DO NOTHING",
    )?
    .execute([lane.0])?;
    Ok(db.prepare_cached("SELECT path FROM webhook WHERE lane = ?1")?.query_row([lane.0], |row| row.get(0))?)
}
