//! Activities, slice by slice.

use super::rows::{bad, problem};
use super::writer::Write;
use super::{SqliteStore, decisions, people};
use crate::activities::KEPT_PROBLEMS;
use crate::changes::integer;
use crate::keys::problem_text;
use crate::misfit::changed_meanwhile;
use crate::{Activities, Activity, AuditEntry, Decided, Holder, NewActivity, Phase, Slice, StoreError};
use async_trait::async_trait;
use model::{Problem, TaskId, TaskState};
use rusqlite::{Connection, OptionalExtension, Row, params};

const ACTIVITY: &str =
    "SELECT id, kind, phase, who, origin, wish, below, total, done, refused, problems, problem, result,
    created_at, changed_at, worked_ms, ended_at FROM activity";

#[async_trait]
impl Activities for SqliteStore {
    async fn add_activity(&self, new: NewActivity, audit: AuditEntry) -> Result<i64, StoreError> {
        self.write(move |write| add(write.db, &new, &audit)).await
    }

    async fn activities(&self, before: Option<i64>, limit: u32) -> Result<Vec<Activity>, StoreError> {
        self.read(move |db| page(db, before, limit)).await
    }

    async fn activity(&self, id: i64) -> Result<Option<Activity>, StoreError> {
        self.read(move |db| one(db, id)).await
    }

    async fn turn_activity(&self, id: i64, to: Phase, audit: AuditEntry) -> Result<Option<bool>, StoreError> {
        self.write(move |write| turn(write.db, id, to, &audit)).await
    }

    async fn hold_activity(&self, holder: Holder, all: bool) -> Result<Option<Activity>, StoreError> {
        self.write(move |write| hold(write.db, &holder, all)).await
    }

    async fn advance_activity(&self, slice: Slice) -> Result<bool, StoreError> {
        self.write(move |write| advance(write, &slice)).await
    }
}

/// Begins one.
fn add(db: &Connection, new: &NewActivity, audit: &AuditEntry) -> Result<i64, StoreError> {
    db.prepare_cached(
        "INSERT INTO activity (kind, phase, who, origin, wish, below, total, done, refused, problems, created_at,
                               changed_at, worked_ms)
         VALUES (?1, 'working', ?2, ?3, ?4, ?5, ?6, 0, 0, '[]', ?7, ?7, 0)",
    )?
    .execute(params![new.kind, new.who, new.origin, new.wish, new.below.0, integer(new.total), new.at])?;
    let id = db.last_insert_rowid();
    let audit = AuditEntry { subject: format!("activity {id}"), ..audit.clone() };
    people::record(db, &[audit])?;
    Ok(id)
}

