//! Claims: who works on what, and what becomes of a claim whose holder is gone.

use super::fault::Fault;
use super::order;
use super::rows::{bytes, number, some_bytes, state};
use super::server::Write;
use super::tasks::finish;
use crate::keys::{attempt_number, problem_text};
use crate::lost::{MOST_ATTEMPTS, MOST_CLAIMS, claimed_too_often, parked, too_many_attempts};
use crate::{Claim, ClaimRequest, Finish, Interrupted, LaneId, Next, StoreError, Token};
use model::{Millis, RunId, TaskId, TaskState};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::{HashMap, HashSet};

/// The priorities that lanes have claimable tasks of, due or not. Within one, what is due is a range of the index, so
/// tasks that are not due yet cost nothing, however many there are. Begins with `asked`: lane, most, place.
const LEVELS: &str = "
    level AS (
        SELECT asked.*, (SELECT min(priority) FROM task
                         WHERE task.lane = asked.lane AND NOT held AND state < 4 AND state <> 1) AS priority
        FROM asked
        UNION ALL
        SELECT lane, most, place, (SELECT min(task.priority) FROM task
                                   WHERE task.lane = level.lane AND NOT held AND task.priority > level.priority
                                     AND state < 4 AND state <> 1)
        FROM level WHERE priority IS NOT NULL
    )";

/// What is due, locked for us: others pass over it. More than is taken may be locked, of lower priorities, for as long
/// as this transaction lasts.
fn due_text() -> String {
    format!(
        "WITH RECURSIVE asked AS (
             SELECT * FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked (lane, most, place)
         ), {LEVELS}
         SELECT due.id, due.attempt, due.claims, due.state, due.run, level.lane, place
         FROM level CROSS JOIN LATERAL (
             SELECT id, attempt, claims, state, run, due_at FROM task
             WHERE task.lane = level.lane AND NOT held AND task.priority = level.priority AND due_at <= $3
               AND state < 4 AND state <> 1
             ORDER BY due_at, id LIMIT level.most FOR UPDATE SKIP LOCKED
         ) AS due
         ORDER BY place, priority, due_at, id"
    )
}

/// A task that can be claimed.
struct Due {
    id: i64,
    attempt: u32,
    claims: u32,
    state: TaskState,
    run: i64,
    lane: i64,
    place: i64,
}

fn due(row: &PgRow) -> Result<Due, sqlx::Error> {
    Ok(Due {
        id: row.try_get(0)?,
        attempt: number(row, 1)?,
        claims: number(row, 2)?,
        state: state(row, 3)?,
        run: row.try_get(4)?,
        lane: row.try_get(5)?,
        place: row.try_get(6)?,
    })
}

/// Claims due tasks.
pub(super) async fn claim(write: &mut Write, request: &ClaimRequest) -> Result<Vec<Claim>, Fault> {
    let asked = || request.lanes.iter().filter(|(_, most)| *most > 0);
    let rows = sqlx::query(sqlx::AssertSqlSafe(due_text()))
        .bind(asked().map(|(lane, _)| lane.0).collect::<Vec<_>>())
        .bind(asked().map(|(_, most)| i64::from(*most)).collect::<Vec<_>>())
        .bind(request.now)
        .fetch_all(write.db())
        .await?;
    let due = rows.iter().map(due).collect::<Result<Vec<_>, _>>()?;
    let most: Vec<u32> = asked().map(|(_, most)| *most).collect();
    let (taken, exhausted) = choose(due, &most);
    exhaust(write, &exhausted, request.now).await?;
    take(write, &taken, request.lease_until).await
}

/// Chooses what is taken of what is due, in its order: as many as asked of each lane. A task that was claimed before and
/// came to no end may be what ended the process, so it is claimed alone: then only the guilty one is parked in the end,
/// not all that were claimed ahead together with it. Second are those that have no number left for an attempt.
fn choose(due: Vec<Due>, most: &[u32]) -> (Vec<Due>, Vec<Due>) {
    let (mut taken, mut exhausted) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let (mut place, mut left, mut first) = (0, 0, true);
    for task in due {
        if task.place != place {
            place = task.place;
            let at = usize::try_from(place - 1).unwrap_or(usize::MAX);
            (left, first) = (most.get(at).copied().unwrap_or(0), true);
        }
        let suspect = task.claims > 0;
        // A lane that is asked for twice shows its tasks twice.
        if left == 0 || !seen.insert(task.id) {
            continue;
        }
        if suspect && !first {
            left = 0;
        } else if task.attempt >= MOST_ATTEMPTS {
            exhausted.push(task);
        } else {
            left = if suspect { 0 } else { left - 1 };
            first = false;
            taken.push(task);
        }
    }
    (taken, exhausted)
}

