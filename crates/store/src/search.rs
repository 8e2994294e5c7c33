//! Looking through many tasks: by conditions that no index answers, within bounds.
//!
//! A page of tasks is walked from the newest to the oldest. What is looked at for one page is bounded, so a page may be
//! short, or empty, while there is more: [`Found::next`] says where to go on. Whoever asks sees how far the walk came.

use crate::{LaneId, Run, StoreError, TaskRow, UsageSum};
use async_trait::async_trait;
use bytes::Bytes;
use model::{Millis, RunId, TaskId, TaskState};

/// Created times and numbers of tasks go together, but for clocks that were set back by more than this.
pub(crate) const SLACK: Millis = 600_000;
/// Matches that are counted one by one at most.
pub(crate) const MOST_COUNTED: u64 = 10_000;
/// Tasks that are passed to count, or to draw a histogram, at most.
const WIDE: u32 = 300_000;
/// The same where each is looked at closely.
const WIDE_CLOSELY: u32 = 50_000;

/// How many tasks are passed at most, where those conditions are asked of what belongs to them.
pub(crate) fn wide(parts: &sql::Parts, reads_data: bool) -> u32 {
    if parts.rest == sql::ALWAYS && !reads_data { WIDE } else { WIDE_CLOSELY }
}

/// Which tasks are looked for: all conditions hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// What must hold.
    pub all: Vec<Condition>,
    /// Created from this time on.
    pub since: Option<Millis>,
    /// Created before this time.
    pub until: Option<Millis>,
    /// Only numbers below this one: the next page.
    pub before: Option<TaskId>,
    /// At most this many, 1,000 a call.
    pub limit: u32,
}

/// One of the tests holds, or with `is_not` none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// None may hold.
    pub is_not: bool,
    /// One of them.
    pub any: Vec<Test>,
}

/// What can be asked of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It stands here.
    State(TaskState),
    /// It is of this lane.
    Lane(LaneId),
    /// It is of this run.
    Run(RunId),
    /// It is this one.
    Id(TaskId),
    /// It was made from this one.
    Source(TaskId),
    /// One of its attempts ended with a problem of this code, or it was born with one.
    Code(String),
    /// One of its attempts was answered with this status.
    Status(u16),
    /// This model answered one of its attempts.
    Model(String),
    /// What its attempts cost together, in billionths.
    Cost(Compare, i64),
    /// How long its longest attempt took, in milliseconds.
    Duration(Compare, i64),
    /// How many attempts it has.
    Attempts(Compare, i64),
    /// When it was accepted.
    Created(Compare, Millis),
    /// When it ended.
    Finished(Compare, Millis),
    /// What people call it.
    Identifier(String),
    /// This text stands in its data, an answer or a problem, to the letter.
    Text(String),
    /// What its data has at this path, as text. Data that is kept in a blob is not looked into.
    Data(Vec<String>, String),
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// It is less.
    Less,
    /// It is at most this.
    AtMost,
    /// It is this.
    Equal,
    /// It is at least this.
    AtLeast,
    /// It is more.
    More,
}

impl Compare {
    /// As SQL writes it.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::More => ">",
        }
    }
}

/// A task as found: what lists show, and what its attempts used.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundTask {
    /// The task.
    pub row: TaskRow,
    /// What people call it.
    pub identifier: Option<String>,
    /// The model that answered last.
    pub model: Option<String>,
    /// Tokens of all attempts.
    pub tokens: Option<u64>,
    /// Cost of all attempts, in billionths.
    pub cost: Option<u64>,
    /// How long its longest attempt took.
    pub duration_ms: Option<Millis>,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Newest first.
    pub tasks: Vec<FoundTask>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<TaskId>,
    /// Down to this time everything was looked at; `None`: all of it.
    pub scanned_until: Option<Millis>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many were counted.
    pub count: u64,
    /// There may be more.
    pub is_capped: bool,
}

