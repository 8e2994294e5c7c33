//! Retention: looking through what has ended, and deleting it whole, in small slices.

use super::fault::Fault;
use super::rows::state;
use super::server::Write;
use crate::blobs::BlobId;
use crate::{EndedTask, LaneId};
use model::{Millis, TaskId};
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, HashSet};

/// Tasks of one page at most.
const PAGE: u32 = 1_000;
/// Tasks that one operation deletes at most.
pub(super) const SLICE: usize = 500;

/// One page of ended tasks, newest first, with the blobs that they name. Unknown ones are left out: state 8.
pub(super) async fn ended(
    db: &mut PgConnection,
    before: Option<TaskId>,
    limit: u32,
) -> Result<(Vec<EndedTask>, Vec<(TaskId, BlobId)>), Fault> {
    let rows = sqlx::query(
        "SELECT id, lane, state, finished_at,
             (coalesce((SELECT octet_length(body) FROM payload WHERE payload.task = task.id), 0)
              + coalesce((SELECT octet_length(value) FROM resume WHERE resume.task = task.id), 0)
              + coalesce((SELECT sum(coalesce(octet_length(request), 0) + coalesce(octet_length(mark), 0))
                          FROM attempt_start WHERE key >= task.id << 24 AND key < (task.id + 1) << 24), 0)
              + coalesce((SELECT sum(coalesce(octet_length(answer), 0) + coalesce(octet_length(headers), 0)
                                     + coalesce(octet_length(request), 0))
                          FROM attempt_end WHERE key >= task.id << 24 AND key < (task.id + 1) << 24), 0)
              + coalesce((SELECT sum(octet_length(body)) FROM edited JOIN decision ON decision.id = edited.decision
                          WHERE decision.task = task.id), 0))::bigint
         FROM task WHERE ($1::bigint IS NULL OR id < $1) AND state > 3 AND state <> 8 ORDER BY id DESC LIMIT $2",
    )
    .bind(before.map(|before| before.0))
    .bind(i64::from(limit.min(PAGE)))
    .fetch_all(&mut *db)
    .await?;
    let mut page = Vec::with_capacity(rows.len());
    for row in &rows {
        page.push(EndedTask {
            id: TaskId(row.try_get(0)?),
            lane: LaneId(row.try_get(1)?),
            state: state(row, 2)?,
            finished_at: row.try_get::<Option<Millis>, _>(3)?.unwrap_or_default(),
            bytes: row.try_get::<i64, _>(4)?.unsigned_abs(),
        });
    }
    let rows = sqlx::query("SELECT task, id FROM blob WHERE task = ANY ($1) ORDER BY task")
        .bind(page.iter().map(|task| task.id.0).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    let mut named = Vec::new();
    for row in &rows {
        let id = BlobId::parse(row.try_get::<&str, _>(1)?);
        named.extend(id.map(|id| (row.try_get(0).map(TaskId), id)));
    }
    let named = named.into_iter().map(|(task, id)| Ok((task?, id))).collect::<Result<_, sqlx::Error>>()?;
    Ok((page, named))
}

/// Deletes tasks that have ended, whole, and the runs that have no tasks left.
pub(super) async fn delete(write: &mut Write, tasks: &[TaskId]) -> Result<Vec<bool>, Fault> {
    let rows = sqlx::query(
        "SELECT id, run, lane, state FROM task WHERE id = ANY ($1) AND state > 3 AND state <> 8
         ORDER BY id FOR UPDATE",
    )
    .bind(tasks.iter().map(|task| task.0).collect::<Vec<_>>())
    .fetch_all(write.db())
    .await?;
    let (mut gone, mut runs) = (HashSet::new(), BTreeMap::<i64, i64>::new());
    for row in &rows {
        let (id, run, lane): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        write.changes.gone(run, lane, state(row, 3)?);
        gone.insert(id);
        *runs.entry(run).or_default() += 1;
    }
    let ids: Vec<i64> = gone.iter().copied().collect();
    for sql in [
        "DELETE FROM edited WHERE decision IN (SELECT id FROM decision WHERE task = ANY ($1))",
        "DELETE FROM decision WHERE task = ANY ($1)",
        "DELETE FROM payload WHERE task = ANY ($1)",
        "DELETE FROM resume WHERE task = ANY ($1)",
        "DELETE FROM intake_problem WHERE task = ANY ($1)",
        "DELETE FROM task_identifier WHERE task = ANY ($1)",
        "DELETE FROM blob WHERE task = ANY ($1)",
        "DELETE FROM attempt_start USING unnest($1::bigint[]) AS given (id)
         WHERE key >= given.id << 24 AND key < (given.id + 1) << 24",
        "DELETE FROM attempt_end USING unnest($1::bigint[]) AS given (id)
         WHERE key >= given.id << 24 AND key < (given.id + 1) << 24",
        "DELETE FROM task WHERE id = ANY ($1)",
    ] {
        sqlx::query(sql).bind(&ids).execute(write.db()).await?;
    }
    let (of, counts): (Vec<i64>, Vec<i64>) = runs.into_iter().unzip();
    for sql in [
        "DELETE FROM run_usage USING unnest($1::bigint[], $2::bigint[]) AS given (id, gone) WHERE run = given.id
         AND (SELECT coalesce(sum(count), 0) FROM tally WHERE tally.run = given.id) <= given.gone",
        "DELETE FROM run USING unnest($1::bigint[], $2::bigint[]) AS given (id, gone) WHERE run.id = given.id
         AND (SELECT coalesce(sum(count), 0) FROM tally WHERE tally.run = given.id) <= given.gone",
    ] {
        sqlx::query(sql).bind(&of).bind(&counts).execute(write.db()).await?;
    }
    Ok(tasks.iter().map(|task| gone.remove(&task.0)).collect())
}

/// Deletes entries of storages that have expired, the oldest first, at most so many.
pub(super) async fn delete_expired(db: &mut PgConnection, now: Millis, most: u32) -> Result<u64, Fault> {
    let deleted = sqlx::query(
        "DELETE FROM entry WHERE (storage, key) IN
             (SELECT storage, key FROM entry WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(now)
    .bind(i64::from(most))
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
