//! What people ask about tasks.

use super::rows::{bad, bytes, evidence, problem, some_bytes, state, usage, usage_sum};
use crate::blobs::BlobId;
use crate::changes::ALL_RUNS;
use crate::keys::{attempt_keys, attempt_number};
use crate::{
    AttemptEnd, AttemptStory, Decided, Decision, LaneId, StoreError, Tally, TaskFilter, TaskRow, TaskStory, UsageSum,
};
use model::{RunId, TaskId, TaskState};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// Rows of one page at most.
const PAGE: u32 = 1000;
/// So many tasks are quickly looked through one by one.
const FEW: i64 = 10_000;
/// Columns of a [`TaskRow`]. Attempts are those with a start, and those that ended without one.
pub(super) const TASK_ROW: &str = "SELECT id, lane, run, source, state, due_at, created_at, finished_at,
    (SELECT count(*) FROM attempt_start WHERE key >= id << 24 AND key < (id + 1) << 24)
    + (SELECT count(*) FROM attempt_end AS ended WHERE key >= id << 24 AND key < (id + 1) << 24
       AND NOT EXISTS (SELECT 1 FROM attempt_start WHERE key = ended.key)),
    coalesce((SELECT problem FROM attempt_end WHERE key >= id << 24 AND key < (id + 1) << 24 AND problem IS NOT NULL
              ORDER BY key DESC LIMIT 1),
             (SELECT problem FROM intake_problem WHERE task = id))";

