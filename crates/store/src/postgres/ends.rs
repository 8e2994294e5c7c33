//! The parts of an end: the attempt's record, where its task goes, cursors.

use super::fault::Fault;
use super::order;
use super::rows::state_column;
use super::server::Write;
use super::tasks::remember;
use crate::changes::integer;
use crate::keys::{attempt_key, problem_text};
use crate::{AttemptEnd, Finish, LaneId, Next, StoreError};
use bytes::Bytes;
use model::{Evidence, Millis, RunId, TaskState};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Records how attempts ended.
pub(super) async fn end_attempts(db: &mut PgConnection, ended: &[&Finish]) -> Result<(), Fault> {
    let bodies = ended.iter().flat_map(|finish| {
        let bodies = finish.end.answer.iter().chain(finish.end.request.iter());
        bodies.map(|body| (finish.token.task.0, body))
    });
    remember(db, bodies.collect()).await?;
    let problems = ended.iter().map(|finish| finish.end.problem.as_ref().map(problem_text).transpose());
    let problems = problems.collect::<Result<Vec<_>, StoreError>>()?;
    let count = |at: usize| -> Vec<Option<i64>> {
        ended.iter().map(|finish| integer(finish.end.usage.as_ref()?.counts()[at])).collect()
    };
    let model = |end: &AttemptEnd| Some(end.usage.as_ref()?.model.clone()?.into_bytes());
    let cost = |end: &AttemptEnd| integer(Some(end.usage.as_ref()?.cost?.0));
    sqlx::query(
        "INSERT INTO attempt_end (key, at, evidence, after_ms, status, problem, answer, headers, request, model,
                                  prompt_tokens, cached_tokens, completion_tokens, total_tokens, pages,
                                  audio_seconds, characters, cost)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::integer[], $6::text[],
                              $7::bytea[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bigint[], $12::bigint[],
                              $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
                              $18::bigint[])",
    )
    .bind(ended.iter().map(|finish| attempt_key(finish.token.task, finish.end.number)).collect::<Vec<_>>())
    .bind(ended.iter().map(|finish| finish.end.at).collect::<Vec<_>>())
    .bind(ended.iter().map(|finish| finish.end.evidence.as_str()).collect::<Vec<_>>())
    .bind(ended.iter().map(|finish| after_ms(finish.end.evidence)).collect::<Vec<_>>())
    .bind(ended.iter().map(|finish| finish.end.status.map(i32::from)).collect::<Vec<_>>())
    .bind(problems)
    .bind(ended.iter().map(|finish| finish.end.answer.as_deref()).collect::<Vec<_>>())
    .bind(ended.iter().map(|finish| finish.end.headers.as_deref()).collect::<Vec<_>>())
    .bind(ended.iter().map(|finish| finish.end.request.as_deref()).collect::<Vec<_>>())
    .bind(ended.iter().map(|finish| model(&finish.end)).collect::<Vec<_>>())
    .bind(count(0))
    .bind(count(1))
    .bind(count(2))
    .bind(count(3))
    .bind(count(4))
    .bind(count(5))
    .bind(count(6))
    .bind(ended.iter().map(|finish| cost(&finish.end)).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

fn after_ms(evidence: Evidence) -> Option<Millis> {
    match evidence {
        Evidence::Refused { after_ms } => after_ms,
        _ => None,
    }
}

/// Moves claimed tasks on.
pub(super) async fn move_on(write: &mut Write, ours: &[(&Finish, RunId, LaneId)]) -> Result<(), Fault> {
    // The tries become `tries * kept + more`.
    let steps: Vec<_> = ours.iter().map(|(finish, ..)| step(finish.next, finish.end.at)).collect();
    let ended = |at: usize, state: TaskState| (!state.is_open()).then_some(ours[at].0.end.at);
    let over = ours.iter().zip(&steps).filter(|(_, (state, ..))| !state.is_open());
    let over: Vec<i64> = over.map(|((finish, ..), _)| finish.token.task.0).collect();
    order::lock(write.db(), &over).await?;
    sqlx::query(
        "UPDATE task SET state = step.state, due_at = step.due_at, tries = tries * step.kept + step.more, claims = 0,
                         finished_at = step.finished_at
         FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::integer[], $5::integer[], $6::bigint[])
              AS step (id, state, due_at, kept, more, finished_at)
         WHERE task.id = step.id",
    )
    .bind(ours.iter().map(|(finish, ..)| finish.token.task.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| state_column(step.0)).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.1).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.2).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.3).collect::<Vec<_>>())
    .bind(steps.iter().enumerate().map(|(at, step)| ended(at, step.0)).collect::<Vec<_>>())
    .execute(write.db())
    .await?;
    order::let_next_go(write.db(), &over).await?;
    for ((_, run, lane), (state, ..)) in ours.iter().zip(steps) {
        write.changes.moved(run.0, lane.0, TaskState::Processing, state);
    }
    Ok(())
}

/// State, due time, and by what the tries are multiplied and counted up.
fn step(next: Next, at: Millis) -> (TaskState, Millis, i32, i32) {
    match next {
        Next::Finished => (TaskState::Finished, at, 1, 0),
        Next::Failed => (TaskState::Failed, at, 1, 0),
        Next::Unknown => (TaskState::Unknown, at, 1, 0),
        Next::Skipped => (TaskState::Skipped, at, 1, 0),
        Next::Retry(due_at) => (TaskState::Retry, due_at, 1, 1),
        Next::Again(due_at) => (TaskState::New, due_at, 0, 0),
        Next::Waiting(due_at) => (TaskState::Waiting, due_at, 0, 0),
    }
}

/// Sets or clears cursors; of several for one lane, the last counts.
pub(super) async fn set_cursors(
    db: &mut PgConnection,
    cursors: Vec<(LaneId, Option<&Bytes>, Millis)>,
) -> Result<(), Fault> {
    let last: BTreeMap<i64, _> = cursors.into_iter().map(|(lane, value, at)| (lane.0, (value, at))).collect();
    let cleared: Vec<i64> = last.iter().filter(|(_, (value, _))| value.is_none()).map(|(lane, _)| *lane).collect();
    if !cleared.is_empty() {
        sqlx::query("DELETE FROM cursor WHERE lane = ANY ($1)").bind(cleared).execute(&mut *db).await?;
    }
    let set = last.iter().filter_map(|(lane, (value, at))| Some((*lane, (*value)?, *at)));
    let set: Vec<(i64, &Bytes, Millis)> = set.collect();
    if set.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO cursor (lane, value, at) SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[])
         ON CONFLICT (lane) DO UPDATE SET value = excluded.value, at = excluded.at",
    )
    .bind(set.iter().map(|(lane, ..)| *lane).collect::<Vec<_>>())
    .bind(set.iter().map(|(_, value, _)| &value[..]).collect::<Vec<_>>())
    .bind(set.iter().map(|(.., at)| *at).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}