/// One page, newest first.
fn page(db: &Connection, before: Option<i64>, limit: u32) -> Result<Vec<Activity>, StoreError> {
    let sql = format!("{ACTIVITY} WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![before.unwrap_or(i64::MAX), limit.min(1_000)], activity)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One of them.
fn one(db: &Connection, id: i64) -> Result<Option<Activity>, StoreError> {
    let sql = format!("{ACTIVITY} WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id], activity).optional()?)
}

/// Brings one to another phase, where its phase lets it.
fn turn(db: &Connection, id: i64, to: Phase, audit: &AuditEntry) -> Result<Option<bool>, StoreError> {
    let Some(known) = one(db, id)? else { return Ok(None) };
    if !known.phase.may_become(to) {
        return Ok(Some(false));
    }
    let ended = (to == Phase::Cancelled).then_some(audit.at);
    db.prepare_cached("UPDATE activity SET phase = ?2, changed_at = ?3, ended_at = ?4, holder = NULL WHERE id = ?1")?
        .execute(params![id, to.as_str(), audit.at, ended])?;
    people::record(db, std::slice::from_ref(audit))?;
    Ok(Some(true))
}

/// Takes the oldest one that goes on.
fn hold(db: &Connection, holder: &Holder, all: bool) -> Result<Option<Activity>, StoreError> {
    let free = "phase = 'working' AND (?1 OR holder IS NULL OR holder = ?2 OR held_until <= ?3)";
    let sql = format!("SELECT id FROM activity INDEXED BY activity_working WHERE {free} ORDER BY id LIMIT 1");
    let found: Option<i64> =
        db.prepare_cached(&sql)?.query_row(params![all, holder.name, holder.now], |row| row.get(0)).optional()?;
    let Some(id) = found else { return Ok(None) };
    db.prepare_cached("UPDATE activity SET holder = ?2, held_until = ?3 WHERE id = ?1")?.execute(params![
        id,
        holder.name,
        holder.until
    ])?;
    one(db, id)
}

/// Carries out a slice; `false` where it is no longer held.
fn advance(write: &mut Write<'_>, slice: &Slice) -> Result<bool, StoreError> {
    let held = "SELECT problems FROM activity WHERE id = ?1 AND phase = 'working' AND holder = ?2";
    let asked = params![slice.activity, slice.holder.name];
    let known: Option<String> = write.db.prepare_cached(held)?.query_row(asked, |row| row.get(0)).optional()?;
    let Some(known) = known else { return Ok(false) };
    let refused = match &slice.decided {
        Some(decided) => decide(write, &slice.tasks, decided)?,
        None => Vec::new(),
    };
    let mut problems: Vec<Problem> =
        serde_json::from_str(&known).map_err(|error| StoreError::Database(error.to_string()))?;
    problems.extend(refused.iter().take(KEPT_PROBLEMS.saturating_sub(problems.len())).cloned());
    let problems = serde_json::to_string(&problems).map_err(|error| StoreError::Database(error.to_string()))?;
    let done = slice.seen + (slice.tasks.len() - refused.len()) as u64;
    write
        .db
        .prepare_cached(
            "UPDATE activity SET below = ?2, done = CASE WHEN ?9 THEN 0 ELSE done END + ?3, refused = refused + ?4, problems = ?5, changed_at = ?6,
                                 worked_ms = worked_ms + ?7, held_until = ?8 WHERE id = ?1",
        )?
        .execute(params![
            slice.activity,
            slice.below.0,
            integer(Some(done)),
            integer(Some(refused.len() as u64)),
            problems,
            slice.holder.now,
            slice.took,
            slice.holder.until,
            slice.is_anew,
        ])?;
    let Some(end) = &slice.end else { return Ok(true) };
    let phase = if end.problem.is_some() { Phase::Failed } else { Phase::Done };
    let problem = end.problem.as_ref().map(problem_text).transpose()?;
    write
        .db
        .prepare_cached(
            "UPDATE activity SET phase = ?2, problem = ?3, result = ?4, ended_at = ?5, holder = NULL WHERE id = ?1",
        )?
        .execute(params![slice.activity, phase.as_str(), problem, end.result, slice.holder.now])?;
    people::record(write.db, std::slice::from_ref(&end.audit))?;
    Ok(true)
}

/// Decides about each task that still stands where it was seen; the problems of the others.
fn decide(write: &mut Write<'_>, tasks: &[(TaskId, TaskState)], decided: &Decided) -> Result<Vec<Problem>, StoreError> {
    let mut problems = Vec::new();
    for (task, seen) in tasks {
        let stands = "SELECT state FROM task WHERE id = ?1";
        let state: Option<i64> = write.db.prepare_cached(stands)?.query_row([task.0], |row| row.get(0)).optional()?;
        if state.is_some_and(|state| state != seen.number()) {
            problems.push(changed_meanwhile(*task));
        } else if let Err(problem) = decisions::decide(write, *task, decided)? {
            problems.push(problem);
        }
    }
    Ok(problems)
}

fn activity(row: &Row<'_>) -> rusqlite::Result<Activity> {
    let word: String = row.get(2)?;
    let count = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
    Ok(Activity {
        id: row.get(0)?,
        kind: row.get(1)?,
        phase: Phase::from_word(&word).ok_or_else(|| bad(2, format!("there is no phase `{word}`")))?,
        who: row.get(3)?,
        origin: row.get(4)?,
        wish: row.get(5)?,
        below: TaskId(row.get(6)?),
        total: row.get::<_, Option<i64>>(7)?.map(i64::unsigned_abs),
        done: count(8)?,
        refused: count(9)?,
        problems: serde_json::from_str(row.get_ref(10)?.as_str()?).map_err(|error| bad(10, error.to_string()))?,
        problem: problem(row, 11)?,
        result: row.get(12)?,
        created_at: row.get(13)?,
        changed_at: row.get(14)?,
        worked_ms: row.get(15)?,
        ended_at: row.get(16)?,
    })
}
