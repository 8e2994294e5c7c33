//! What people decide about tasks.

use super::fault::Fault;
use super::order;
use super::rows::{state, state_column};
use super::server::Write;
use super::tasks::{remember, remember_resumes};
use crate::Decided;
use crate::misfit::{misfit, unknown_task};
use bytes::Bytes;
use model::{Problem, TaskId, TaskState};
use sqlx::{PgConnection, Row};
use std::collections::HashMap;

/// A task that a decision fits: where it is, and where it goes.
struct Decidable {
    id: i64,
    from: TaskState,
    to: TaskState,
}

/// Carries out a decision on tasks, or says of each why it does not fit.
pub(super) async fn decide(
    write: &mut Write,
    tasks: &[TaskId],
    decided: &Decided,
) -> Result<Vec<Result<(), Problem>>, Fault> {
    let rows = sqlx::query("SELECT id, state, run, lane FROM task WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(tasks.iter().map(|task| task.0).collect::<Vec<_>>())
        .fetch_all(write.db())
        .await?;
    let mut found = HashMap::new();
    for row in &rows {
        let of: (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        found.insert(row.try_get::<i64, _>(0)?, (state(row, 1)?, of));
    }
    let (mut results, mut fits) = (Vec::with_capacity(tasks.len()), Vec::new());
    for task in tasks {
        let Some((at, (run, lane))) = found.get_mut(&task.0) else {
            results.push(Err(unknown_task(*task)));
            continue;
        };
        let Some(to) = decided.decision.leads_to(*at) else {
            results.push(Err(misfit(*task, *at, decided.decision)));
            continue;
        };
        fits.push(Decidable { id: task.0, from: *at, to });
        write.changes.moved(*run, *lane, *at, to);
        *at = to;
        results.push(Ok(()));
    }
    carry_out(write.db(), &fits, decided).await?;
    Ok(results)
}

/// One decision leads all tasks that it fits to the same state.
async fn carry_out(db: &mut PgConnection, fits: &[Decidable], decided: &Decided) -> Result<(), Fault> {
    let Some(to) = fits.first().map(|task| task.to) else { return Ok(()) };
    let ids: Vec<i64> = fits.iter().map(|task| task.id).collect();
    if to == TaskState::New {
        run_again(db, fits, &ids, decided).await?;
    } else {
        let waited: Vec<i64> = fits.iter().filter(|task| task.from.is_open()).map(|task| task.id).collect();
        order::lock(db, &waited).await?;
        sqlx::query("UPDATE task SET state = $2, due_at = $3, finished_at = $3 WHERE id = ANY ($1)")
            .bind(&ids)
            .bind(state_column(to))
            .bind(decided.at)
            .execute(&mut *db)
            .await?;
        order::let_next_go(db, &waited).await?;
    }
    let rows = sqlx::query(
        r#"INSERT INTO decision (task, decision, "by", why, at)
           SELECT id, $2, $3, $4, $5 FROM unnest($1::bigint[]) AS decided (id) RETURNING id, task"#,
    )
    .bind(&ids)
    .bind(decided.decision.as_str())
    .bind(&decided.by)
    .bind(&decided.why)
    .bind(decided.at)
    .fetch_all(&mut *db)
    .await?;
    let Some(payload) = decided.payload.as_ref().filter(|_| to == TaskState::New) else { return Ok(()) };
    let recorded = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    edit(db, &recorded.collect::<Result<Vec<_>, sqlx::Error>>()?, payload).await
}

/// Gives tasks other data; what it was stays with the decisions, which come first of each pair.
async fn edit(db: &mut PgConnection, recorded: &[(i64, i64)], payload: &Bytes) -> Result<(), Fault> {
    let (decisions, tasks): (Vec<i64>, Vec<i64>) = recorded.iter().copied().unzip();
    sqlx::query(
        "INSERT INTO edited (decision, body)
         SELECT given.decision, body FROM unnest($1::bigint[], $2::bigint[]) AS given (decision, task)
         JOIN payload ON payload.task = given.task",
    )
    .bind(decisions)
    .bind(&tasks)
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE payload SET body = $2 WHERE task = ANY ($1)")
        .bind(&tasks)
        .bind(&payload[..])
        .execute(&mut *db)
        .await?;
    remember(db, tasks.iter().map(|task| (*task, payload)).collect()).await
}

async fn run_again(db: &mut PgConnection, fits: &[Decidable], ids: &[i64], decided: &Decided) -> Result<(), Fault> {
    let anew = fits.iter().filter(|task| task.from == TaskState::Finished || decided.payload.is_some());
    sqlx::query("DELETE FROM resume WHERE task = ANY ($1)")
        .bind(anew.map(|task| task.id).collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
    if let Some(resume) = &decided.resume {
        remember_resumes(db, ids.iter().map(|id| (TaskId(*id), resume)).collect()).await?;
    }
    order::lock(db, ids).await?;
    // Of several with one key the first goes, unless another is open; each sees those before it in this batch.
    sqlx::query(
        "UPDATE task SET state = 0, due_at = $2, tries = 0, claims = 0, finished_at = NULL,
             held = order_key IS NOT NULL AND EXISTS (
                 SELECT FROM task AS other WHERE other.lane = task.lane AND other.order_key = task.order_key
                   AND (other.state < 4 OR other.id = ANY ($1) AND other.id < task.id))
         WHERE id = ANY ($1)",
    )
    .bind(ids)
    .bind(decided.at)
    .execute(db)
    .await?;
    Ok(())
}
