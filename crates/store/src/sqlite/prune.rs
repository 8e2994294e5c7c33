//! Retention: looking through what has ended, and deleting it whole, in small slices.

use super::rows::state;
use super::writer::Write;
use crate::blobs::BlobId;
use crate::keys::attempt_keys;
use crate::{EndedTask, LaneId, StoreError};
use model::{Millis, TaskId};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// Tasks of one page at most.
const PAGE: u32 = 1_000;
/// Tasks that one operation deletes at most.
pub(super) const SLICE: usize = 500;

/// One page of ended tasks, newest first. Blobs are not in the sizes yet. Unknown ones are left out: state 8.
pub(super) fn ended(db: &Connection, before: Option<TaskId>, limit: u32) -> Result<Vec<EndedTask>, StoreError> {
    // Lengths stand in the heads of rows: no body is read.
    let mut statement = db.prepare_cached(
        "SELECT id, lane, state, finished_at,
             coalesce((SELECT octet_length(body) FROM payload WHERE payload.task = task.id), 0)
             + coalesce((SELECT octet_length(value) FROM resume WHERE resume.task = task.id), 0)
             + coalesce((SELECT sum(coalesce(octet_length(request), 0) + coalesce(octet_length(mark), 0))
                         FROM attempt_start WHERE key >= task.id << 24 AND key < (task.id + 1) << 24), 0)
             + coalesce((SELECT sum(coalesce(octet_length(answer), 0) + coalesce(octet_length(headers), 0)
                                    + coalesce(octet_length(request), 0))
                         FROM attempt_end WHERE key >= task.id << 24 AND key < (task.id + 1) << 24), 0)
             + coalesce((SELECT sum(octet_length(body)) FROM edited JOIN decision ON decision.id = edited.decision
                         WHERE decision.task = task.id), 0)
         FROM task NOT INDEXED WHERE (?1 IS NULL OR id < ?1) AND state > 3 AND state <> 8 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![before.map(|before| before.0), limit.min(PAGE)], |row| {
        Ok(EndedTask {
            id: TaskId(row.get(0)?),
            lane: LaneId(row.get(1)?),
            state: state(row, 2)?,
            finished_at: row.get::<_, Option<Millis>>(3)?.unwrap_or_default(),
            bytes: row.get::<_, i64>(4)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The blobs that the tasks of a page name, with the task of each.
pub(super) fn blobs_of(db: &Connection, page: &[EndedTask]) -> Result<Vec<(TaskId, BlobId)>, StoreError> {
    let (Some(newest), Some(oldest)) = (page.first(), page.last()) else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT task, id FROM blob INDEXED BY blob_task WHERE task >= ?1 AND task <= ?2 ORDER BY task",
    )?;
    let rows = statement.query_map([oldest.id.0, newest.id.0], |row| {
        Ok((TaskId(row.get(0)?), BlobId::parse(row.get_ref(1)?.as_str()?)))
    })?;
    let mut named = Vec::new();
    for row in rows {
        let (task, id) = row?;
        named.extend(id.map(|id| (task, id)));
    }
    Ok(named)
}

/// Deletes tasks that have ended, whole, and the runs that have no tasks left. The foreign keys must be off: no index
/// leads from a run to its tasks, so the database would look through all tasks for each run; the counts know.
pub(super) fn delete(write: &mut Write<'_>, tasks: &[TaskId]) -> Result<Vec<bool>, StoreError> {
    let mut runs: HashMap<i64, i64> = HashMap::new();
    let mut deleted = Vec::with_capacity(tasks.len());
    for task in tasks {
        let run = delete_one(write, *task)?;
        deleted.push(run.is_some());
        if let Some(run) = run {
            *runs.entry(run).or_default() += 1;
        }
    }
    for (run, gone) in runs {
        let had: i64 = write
            .db
            .prepare_cached("SELECT coalesce(sum(count), 0) FROM tally WHERE run = ?1")?
            .query_row([run], |row| row.get(0))?;
        if had <= gone {
            write.db.prepare_cached("DELETE FROM run WHERE id = ?1")?.execute([run])?;
            write.db.prepare_cached("DELETE FROM run_usage WHERE run = ?1")?.execute([run])?;
        }
    }
    Ok(deleted)
}

/// Deletes one task, and tells its run; `None` where it is not there, has not ended, or its outcome is unknown.
fn delete_one(write: &mut Write<'_>, task: TaskId) -> Result<Option<i64>, StoreError> {
    let db = write.db;
    let found = db
        .prepare_cached("SELECT run, lane, state FROM task WHERE id = ?1 AND state > 3 AND state <> 8")?
        .query_row([task.0], |row| Ok((row.get(0)?, row.get(1)?, state(row, 2)?)))
        .optional()?;
    let Some((run, lane, state)) = found else { return Ok(None) };
    for sql in [
        "DELETE FROM task WHERE id = ?1",
        "DELETE FROM payload WHERE task = ?1",
        "DELETE FROM resume WHERE task = ?1",
        "DELETE FROM intake_problem WHERE task = ?1",
        "DELETE FROM task_identifier WHERE task = ?1",
        "DELETE FROM edited WHERE decision IN (SELECT id FROM decision WHERE task = ?1)",
        "DELETE FROM decision WHERE task = ?1",
        "DELETE FROM blob WHERE task = ?1",
    ] {
        db.prepare_cached(sql)?.execute([task.0])?;
    }
    db.prepare_cached("DELETE FROM attempt_start WHERE key >= ?1 AND key < ?2")?.execute(attempt_keys(task))?;
    db.prepare_cached("DELETE FROM attempt_end WHERE key >= ?1 AND key < ?2")?.execute(attempt_keys(task))?;
    write.changes.gone(run, lane, state);
    Ok(Some(run))
}

/// Deletes entries of storages that have expired, the oldest first, at most so many.
pub(super) fn delete_expired(db: &Connection, now: Millis, most: u32) -> Result<u64, StoreError> {
    let deleted = db
        .prepare_cached(
            "DELETE FROM entry WHERE (storage, key) IN
                 (SELECT storage, key FROM entry INDEXED BY entry_expires
                  WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute(params![now, most])?;
    Ok(deleted as u64)
}

/// Gives free pages at the end of the file back, at most so many bytes; tells how many bytes.
pub(super) fn give_back(db: &Connection, most: u64) -> Result<u64, StoreError> {
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let size = number("PRAGMA page_size")?.max(1);
    let before = number("PRAGMA freelist_count")?;
    if before == 0 {
        return Ok(0);
    }
    let pages = (most / size).max(1);
    // Each step of the statement frees a page.
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(before.saturating_sub(number("PRAGMA freelist_count")?) * size)
}
