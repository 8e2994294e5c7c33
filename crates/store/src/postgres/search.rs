//! Looking through many tasks: pages of those whose rows fit, each looked at closely until the page is full.

use super::PostgresStore;
use super::fault::Fault;
use super::queries::{TASK_ROW, task_row};
use super::rows::{some_bytes, some_text, state, usage_sum};
use super::tally::SUMS;
use crate::blobs::BlobId;
use crate::bodies;
use crate::keys::attempt_key;
use crate::search::sql::{Bound, Dialect, more_columns, parts};
use crate::search::{self, MOST_COUNTED, SLACK};
use crate::{
    Body, BodyOf, BucketsBy, Count, Found, FoundTask, Histogram, LaneId, Run, Search, Searching, StoreError, SuggestOf,
    Suggested, UsageBucket,
};
use async_trait::async_trait;
use bytes::Bytes;
use model::{Millis, RunId, TaskId};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};

/// Rows of one page at most.
const PAGE: u32 = 1_000;
/// Tasks that are looked at closely for one page at most.
const LOOKS: usize = 4_000;
/// So many at a time.
const CHUNK: usize = 500;

const POSTGRES: Dialect = Dialect {
    mark: '$',
    in_body: |column, value| format!("position({value} in {column}) > 0"),
    in_text: |column, value| format!("position({value} in {column}) > 0"),
    sum,
};

/// The sum of a column, at most the largest number; of nothing there is none.
fn sum(column: &str) -> String {
    format!("CASE WHEN count({column}) > 0 THEN least(sum({column}), {})::bigint END", i64::MAX)
}

type Asked<'q> = Query<'q, Postgres, PgArguments>;

fn bind<'q>(query: Asked<'q>, values: &'q [Bound]) -> Asked<'q> {
    values.iter().fold(query, |query, value| match value {
        Bound::Integer(number) => query.bind(*number),
        Bound::Text(text) => query.bind(text.as_str()),
        Bound::Data(text) => query.bind(text.as_bytes()),
    })
}

/// The numbers between which tasks are looked for: below the first, from the second on. `None` where nothing can be.
async fn span(db: &mut PgConnection, search: &Search) -> Result<Option<[i64; 2]>, Fault> {
    let from = match search.since {
        Some(since) => first_from(db, since.saturating_sub(SLACK)).await?,
        None => 0,
    };
    let below = match search.until {
        Some(until) => first_from(db, until.saturating_add(SLACK)).await?,
        None => i64::MAX,
    };
    let below = search.before.map_or(below, |before| below.min(before.0));
    Ok((from < below).then_some([below, from]))
}

/// The first number from which on tasks were created at a time or later, as far as numbers and times go together.
async fn first_from(db: &mut PgConnection, at: Millis) -> Result<i64, Fault> {
    let ends = sqlx::query("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM task").fetch_one(&mut *db).await?;
    let (mut low, most): (i64, i64) = (ends.try_get(0)?, ends.try_get(1)?);
    let mut high = most + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let next = "SELECT id, created_at FROM task WHERE id >= $1 ORDER BY id LIMIT 1";
        let found = sqlx::query(next).bind(middle).fetch_optional(&mut *db).await?;
        let found =
            found.map(|row| Ok::<(i64, Millis), sqlx::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
        match found {
            Some((id, created)) if created < at => low = id + 1,
            _ => high = middle,
        }
    }
    Ok(if low > most { i64::MAX } else { low })
}

#[async_trait]
impl Searching for PostgresStore {
    async fn search(&self, asked: Search) -> Result<Found, StoreError> {
        self.server.slow().read(asked, |db, asked| Box::pin(search(db, asked))).await
    }

    async fn count(&self, asked: Search) -> Result<Count, StoreError> {
        self.server.slow().read(asked, |db, asked| Box::pin(count(db, asked))).await
    }

    async fn histogram(&self, asked: Search, width: Millis) -> Result<Histogram, StoreError> {
        self.server.slow().read((asked, width), |db, (asked, width)| Box::pin(histogram(db, asked, *width))).await
    }

    async fn next_number(&self) -> Result<TaskId, StoreError> {
        self.server.read((), |db, ()| Box::pin(next_number(db))).await
    }

    async fn body(&self, task: TaskId, of: BodyOf) -> Result<Option<Body>, StoreError> {
        let column = self.server.read((task, of), |db, (task, of)| Box::pin(body(db, *task, *of))).await?;
        let Some(column) = column else { return Ok(None) };
        self.with_blobs(move |blobs| bodies::placed(blobs, column)).await.map(Some)
    }

