//! What people ask about tasks.

use super::fault::Fault;
use super::rows::{bad, bytes, evidence, problem, some_bytes, state, state_column, usage};
use crate::blobs::BlobId;
use crate::changes::ALL_RUNS;
use crate::keys::{attempt_keys, attempt_number};
use crate::{AttemptEnd, AttemptStory, Decided, Decision, LaneId, Tally, TaskFilter, TaskRow, TaskStory};
use model::{RunId, TaskId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::{BTreeMap, HashSet};

/// Rows of one page at most.
const PAGE: u32 = 1000;
/// Columns of a [`TaskRow`]. Attempts are those with a start, and those that ended without one.
pub(super) const TASK_ROW: &str = "SELECT id, lane, run, source, state, due_at, created_at, finished_at,
    (SELECT count(*) FROM attempt_start WHERE key >= id << 24 AND key < (id + 1) << 24)
    + (SELECT count(*) FROM attempt_end AS ended WHERE key >= id << 24 AND key < (id + 1) << 24
       AND NOT EXISTS (SELECT 1 FROM attempt_start WHERE attempt_start.key = ended.key)),
    coalesce((SELECT problem FROM attempt_end WHERE key >= id << 24 AND key < (id + 1) << 24 AND problem IS NOT NULL
              ORDER BY key DESC LIMIT 1),
             (SELECT problem FROM intake_problem WHERE task = id))";

/// Counts of a run, or of all runs together.
pub(super) async fn tally(db: &mut PgConnection, run: Option<RunId>) -> Result<Vec<Tally>, Fault> {
    let rows =
        sqlx::query("SELECT run, lane, state, count FROM tally WHERE run = $1 AND count <> 0 ORDER BY lane, state")
            .bind(run.map_or(ALL_RUNS, |run| run.0))
            .fetch_all(db)
            .await?;
    let tallies = rows.iter().map(|row| {
        Ok(Tally {
            run: RunId(row.try_get(0)?),
            lane: LaneId(row.try_get(1)?),
            state: state(row, 2)?,
            count: row.try_get::<i64, _>(3)?.unsigned_abs(),
        })
    });
    tallies.collect()
}

/// One page of tasks, newest first. Each plan is made for the filter at hand, so what is not asked costs nothing.
pub(super) async fn tasks(db: &mut PgConnection, filter: &TaskFilter) -> Result<Vec<TaskRow>, Fault> {
    if !has_any(db, filter).await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "{TASK_ROW} FROM task WHERE ($1::smallint IS NULL OR state = $1) AND ($2::bigint IS NULL OR lane = $2)
         AND ($3::bigint IS NULL OR run = $3) AND ($4::bigint IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(filter.state.map(state_column))
        .bind(filter.lane.map(|lane| lane.0))
        .bind(filter.run.map(|run| run.0))
        .bind(filter.before.map(|before| before.0))
        .bind(i64::from(filter.limit.min(PAGE)))
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(task_row).collect::<Result<_, _>>()?)
}

/// Whether there is anything to find: else the last page of a rare state would walk every task.
async fn has_any(db: &mut PgConnection, filter: &TaskFilter) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT FROM tally WHERE run = $1 AND ($2::bigint IS NULL OR lane = $2)
                              AND ($3::smallint IS NULL OR state = $3) AND count > 0)";
    let row = sqlx::query(sql)
        .bind(filter.run.map_or(ALL_RUNS, |run| run.0))
        .bind(filter.lane.map(|lane| lane.0))
        .bind(filter.state.map(state_column))
        .fetch_one(db)
        .await?;
    Ok(row.try_get(0)?)
}

pub(super) fn task_row(row: &PgRow) -> Result<TaskRow, sqlx::Error> {
    Ok(TaskRow {
        id: TaskId(row.try_get(0)?),
        lane: LaneId(row.try_get(1)?),
        run: RunId(row.try_get(2)?),
        source: row.try_get::<Option<i64>, _>(3)?.map(TaskId),
        state: state(row, 4)?,
        due_at: row.try_get(5)?,
        created_at: row.try_get(6)?,
        finished_at: row.try_get(7)?,
        attempts: u32::try_from(row.try_get::<i64, _>(8)?).unwrap_or(u32::MAX),
        problem: problem(row, 9)?,
    })
}

