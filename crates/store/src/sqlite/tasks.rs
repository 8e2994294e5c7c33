//! Tasks, as the engine moves them: insert, start, renew, hand back, finish. One row a statement.

use super::entries;
use super::text::{Text, remember};
use super::writer::Write;
use crate::changes::integer;
use crate::keys::{attempt_key, attempt_keys, problem_text};
use crate::lost::overlap;
use crate::lost::parked;
use crate::{AttemptEnd, Ending, Finish, LaneId, NewRun, NewTask, Next, Start, StoreError, Token};
use model::{Evidence, Millis, Problem, RunId, TaskId, TaskState, Usage};
use rusqlite::{Connection, OptionalExtension, params};

/// Inserts a task; `None` where its unique key exists.
pub(super) fn insert(write: &mut Write<'_>, task: &NewTask, now: Millis) -> Result<Option<TaskId>, StoreError> {
    if task.state.is_open() && task.state != TaskState::New {
        return Err(StoreError::Database(format!("no task begins as `{}`", task.state)));
    }
    let inserted = write
        .db
        .prepare_cached(
            "INSERT INTO task (lane, run, source, state, priority, due_at, attempt, tries, claims, order_key, unique_key,
                               created_at, finished_at, held)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, ?7, ?8, ?9, ?10,
                     ?7 IS NOT NULL AND EXISTS (SELECT 1 FROM task INDEXED BY task_order
                                                WHERE lane = ?1 AND order_key = ?7 AND state < 4))
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            task.lane.0,
            task.run.0,
            task.source.map(|source| source.0),
            task.state.number(),
            task.priority,
            task.due_at,
            task.order_key,
            task.unique_key,
            now,
            (!task.state.is_open()).then_some(now),
        ])?;
    if inserted == 0 {
        return Ok(None);
    }
    let id = write.db.last_insert_rowid();
    write
        .db
        .prepare_cached("INSERT INTO payload (task, body) VALUES (?1, ?2)")?
        .execute(params![id, Text(&task.payload)])?;
    remember(write.db, TaskId(id), Some(&task.payload))?;
    if let Some(problem) = &task.problem {
        write
            .db
            .prepare_cached("INSERT INTO intake_problem (task, problem) VALUES (?1, ?2)")?
            .execute(params![id, problem_text(problem)?])?;
    }
    if let Some(identifier) = &task.identifier {
        write
            .db
            .prepare_cached("INSERT INTO task_identifier (task, value) VALUES (?1, ?2)")?
            .execute(params![id, identifier])?;
    }
    write.changes.born(task.run.0, task.lane.0, task.state);
    Ok(Some(TaskId(id)))
}

/// Whether a run of the lane has open tasks.
fn is_open(write: &Write<'_>, lane: LaneId) -> Result<bool, StoreError> {
    Ok(write.changes.has_open(lane.0) || !super::lanes::open_runs(write.db, Some(lane))?.is_empty())
}

/// Begins a run with its pull task; `None` where its key was used before.
pub(super) fn begin_run(write: &mut Write<'_>, run: &NewRun) -> Result<Option<(RunId, TaskId)>, StoreError> {
    if let Some((schedule, slot)) = &run.occurrence {
        super::schedules::seen(write.db, schedule, *slot)?;
    }
    if let Some(key) = &run.key
        && write.db.prepare_cached("SELECT 1 FROM task WHERE unique_key = ?1")?.exists([key])?
    {
        return Ok(None);
    }
    let problem = match &run.skipped {
        None if run.unless_open && is_open(write, run.lane)? => Some(overlap()),
        skipped => skipped.clone(),
    };
    write
        .db
        .prepare_cached(r#"INSERT INTO run (lane, "trigger", started_at) VALUES (?1, ?2, ?3)"#)?
        .execute(params![run.lane.0, run.trigger, run.at])?;
    let id = RunId(write.db.last_insert_rowid());
    let pull = NewTask {
        lane: run.lane,
        run: id,
        source: None,
        priority: 0,
        due_at: run.due_at,
        // Pages of one incoming follow each other, whoever pulls them.
        order_key: run.in_order.then(String::new),
        unique_key: run.key.clone(),
        identifier: None,
        state: if problem.is_some() { TaskState::Skipped } else { TaskState::New },
        payload: run.payload.clone(),
        problem,
    };
    let task = insert(write, &pull, run.at)?;
    let task = task.ok_or_else(|| StoreError::Database("the pull task of a run was not inserted".to_owned()))?;
    Ok(Some((id, task)))
}

/// Commits START; `false` where the claim is lost or was started already.
pub(super) fn start(write: &mut Write<'_>, start: &Start) -> Result<bool, StoreError> {
    let started = write
        .db
        .prepare_cached(
            "INSERT INTO attempt_start (key, at, revision, request, mark)
             SELECT ?3, ?4, ?5, ?6, ?7 FROM task WHERE id = ?1 AND state = 1 AND attempt = ?2 ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            start.token.task.0,
            start.token.attempt,
            attempt_key(start.token.task, start.token.attempt),
            start.at,
            start.revision,
            start.request.as_ref().map(Text),
            start.mark.as_deref(),
        ])?;
    if started == 1 {
        remember(write.db, start.token.task, start.request.as_ref())?;
    }
    Ok(started == 1)
}

