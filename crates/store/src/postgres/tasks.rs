//! Tasks, as the engine moves them: insert, start, renew, hand back, finish. A batch is a few statements over arrays,
//! however many tasks it has.

use super::claims::interrupted;
use super::ends::{end_attempts, move_on, set_cursors};
use super::entries::{self, Present};
use super::fault::Fault;
use super::rows::{bad, number, number_column, state_column};
use super::server::Write;
use super::{lanes, order, schedules};
use crate::bodies::blobs_named;
use crate::keys::{attempt_key, problem_text};
use crate::lost::overlap;
use crate::{Ending, Entries, Finish, LaneId, NewRun, NewTask, Start, StoreError, Token};
use bytes::Bytes;
use model::{Millis, RunId, TaskId, TaskState};
use sqlx::{PgConnection, Row};
use std::collections::{HashMap, HashSet};

/// Inserts tasks, each accepted at its time; `None` for each whose unique key exists.
pub(super) async fn insert(write: &mut Write, tasks: &[(&NewTask, Millis)]) -> Result<Vec<Option<TaskId>>, Fault> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    order::lock_new(write.db(), &tasks.iter().map(|(task, _)| *task).collect::<Vec<_>>()).await?;
    let ids = insert_rows(write.db(), tasks).await?;
    let born = || ids.iter().zip(tasks).filter_map(|(id, (task, _))| Some((id.as_ref()?.0, *task)));
    sqlx::query("INSERT INTO payload (task, body) SELECT * FROM unnest($1::bigint[], $2::bytea[])")
        .bind(born().map(|(id, _)| id).collect::<Vec<_>>())
        .bind(born().map(|(_, task)| &task.payload[..]).collect::<Vec<_>>())
        .execute(write.db())
        .await?;
    remember(write.db(), born().map(|(id, task)| (id, &task.payload)).collect()).await?;
    let problems = born().filter_map(|(id, task)| Some((id, task.problem.as_ref()?)));
    let problems = problems.map(|(id, problem)| Ok((id, problem_text(problem)?)));
    let (of, texts): (Vec<_>, Vec<_>) = problems.collect::<Result<Vec<_>, StoreError>>()?.into_iter().unzip();
    if !of.is_empty() {
        sqlx::query("INSERT INTO intake_problem (task, problem) SELECT * FROM unnest($1::bigint[], $2::text[])")
            .bind(of)
            .bind(texts)
            .execute(write.db())
            .await?;
    }
    let called = born().filter_map(|(id, task)| Some((id, task.identifier.as_deref()?.as_bytes())));
    let (of, values): (Vec<i64>, Vec<&[u8]>) = called.unzip();
    if !of.is_empty() {
        sqlx::query("INSERT INTO task_identifier (task, value) SELECT * FROM unnest($1::bigint[], $2::bytea[])")
            .bind(of)
            .bind(values)
            .execute(write.db())
            .await?;
    }
    let counted: Vec<_> = born().map(|(_, task)| (task.run.0, task.lane.0, task.state)).collect();
    counted.into_iter().for_each(|(run, lane, state)| write.changes.born(run, lane, state));
    Ok(ids)
}

/// Keys are inserted in one order, so that two batches with the same keys wait for each other and never in a circle.
const INSERT: &str = "
    WITH given AS MATERIALIZED (
        SELECT nextval('task_number') AS id, asked.*
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bytea[],
                    $8::bytea[], $9::bigint[]) WITH ORDINALITY
             AS asked (lane, run, source, state, priority, due_at, order_key, unique_key, created_at, place)
    ), born AS (
        INSERT INTO task (id, lane, run, source, state, priority, due_at, attempt, tries, claims, order_key, unique_key,
                          created_at, finished_at, held)
        SELECT id, lane, run, source, state, priority, due_at, 0, 0, 0, order_key, unique_key, created_at,
               CASE WHEN state >= 4 THEN created_at END,
               order_key IS NOT NULL AND (
                   row_number() OVER (PARTITION BY lane, order_key, state < 4 ORDER BY place) > 1
                   OR EXISTS (SELECT FROM task AS open WHERE open.lane = given.lane
                                AND open.order_key = given.order_key AND open.state < 4))
        FROM given ORDER BY unique_key NULLS FIRST, place
        ON CONFLICT DO NOTHING RETURNING id
    )
    SELECT CASE WHEN born.id IS NOT NULL THEN given.id END,
           EXISTS (SELECT FROM lane WHERE lane.id = given.lane) AND EXISTS (SELECT FROM run WHERE run.id = given.run)
    FROM given LEFT JOIN born ON born.id = given.id ORDER BY place";