/// Takes tasks that are locked for us.
async fn take(write: &mut Write, taken: &[Due], lease_until: Millis) -> Result<Vec<Claim>, Fault> {
    let claims = claim_anew(write.db(), taken.iter().map(|task| task.id).collect(), lease_until).await?;
    for task in taken {
        write.changes.moved(task.run, task.lane, task.state, TaskState::Processing);
    }
    Ok(claims)
}

/// Counts the fence of tasks up, and returns the claims in the order asked. They are locked already.
async fn claim_anew(db: &mut PgConnection, ids: Vec<i64>, lease_until: Millis) -> Result<Vec<Claim>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "WITH taken AS (
             UPDATE task SET state = 1, attempt = attempt + 1, claims = claims + 1, due_at = $2
             FROM unnest($1::bigint[]) WITH ORDINALITY AS chosen (id, place) WHERE task.id = chosen.id
             RETURNING task.id, lane, run, source, attempt, tries, claims, created_at, place
         )
         SELECT taken.id, lane, run, source, attempt, tries, claims, payload.body, resume.value, created_at
         FROM taken JOIN payload ON payload.task = taken.id LEFT JOIN resume ON resume.task = taken.id ORDER BY place",
    )
    .bind(ids)
    .bind(lease_until)
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(claimed).collect::<Result<_, _>>()?)
}

fn claimed(row: &PgRow) -> Result<Claim, sqlx::Error> {
    Ok(Claim {
        token: Token { task: TaskId(row.try_get(0)?), attempt: number(row, 4)? },
        lane: LaneId(row.try_get(1)?),
        run: RunId(row.try_get(2)?),
        source: row.try_get::<Option<i64>, _>(3)?.map(TaskId),
        tries: number(row, 5)?,
        claims: number(row, 6)?,
        payload: bytes(row, 7)?,
        resume: some_bytes(row, 8)?,
        created_at: row.try_get(9)?,
        interrupted: None,
    })
}

/// Fails tasks that have no number left for an attempt.
async fn exhaust(write: &mut Write, tasks: &[Due], now: Millis) -> Result<(), Fault> {
    if tasks.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = tasks.iter().map(|task| task.id).collect();
    order::lock(write.db(), &ids).await?;
    sqlx::query("UPDATE task SET state = 5, finished_at = $2 WHERE id = ANY ($1)")
        .bind(&ids)
        .bind(now)
        .execute(write.db())
        .await?;
    sqlx::query(
        "INSERT INTO intake_problem (task, problem) SELECT id, $2 FROM unnest($1::bigint[]) AS failed (id)
         ON CONFLICT (task) DO UPDATE SET problem = excluded.problem",
    )
    .bind(&ids)
    .bind(problem_text(&too_many_attempts())?)
    .execute(write.db())
    .await?;
    order::let_next_go(write.db(), &ids).await?;
    for task in tasks {
        write.changes.moved(task.run, task.lane, task.state, TaskState::Failed);
    }
    Ok(())
}

/// The earliest time at which something in these lanes can be claimed.
pub(super) async fn next_due(db: &mut PgConnection, lanes: &[LaneId]) -> Result<Option<Millis>, Fault> {
    let sql = format!(
        "WITH RECURSIVE asked AS (
             SELECT lane, 0::bigint AS most, 0::bigint AS place FROM unnest($1::bigint[]) AS asked (lane)
         ), {LEVELS}
         SELECT min((SELECT min(due_at) FROM task WHERE task.lane = level.lane AND NOT held
                     AND task.priority = level.priority AND state < 4 AND state <> 1))
         FROM level"
    );
    let lanes: Vec<i64> = lanes.iter().map(|lane| lane.0).collect();
    Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).bind(lanes).fetch_one(db).await?.try_get(0)?)
}