/// How many tasks of each state were created in each span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Number of the span, state, count; in this order. Counts of zero are left out.
    pub counts: Vec<(u32, TaskState, u64)>,
    /// Not all tasks of the time were looked at: only so far back.
    pub scanned_until: Option<Millis>,
}

/// One body of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyOf {
    /// Its data.
    Payload,
    /// What the attempt of this number sent.
    Request(u32),
    /// What the attempt of this number was answered.
    Answer(u32),
}

/// A body, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// JSON text.
    Text(Bytes),
    /// In this blob, which holds so many bytes.
    Blob(crate::blobs::BlobId, u64),
}

/// A value that could be filtered by, and how many tasks or calls have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggested {
    /// As it is written in a filter.
    pub value: String,
    /// How many of those that were looked at.
    pub count: u64,
}

/// What values are suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuggestOf {
    /// Codes of problems, of the attempts of late.
    Code,
    /// Models, of the calls since this hour.
    Model(i64),
}

/// What is summed in buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketsBy {
    /// Everything together.
    All,
    /// The lane whose task made the call.
    Lane,
    /// The model that answered.
    Model,
}

/// What calls used in one span of time.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageBucket {
    /// Number of the span.
    pub bucket: u32,
    /// The sum; its name is that of the route, incoming or model.
    pub sum: UsageSum,
}

/// Looks through many tasks.
#[async_trait]
pub trait Searching {
    /// One page of tasks, newest first.
    async fn search(&self, search: Search) -> Result<Found, StoreError>;

    /// How many there are, up to 10,000. Its page is not looked at.
    async fn count(&self, search: Search) -> Result<Count, StoreError>;

    /// Tasks of a search that has both times, by spans of `width` from `since` on.
    async fn histogram(&self, search: Search, width: Millis) -> Result<Histogram, StoreError>;

    /// The number that the next task will have at least.
    async fn next_number(&self) -> Result<TaskId, StoreError>;

    /// One body of a task; `None` where there is none.
    async fn body(&self, task: TaskId, of: BodyOf) -> Result<Option<Body>, StoreError>;

    /// Whether a task names a blob.
    async fn names_blob(&self, task: TaskId, blob: crate::blobs::BlobId) -> Result<bool, StoreError>;

    /// Values to filter by that begin with this text, the most frequent first, at most 20.
    async fn suggest(&self, of: SuggestOf, text: String) -> Result<Vec<Suggested>, StoreError>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError>;

    /// Sums of usage by spans of so many hours, from the hour `since` up to the hour `until` exclusively. Deleted tasks
    /// count.
    async fn usage_buckets(
        &self,
        by: BucketsBy,
        since: i64,
        until: i64,
        hours: i64,
    ) -> Result<Vec<UsageBucket>, StoreError>;
}

/// The text of conditions, in the words that both databases know, and the values to bind.
pub(crate) mod sql {
    use super::{Condition, Search, Test};

    /// What differs between the databases.
    pub(crate) struct Dialect {
        /// Before the number of a value.
        pub(crate) mark: char,
        /// Whether a text stands in a body: column, value.
        pub(crate) in_body: fn(&str, &str) -> String,
        /// Whether a text stands in a text.
        pub(crate) in_text: fn(&str, &str) -> String,
        /// The sum of a column, at most the largest number.
        pub(crate) sum: fn(&str) -> String,
    }

