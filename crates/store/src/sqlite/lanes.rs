//! Lanes, cursors and runs.

use super::rows::some_bytes;
use super::writer::Write;
use crate::{Lane, LaneId, Run, StoreError};
use bytes::Bytes;
use model::{Millis, RunId, TaskKind};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The number of a lane, made where it is new.
pub(super) fn lane(write: &Write<'_>, kind: TaskKind, name: &str) -> Result<LaneId, StoreError> {
    write
        .db
        .prepare_cached("INSERT INTO lane (kind, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute([kind.as_str(), name])?;
    let id = write
        .db
        .prepare_cached("SELECT id FROM lane WHERE kind = ?1 AND name = ?2")?
        .query_row([kind.as_str(), name], |row| row.get(0))?;
    Ok(LaneId(id))
}

/// Every lane, by number.
pub(super) fn all(db: &Connection) -> Result<Vec<Lane>, StoreError> {
    let mut statement = db.prepare_cached("SELECT id, kind, name FROM lane ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        let kind = if row.get_ref(1)?.as_str()? == TaskKind::Pull.as_str() { TaskKind::Pull } else { TaskKind::Push };
        Ok(Lane { id: LaneId(row.get(0)?), kind, name: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Where an incoming goes on.
pub(super) fn cursor(db: &Connection, lane: LaneId) -> Result<Option<Bytes>, StoreError> {
    let value = db
        .prepare_cached("SELECT value FROM cursor WHERE lane = ?1")?
        .query_row([lane.0], |row| some_bytes(row, 0))
        .optional()?;
    Ok(value.flatten())
}

/// Sets or clears it.
pub(super) fn set_cursor(
    write: &Write<'_>,
    lane: LaneId,
    value: Option<&Bytes>,
    now: Millis,
) -> Result<(), StoreError> {
    let Some(value) = value else {
        write.db.prepare_cached("DELETE FROM cursor WHERE lane = ?1")?.execute([lane.0])?;
        return Ok(());
    };
    write
        .db
        .prepare_cached(
            "INSERT INTO cursor (lane, value, at) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at",
        )?
        .execute(params![lane.0, &value[..], now])?;
    Ok(())
}

/// Runs, newest first.
pub(super) fn runs(db: &Connection, lane: Option<LaneId>, limit: u32) -> Result<Vec<Run>, StoreError> {
    let sql = match lane {
        Some(_) => r#"SELECT id, lane, "trigger", started_at FROM run WHERE lane = ?1 ORDER BY id DESC LIMIT ?2"#,
        None => r#"SELECT id, lane, "trigger", started_at FROM run WHERE ?1 IS NULL ORDER BY id DESC LIMIT ?2"#,
    };
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![lane.map(|lane| lane.0), limit], run)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run { id: RunId(row.get(0)?), lane: LaneId(row.get(1)?), trigger: row.get(2)?, started_at: row.get(3)? })
}

/// Runs of an incoming with open tasks, oldest first.
pub(super) fn open_runs(db: &Connection, lane: Option<LaneId>) -> Result<Vec<RunId>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT DISTINCT run FROM tally INDEXED BY tally_open JOIN run ON run.id = tally.run
         WHERE state < 4 AND (?1 IS NULL OR run.lane = ?1) ORDER BY run",
    )?;
    let rows = statement.query_map([lane.map(|lane| lane.0)], |row| row.get(0).map(RunId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
