//! Activities, slice by slice.

use super::fault::Fault;
use super::rows::{bad, problem, state};
use super::server::Write;
use super::{PostgresStore, decisions, people};
use crate::activities::KEPT_PROBLEMS;
use crate::changes::integer;
use crate::keys::problem_text;
use crate::misfit::changed_meanwhile;
use crate::{Activities, Activity, AuditEntry, Decided, Holder, NewActivity, Phase, Slice, StoreError};
use async_trait::async_trait;
use model::{Problem, TaskId, TaskState};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::HashMap;

const ACTIVITY: &str =
    "SELECT id, kind, phase, who, origin, wish, below, total, done, refused, problems, problem, result,
    created_at, changed_at, worked_ms, ended_at FROM activity";

#[async_trait]
impl Activities for PostgresStore {
    async fn add_activity(&self, new: NewActivity, audit: AuditEntry) -> Result<i64, StoreError> {
        self.server.write((new, audit), |write, (new, audit)| Box::pin(add(write.db(), new, audit))).await
    }

    async fn activities(&self, before: Option<i64>, limit: u32) -> Result<Vec<Activity>, StoreError> {
        self.server.read((before, limit), |db, (before, limit)| Box::pin(page(db, *before, *limit))).await
    }

    async fn activity(&self, id: i64) -> Result<Option<Activity>, StoreError> {
        self.server.read(id, |db, id| Box::pin(one(db, *id))).await
    }

    async fn turn_activity(&self, id: i64, to: Phase, audit: AuditEntry) -> Result<Option<bool>, StoreError> {
        self.server.write((id, to, audit), |write, (id, to, audit)| Box::pin(turn(write.db(), *id, *to, audit))).await
    }

    async fn hold_activity(&self, holder: Holder, all: bool) -> Result<Option<Activity>, StoreError> {
        self.server.write((holder, all), |write, (holder, all)| Box::pin(hold(write.db(), holder, *all))).await
    }

    async fn advance_activity(&self, slice: Slice) -> Result<bool, StoreError> {
        self.server.slow().write(slice, |write, slice| Box::pin(advance(write, slice))).await
    }
}

/// Begins one.
async fn add(db: &mut PgConnection, new: &NewActivity, audit: &AuditEntry) -> Result<i64, Fault> {
    let row = sqlx::query(
        "INSERT INTO activity (kind, phase, who, origin, wish, below, total, done, refused, problems, created_at,
                               changed_at, worked_ms)
         VALUES ($1, 'working', $2, $3, $4, $5, $6, 0, 0, '[]', $7, $7, 0) RETURNING id",
    )
    .bind(&new.kind)
    .bind(&new.who)
    .bind(&new.origin)
    .bind(&new.wish)
    .bind(new.below.0)
    .bind(integer(new.total))
    .bind(new.at)
    .fetch_one(&mut *db)
    .await?;
    let id = row.try_get(0)?;
    let audit = AuditEntry { subject: format!("activity {id}"), ..audit.clone() };
    people::record(db, &[audit]).await?;
    Ok(id)
}

/// One page, newest first.
async fn page(db: &mut PgConnection, before: Option<i64>, limit: u32) -> Result<Vec<Activity>, Fault> {
    let sql = format!("{ACTIVITY} WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit.min(1_000)))
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(activity).collect::<Result<_, _>>()?)
}

/// One of them.
async fn one(db: &mut PgConnection, id: i64) -> Result<Option<Activity>, Fault> {
    let row = sqlx::query(AssertSqlSafe(format!("{ACTIVITY} WHERE id = $1"))).bind(id).fetch_optional(db).await?;
    Ok(row.as_ref().map(activity).transpose()?)
}

/// Brings one to another phase, where its phase lets it.
async fn turn(db: &mut PgConnection, id: i64, to: Phase, audit: &AuditEntry) -> Result<Option<bool>, Fault> {
    let row = sqlx::query("SELECT phase FROM activity WHERE id = $1 FOR UPDATE").bind(id).fetch_optional(&mut *db);
    let Some(row) = row.await? else { return Ok(None) };
    if !phase(&row, 0)?.may_become(to) {
        return Ok(Some(false));
    }
    sqlx::query("UPDATE activity SET phase = $2, changed_at = $3, ended_at = $4, holder = NULL WHERE id = $1")
        .bind(id)
        .bind(to.as_str())
        .bind(audit.at)
        .bind((to == Phase::Cancelled).then_some(audit.at))
        .execute(&mut *db)
        .await?;
    people::record(db, std::slice::from_ref(audit)).await?;
    Ok(Some(true))
}

