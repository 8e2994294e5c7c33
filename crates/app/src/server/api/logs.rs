//! What the program said of late. It is kept in memory, by the process that is asked.

use super::super::Shared;
use super::extract::{Json, Query};
use super::problem::Refused;
use super::schema::{self, Page, instant};
use super::tasks::wrong;
use crate::logs::Record;
use crate::print::time;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::Level;
use utoipa::{IntoParams, ToSchema};

/// Records of a page where nobody says how many, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 500;
/// The longest text that is looked for, in bytes.
const LONGEST_TEXT: usize = 200;

/// How much somebody wants to see.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Least {
    /// What went wrong.
    Error,
    /// That, and what somebody should look at.
    Warn,
    /// Everything that is kept.
    Info,
}

/// What may be asked of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The least level.
    #[param(inline)]
    level: Option<Least>,
    /// Only records that have this text somewhere.
    #[param(max_length = 200)]
    text: Option<String>,
    /// Only of this task.
    task: Option<i64>,
    /// Only of this run.
    run: Option<i64>,
    /// Only of this route.
    route: Option<String>,
    /// Only from this time on, RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// So many, 500 at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One thing that was said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogRecord {
    /// Counted from 1 since the start of the process.
    number: u64,
    #[schema(schema_with = schema::time)]
    at: String,
    /// `error`, `warn` or `info`.
    level: &'static str,
    /// The part of the program that said it.
    target: &'static str,
    message: String,
    /// `task`, `route`, `run` and others, where they belong to it.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

/// A page of what the serving process said of late, newest first.
#[utoipa::path(get, path = "/logs", tag = "logs", params(Asked), responses((status = 200, body = Page<LogRecord>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<LogRecord>>, Refused> {
    let limit = asked.limit.map_or(PAGE, usize::from);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(wrong(format!("limit is 1 to {LARGEST_PAGE}")));
    }
    if asked.text.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
        return Err(wrong(format!("text has at most {LONGEST_TEXT} bytes")));
    }
    let before = match asked.cursor.as_deref() {
        None => u64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| wrong("cursor is what a page gave as next"))?,
    };
    let since = instant(asked.since)?;
    let text = asked.text.as_deref().map(str::to_lowercase);
    let wanted = |record: &Record| {
        let level = match asked.level {
            Some(Least::Error) => Level::ERROR,
            Some(Least::Warn) => Level::WARN,
            Some(Least::Info) | None => Level::INFO,
        };
        record.level <= level
            && since.is_none_or(|since| record.at >= since)
            && asked.task.is_none_or(|task| record.number_in("task") == Some(task))
            && asked.run.is_none_or(|run| record.number_in("run") == Some(run))
            && asked.route.as_deref().is_none_or(|route| record.text_in("route") == Some(route))
            && text.as_deref().is_none_or(|text| has(record, text))
    };
    let found = shared.logs.before(before, limit, wanted);
    let next = (found.len() == limit).then(|| found.last().map(|last| last.number.to_string())).flatten();
    let items = found.iter().map(|record| shown(record)).collect();
    Ok(Json(Page { items, next }))
}

fn has(record: &Record, text: &str) -> bool {
    let in_value = |value: &Value| match value {
        Value::String(own) => own.to_lowercase().contains(text),
        other => other.to_string().contains(text),
    };
    record.message.to_lowercase().contains(text) || record.fields.values().any(in_value)
}

fn shown(record: &Record) -> LogRecord {
    LogRecord {
        number: record.number,
        at: time(record.at),
        level: record.level_name(),
        target: record.target,
        message: record.message.clone(),
        fields: record.fields.clone(),
    }
}
