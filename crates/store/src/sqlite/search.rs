//! Looking through many tasks: a walk from the newest to the oldest, on the index that leaves the least to look at.

use super::SqliteStore;
use super::queries::{TASK_ROW, task_row};
use super::rows::{some_bytes, state, usage_sum};
use crate::blobs::BlobId;
use crate::bodies;
use crate::keys::attempt_key;
use crate::search::sql::{ALWAYS, Bound, Dialect, Parts, more_columns, parts};
use crate::search::{self, MOST_COUNTED, SLACK};
use crate::{
    Body, BodyOf, BucketsBy, Count, Found, FoundTask, Histogram, LaneId, Run, Search, Searching, StoreError, SuggestOf,
    Suggested, Test, UsageBucket,
};
use async_trait::async_trait;
use bytes::Bytes;
use model::{Millis, RunId, TaskId, TaskState};
use rusqlite::types::ToSqlOutput;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Rows, ToSql, params, params_from_iter};

/// Rows of one page at most.
const PAGE: u32 = 1_000;
/// What one page may cost: a step in the order of the rows counts one, on an index [`JUMP`], and looking at what belongs to
/// a row [`LOOK`]. All of it takes about 10 ms.
const EFFORT: u32 = 24_000;
const JUMP: u32 = 2;
const LOOK: u32 = 10;
/// So many tasks are quickly put in order.
const FEW: u64 = 10_000;

/// The span, as the first two values.
const WITHIN: &str = "id < ?1 AND id >= ?2";

const SQLITE: Dialect = Dialect {
    mark: '?',
    in_body: |column, value| format!("instr({column}, {value}) > 0"),
    in_text: |column, value| format!("instr({column}, {value}) > 0"),
    // `total` never overflows, and the cast keeps it below 2^63.
    sum: |column| format!("CASE WHEN count({column}) > 0 THEN CAST(total({column}) AS INTEGER) END"),
};

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Integer(number) => (*number).into(),
            Self::Text(text) | Self::Data(text) => text.as_str().into(),
        })
    }
}

#[async_trait]
impl Searching for SqliteStore {
    async fn search(&self, asked: Search) -> Result<Found, StoreError> {
        self.read(move |db| search(db, &asked)).await
    }

    async fn count(&self, asked: Search) -> Result<Count, StoreError> {
        self.read(move |db| count(db, &asked)).await
    }

    async fn histogram(&self, asked: Search, width: Millis) -> Result<Histogram, StoreError> {
        self.read(move |db| histogram(db, &asked, width)).await
    }

    async fn next_number(&self) -> Result<TaskId, StoreError> {
        self.read(next_number).await
    }

    async fn body(&self, task: TaskId, of: BodyOf) -> Result<Option<Body>, StoreError> {
        let blobs = self.blobs.clone();
        self.read(move |db| body(db, task, of)?.map(|column| bodies::placed(&blobs, column)).transpose()).await
    }

    async fn names_blob(&self, task: TaskId, blob: BlobId) -> Result<bool, StoreError> {
        self.read(move |db| names_blob(db, task, &blob)).await
    }

    async fn suggest(&self, of: SuggestOf, text: String) -> Result<Vec<Suggested>, StoreError> {
        self.read(move |db| suggest(db, of, &text)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.read(move |db| run(db, id)).await
    }

    async fn usage_buckets(
        &self,
        by: BucketsBy,
        since: i64,
        until: i64,
        hours: i64,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.read(move |db| usage_buckets(db, by, [since, until, hours])).await
    }
}

/// One page, newest first.
fn search(db: &Connection, search: &Search) -> Result<Found, StoreError> {
    let Some(span) = Span::of(db, search)? else { return Ok(Found::default()) };
    let Some(ways) = Ways::of(db, search, span)? else { return Ok(Found::default()) };
    let looks = Looks::new(search);
    let limit = search.limit.min(PAGE) as usize;
    let mut statements = ways.prepare(db)?;
    let mut walk = Walk::over(&mut statements, &ways)?;
    let mut found = Found::default();
    let step = if ways.is_straight { 1 } else { JUMP };
    let mut spent = 0;
    while let Some((id, fits)) = walk.next()? {
        spent += if fits { LOOK } else { step };
        if fits && let Some(task) = looks.at(db, search, id)? {
            found.tasks.push(task);
        }
        if found.tasks.len() >= limit || spent >= EFFORT {
            found.next = Some(TaskId(id));
            found.scanned_until = created(db, id)?;
            break;
        }
    }
    Ok(found)
}

/// The numbers between which tasks are looked for: from the first, below the second.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: i64,
    below: i64,
}

