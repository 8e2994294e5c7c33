//! What calls used, and what that is estimated to cost.

use super::super::Shared;
use super::problem::Refused;
use super::tasks::wrong;
use crate::story::usage_value;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use model::Millis;
use serde::Deserialize;
use serde_json::{Value, json};
use store::UsageBy;

/// What it is summed by.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    #[default]
    Route,
    Model,
    Day,
}

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    by: By,
    /// From this time on, RFC 3339.
    since: Option<String>,
    /// Before this time.
    until: Option<String>,
}

/// Sums, by name of what they are summed by.
pub(super) async fn sums(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let Query(Asked { by, since, until }) = asked?;
    let (by, word) = match by {
        By::Route => (UsageBy::Route, "route"),
        By::Model => (UsageBy::Model, "model"),
        By::Day => (UsageBy::Day, "day"),
    };
    let (since, until) = (at(since)?.unwrap_or(Millis::MIN), at(until)?.unwrap_or(Millis::MAX));
    let sums = shared.store.usage_by(by, since, until).await?;
    let currency = shared.store.currency(None).await?;
    let items = sums.iter().map(|sum| {
        let mut shown = usage_value(sum, currency.as_deref());
        shown.insert(word.to_owned(), json!(sum.name));
        Value::Object(shown)
    });
    Ok(Json(json!({ "items": items.collect::<Vec<_>>() })))
}

fn at(text: Option<String>) -> Result<Option<Millis>, Refused> {
    let Some(text) = text else { return Ok(None) };
    let time = text.parse::<jiff::Timestamp>();
    time.map(|time| Some(time.as_millisecond())).map_err(|_| wrong("write a time as 2026-11-24T00:00:00Z"))
}
