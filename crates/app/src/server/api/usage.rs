//! What calls used, and what that is estimated to cost.

use super::super::Shared;
use super::extract::{Json, Query};
use super::problem::Refused;
use super::schema::{Items, instant};
use crate::story::usage_row;
use axum::extract::State;
use model::Millis;
use serde::Deserialize;
use serde_json::Value;
use store::UsageBy;
use utoipa::{IntoParams, ToSchema};

/// What it is summed by.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    #[default]
    Route,
    Model,
    Day,
}

/// What may be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    #[serde(default)]
    #[param(inline)]
    by: By,
    /// From this time on, RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this time.
    #[param(format = DateTime)]
    until: Option<String>,
}

/// Sums of what calls used, by name of what they are summed by.
#[utoipa::path(get, path = "/usage", tag = "usage", params(Asked), responses((status = 200, body = Items<Value>)))]
pub(super) async fn sums(
    State(shared): State<Shared>,
    Query(Asked { by, since, until }): Query<Asked>,
) -> Result<Json<Items<Value>>, Refused> {
    let (by, word) = match by {
        By::Route => (UsageBy::Route, "route"),
        By::Model => (UsageBy::Model, "model"),
        By::Day => (UsageBy::Day, "day"),
    };
    let (since, until) = (instant(since)?.unwrap_or(Millis::MIN), instant(until)?.unwrap_or(Millis::MAX));
    let sums = shared.store.usage_by(by, since, until).await?;
    let currency = shared.store.currency(None).await?;
    let items = sums.iter().map(|sum| Value::Object(usage_row(word, sum, currency.as_deref())));
    Ok(Json(Items { items: items.collect() }))
}
