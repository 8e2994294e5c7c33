//! Claims: who works on what, and what becomes of a claim whose holder is gone.

use super::rows::{bytes, some_bytes, state};
use super::tasks::{park, unended_start};
use super::writer::Write;
use crate::keys::{attempt_number, problem_text};
use crate::lost::{MOST_ATTEMPTS, MOST_CLAIMS, claimed_too_often, too_many_attempts};
use crate::{Claim, ClaimRequest, Interrupted, LaneId, Next, StoreError, Token};
use model::{Millis, RunId, TaskId, TaskState};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Claims due tasks, lane by lane, and within a lane priority by priority: each is one range of the index, so tasks that
/// are not due yet cost nothing, however many there are.
pub(super) fn claim(write: &mut Write<'_>, request: &ClaimRequest) -> Result<Vec<Claim>, StoreError> {
    let mut claims = Vec::new();
    for (lane, most) in &request.lanes {
        claim_in_lane(write, request, *lane, *most, &mut claims)?;
    }
    Ok(claims)
}

/// Claims in one lane. A task that was claimed before and came to no end may be what ended the process, so it is claimed
/// alone: then only the guilty one is parked in the end, not all that were claimed ahead together with it.
fn claim_in_lane(
    write: &mut Write<'_>,
    request: &ClaimRequest,
    lane: LaneId,
    most: u32,
    claims: &mut Vec<Claim>,
) -> Result<(), StoreError> {
    let mut left = most;
    let mut next = next_priority(write.db, lane, i64::MIN)?;
    while let Some(priority) = next.filter(|_| left > 0) {
        for (claim, from) in due_tasks(write.db, lane, priority, request.now, left)? {
            let suspect = claim.claims > 1;
            if suspect && left < most {
                return Ok(());
            }
            if take(write, &claim, from, request)? {
                left -= 1;
                claims.push(claim);
                if suspect {
                    return Ok(());
                }
            }
        }
        next = priority_after(write.db, lane, priority)?;
    }
    Ok(())
}

/// The earliest time at which something in a lane can be claimed.
pub(super) fn next_due(db: &Connection, lane: LaneId) -> Result<Option<Millis>, StoreError> {
    let mut earliest: Option<Millis> = None;
    let mut next = next_priority(db, lane, i64::MIN)?;
    while let Some(priority) = next {
        let due: Option<Millis> = db
            .prepare_cached(
                "SELECT min(due_at) FROM task INDEXED BY task_claimable
                 WHERE lane = ?1 AND held = 0 AND priority = ?2 AND state < 4 AND state <> 1",
            )?
            .query_row([lane.0, priority], |row| row.get(0))?;
        earliest = earliest.into_iter().chain(due).min();
        next = priority_after(db, lane, priority)?;
    }
    Ok(earliest)
}

/// The smallest priority from this one on that a lane has claimable tasks of, due or not.
fn next_priority(db: &Connection, lane: LaneId, from: i64) -> Result<Option<i64>, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT priority FROM task INDEXED BY task_claimable
             WHERE lane = ?1 AND held = 0 AND priority >= ?2 AND state < 4 AND state <> 1 ORDER BY priority LIMIT 1",
        )?
        .query_row([lane.0, from], |row| row.get(0))
        .optional()?;
    Ok(found)
}

fn priority_after(db: &Connection, lane: LaneId, priority: i64) -> Result<Option<i64>, StoreError> {
    priority.checked_add(1).map_or(Ok(None), |from| next_priority(db, lane, from))
}