impl Span {
    /// `None` where nothing can be in it.
    fn of(db: &Connection, search: &Search) -> Result<Option<Self>, StoreError> {
        let from = match search.since {
            Some(since) => first_from(db, since.saturating_sub(SLACK))?,
            None => 0,
        };
        let below = match search.until {
            Some(until) => first_from(db, until.saturating_add(SLACK))?,
            None => i64::MAX,
        };
        let below = search.before.map_or(below, |before| below.min(before.0));
        Ok((from < below).then_some(Self { from, below }))
    }
}

/// The first number from which on tasks were created at a time or later, as far as numbers and times go together.
fn first_from(db: &Connection, at: Millis) -> Result<i64, StoreError> {
    let ends = "SELECT coalesce((SELECT min(id) FROM task), 0), coalesce((SELECT max(id) FROM task), 0)";
    let (mut low, most): (i64, i64) = db.prepare_cached(ends)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut high = most + 1;
    let mut next = db.prepare_cached("SELECT id, created_at FROM task WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found = next.query_row([middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Millis>(1)?))).optional()?;
        match found {
            Some((id, created)) if created < at => low = id + 1,
            _ => high = middle,
        }
    }
    // Beyond the newest there is none yet.
    Ok(if low > most { i64::MAX } else { low })
}

/// The walks that together pass every task that may be meant, each in the order of numbers.
struct Ways {
    /// Of each: its text; values come after the two ends of the span.
    texts: Vec<String>,
    parts: Parts,
    span: Span,
    /// In the order of the rows, without an index.
    is_straight: bool,
}

impl Ways {
    /// `None` where there is nothing to find.
    fn of(db: &Connection, search: &Search, span: Span) -> Result<Option<Self>, StoreError> {
        let parts = parts(search, &SQLITE, 3);
        let select = format!("SELECT id, ({}) FROM task", parts.row);
        let way = direct(search, &parts);
        let states = states_to_walk(db, search)?;
        let is_straight = way.is_none() && matches!(states, Some(States::All));
        let texts = match (way, states) {
            (Some(way), _) => vec![format!("{select} {way} ORDER BY id DESC")],
            (None, None) => return Ok(None),
            (None, Some(States::All)) => vec![format!("{select} NOT INDEXED WHERE {WITHIN} ORDER BY id DESC")],
            (None, Some(States::These(states))) => states.into_iter().map(|state| of_state(&select, state)).collect(),
        };
        Ok(Some(Self { texts, parts, span, is_straight }))
    }

    fn prepare<'db>(&self, db: &'db Connection) -> Result<Vec<CachedStatement<'db>>, StoreError> {
        Ok(self.texts.iter().map(|text| db.prepare_cached(text)).collect::<Result<_, _>>()?)
    }
}

/// The way that leads to few tasks at once, where what is asked names them.
fn direct(search: &Search, parts: &Parts) -> Option<String> {
    let conditions = || search.all.iter().filter(|condition| !condition.is_not && !condition.any.is_empty());
    if conditions().any(|condition| condition.any.iter().all(|test| matches!(test, Test::Id(_)))) {
        return Some(format!("WHERE {WITHIN} AND {}", parts.row));
    }
    let mut tests =
        conditions().filter_map(|condition| if let [test] = &condition.any[..] { Some(test) } else { None });
    tests.find_map(|test| match test {
        Test::Source(_) => Some(format!("INDEXED BY task_source WHERE {WITHIN} AND {}", parts.row)),
        Test::Identifier(value) => {
            let place = parts.values.iter().position(|bound| *bound == Bound::Data(value.clone()))? + 3;
            let named = format!("SELECT task FROM task_identifier WHERE value = ?{place}");
            Some(format!("WHERE id IN ({named}) AND {WITHIN}"))
        }
        _ => None,
    })
}