    async fn names_blob(&self, task: TaskId, blob: BlobId) -> Result<bool, StoreError> {
        self.server.read((task, blob), |db, (task, blob)| Box::pin(names_blob(db, *task, blob))).await
    }

    async fn suggest(&self, of: SuggestOf, text: String) -> Result<Vec<Suggested>, StoreError> {
        self.server.read((of, text), |db, (of, text)| Box::pin(suggest(db, *of, text))).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.server.read(id, |db, id| Box::pin(run(db, *id))).await
    }

    async fn usage_buckets(
        &self,
        by: BucketsBy,
        since: i64,
        until: i64,
        hours: i64,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let span = [since, until, hours];
        self.server.slow().read((by, span), |db, (by, span)| Box::pin(usage_buckets(db, *by, *span))).await
    }
}

/// One page, newest first.
async fn search(db: &mut PgConnection, search: &Search) -> Result<Found, Fault> {
    let Some(span) = span(db, search).await? else { return Ok(Found::default()) };
    if !has_any(db, search).await? {
        return Ok(Found::default());
    }
    let ids = ids(db, search, span, LOOKS).await?;
    let looks = Looks::new(search);
    let limit = search.limit.min(PAGE) as usize;
    let mut found = Found::default();
    let mut last = None;
    'page: for chunk in ids.chunks(CHUNK.max(limit)) {
        for task in looks.at(db, search, chunk).await? {
            last = Some(task.row.id.0);
            found.tasks.push(task);
            if found.tasks.len() >= limit {
                break 'page;
            }
        }
        last = chunk.last().copied();
    }
    let is_whole = ids.len() < LOOKS && last == ids.last().copied();
    if let Some(last) = last.filter(|_| !is_whole) {
        found.next = Some(TaskId(last));
        found.scanned_until = created(db, last).await?;
    }
    Ok(found)
}

/// Whether there is anything to find: else the last page of a rare state would walk every task.
async fn has_any(db: &mut PgConnection, search: &Search) -> Result<bool, Fault> {
    let states = search::states(search);
    let lanes = search::only_lanes(search);
    let tallies = super::queries::tally(db, search::only_run(search)).await?;
    let fits = |tally: &crate::Tally| {
        states.contains(&tally.state) && lanes.as_ref().is_none_or(|lanes| lanes.contains(&tally.lane))
    };
    Ok(tallies.iter().any(fits))
}