async fn insert_rows(db: &mut PgConnection, tasks: &[(&NewTask, Millis)]) -> Result<Vec<Option<TaskId>>, Fault> {
    if let Some((task, _)) = tasks.iter().find(|(task, _)| task.state.is_open() && task.state != TaskState::New) {
        return Err(StoreError::Server(format!("no task begins as `{}`", task.state)).into());
    }
    let rows = sqlx::query(INSERT)
        .bind(tasks.iter().map(|(task, _)| task.lane.0).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(task, _)| task.run.0).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(task, _)| task.source.map(|source| source.0)).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(task, _)| state_column(task.state)).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(task, _)| task.priority).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(task, _)| task.due_at).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(task, _)| task.order_key.as_ref().map(String::as_bytes)).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(task, _)| task.unique_key.as_ref().map(String::as_bytes)).collect::<Vec<_>>())
        .bind(tasks.iter().map(|(_, at)| *at).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    let mut ids = Vec::with_capacity(rows.len());
    for (row, (task, _)) in rows.iter().zip(tasks) {
        if !row.try_get::<bool, _>(1)? {
            let text = format!("there is no lane {} or no run {}", task.lane.0, task.run);
            return Err(StoreError::Server(text).into());
        }
        ids.push(row.try_get::<Option<i64>, _>(0)?.map(TaskId));
    }
    Ok(ids)
}

/// Begins runs, each with its pull task; `None` for each whose key was used before.
pub(super) async fn begin_runs(write: &mut Write, runs: &[NewRun]) -> Result<Vec<Option<(RunId, TaskId)>>, Fault> {
    let mut begun = Vec::with_capacity(runs.len());
    for run in runs {
        begun.push(begin_run(write, run).await?);
    }
    Ok(begun)
}