    /// A value to bind.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) enum Bound {
        Integer(i64),
        Text(String),
        /// From data: bytes where the database keeps it so.
        Data(String),
    }

    /// Conditions on the row of a task itself, and those on what belongs to it.
    #[derive(Debug, Default)]
    pub(crate) struct Parts {
        pub(crate) row: String,
        pub(crate) rest: String,
        pub(crate) values: Vec<Bound>,
    }

    /// The condition of nothing.
    pub(crate) const ALWAYS: &str = "true";

    /// What an attempt's rows are found by.
    const OF_TASK: &str = "key >= task.id << 24 AND key < (task.id + 1) << 24";

    /// Puts the conditions together; those on data are not among them. Values count from `first`.
    pub(crate) fn parts(search: &Search, dialect: &Dialect, first: usize) -> Parts {
        let mut parts = Parts { row: ALWAYS.to_owned(), rest: ALWAYS.to_owned(), values: Vec::new() };
        let mut writer = Writer { dialect, first, values: Vec::new() };
        let times = [(search.since, super::Compare::AtLeast), (search.until, super::Compare::Less)];
        for (time, compare) in times {
            if let Some(time) = time {
                let test = writer.test(&Test::Created(compare, time));
                parts.row.push_str(&format!(" AND {test}"));
            }
        }
        for condition in &search.all {
            if is_of_data(condition) {
                continue;
            }
            let any = writer.any(&condition.any);
            let text =
                if condition.is_not { format!(" AND NOT coalesce(({any}), false)") } else { format!(" AND ({any})") };
            let part = if condition.any.iter().all(is_of_row) { &mut parts.row } else { &mut parts.rest };
            part.push_str(&text);
        }
        parts.values = writer.values;
        parts
    }

    /// Whether a condition is about data, which no SQL looks into.
    pub(crate) fn is_of_data(condition: &Condition) -> bool {
        condition.any.iter().any(|test| matches!(test, Test::Data(..)))
    }

    fn is_of_row(test: &Test) -> bool {
        use Test::{Created, Finished, Id, Lane, Run, Source, State};
        matches!(test, State(_) | Lane(_) | Run(_) | Id(_) | Source(_) | Created(..) | Finished(..))
    }

    struct Writer<'a> {
        dialect: &'a Dialect,
        first: usize,
        values: Vec<Bound>,
    }

    impl Writer<'_> {
        fn bind(&mut self, value: Bound) -> String {
            self.values.push(value);
            format!("{}{}", self.dialect.mark, self.first + self.values.len() - 1)
        }

        /// One of the tests: numbers of one column as a list, since a chain of thousands is too deep for a database.
        fn any(&mut self, tests: &[Test]) -> String {
            let number = |test: &Test| match test {
                Test::State(state) => Some(("state", state.number())),
                Test::Lane(lane) => Some(("lane", lane.0)),
                Test::Id(id) => Some(("id", id.0)),
                _ => None,
            };
            let numbers: Option<Vec<_>> = tests.iter().map(number).collect();
            match numbers.as_deref() {
                None => tests.iter().map(|test| self.test(test)).collect::<Vec<_>>().join(" OR "),
                Some([]) => "false".to_owned(),
                Some([(column, _), rest @ ..]) if rest.iter().any(|(other, _)| other != column) => {
                    tests.iter().map(|test| self.test(test)).collect::<Vec<_>>().join(" OR ")
                }
                Some(numbers @ [(column, _), ..]) => {
                    let places: Vec<String> =
                        numbers.iter().map(|(_, number)| self.bind(Bound::Integer(*number))).collect();
                    format!("{column} IN ({})", places.join(", "))
                }
            }
        }

        fn number(&mut self, column: &str, compare: super::Compare, value: i64) -> String {
            let place = self.bind(Bound::Integer(value));
            format!("{column} {} {place}", compare.sql())
        }

        fn test(&mut self, test: &Test) -> String {
            use super::Compare::Equal;
            match test {
                Test::State(state) => self.number("state", Equal, state.number()),
                Test::Lane(lane) => self.number("lane", Equal, lane.0),
                Test::Run(run) => self.number("run", Equal, run.0),
                Test::Id(id) => self.number("id", Equal, id.0),
                Test::Source(id) => self.number("source", Equal, id.0),
                Test::Created(compare, at) => self.number("created_at", *compare, *at),
                Test::Finished(compare, at) => self.number("finished_at", *compare, *at),
                Test::Code(code) => {
                    // A problem is JSON that begins with its code.
                    let begin = format!("{{\"code\":\"{code}\",");
                    let length = begin.len();
                    let place = self.bind(Bound::Text(begin));
                    format!(
                        "(EXISTS (SELECT 1 FROM attempt_end WHERE {OF_TASK} AND substr(problem, 1, {length}) = {place})
                          OR EXISTS (SELECT 1 FROM intake_problem WHERE intake_problem.task = task.id
                                     AND substr(problem, 1, {length}) = {place}))"
                    )
                }
                Test::Status(status) => {
                    let place = self.bind(Bound::Integer(i64::from(*status)));
                    format!("EXISTS (SELECT 1 FROM attempt_end WHERE {OF_TASK} AND status = {place})")
                }
                Test::Model(model) => {
                    let place = self.bind(Bound::Data(model.clone()));
                    format!("EXISTS (SELECT 1 FROM attempt_end WHERE {OF_TASK} AND model = {place})")
                }
                Test::Identifier(value) => {
                    let place = self.bind(Bound::Data(value.clone()));
                    format!(
                        "EXISTS (SELECT 1 FROM task_identifier WHERE task_identifier.task = task.id AND value = {place})"
                    )
                }
                Test::Cost(compare, cost) => {
                    let sum = (self.dialect.sum)("cost");
                    self.number(&format!("(SELECT {sum} FROM attempt_end WHERE {OF_TASK})"), *compare, *cost)
                }
                Test::Duration(compare, span) => self.number(DURATION, *compare, *span),
                Test::Attempts(compare, count) => self.number(ATTEMPTS, *compare, *count),
                Test::Text(text) => self.text(text),
                // Looked for where the data is read.
                Test::Data(..) => "true".to_owned(),
            }
        }

        fn text(&mut self, text: &str) -> String {
            // As JSON writes it.
            let quoted = serde_json::Value::from(text).to_string();
            let written = quoted[1..quoted.len() - 1].to_owned();
            let (body, words) = (self.bind(Bound::Data(written.clone())), self.bind(Bound::Text(written)));
            let (in_body, in_text) = (self.dialect.in_body, self.dialect.in_text);
            format!(
                "(EXISTS (SELECT 1 FROM payload WHERE payload.task = task.id AND {})
                  OR EXISTS (SELECT 1 FROM attempt_end WHERE {OF_TASK} AND ({} OR {}))
                  OR EXISTS (SELECT 1 FROM intake_problem WHERE intake_problem.task = task.id AND {}))",
                in_body("body", &body),
                in_body("answer", &body),
                in_text("problem", &words),
                in_text("problem", &words),
            )
        }
    }

    /// Attempts are those with a start, and those that ended without one.
    pub(crate) const ATTEMPTS: &str = "
        ((SELECT count(*) FROM attempt_start WHERE key >= task.id << 24 AND key < (task.id + 1) << 24)
         + (SELECT count(*) FROM attempt_end AS ended WHERE ended.key >= task.id << 24 AND ended.key < (task.id + 1) << 24
            AND NOT EXISTS (SELECT 1 FROM attempt_start WHERE attempt_start.key = ended.key)))";

    /// How long the longest attempt took.
    pub(crate) const DURATION: &str = "
        (SELECT max(attempt_end.at - attempt_start.at) FROM attempt_end JOIN attempt_start
             ON attempt_start.key = attempt_end.key
         WHERE attempt_end.key >= task.id << 24 AND attempt_end.key < (task.id + 1) << 24)";

    /// What a found task shows besides its row: identifier, model, tokens, cost, duration.
    pub(crate) fn more_columns(dialect: &Dialect) -> String {
        let (tokens, cost) = ((dialect.sum)("total_tokens"), (dialect.sum)("cost"));
        format!(
            "(SELECT value FROM task_identifier WHERE task_identifier.task = task.id),
             (SELECT model FROM attempt_end WHERE {OF_TASK} AND model IS NOT NULL ORDER BY key DESC LIMIT 1),
             (SELECT {tokens} FROM attempt_end WHERE {OF_TASK}),
             (SELECT {cost} FROM attempt_end WHERE {OF_TASK}),
             {DURATION}"
        )
    }
}