/// Due tasks as the claims that they become, each with the state that it is in.
fn due_tasks(
    db: &Connection,
    lane: LaneId,
    priority: i64,
    now: Millis,
    most: u32,
) -> Result<Vec<(Claim, TaskState)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT task.id, lane, run, source, attempt, tries, claims, payload.body, resume.value, created_at, state
         FROM task INDEXED BY task_claimable JOIN payload ON payload.task = task.id
         LEFT JOIN resume ON resume.task = task.id
         WHERE lane = ?1 AND held = 0 AND priority = ?2 AND due_at <= ?3 AND state < 4 AND state <> 1
         ORDER BY due_at, task.id LIMIT ?4",
    )?;
    let rows = statement.query_map(params![lane.0, priority, now, most], |row| Ok((anew(row)?, state(row, 10)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The next claim of the task in a row.
fn anew(row: &Row<'_>) -> rusqlite::Result<Claim> {
    Ok(Claim {
        token: Token { task: TaskId(row.get(0)?), attempt: row.get::<_, u32>(4)? + 1 },
        lane: LaneId(row.get(1)?),
        run: RunId(row.get(2)?),
        source: row.get::<_, Option<i64>>(3)?.map(TaskId),
        tries: row.get(5)?,
        claims: row.get::<_, u32>(6)? + 1,
        payload: bytes(row, 7)?,
        resume: some_bytes(row, 8)?,
        created_at: row.get(9)?,
        interrupted: None,
    })
}

/// Takes a due task; `false` where it was parked instead, because no number is left for the attempt.
fn take(write: &mut Write<'_>, claim: &Claim, from: TaskState, request: &ClaimRequest) -> Result<bool, StoreError> {
    if claim.token.attempt > MOST_ATTEMPTS {
        exhaust(write, claim, from, request.now)?;
        return Ok(false);
    }
    hold(write, claim.token.task, request.lease_until)?;
    write.changes.moved(claim.run.0, claim.lane.0, from, TaskState::Processing);
    Ok(true)
}

fn hold(write: &Write<'_>, task: TaskId, lease_until: Millis) -> Result<(), StoreError> {
    write
        .db
        .prepare_cached(
            "UPDATE task SET state = 1, attempt = attempt + 1, claims = claims + 1, due_at = ?2 WHERE id = ?1",
        )?
        .execute([task.0, lease_until])?;
    Ok(())
}

fn exhaust(write: &mut Write<'_>, claim: &Claim, from: TaskState, now: Millis) -> Result<(), StoreError> {
    let problem = too_many_attempts();
    let task = claim.token.task.0;
    write.db.execute("UPDATE task SET state = 5, finished_at = ?2 WHERE id = ?1", [task, now])?;
    write.db.execute(
        "INSERT OR REPLACE INTO intake_problem (task, problem) VALUES (?1, ?2)",
        params![task, problem_text(&problem)?],
    )?;
    write.changes.moved(claim.run.0, claim.lane.0, from, TaskState::Failed);
    super::tasks::let_next_go(write, claim.token.task)
}

/// Takes over claims that ran out by `now` (`all`: every claim): those started for the caller, the others back to `new`.
pub(super) fn take_over(
    write: &mut Write<'_>,
    all: bool,
    now: Millis,
    lease_until: Millis,
) -> Result<Vec<Claim>, StoreError> {
    let mut claims = Vec::new();
    for mut claim in held_until(write.db, if all { Millis::MAX } else { now })? {
        claim.interrupted = interrupted(write, claim.token.task)?;
        if claim.interrupted.is_some() {
            hold(write, claim.token.task, lease_until)?;
            claims.push(claim);
        } else {
            release(write, &claim, now)?;
        }
    }
    Ok(claims)
}

/// What is claimed until this time at most, as the claims that it becomes.
fn held_until(db: &Connection, until: Millis) -> Result<Vec<Claim>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT task.id, lane, run, source, attempt, tries, claims, payload.body, resume.value, created_at
         FROM task INDEXED BY task_begun JOIN payload ON payload.task = task.id
         LEFT JOIN resume ON resume.task = task.id
         WHERE state = 1 AND state > 0 AND due_at <= ?1 ORDER BY lane, priority, task.id",
    )?;
    let rows = statement.query_map([until], anew)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The latest attempt of a task, where it was started and never ended.
fn interrupted(write: &Write<'_>, task: TaskId) -> Result<Option<Interrupted>, StoreError> {
    let Some(key) = unended_start(write.db, task)? else { return Ok(None) };
    let started = write.db.prepare_cached("SELECT at, request, mark FROM attempt_start WHERE key = ?1")?.query_row(
        [key],
        |row| {
            Ok(Interrupted {
                attempt: attempt_number(key),
                started_at: row.get(0)?,
                request: some_bytes(row, 1)?,
                mark: some_bytes(row, 2)?,
            })
        },
    )?;
    Ok(Some(started))
}

/// Gives a claim that was not started back, or parks its task. `claim` is the one that would follow.
fn release(write: &mut Write<'_>, claim: &Claim, now: Millis) -> Result<(), StoreError> {
    let lost = claim.claims - 1;
    if lost >= MOST_CLAIMS {
        let held = Token { attempt: claim.token.attempt - 1, ..claim.token };
        return park(write, held, Next::Failed, held.attempt, claimed_too_often(lost), now);
    }
    write
        .db
        .prepare_cached("UPDATE task SET state = 0, due_at = ?2 WHERE id = ?1")?
        .execute([claim.token.task.0, now])?;
    write.changes.moved(claim.run.0, claim.lane.0, TaskState::Processing, TaskState::New);
    Ok(())
}

/// Ends a claim whose blob is missing: what was started may have worked.
pub(super) fn park_without_blob(
    write: &mut Write<'_>,
    claim: &Claim,
    missing: &StoreError,
    now: Millis,
) -> Result<(), StoreError> {
    match &claim.interrupted {
        Some(attempt) => park(write, claim.token, Next::Unknown, attempt.attempt, missing.problem(), now),
        None => park(write, claim.token, Next::Failed, claim.token.attempt, missing.problem(), now),
    }
}