/// The newest of those whose rows fit.
async fn ids(db: &mut PgConnection, search: &Search, span: [i64; 2], most: usize) -> Result<Vec<i64>, Fault> {
    let parts = parts(search, &POSTGRES, 3);
    let text =
        format!("SELECT id FROM task WHERE id < $1 AND id >= $2 AND {} ORDER BY id DESC LIMIT {most}", parts.row);
    let query = sqlx::query(AssertSqlSafe(text)).bind(span[0]).bind(span[1]);
    let rows = bind(query, &parts.values).fetch_all(db).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// The close look at tasks whose rows fit.
struct Looks {
    text: String,
    values: Vec<Bound>,
    reads_data: bool,
}

impl Looks {
    fn new(search: &Search) -> Self {
        let parts = parts(search, &POSTGRES, 2);
        let reads_data = search::asks_data(search);
        let body = if reads_data { "(SELECT body FROM payload WHERE payload.task = task.id)" } else { "NULL::bytea" };
        let more = more_columns(&POSTGRES);
        let text =
            format!("{TASK_ROW}, {more}, {body} FROM task WHERE id = ANY ($1) AND {} ORDER BY id DESC", parts.rest);
        Self { text, values: parts.values, reads_data }
    }

    /// Those of the tasks where all holds, newest first.
    async fn at(&self, db: &mut PgConnection, search: &Search, ids: &[i64]) -> Result<Vec<FoundTask>, Fault> {
        let query = sqlx::query(AssertSqlSafe(self.text.clone())).bind(ids);
        let rows = bind(query, &self.values).fetch_all(db).await?;
        let mut found = Vec::new();
        for row in &rows {
            if !self.reads_data || search::data_holds(search, &some_bytes(row, 15)?.unwrap_or_default()) {
                found.push(found_task(row)?);
            }
        }
        Ok(found)
    }
}

fn found_task(row: &PgRow) -> Result<FoundTask, sqlx::Error> {
    let count = |column: usize| row.try_get::<Option<i64>, _>(column).map(|count| count.map(i64::unsigned_abs));
    Ok(FoundTask {
        row: task_row(row)?,
        identifier: some_text(row, 10)?,
        model: some_text(row, 11)?,
        tokens: count(12)?,
        cost: count(13)?,
        duration_ms: row.try_get(14)?,
    })
}

async fn created(db: &mut PgConnection, id: i64) -> Result<Option<Millis>, Fault> {
    let row = sqlx::query("SELECT created_at FROM task WHERE id = $1").bind(id).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// How many there are.
async fn count(db: &mut PgConnection, search: &Search) -> Result<Count, Fault> {
    let tallies = super::queries::tally(db, search::only_run(search)).await?;
    if let Some(count) = search::counted(search, &tallies) {
        return Ok(Count { count, is_capped: false });
    }
    let none = Count { count: 0, is_capped: false };
    let Some(span) = span(db, &Search { before: None, ..search.clone() }).await? else { return Ok(none) };
    if !has_any(db, search).await? {
        return Ok(none);
    }
    if search::asks_data(search) {
        return count_data(db, search, span).await;
    }
    let parts = parts(search, &POSTGRES, 3);
    let most = search::wide(&parts, false);
    let text = format!(
        "SELECT count(*) FILTER (WHERE {}), count(*) FROM
             (SELECT * FROM task WHERE id < $1 AND id >= $2 AND {} ORDER BY id DESC LIMIT {most}) AS task",
        parts.rest, parts.row
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(span[0]).bind(span[1]);
    let row = bind(query, &parts.values).fetch_one(db).await?;
    let count = row.try_get::<i64, _>(0)?.unsigned_abs();
    let is_capped = count > MOST_COUNTED || row.try_get::<i64, _>(1)? >= i64::from(most);
    Ok(Count { count: count.min(MOST_COUNTED), is_capped })
}

/// The same, where data must be read.
async fn count_data(db: &mut PgConnection, search: &Search, span: [i64; 2]) -> Result<Count, Fault> {
    let most = search::wide(&parts(search, &POSTGRES, 3), true) as usize;
    let ids = ids(db, search, span, most).await?;
    let looks = Looks::new(search);
    let mut count = 0;
    for chunk in ids.chunks(CHUNK) {
        count += looks.at(db, search, chunk).await?.len() as u64;
        if count >= MOST_COUNTED {
            return Ok(Count { count: MOST_COUNTED, is_capped: true });
        }
    }
    Ok(Count { count, is_capped: ids.len() >= most })
}

/// Tasks by span of time and state.
async fn histogram(db: &mut PgConnection, search: &Search, width: Millis) -> Result<Histogram, Fault> {
    let Some(since) = search.since else { return Ok(Histogram::default()) };
    let Some(span) = span(db, search).await? else { return Ok(Histogram::default()) };
    let parts = parts(search, &POSTGRES, 5);
    let most = search::wide(&parts, false);
    let text = format!(
        "SELECT (created_at - $3) / $4 AS bucket, state, count(*) FILTER (WHERE {}), count(*), min(id)
         FROM (SELECT * FROM task WHERE id < $1 AND id >= $2 AND {} ORDER BY id DESC LIMIT {most}) AS task
         GROUP BY bucket, state ORDER BY bucket, state",
        parts.rest, parts.row
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(span[0]).bind(span[1]).bind(since).bind(width);
    let rows = bind(query, &parts.values).fetch_all(&mut *db).await?;
    let (mut histogram, mut looked, mut oldest) = (Histogram::default(), 0, i64::MAX);
    for row in &rows {
        let count = row.try_get::<i64, _>(2)?;
        looked += row.try_get::<i64, _>(3)?;
        oldest = oldest.min(row.try_get(4)?);
        if count > 0 {
            let bucket = row.try_get::<i64, _>(0)?;
            histogram.counts.push((u32::try_from(bucket).unwrap_or(0), state(row, 1)?, count.unsigned_abs()));
        }
    }
    if looked >= i64::from(most) {
        histogram.scanned_until = created(db, oldest).await?;
    }
    Ok(histogram)
}

/// The number that the next task will have at least.
async fn next_number(db: &mut PgConnection) -> Result<TaskId, Fault> {
    let row = sqlx::query("SELECT coalesce(max(id), 0) + 1 FROM task").fetch_one(db).await?;
    Ok(TaskId(row.try_get(0)?))
}

/// The column that holds a body.
async fn body(db: &mut PgConnection, task: TaskId, of: BodyOf) -> Result<Option<Bytes>, Fault> {
    let (text, key) = match of {
        BodyOf::Payload => ("SELECT body FROM payload WHERE task = $1", task.0),
        BodyOf::Request(number) => (
            // One that was started without a request of its own sent the data as it is.
            "SELECT coalesce((SELECT request FROM attempt_start WHERE key = $1),
                             (SELECT request FROM attempt_end WHERE key = $1),
                             (SELECT body FROM payload WHERE task = $1 >> 24
                              AND EXISTS (SELECT 1 FROM attempt_start WHERE key = $1)))",
            attempt_key(task, number),
        ),
        BodyOf::Answer(number) => ("SELECT answer FROM attempt_end WHERE key = $1", attempt_key(task, number)),
    };
    let row = sqlx::query(text).bind(key).fetch_optional(db).await?;
    Ok(row.map(|row| some_bytes(&row, 0)).transpose()?.flatten())
}

/// Whether a task names a blob.
async fn names_blob(db: &mut PgConnection, task: TaskId, blob: &BlobId) -> Result<bool, Fault> {
    let query = sqlx::query("SELECT FROM blob WHERE id = $1 AND task = $2").bind(blob.as_str()).bind(task.0);
    Ok(query.fetch_optional(db).await?.is_some())
}

/// Values that begin with a text.
async fn suggest(db: &mut PgConnection, of: SuggestOf, begin: &str) -> Result<Vec<Suggested>, Fault> {
    let (text, first) = match of {
        // A problem is JSON that begins with its code.
        SuggestOf::Code => (
            "SELECT convert_to(code, 'UTF8') AS value, count(*) AS found
             FROM (SELECT split_part(substr(problem, 10), '\"', 1) AS code
                   FROM (SELECT problem FROM attempt_end ORDER BY key DESC LIMIT $2) AS late
                   WHERE problem IS NOT NULL) AS codes
             WHERE starts_with(code, convert_from($1, 'UTF8'))
             GROUP BY value ORDER BY found DESC, value LIMIT 20",
            10_000,
        ),
        SuggestOf::Model(hour) => (
            "SELECT model AS value, sum(calls)::bigint AS found FROM usage_hour
             WHERE hour >= $2 AND model <> '' AND substr(model, 1, length($1)) = $1
             GROUP BY value ORDER BY found DESC, value LIMIT 20",
            hour,
        ),
    };
    let rows = sqlx::query(text).bind(begin.as_bytes()).bind(first).fetch_all(db).await?;
    let suggested = rows.iter().map(|row| {
        let count = row.try_get::<i64, _>(1)?.unsigned_abs();
        Ok(Suggested { value: some_text(row, 0)?.unwrap_or_default(), count })
    });
    suggested.collect()
}

/// One run.
async fn run(db: &mut PgConnection, id: RunId) -> Result<Option<Run>, Fault> {
    let text = r#"SELECT id, lane, "trigger", started_at FROM run WHERE id = $1"#;
    let row = sqlx::query(text).bind(id.0).fetch_optional(db).await?;
    let run = |row: PgRow| {
        let (id, lane) = (RunId(row.try_get(0)?), LaneId(row.try_get(1)?));
        Ok(Run { id, lane, trigger: row.try_get(2)?, started_at: row.try_get(3)? })
    };
    row.map(run).transpose()
}

/// Sums of usage by spans of hours.
async fn usage_buckets(
    db: &mut PgConnection,
    by: BucketsBy,
    [since, until, hours]: [i64; 3],
) -> Result<Vec<UsageBucket>, Fault> {
    let name = match by {
        BucketsBy::All => "NULL::bytea",
        BucketsBy::Lane => "(SELECT convert_to(lane.name, 'UTF8') FROM lane WHERE lane.id = usage_hour.lane)",
        BucketsBy::Model => "nullif(model, '')",
    };
    let columns = SUMS.map(sum);
    let text = format!(
        "SELECT name, sum(calls)::bigint, sum(unpriced)::bigint, NULL::bytea, {}, bucket
         FROM (SELECT {name} AS name, (hour - $1) / $3 AS bucket, * FROM usage_hour WHERE hour >= $1 AND hour < $2) AS used
         GROUP BY bucket, name ORDER BY bucket, name NULLS FIRST",
        columns.join(", ")
    );
    let rows = sqlx::query(AssertSqlSafe(text)).bind(since).bind(until).bind(hours).fetch_all(db).await?;
    let buckets = rows.iter().map(|row| {
        let bucket = u32::try_from(row.try_get::<i64, _>(12)?).unwrap_or(0);
        Ok(UsageBucket { bucket, sum: usage_sum(row)? })
    });
    buckets.collect()
}