/// Takes over claims that ran out by `now` (`all`: every claim): those started for the caller, the others back to `new`.
pub(super) async fn take_over(
    write: &mut Write,
    all: bool,
    now: Millis,
    lease_until: Millis,
) -> Result<Vec<Claim>, Fault> {
    let rows = sqlx::query(
        "SELECT id, attempt, claims, state, run, lane, 0::bigint FROM task WHERE state = 1 AND due_at <= $1
         ORDER BY lane, priority, id FOR UPDATE SKIP LOCKED",
    )
    .bind(if all { Millis::MAX } else { now })
    .fetch_all(write.db())
    .await?;
    let held = rows.iter().map(due).collect::<Result<Vec<_>, _>>()?;
    // Asked after the locks were taken: a START that was committed before them is seen.
    let mut started = interrupted(write.db(), held.iter().map(|task| task.id).collect()).await?;
    let (begun, unstarted): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|task| started.contains_key(&TaskId(task.id)));
    let mut claims = claim_anew(write.db(), begun.iter().map(|task| task.id).collect(), lease_until).await?;
    for claim in &mut claims {
        claim.interrupted = started.remove(&claim.token.task);
    }
    release(write, &unstarted, now).await?;
    Ok(claims)
}

/// The latest attempts of tasks, where they were started and never ended.
pub(super) async fn interrupted(db: &mut PgConnection, tasks: Vec<i64>) -> Result<HashMap<TaskId, Interrupted>, Fault> {
    if tasks.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT begun.key, at, request, mark
         FROM unnest($1::bigint[]) AS given (id) CROSS JOIN LATERAL (
             SELECT key, at, request, mark FROM attempt_start
             WHERE key >= given.id << 24 AND key < (given.id + 1) << 24 ORDER BY key DESC LIMIT 1
         ) AS begun
         WHERE NOT EXISTS (SELECT FROM attempt_end
                           WHERE attempt_end.key >= begun.key AND attempt_end.key < (given.id + 1) << 24)",
    )
    .bind(tasks)
    .fetch_all(db)
    .await?;
    let found = rows.iter().map(|row| {
        let key: i64 = row.try_get(0)?;
        let interrupted = Interrupted {
            attempt: attempt_number(key),
            started_at: row.try_get(1)?,
            request: some_bytes(row, 2)?,
            mark: some_bytes(row, 3)?,
        };
        Ok((task_of(key), interrupted))
    });
    found.collect()
}

/// The task in the key of an attempt.
fn task_of(key: i64) -> TaskId {
    TaskId(key >> 24)
}

/// Gives claims that were not started back, or parks their tasks.
async fn release(write: &mut Write, held: &[Due], now: Millis) -> Result<(), Fault> {
    let too_often = held.iter().filter(|task| task.claims >= MOST_CLAIMS);
    let ends = too_often.map(|task| {
        let token = Token { task: TaskId(task.id), attempt: task.attempt };
        parked(token, Next::Failed, task.attempt, claimed_too_often(task.claims), now)
    });
    let ends: Vec<Finish> = ends.collect();
    if !ends.is_empty() {
        finish(write, &ends).await?;
    }
    let back: Vec<&Due> = held.iter().filter(|task| task.claims < MOST_CLAIMS).collect();
    if back.is_empty() {
        return Ok(());
    }
    sqlx::query("UPDATE task SET state = 0, due_at = $2 WHERE id = ANY ($1)")
        .bind(back.iter().map(|task| task.id).collect::<Vec<_>>())
        .bind(now)
        .execute(write.db())
        .await?;
    for task in back {
        write.changes.moved(task.run, task.lane, TaskState::Processing, TaskState::New);
    }
    Ok(())
}

/// Ends claims whose blobs are missing: what was started may have worked.
pub(super) async fn park_without_blobs(
    write: &mut Write,
    lacking: &[(Claim, StoreError)],
    now: Millis,
) -> Result<(), Fault> {
    let ends = lacking.iter().map(|(claim, missing)| {
        let (next, number) = match &claim.interrupted {
            Some(attempt) => (Next::Unknown, attempt.attempt),
            None => (Next::Failed, claim.token.attempt),
        };
        parked(claim.token, next, number, missing.problem(), now)
    });
    finish(write, &ends.collect::<Vec<_>>()).await.map(|_| ())
}
