//! What people decide about tasks.

use super::rows::state;
use super::text::{Text, remember};
use super::writer::Write;
use crate::misfit::{misfit, unknown_task};
use crate::{Decided, StoreError};
use bytes::Bytes;
use model::{Problem, TaskId, TaskState};
use rusqlite::{OptionalExtension, params};

/// Carries out a decision on one task, or says why it does not fit.
pub(super) fn decide(write: &mut Write<'_>, id: TaskId, decided: &Decided) -> Result<Result<(), Problem>, StoreError> {
    let found = write
        .db
        .prepare_cached("SELECT state, run, lane FROM task WHERE id = ?1")?
        .query_row([id.0], |row| Ok((state(row, 0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((from, run, lane)) = found else { return Ok(Err(unknown_task(id))) };
    let Some(to) = decided.decision.leads_to(from) else { return Ok(Err(misfit(id, from, decided.decision))) };
    if to == TaskState::New {
        run_again(write, id, from, decided)?;
    } else {
        write
            .db
            .prepare_cached("UPDATE task SET state = ?2, due_at = ?3, finished_at = ?3 WHERE id = ?1")?
            .execute([id.0, to.number(), decided.at])?;
        if from.is_open() {
            super::tasks::let_next_go(write, id)?;
        }
    }
    write.changes.moved(run, lane, from, to);
    write
        .db
        .prepare_cached(r#"INSERT INTO decision (task, decision, "by", why, at) VALUES (?1, ?2, ?3, ?4, ?5)"#)?
        .execute(params![id.0, decided.decision.as_str(), decided.by, decided.why, decided.at])?;
    if let Some(payload) = decided.payload.as_ref().filter(|_| to == TaskState::New) {
        edit(write, id, payload)?;
    }
    Ok(Ok(()))
}

/// Gives a task other data; what it was stays with the decision that was just recorded.
fn edit(write: &Write<'_>, id: TaskId, payload: &Bytes) -> Result<(), StoreError> {
    let decision = write.db.last_insert_rowid();
    write
        .db
        .prepare_cached("INSERT INTO edited (decision, body) SELECT ?1, body FROM payload WHERE task = ?2")?
        .execute([decision, id.0])?;
    write.db.prepare_cached("UPDATE payload SET body = ?2 WHERE task = ?1")?.execute(params![id.0, Text(payload)])?;
    remember(write.db, id, Some(payload))
}

fn run_again(write: &Write<'_>, id: TaskId, from: TaskState, decided: &Decided) -> Result<(), StoreError> {
    if from == TaskState::Finished || decided.payload.is_some() {
        write.db.prepare_cached("DELETE FROM resume WHERE task = ?1")?.execute([id.0])?;
    }
    if let Some(resume) = &decided.resume {
        super::tasks::remember_resume(write, id, resume)?;
    }
    write
        .db
        .prepare_cached(
            "UPDATE task SET state = 0, due_at = ?2, tries = 0, claims = 0, finished_at = NULL,
                 held = order_key IS NOT NULL AND EXISTS (SELECT 1 FROM task AS other INDEXED BY task_order
                        WHERE other.lane = task.lane AND other.order_key = task.order_key
                          AND other.order_key IS NOT NULL AND other.state < 4)
             WHERE id = ?1",
        )?
        .execute([id.0, decided.at])?;
    Ok(())
}