/// Counts of a run, or of all runs together.
pub(super) fn tally(db: &Connection, run: Option<RunId>) -> Result<Vec<Tally>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT run, lane, state, count FROM tally WHERE run = ?1 ORDER BY lane, state")?;
    let rows = statement.query_map([run.map_or(ALL_RUNS, |run| run.0)], |row| {
        Ok(Tally {
            run: RunId(row.get(0)?),
            lane: LaneId(row.get(1)?),
            state: state(row, 2)?,
            count: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a run used, or all runs together.
pub(super) fn sum_usage(db: &Connection, run: Option<RunId>) -> Result<UsageSum, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT NULL, calls, unpriced, NULL, prompt_tokens, cached_tokens, completion_tokens, total_tokens, pages,
                    audio_seconds, characters, cost
             FROM run_usage WHERE run = ?1",
        )?
        .query_row([run.map_or(ALL_RUNS, |run| run.0)], usage_sum)
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// One page of tasks, newest first.
pub(super) fn tasks(db: &Connection, filter: &TaskFilter) -> Result<Vec<TaskRow>, StoreError> {
    let Some((index, of_state)) = way_to(db, filter)? else { return Ok(Vec::new()) };
    // Texts are put together from these pieces alone; values are bound. A piece for what is not asked keeps its number.
    let when = |asked: bool, text: &'static str, number: &'static str| if asked { text } else { number };
    let sql = format!(
        "{TASK_ROW} FROM task{index} WHERE {of_state} AND {} AND {} AND {} ORDER BY id DESC LIMIT ?5",
        when(filter.lane.is_some(), "lane = ?2", "?2 IS NULL"),
        when(filter.run.is_some(), "run = ?3", "?3 IS NULL"),
        when(filter.before.is_some(), "id < ?4", "?4 IS NULL"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(
        params![
            filter.state.map(TaskState::number),
            filter.lane.map(|lane| lane.0),
            filter.run.map(|run| run.0),
            filter.before.map(|before| before.0),
            filter.limit.min(PAGE),
        ],
        task_row,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The index to walk for a filter, and the condition on the state in the words that let the database use it. `None` where
/// there is nothing to find: else the last page of a rare state would walk every task.
fn way_to(db: &Connection, filter: &TaskFilter) -> Result<Option<(&'static str, &'static str)>, StoreError> {
    let newest_first = " NOT INDEXED";
    let Some(state) = filter.state else { return Ok(Some((newest_first, "?1 IS NULL"))) };
    let run = filter.run.map_or(ALL_RUNS, |run| run.0);
    let lane = filter.lane.map(|lane| lane.0);
    let some = db
        .prepare_cached("SELECT 1 FROM tally WHERE run = ?1 AND (?2 IS NULL OR lane = ?2) AND state = ?3 LIMIT 1")?
        .exists(params![run, lane, state.number()])?;
    if !some {
        return Ok(None);
    }
    if state != TaskState::New {
        return Ok(Some((" INDEXED BY task_begun", "state = ?1 AND state > 0")));
    }
    let queued: i64 = db
        .prepare_cached("SELECT coalesce(sum(count), 0) FROM tally WHERE run = ?1 AND state < 4 AND state <> 1")?
        .query_row([ALL_RUNS], |row| row.get(0))?;
    // Many new tasks are also the newest ones. Few may be old: lanes that wait while others go on.
    match queued <= FEW {
        true => Ok(Some((" INDEXED BY task_claimable", "state = ?1 AND state < 4 AND state <> 1"))),
        false => Ok(Some((newest_first, "state = ?1"))),
    }
}

pub(super) fn task_row(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    Ok(TaskRow {
        id: TaskId(row.get(0)?),
        lane: LaneId(row.get(1)?),
        run: RunId(row.get(2)?),
        source: row.get::<_, Option<i64>>(3)?.map(TaskId),
        state: state(row, 4)?,
        due_at: row.get(5)?,
        created_at: row.get(6)?,
        finished_at: row.get(7)?,
        attempts: row.get(8)?,
        problem: problem(row, 9)?,
    })
}

/// Everything about one task; bodies may be references still.
pub(super) fn task(db: &Connection, id: TaskId) -> Result<Option<TaskStory>, StoreError> {
    let sql = format!("{TASK_ROW} FROM task WHERE id = ?1");
    let Some(row) = db.prepare_cached(&sql)?.query_row([id.0], task_row).optional()? else { return Ok(None) };
    let (payload, resume) = db
        .prepare_cached(
            "SELECT payload.body, resume.value FROM payload LEFT JOIN resume ON resume.task = payload.task
             WHERE payload.task = ?1",
        )?
        .query_row([id.0], |row| Ok((bytes(row, 0)?, some_bytes(row, 1)?)))?;
    let made = db
        .prepare_cached("SELECT id FROM task WHERE source = ?1 ORDER BY id")?
        .query_map([id.0], |row| row.get(0).map(TaskId))?
        .collect::<Result<_, _>>()?;
    Ok(Some(TaskStory { row, payload, resume, attempts: attempts(db, id)?, decisions: decisions(db, id)?, made }))
}

fn attempts(db: &Connection, id: TaskId) -> Result<Vec<AttemptStory>, StoreError> {
    let mut stories = BTreeMap::new();
    let mut starts =
        db.prepare_cached("SELECT key, at, revision, request, mark FROM attempt_start WHERE key >= ?1 AND key < ?2")?;
    let mut rows = starts.query(attempt_keys(id))?;
    while let Some(row) = rows.next()? {
        let story = AttemptStory {
            number: attempt_number(row.get(0)?),
            started_at: row.get(1)?,
            revision: row.get(2)?,
            request: some_bytes(row, 3)?,
            mark: some_bytes(row, 4)?,
            end: None,
        };
        stories.insert(story.number, story);
    }
    let mut ends = db.prepare_cached(
        "SELECT key, at, evidence, after_ms, status, problem, answer, headers, request, model, prompt_tokens,
                cached_tokens, completion_tokens, total_tokens, pages, audio_seconds, characters, cost
         FROM attempt_end WHERE key >= ?1 AND key < ?2",
    )?;
    let mut rows = ends.query(attempt_keys(id))?;
    while let Some(row) = rows.next()? {
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

fn attempt_end(row: &Row<'_>) -> rusqlite::Result<AttemptEnd> {
    Ok(AttemptEnd {
        number: attempt_number(row.get(0)?),
        at: row.get(1)?,
        evidence: evidence(row, 2, 3)?,
        status: row.get(4)?,
        problem: problem(row, 5)?,
        answer: some_bytes(row, 6)?,
        headers: some_bytes(row, 7)?,
        request: some_bytes(row, 8)?,
        usage: usage(row, 9)?,
    })
}

fn decisions(db: &Connection, id: TaskId) -> Result<Vec<Decided>, StoreError> {
    let mut statement = db.prepare_cached(
        r#"SELECT decision, "by", why, at, (SELECT body FROM edited WHERE edited.decision = decision.id)
               FROM decision WHERE task = ?1 ORDER BY id"#,
    )?;
    let rows = statement.query_map([id.0], |row| {
        let word = row.get_ref(0)?.as_str()?;
        let decision = Decision::from_word(word).ok_or_else(|| bad(0, format!("there is no decision `{word}`")))?;
        Ok(Decided {
            decision,
            by: row.get(1)?,
            why: row.get(2)?,
            at: row.get(3)?,
            resume: None,
            payload: None,
            before: some_bytes(row, 4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The database's own check of itself.
pub(super) fn check(db: &Connection) -> Result<Vec<String>, StoreError> {
    let mut findings: Vec<String> = db
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get::<_, String>(0))?
        .filter(|line| !matches!(line, Ok(text) if text == "ok"))
        .collect::<Result<_, _>>()?;
    let mut orphans = db.prepare("PRAGMA foreign_key_check")?;
    let mut rows = orphans.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        findings.push(format!("a row of {table} refers to a row of {parent} that is not there"));
    }
    Ok(findings)
}

/// Which of these blobs no task names.
pub(super) fn unnamed(db: &Connection, ids: Vec<BlobId>) -> Result<Vec<BlobId>, StoreError> {
    let mut statement = db.prepare_cached("SELECT 1 FROM blob WHERE id = ?1")?;
    let mut unnamed = Vec::new();
    for id in ids {
        if !statement.exists([id.as_str()])? {
            unnamed.push(id);
        }
    }
    Ok(unnamed)
}