/// Takes the oldest one that goes on; one that another is just taking is passed over.
async fn hold(db: &mut PgConnection, holder: &Holder, all: bool) -> Result<Option<Activity>, Fault> {
    let row = sqlx::query(
        "UPDATE activity SET holder = $2, held_until = $4 WHERE id =
             (SELECT id FROM activity
              WHERE phase = 'working' AND ($1 OR holder IS NULL OR holder = $2 OR held_until <= $3)
              ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id",
    )
    .bind(all)
    .bind(&holder.name)
    .bind(holder.now)
    .bind(holder.until)
    .fetch_optional(&mut *db)
    .await?;
    match row {
        Some(row) => one(db, row.try_get(0)?).await,
        None => Ok(None),
    }
}

/// Carries out a slice; `false` where it is no longer held.
async fn advance(write: &mut Write, slice: &Slice) -> Result<bool, Fault> {
    let held = "SELECT problems FROM activity WHERE id = $1 AND phase = 'working' AND holder = $2 FOR UPDATE";
    let row = sqlx::query(held).bind(slice.activity).bind(&slice.holder.name).fetch_optional(write.db()).await?;
    let Some(row) = row else { return Ok(false) };
    let refused = match &slice.decided {
        Some(decided) => decide(write, &slice.tasks, decided).await?,
        None => Vec::new(),
    };
    let mut problems: Vec<Problem> =
        serde_json::from_str(row.try_get(0)?).map_err(|error| StoreError::Database(error.to_string()))?;
    problems.extend(refused.iter().take(KEPT_PROBLEMS.saturating_sub(problems.len())).cloned());
    let problems = serde_json::to_string(&problems).map_err(|error| StoreError::Database(error.to_string()))?;
    let done = slice.seen + (slice.tasks.len() - refused.len()) as u64;
    sqlx::query(
        "UPDATE activity SET below = $2, done = CASE WHEN $9 THEN 0 ELSE done END + $3, refused = refused + $4,
                             problems = $5, changed_at = $6, worked_ms = worked_ms + $7, held_until = $8 WHERE id = $1",
    )
    .bind(slice.activity)
    .bind(slice.below.0)
    .bind(integer(Some(done)))
    .bind(integer(Some(refused.len() as u64)))
    .bind(problems)
    .bind(slice.holder.now)
    .bind(slice.took)
    .bind(slice.holder.until)
    .bind(slice.is_anew)
    .execute(write.db())
    .await?;
    let Some(end) = &slice.end else { return Ok(true) };
    let phase = if end.problem.is_some() { Phase::Failed } else { Phase::Done };
    sqlx::query(
        "UPDATE activity SET phase = $2, problem = $3, result = $4, ended_at = $5, holder = NULL WHERE id = $1",
    )
    .bind(slice.activity)
    .bind(phase.as_str())
    .bind(end.problem.as_ref().map(problem_text).transpose()?)
    .bind(&end.result)
    .bind(slice.holder.now)
    .execute(write.db())
    .await?;
    people::record(write.db(), std::slice::from_ref(&end.audit)).await?;
    Ok(true)
}

/// Decides about each task that still stands where it was seen; the problems of the others.
async fn decide(write: &mut Write, tasks: &[(TaskId, TaskState)], decided: &Decided) -> Result<Vec<Problem>, Fault> {
    let ids: Vec<i64> = tasks.iter().map(|(task, _)| task.0).collect();
    let rows = sqlx::query("SELECT id, state FROM task WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(ids)
        .fetch_all(write.db())
        .await?;
    let mut stand = HashMap::new();
    for row in &rows {
        stand.insert(row.try_get::<i64, _>(0)?, state(row, 1)?);
    }
    let is_changed = |task: &TaskId, seen: TaskState| stand.get(&task.0).is_some_and(|state| *state != seen);
    let (changed, same): (Vec<_>, Vec<_>) = tasks.iter().partition(|(task, seen)| is_changed(task, *seen));
    let same: Vec<TaskId> = same.into_iter().map(|(task, _)| task).collect();
    let results = decisions::decide(write, &same, decided).await?;
    let changed = changed.into_iter().map(|(task, _)| changed_meanwhile(task));
    Ok(changed.chain(results.into_iter().filter_map(Result::err)).collect())
}

fn phase(row: &PgRow, column: usize) -> Result<Phase, sqlx::Error> {
    let word: &str = row.try_get(column)?;
    Phase::from_word(word).ok_or_else(|| bad(format!("there is no phase `{word}`")))
}

fn activity(row: &PgRow) -> Result<Activity, sqlx::Error> {
    let count = |column: usize| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    Ok(Activity {
        id: row.try_get(0)?,
        kind: row.try_get(1)?,
        phase: phase(row, 2)?,
        who: row.try_get(3)?,
        origin: row.try_get(4)?,
        wish: row.try_get(5)?,
        below: TaskId(row.try_get(6)?),
        total: row.try_get::<Option<i64>, _>(7)?.map(i64::unsigned_abs),
        done: count(8)?,
        refused: count(9)?,
        problems: serde_json::from_str(row.try_get(10)?).map_err(|error| bad(error.to_string()))?,
        problem: problem(row, 11)?,
        result: row.try_get(12)?,
        created_at: row.try_get(13)?,
        changed_at: row.try_get(14)?,
        worked_ms: row.try_get(15)?,
        ended_at: row.try_get(16)?,
    })
}