/// A walk over the tasks of one state, in the words that let the database use an index.
fn of_state(select: &str, state: TaskState) -> String {
    match state {
        TaskState::New => {
            let open = "state = 0 AND state < 4 AND state <> 1";
            format!("{select} INDEXED BY task_claimable WHERE {open} AND {WITHIN} ORDER BY id DESC")
        }
        other => {
            let number = other.number();
            format!("{select} INDEXED BY task_begun WHERE state = {number} AND state > 0 AND {WITHIN} ORDER BY id DESC")
        }
    }
}

enum States {
    All,
    These(Vec<TaskState>),
}

/// The states that have tasks and may be meant; `None`: none has. All of them where that is about as much, or where they
/// would have to be put in order first.
fn states_to_walk(db: &Connection, search: &Search) -> Result<Option<States>, StoreError> {
    let asked = search::states(search);
    let lanes = search::only_lanes(search);
    let run = search::only_run(search);
    let tallies = super::queries::tally(db, run)?;
    let mut there = tallies.iter().filter(|tally| lanes.as_ref().is_none_or(|lanes| lanes.contains(&tally.lane)));
    let mut states: Vec<TaskState> = Vec::new();
    for tally in &mut there {
        if asked.contains(&tally.state) && !states.contains(&tally.state) {
            states.push(tally.state);
        }
    }
    if states.is_empty() {
        return Ok(None);
    }
    // How many an index would lead to, whatever their run and lane.
    let all = if run.is_some() { super::queries::tally(db, None)? } else { tallies };
    let of = |state: TaskState| all.iter().filter(|tally| tally.state == state).map(|tally| tally.count).sum::<u64>();
    let every: u64 = all.iter().map(|tally| tally.count).sum();
    let to_walk: u64 = states.iter().map(|state| of(*state)).sum();
    let is_slow = states.contains(&TaskState::New) && of(TaskState::New) > FEW;
    Ok(Some(if is_slow || to_walk > every / 2 { States::All } else { States::These(states) }))
}

/// Several walks as one, in the order of numbers.
struct Walk<'s> {
    heads: Vec<(Option<(i64, bool)>, Rows<'s>)>,
}

impl<'s> Walk<'s> {
    fn over(statements: &'s mut [CachedStatement<'_>], ways: &Ways) -> Result<Self, StoreError> {
        let ends = [Bound::Integer(ways.span.below), Bound::Integer(ways.span.from)];
        let mut heads = Vec::with_capacity(statements.len());
        for statement in statements {
            // A statement takes as many values as its text names.
            let taken = statement.parameter_count();
            let mut rows = statement.query(params_from_iter(ends.iter().chain(&ways.parts.values).take(taken)))?;
            heads.push((head(&mut rows)?, rows));
        }
        Ok(Self { heads })
    }

    /// The next task, and whether its row fits.
    fn next(&mut self) -> Result<Option<(i64, bool)>, StoreError> {
        let largest = self.heads.iter_mut().max_by_key(|(head, _)| head.map(|(id, _)| id));
        let Some((next, rows)) = largest else { return Ok(None) };
        let Some(found) = *next else { return Ok(None) };
        *next = head(rows)?;
        Ok(Some(found))
    }
}

fn head(rows: &mut Rows<'_>) -> Result<Option<(i64, bool)>, StoreError> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((row.get(0)?, row.get::<_, Option<bool>>(1)?.unwrap_or(false))))
}

/// The close look at a task whose row fits.
struct Looks {
    text: String,
    values: Vec<Bound>,
    reads_data: bool,
}

impl Looks {
    fn new(search: &Search) -> Self {
        let parts = parts(search, &SQLITE, 2);
        let reads_data = search::asks_data(search);
        let body = if reads_data { "(SELECT body FROM payload WHERE payload.task = task.id)" } else { "NULL" };
        let more = more_columns(&SQLITE);
        let text = format!("{TASK_ROW}, {more}, {body} FROM task WHERE id = ?1 AND {}", parts.rest);
        Self { text, values: parts.values, reads_data }
    }