/// Extends a claim; `false` where it is lost.
pub(super) fn renew(write: &mut Write<'_>, token: Token, lease_until: Millis) -> Result<bool, StoreError> {
    let renewed = write
        .db
        .prepare_cached("UPDATE task SET due_at = ?3 WHERE id = ?1 AND state = 1 AND attempt = ?2")?
        .execute(params![token.task.0, token.attempt, lease_until])?;
    Ok(renewed == 1)
}

/// Gives an unstarted claim back, uncounted.
pub(super) fn hand_back(write: &mut Write<'_>, token: Token, now: Millis) -> Result<(), StoreError> {
    let Some(Held { run, lane, .. }) = held(write, token)? else { return Ok(()) };
    if unended_start(write.db, token.task)?.is_some() {
        return Ok(());
    }
    write
        .db
        .prepare_cached("UPDATE task SET state = 0, due_at = ?2, claims = max(claims - 1, 0) WHERE id = ?1")?
        .execute([token.task.0, now])?;
    write.changes.moved(run, lane, TaskState::Processing, TaskState::New);
    Ok(())
}

/// Ends an attempt.
pub(super) fn finish(write: &mut Write<'_>, finish: &Finish) -> Result<Ending, StoreError> {
    let Some(held) = held(write, finish.token)? else { return Ok(Ending::Lost) };
    let task = finish.token.task;
    if !entries::still_so(write.db, &finish.entries)? {
        return Ok(Ending::Overtaken);
    }
    if finish.end.number > finish.token.attempt {
        return Err(StoreError::Database(format!("task {task} has had no attempt {}", finish.end.number)));
    }
    end_attempt(write, task, &finish.end)?;
    if let Some(usage) = &finish.end.usage {
        write.changes.used(held.run, held.lane, finish.end.at, usage);
    }
    move_on(write, task, &held, finish.next, finish.end.at)?;
    for new in &finish.new_tasks {
        insert(write, new, finish.end.at)?;
    }
    if let Some((lane, value)) = &finish.cursor {
        super::lanes::set_cursor(write, *lane, value.as_ref(), finish.end.at)?;
    }
    if let Some(resume) = &finish.resume {
        remember_resume(write, task, resume)?;
    }
    entries::write(write.db, &finish.entries.written, finish.entries.at)?;
    Ok(Ending::Kept)
}