/// Everything about one task; bodies may be references still.
pub(super) async fn task(db: &mut PgConnection, id: TaskId) -> Result<Option<TaskStory>, Fault> {
    let sql = format!("{TASK_ROW} FROM task WHERE id = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(&mut *db).await?;
    let Some(row) = row.as_ref().map(task_row).transpose()? else { return Ok(None) };
    let data = sqlx::query(
        "SELECT payload.body, resume.value FROM payload LEFT JOIN resume ON resume.task = payload.task
         WHERE payload.task = $1",
    )
    .bind(id.0)
    .fetch_one(&mut *db)
    .await?;
    let made = sqlx::query("SELECT id FROM task WHERE source = $1 ORDER BY id").bind(id.0).fetch_all(&mut *db).await?;
    Ok(Some(TaskStory {
        row,
        payload: bytes(&data, 0)?,
        resume: some_bytes(&data, 1)?,
        attempts: attempts(db, id).await?,
        decisions: decisions(db, id).await?,
        made: made.iter().map(|row| row.try_get(0).map(TaskId)).collect::<Result<_, _>>()?,
    }))
}

async fn attempts(db: &mut PgConnection, id: TaskId) -> Result<Vec<AttemptStory>, Fault> {
    let [from, to] = attempt_keys(id);
    let starts = sqlx::query("SELECT key, at, revision, request, mark FROM attempt_start WHERE key >= $1 AND key < $2")
        .bind(from)
        .bind(to)
        .fetch_all(&mut *db)
        .await?;
    let mut stories = BTreeMap::new();
    for row in &starts {
        let story = AttemptStory {
            number: attempt_number(row.try_get(0)?),
            started_at: row.try_get(1)?,
            revision: row.try_get(2)?,
            request: some_bytes(row, 3)?,
            mark: some_bytes(row, 4)?,
            end: None,
        };
        stories.insert(story.number, story);
    }
    let ends = sqlx::query(
        "SELECT key, at, evidence, after_ms, status, problem, answer, headers, request, model, prompt_tokens,
                cached_tokens, completion_tokens, total_tokens, pages, audio_seconds, characters, cost
         FROM attempt_end WHERE key >= $1 AND key < $2",
    )
    .bind(from)
    .bind(to)
    .fetch_all(db)
    .await?;
    for row in &ends {
        let end = attempt_end(row)?;
        let story = stories.entry(end.number).or_insert_with(|| AttemptStory {
            number: end.number,
            started_at: None,
            revision: None,
            request: end.request.clone(),
            mark: None,
            end: None,
        });
        story.end = Some(end);
    }
    Ok(stories.into_values().collect())
}

fn attempt_end(row: &PgRow) -> Result<AttemptEnd, sqlx::Error> {
    let status = row.try_get::<Option<i32>, _>(4)?;
    Ok(AttemptEnd {
        number: attempt_number(row.try_get(0)?),
        at: row.try_get(1)?,
        evidence: evidence(row, 2, 3)?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        problem: problem(row, 5)?,
        answer: some_bytes(row, 6)?,
        headers: some_bytes(row, 7)?,
        request: some_bytes(row, 8)?,
        usage: usage(row, 9)?,
    })
}

async fn decisions(db: &mut PgConnection, id: TaskId) -> Result<Vec<Decided>, Fault> {
    let rows = sqlx::query(
        r#"SELECT decision, "by", why, at, (SELECT body FROM edited WHERE edited.decision = decision.id)
           FROM decision WHERE task = $1 ORDER BY id"#,
    )
    .bind(id.0)
    .fetch_all(db)
    .await?;
    let decided = rows.iter().map(|row| {
        let word: &str = row.try_get(0)?;
        let decision = Decision::from_word(word).ok_or_else(|| bad(format!("there is no decision `{word}`")))?;
        Ok(Decided {
            decision,
            by: row.try_get(1)?,
            why: row.try_get(2)?,
            at: row.try_get(3)?,
            resume: None,
            payload: None,
            before: some_bytes(row, 4)?,
        })
    });
    decided.collect()
}

/// What is wrong with the rows, each a query of what it looks for. The server checks its pages by itself.
const CHECKS: [(&str, &str); 5] = [
    ("tasks without a payload", "SELECT count(*) FROM task WHERE NOT EXISTS (SELECT FROM payload WHERE task = id)"),
    ("payloads of no task", "SELECT count(*) FROM payload WHERE NOT EXISTS (SELECT FROM task WHERE id = task)"),
    (
        "tasks without their lane or run",
        "SELECT count(*) FROM task WHERE NOT EXISTS (SELECT FROM lane WHERE lane.id = task.lane)
                                      OR NOT EXISTS (SELECT FROM run WHERE run.id = task.run)",
    ),
    (
        "attempts of no task",
        "SELECT count(*) FROM (SELECT key FROM attempt_start UNION SELECT key FROM attempt_end) AS attempt
         WHERE NOT EXISTS (SELECT FROM task WHERE id = key >> 24)",
    ),
    (
        "counts that are not those of the tasks",
        "SELECT count(*) FROM (
             SELECT run, lane, state, count(*) AS found FROM task GROUP BY run, lane, state
             UNION ALL SELECT 0, lane, state, count(*) FROM task GROUP BY lane, state
         ) AS counted FULL JOIN (SELECT run, lane, state, count FROM tally) AS kept USING (run, lane, state)
         WHERE coalesce(found, 0) <> coalesce(count, 0)",
    ),
];

/// A check of the rows: empty when clean.
pub(super) async fn check(db: &mut PgConnection) -> Result<Vec<String>, Fault> {
    let mut findings = Vec::new();
    for (what, sql) in CHECKS {
        let found: i64 = sqlx::query(sql).fetch_one(&mut *db).await?.try_get(0)?;
        if found != 0 {
            findings.push(format!("{what}: {found}"));
        }
    }
    Ok(findings)
}

/// Which of these blobs no task names. Waits for whoever is about to name one.
pub(super) async fn unnamed(db: &mut PgConnection, ids: &[BlobId]) -> Result<Vec<BlobId>, Fault> {
    sqlx::query("LOCK TABLE blob IN SHARE MODE").execute(&mut *db).await?;
    let texts: Vec<&str> = ids.iter().map(BlobId::as_str).collect();
    let rows = sqlx::query("SELECT DISTINCT id FROM blob WHERE id = ANY ($1)").bind(texts).fetch_all(db).await?;
    let named = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<String>, _>>()?;
    Ok(ids.iter().filter(|id| !named.contains(id.as_str())).cloned().collect())
}

/// The server's clock, in UTC milliseconds.
pub(super) async fn time(db: &mut PgConnection) -> Result<model::Millis, Fault> {
    let row = sqlx::query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetch_one(db).await?;
    Ok(row.try_get(0)?)
}