    /// The task, where all holds.
    fn at(&self, db: &Connection, search: &Search, id: i64) -> Result<Option<FoundTask>, StoreError> {
        let mut statement = db.prepare_cached(&self.text)?;
        let taken = statement.parameter_count();
        let number = [Bound::Integer(id)];
        let values = params_from_iter(number.iter().chain(&self.values).take(taken));
        let found = statement.query_row(values, |row| Ok((found_task(row)?, some_bytes(row, 15)?))).optional()?;
        let Some((task, body)) = found else { return Ok(None) };
        let holds = !self.reads_data || search::data_holds(search, &body.unwrap_or_default());
        Ok(holds.then_some(task))
    }
}

fn found_task(row: &Row<'_>) -> rusqlite::Result<FoundTask> {
    let count = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::unsigned_abs));
    Ok(FoundTask {
        row: task_row(row)?,
        identifier: row.get(10)?,
        model: row.get(11)?,
        tokens: count(12)?,
        cost: count(13)?,
        duration_ms: row.get(14)?,
    })
}

/// How many there are.
fn count(db: &Connection, search: &Search) -> Result<Count, StoreError> {
    let tallies = super::queries::tally(db, search::only_run(search))?;
    if let Some(count) = search::counted(search, &tallies) {
        return Ok(Count { count, is_capped: false });
    }
    let Some(span) = Span::of(db, &Search { before: None, ..search.clone() })? else {
        return Ok(Count { count: 0, is_capped: false });
    };
    let Some(ways) = Ways::of(db, search, span)? else { return Ok(Count { count: 0, is_capped: false }) };
    let looks = Looks::new(search);
    let needs_look = ways.parts.rest != ALWAYS || looks.reads_data;
    let most = search::wide(&ways.parts, looks.reads_data);
    let mut statements = ways.prepare(db)?;
    let mut walk = Walk::over(&mut statements, &ways)?;
    let (mut count, mut walked) = (0, 0);
    while let Some((id, fits)) = walk.next()? {
        walked += 1;
        if fits && (!needs_look || looks.at(db, search, id)?.is_some()) {
            count += 1;
        }
        if count >= MOST_COUNTED || walked >= most {
            return Ok(Count { count, is_capped: true });
        }
    }
    Ok(Count { count, is_capped: false })
}

/// Tasks by span of time and state.
fn histogram(db: &Connection, search: &Search, width: Millis) -> Result<Histogram, StoreError> {
    let (Some(since), Some(span)) = (search.since, Span::of(db, search)?) else { return Ok(Histogram::default()) };
    let parts = parts(search, &SQLITE, 6);
    let text = format!(
        "SELECT (created_at - ?3) / ?4 AS bucket, state, sum(coalesce({}, false)), count(*), min(id)
         FROM (SELECT * FROM task NOT INDEXED WHERE {WITHIN} AND {} ORDER BY id DESC LIMIT ?5) AS task
         GROUP BY bucket, state ORDER BY bucket, state",
        parts.rest, parts.row
    );
    let most = i64::from(search::wide(&parts, false));
    let ends = [span.below, span.from, since, width, most].map(Bound::Integer);
    let mut statement = db.prepare_cached(&text)?;
    let mut rows = statement.query(params_from_iter(ends.iter().chain(&parts.values)))?;
    let (mut histogram, mut looked, mut oldest) = (Histogram::default(), 0, i64::MAX);
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(2)?;
        looked += row.get::<_, i64>(3)?;
        oldest = oldest.min(row.get(4)?);
        if count > 0 {
            let bucket = row.get::<_, i64>(0)?;
            histogram.counts.push((u32::try_from(bucket).unwrap_or(0), state(row, 1)?, count.unsigned_abs()));
        }
    }
    if looked >= most {
        histogram.scanned_until = created(db, oldest)?;
    }
    Ok(histogram)
}

fn created(db: &Connection, id: i64) -> Result<Option<Millis>, StoreError> {
    let mut created = db.prepare_cached("SELECT created_at FROM task WHERE id = ?1")?;
    Ok(created.query_row([id], |row| row.get(0)).optional()?)
}

/// The number that the next task will have at least.
fn next_number(db: &Connection) -> Result<TaskId, StoreError> {
    let text = "SELECT coalesce((SELECT max(id) FROM task), 0) + 1";
    Ok(TaskId(db.prepare_cached(text)?.query_row([], |row| row.get(0))?))
}