/// Sets where a task goes on.
pub(super) fn remember_resume(write: &Write<'_>, task: TaskId, value: &[u8]) -> Result<(), StoreError> {
    write
        .db
        .prepare_cached(
            "INSERT INTO resume (task, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![task.0, value])?;
    Ok(())
}

/// Moves a claimed task on.
fn move_on(write: &mut Write<'_>, task: TaskId, held: &Held, next: Next, at: Millis) -> Result<(), StoreError> {
    // The tries become `tries * kept + more`.
    let (state, due_at, kept, more) = match next {
        Next::Finished => (TaskState::Finished, at, 1, 0),
        Next::Failed => (TaskState::Failed, at, 1, 0),
        Next::Unknown => (TaskState::Unknown, at, 1, 0),
        Next::Skipped => (TaskState::Skipped, at, 1, 0),
        Next::Retry(due_at) => (TaskState::Retry, due_at, 1, 1),
        Next::Again(due_at) => (TaskState::New, due_at, 0, 0),
        Next::Waiting(due_at) => (TaskState::Waiting, due_at, 0, 0),
    };
    write
        .db
        .prepare_cached(
            "UPDATE task SET state = ?2, due_at = ?3, tries = tries * ?4 + ?5, claims = 0, finished_at = ?6 WHERE id = ?1",
        )?
        .execute(params![task.0, state.number(), due_at, kept, more, (!state.is_open()).then_some(at)])?;
    write.changes.moved(held.run, held.lane, TaskState::Processing, state);
    if state.is_open() || !held.has_order_key { Ok(()) } else { let_next_go(write, task) }
}

/// After the end of a task: the next one of its order key, if it has one, can be claimed.
pub(super) fn let_next_go(write: &Write<'_>, ended: TaskId) -> Result<(), StoreError> {
    write
        .db
        .prepare_cached(
            "UPDATE task SET held = 0 WHERE id =
                 (SELECT min(open.id) FROM task AS open INDEXED BY task_order JOIN task AS ended ON ended.id = ?1
                  WHERE open.lane = ended.lane AND open.order_key = ended.order_key AND open.order_key IS NOT NULL
                    AND open.state < 4)",
        )?
        .execute([ended.0])?;
    Ok(())
}

/// Ends a claim by ourselves, because of a problem that no engine can solve.
pub(super) fn park(
    write: &mut Write<'_>,
    token: Token,
    next: Next,
    number: u32,
    problem: Problem,
    at: Millis,
) -> Result<(), StoreError> {
    finish(write, &parked(token, next, number, problem, at)).map(|_| ())
}

fn end_attempt(write: &mut Write<'_>, task: TaskId, end: &AttemptEnd) -> Result<(), StoreError> {
    remember(write.db, task, end.answer.as_ref())?;
    remember(write.db, task, end.request.as_ref())?;
    let after_ms = match end.evidence {
        Evidence::Refused { after_ms } => after_ms,
        _ => None,
    };
    let usage = end.usage.as_ref();
    let [prompt, cached, completion, total, pages, seconds, characters] =
        usage.map(Usage::counts).unwrap_or_default().map(integer);
    write
        .db
        .prepare_cached(
            "INSERT INTO attempt_end (key, at, evidence, after_ms, status, problem, answer, headers, request, model,
                                      prompt_tokens, cached_tokens, completion_tokens, total_tokens, pages,
                                      audio_seconds, characters, cost)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(params![
            attempt_key(task, end.number),
            end.at,
            end.evidence.as_str(),
            after_ms,
            end.status,
            end.problem.as_ref().map(problem_text).transpose()?,
            end.answer.as_ref().map(Text),
            end.headers.as_ref().map(Text),
            end.request.as_ref().map(Text),
            usage.and_then(|usage| usage.model.as_deref()),
            prompt,
            cached,
            completion,
            total,
            pages,
            seconds,
            characters,
            usage.and_then(|usage| integer(usage.cost.map(|cost| cost.0))),
        ])?;
    Ok(())
}

/// Of a task whose claim the token still holds.
struct Held {
    run: i64,
    lane: i64,
    has_order_key: bool,
}

fn held(write: &Write<'_>, token: Token) -> Result<Option<Held>, StoreError> {
    let found = write
        .db
        .prepare_cached(
            "SELECT run, lane, order_key IS NOT NULL FROM task WHERE id = ?1 AND state = 1 AND attempt = ?2",
        )?
        .query_row(params![token.task.0, token.attempt], |row| {
            Ok(Held { run: row.get(0)?, lane: row.get(1)?, has_order_key: row.get(2)? })
        })
        .optional()?;
    Ok(found)
}

/// Key of the task's latest attempt that was started, unless it or a later one has an end.
pub(super) fn unended_start(db: &Connection, task: TaskId) -> Result<Option<i64>, StoreError> {
    let latest = |sql| db.prepare_cached(sql)?.query_row(attempt_keys(task), |row| row.get::<_, Option<i64>>(0));
    let started = latest("SELECT max(key) FROM attempt_start WHERE key >= ?1 AND key < ?2")?;
    let ended = latest("SELECT max(key) FROM attempt_end WHERE key >= ?1 AND key < ?2")?;
    Ok(started.filter(|key| ended.is_none_or(|ended| *key > ended)))
}