/// Whether data has what conditions ask of it. A body that is kept in a blob, or is no JSON, has nothing.
pub(crate) fn data_holds(search: &Search, body: &[u8]) -> bool {
    let asked: Vec<&Condition> = search.all.iter().filter(|condition| sql::is_of_data(condition)).collect();
    if asked.is_empty() {
        return true;
    }
    let data: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    asked.iter().all(|condition| {
        let holds = condition.any.iter().any(|test| match test {
            Test::Data(path, text) => at_path(&data, path).is_some_and(|found| is_written(found, text)),
            _ => false,
        });
        holds != condition.is_not
    })
}

fn at_path<'a>(data: &'a serde_json::Value, path: &[String]) -> Option<&'a serde_json::Value> {
    path.iter().try_fold(data, |data, name| match data {
        serde_json::Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

fn is_written(found: &serde_json::Value, text: &str) -> bool {
    match found {
        serde_json::Value::String(found) => found == text,
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => false,
        serde_json::Value::Number(number) => number.to_string() == text,
        serde_json::Value::Bool(flag) => text == if *flag { "true" } else { "false" },
        serde_json::Value::Null => text == "null",
    }
}

/// Whether a search must look into data.
pub(crate) fn asks_data(search: &Search) -> bool {
    search.all.iter().any(sql::is_of_data)
}

/// The states that a search leaves open: none of the others needs to be looked at.
pub(crate) fn states(search: &Search) -> Vec<TaskState> {
    let of_state = |test: &Test| matches!(test, Test::State(_));
    let fits = |state: &TaskState| {
        search
            .all
            .iter()
            .filter(|condition| condition.any.iter().all(of_state))
            .all(|condition| condition.any.contains(&Test::State(*state)) != condition.is_not)
    };
    TaskState::ALL.into_iter().filter(fits).collect()
}

/// The only run that a search is about, if it is.
pub(crate) fn only_run(search: &Search) -> Option<RunId> {
    search.all.iter().find_map(|condition| match (condition.is_not, &condition.any[..]) {
        (false, [Test::Run(run)]) => Some(*run),
        _ => None,
    })
}

/// The lanes that a search is about; `None`: all.
pub(crate) fn only_lanes(search: &Search) -> Option<Vec<LaneId>> {
    let lane = |test: &Test| if let Test::Lane(lane) = test { Some(*lane) } else { None };
    let lanes = search.all.iter().filter(|condition| !condition.is_not);
    lanes.filter_map(|condition| condition.any.iter().map(lane).collect::<Option<Vec<_>>>()).next()
}

/// Counts a search from kept counts, where they know all that it asks.
pub(crate) fn counted(search: &Search, tallies: &[crate::Tally]) -> Option<u64> {
    let run = only_run(search);
    let known = |condition: &Condition| {
        condition.any.iter().all(|test| match test {
            Test::State(_) | Test::Lane(_) => true,
            Test::Run(of) => Some(*of) == run && !condition.is_not,
            _ => false,
        })
    };
    if search.since.is_some() || search.until.is_some() || !search.all.iter().all(known) {
        return None;
    }
    let holds = |tally: &crate::Tally| {
        search.all.iter().all(|condition| {
            let any = condition.any.iter().any(|test| match test {
                Test::State(state) => *state == tally.state,
                Test::Lane(lane) => *lane == tally.lane,
                _ => true,
            });
            any != condition.is_not
        })
    };
    Some(tallies.iter().filter(|tally| holds(tally)).map(|tally| tally.count).sum())
}