/// The column that holds a body.
fn body(db: &Connection, task: TaskId, of: BodyOf) -> Result<Option<Bytes>, StoreError> {
    let (text, key) = match of {
        BodyOf::Payload => ("SELECT body FROM payload WHERE task = ?1", task.0),
        BodyOf::Request(number) => (
            // One that was started without a request of its own sent the data as it is.
            "SELECT coalesce((SELECT request FROM attempt_start WHERE key = ?1),
                             (SELECT request FROM attempt_end WHERE key = ?1),
                             (SELECT body FROM payload WHERE task = ?1 >> 24
                              AND EXISTS (SELECT 1 FROM attempt_start WHERE key = ?1)))",
            attempt_key(task, number),
        ),
        BodyOf::Answer(number) => ("SELECT answer FROM attempt_end WHERE key = ?1", attempt_key(task, number)),
    };
    let found = db.prepare_cached(text)?.query_row([key], |row| some_bytes(row, 0)).optional()?;
    Ok(found.flatten())
}

/// Whether a task names a blob.
fn names_blob(db: &Connection, task: TaskId, blob: &BlobId) -> Result<bool, StoreError> {
    let text = "SELECT 1 FROM blob WHERE id = ?1 AND task = ?2";
    Ok(db.prepare_cached(text)?.exists(params![blob.as_str(), task.0])?)
}

/// Values that begin with a text.
fn suggest(db: &Connection, of: SuggestOf, begin: &str) -> Result<Vec<Suggested>, StoreError> {
    let (text, first) = match of {
        // A problem is JSON that begins with its code.
        SuggestOf::Code => (
            "SELECT substr(problem, 10, instr(substr(problem, 10), '\"') - 1) AS value, count(*) AS found
             FROM (SELECT problem FROM attempt_end ORDER BY key DESC LIMIT ?2)
             WHERE problem IS NOT NULL AND substr(value, 1, length(?1)) = ?1
             GROUP BY value ORDER BY found DESC, value LIMIT 20",
            10_000,
        ),
        SuggestOf::Model(hour) => (
            "SELECT model AS value, sum(calls) AS found FROM usage_hour
             WHERE hour >= ?2 AND model <> '' AND substr(model, 1, length(?1)) = ?1
             GROUP BY value ORDER BY found DESC, value LIMIT 20",
            hour,
        ),
    };
    let mut statement = db.prepare_cached(text)?;
    let rows = statement.query_map(params![begin, first], |row| {
        Ok(Suggested { value: row.get(0)?, count: row.get::<_, i64>(1)?.unsigned_abs() })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One run.
fn run(db: &Connection, id: RunId) -> Result<Option<Run>, StoreError> {
    let text = r#"SELECT id, lane, "trigger", started_at FROM run WHERE id = ?1"#;
    let run = |row: &Row<'_>| {
        let (id, lane) = (RunId(row.get(0)?), LaneId(row.get(1)?));
        Ok(Run { id, lane, trigger: row.get(2)?, started_at: row.get(3)? })
    };
    Ok(db.prepare_cached(text)?.query_row([id.0], run).optional()?)
}

/// Sums of usage by spans of hours.
fn usage_buckets(
    db: &Connection,
    by: BucketsBy,
    [since, until, hours]: [i64; 3],
) -> Result<Vec<UsageBucket>, StoreError> {
    let name = match by {
        BucketsBy::All => "NULL",
        BucketsBy::Lane => "(SELECT lane.name FROM lane WHERE lane.id = usage_hour.lane)",
        BucketsBy::Model => "nullif(model, '')",
    };
    let columns = super::usage::COLUMNS
        .map(|column| format!("CASE WHEN count({column}) > 0 THEN CAST(total({column}) AS INTEGER) END"));
    let text = format!(
        "SELECT {name} AS name, sum(calls), sum(unpriced), NULL, {}, (hour - ?1) / ?3 AS bucket FROM usage_hour
         WHERE hour >= ?1 AND hour < ?2 GROUP BY bucket, name ORDER BY bucket, name",
        columns.join(", ")
    );
    let mut statement = db.prepare_cached(&text)?;
    let rows = statement.query_map([since, until, hours], |row| {
        let bucket = u32::try_from(row.get::<_, i64>(12)?).unwrap_or(0);
        Ok(UsageBucket { bucket, sum: usage_sum(row)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