async fn begin_run(write: &mut Write, run: &NewRun) -> Result<Option<(RunId, TaskId)>, Fault> {
    if let Some((schedule, slot)) = &run.occurrence {
        schedules::seen(write.db(), schedule, *slot).await?;
    }
    if let Some(key) = &run.key {
        // Whoever else begins a run with this key waits for our commit, and then sees it.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('run/' || $1, 0))")
            .bind(key)
            .execute(write.db())
            .await?;
        let there = sqlx::query("SELECT FROM task WHERE sha256(unique_key) = sha256($1)").bind(key.as_bytes());
        if there.fetch_optional(write.db()).await?.is_some() {
            return Ok(None);
        }
    }
    let problem = match &run.skipped {
        None if run.unless_open && is_open(write, run.lane).await? => Some(overlap()),
        skipped => skipped.clone(),
    };
    let row = sqlx::query(r#"INSERT INTO run (lane, "trigger", started_at) VALUES ($1, $2, $3) RETURNING id"#)
        .bind(run.lane.0)
        .bind(&run.trigger)
        .bind(run.at)
        .fetch_one(write.db())
        .await?;
    let id = RunId(row.try_get(0)?);
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
    let task = insert(write, &[(&pull, run.at)]).await?.into_iter().flatten().next();
    Ok(Some((id, task.ok_or_else(|| bad("the pull task of a run was not inserted".to_owned()))?)))
}

/// Whether a run of the lane has open tasks.
async fn is_open(write: &mut Write, lane: LaneId) -> Result<bool, Fault> {
    if write.changes.has_open(lane.0) {
        return Ok(true);
    }
    Ok(!lanes::open_runs(write.db(), Some(lane)).await?.is_empty())
}

/// Remembers which blobs the bodies of tasks name.
pub(super) async fn remember(db: &mut PgConnection, bodies: Vec<(i64, &Bytes)>) -> Result<(), Fault> {
    let mut named = Vec::new();
    for (task, body) in bodies {
        named.extend(blobs_named(body)?.into_iter().map(|id| (id.as_str().to_owned(), task)));
    }
    if named.is_empty() {
        return Ok(());
    }
    named.sort_unstable();
    let (ids, tasks): (Vec<_>, Vec<_>) = named.into_iter().unzip();
    sqlx::query("INSERT INTO blob (id, task) SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT DO NOTHING")
        .bind(ids)
        .bind(tasks)
        .execute(db)
        .await?;
    Ok(())
}

/// Run and lane of the tasks whose claims the tokens still hold. Nobody moves these tasks before our commit.
pub(super) async fn hold(db: &mut PgConnection, tokens: Vec<Token>) -> Result<HashMap<Token, (RunId, LaneId)>, Fault> {
    let rows = sqlx::query(
        "SELECT task.id, task.attempt, task.run, task.lane
         FROM unnest($1::bigint[], $2::integer[]) AS given (id, attempt)
         JOIN task ON task.id = given.id AND task.attempt = given.attempt
         WHERE task.state = 1 ORDER BY task.id FOR NO KEY UPDATE OF task",
    )
    .bind(tokens.iter().map(|token| token.task.0).collect::<Vec<_>>())
    .bind(tokens.iter().map(|token| number_column(token.attempt)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    let held = rows.iter().map(|row| {
        let token = Token { task: TaskId(row.try_get(0)?), attempt: number(row, 1)? };
        Ok((token, (RunId(row.try_get(2)?), LaneId(row.try_get(3)?))))
    });
    held.collect()
}

/// Commits STARTs; `false` where the claim is lost or was started already.
pub(super) async fn start(write: &mut Write, starts: &[Start]) -> Result<Vec<bool>, Fault> {
    let held = hold(write.db(), starts.iter().map(|start| start.token).collect()).await?;
    let ours: Vec<&Start> = starts.iter().filter(|start| held.contains_key(&start.token)).collect();
    let key = |start: &Start| attempt_key(start.token.task, start.token.attempt);
    let rows = sqlx::query(
        "INSERT INTO attempt_start (key, at, revision, request, mark)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[])
         ON CONFLICT DO NOTHING RETURNING key",
    )
    .bind(ours.iter().map(|start| key(start)).collect::<Vec<_>>())
    .bind(ours.iter().map(|start| start.at).collect::<Vec<_>>())
    .bind(ours.iter().map(|start| start.revision).collect::<Vec<_>>())
    .bind(ours.iter().map(|start| start.request.as_deref()).collect::<Vec<_>>())
    .bind(ours.iter().map(|start| start.mark.as_deref()).collect::<Vec<_>>())
    .fetch_all(write.db())
    .await?;
    let mut started = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<i64>, _>>()?;
    let requests = ours.iter().filter(|start| started.contains(&key(start)));
    let requests = requests.filter_map(|start| Some((start.token.task.0, start.request.as_ref()?))).collect();
    remember(write.db(), requests).await?;
    // The first of two with one token started it.
    Ok(starts.iter().map(|start| started.remove(&key(start))).collect())
}

/// Extends claims; `false` where one is lost.
pub(super) async fn renew(write: &mut Write, tokens: &[Token], lease_until: Millis) -> Result<Vec<bool>, Fault> {
    let held = hold(write.db(), tokens.to_vec()).await?;
    sqlx::query("UPDATE task SET due_at = $2 WHERE id = ANY ($1)")
        .bind(held.keys().map(|token| token.task.0).collect::<Vec<_>>())
        .bind(lease_until)
        .execute(write.db())
        .await?;
    Ok(tokens.iter().map(|token| held.contains_key(token)).collect())
}

/// Gives unstarted claims back, uncounted.
pub(super) async fn hand_back(write: &mut Write, tokens: &[Token], now: Millis) -> Result<(), Fault> {
    let mut held = hold(write.db(), tokens.to_vec()).await?;
    let started = interrupted(write.db(), held.keys().map(|token| token.task.0).collect()).await?;
    held.retain(|token, _| !started.contains_key(&token.task));
    sqlx::query("UPDATE task SET state = 0, due_at = $2, claims = greatest(claims - 1, 0) WHERE id = ANY ($1)")
        .bind(held.keys().map(|token| token.task.0).collect::<Vec<_>>())
        .bind(now)
        .execute(write.db())
        .await?;
    for (run, lane) in held.values() {
        write.changes.moved(run.0, lane.0, TaskState::Processing, TaskState::New);
    }
    Ok(())
}

/// Ends attempts.
pub(super) async fn finish(write: &mut Write, ends: &[Finish]) -> Result<Vec<Ending>, Fault> {
    let stored: Vec<&Entries> = ends.iter().map(|finish| &finish.entries).filter(|all| !all.is_empty()).collect();
    let storages = stored.iter().flat_map(|entries| entries.storages().map(str::to_owned)).collect();
    entries::lock(write.db(), storages).await?;
    let mut present = Present::of(write.db(), &stored).await?;
    let mut held = hold(write.db(), ends.iter().map(|finish| finish.token).collect()).await?;
    let mut ours = Vec::new();
    let mut finished = Vec::with_capacity(ends.len());
    for finish in ends {
        // The first of two with one token ends it.
        let Some((run, lane)) = held.remove(&finish.token) else {
            finished.push(Ending::Lost);
            continue;
        };
        if present.take(&finish.entries) {
            ours.push((finish, run, lane));
            finished.push(Ending::Kept);
        } else {
            finished.push(Ending::Overtaken);
        }
    }
    if let Some((finish, ..)) = ours.iter().find(|(finish, ..)| finish.end.number > finish.token.attempt) {
        let text = format!("task {} has had no attempt {}", finish.token.task, finish.end.number);
        return Err(StoreError::Server(text).into());
    }
    let ended: Vec<&Finish> = ours.iter().map(|(finish, ..)| *finish).collect();
    if ended.is_empty() {
        return Ok(finished);
    }
    end_attempts(write.db(), &ended).await?;
    for (finish, run, lane) in &ours {
        if let Some(usage) = &finish.end.usage {
            write.changes.used(run.0, lane.0, finish.end.at, usage);
        }
    }
    move_on(write, &ours).await?;
    let made = ended.iter().flat_map(|finish| finish.new_tasks.iter().map(|task| (task, finish.end.at)));
    let made: Vec<_> = made.collect();
    insert(write, &made).await?;
    let cursors = ended
        .iter()
        .filter_map(|finish| finish.cursor.as_ref().map(|(lane, value)| (*lane, value.as_ref(), finish.end.at)));
    set_cursors(write.db(), cursors.collect()).await?;
    let resumes = ended.iter().filter_map(|finish| Some((finish.token.task, finish.resume.as_ref()?)));
    remember_resumes(write.db(), resumes.collect()).await?;
    let mut written = Vec::new();
    for finish in &ended {
        written.extend(finish.entries.written.iter().map(|one| (one, finish.entries.at)));
    }
    entries::write(write.db(), &written).await?;
    Ok(finished)
}

/// Sets where tasks go on.
pub(super) async fn remember_resumes(db: &mut PgConnection, resumes: Vec<(TaskId, &Bytes)>) -> Result<(), Fault> {
    let (tasks, values): (Vec<_>, Vec<_>) = resumes.into_iter().map(|(task, value)| (task.0, &value[..])).unzip();
    if tasks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO resume (task, value) SELECT * FROM unnest($1::bigint[], $2::bytea[])
         ON CONFLICT (task) DO UPDATE SET value = excluded.value",
    )
    .bind(tasks)
    .bind(values)
    .execute(db)
    .await?;
    Ok(())
}
