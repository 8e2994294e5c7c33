//! What calls used, and what that is estimated to cost.

use super::super::Shared;
use super::extract::{Json, Query};
use super::problem::Refused;
use super::schema::{Items, instant};
use super::tasks::wrong;
use crate::print::time;
use crate::story::{usage_row, usage_value};
use axum::extract::State;
use model::Millis;
use model::definition::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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

/// Hours since 1970 of a time.
const HOUR: Millis = 3_600_000;
/// Spans of time at most.
const MOST: i64 = 300;

/// What buckets are summed by.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BucketsBy {
    #[default]
    All,
    Lane,
    Model,
}

/// What may be asked of the buckets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedBuckets {
    #[serde(default)]
    #[param(inline)]
    by: BucketsBy,
    /// From the hour of this time on, RFC 3339.
    #[param(format = DateTime)]
    since: String,
    /// To the end of the hour before this time; now, where it is not said.
    #[param(format = DateTime)]
    until: Option<String>,
    /// How long one is, in whole hours: `1h`, `6h`, `1d`. Where it is not said, as short as 300 of them allow.
    #[param(value_type = Option<String>)]
    bucket: Option<String>,
}

/// What calls used in spans of time. Deleted tasks count.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Buckets {
    width_ms: i64,
    /// Each with `at`, when it begins, and the sum. Those without calls are left out.
    #[schema(value_type = Vec<Value>)]
    items: Vec<Value>,
    currency: Option<String>,
}

/// What calls used and cost by time: together, by route or incoming, or by model.
#[utoipa::path(
    get, path = "/usage/buckets", tag = "usage", params(AskedBuckets), responses((status = 200, body = Buckets))
)]
pub(super) async fn buckets(
    State(shared): State<Shared>,
    Query(asked): Query<AskedBuckets>,
) -> Result<Json<Buckets>, Refused> {
    let since = instant(Some(asked.since))?.unwrap_or_default().div_euclid(HOUR);
    let until = instant(asked.until)?.unwrap_or_else(|| shared.clock.now());
    let until = until.saturating_add(HOUR - 1).div_euclid(HOUR);
    if since >= until {
        return Err(wrong("since is before until"));
    }
    let hours = match asked.bucket {
        None => (until - since + MOST - 1) / MOST,
        Some(text) => {
            let span: Span = text.parse().map_err(wrong)?;
            if span.0 < HOUR || span.0 % HOUR != 0 {
                return Err(wrong("a bucket is a number of whole hours: 1h, 6h, 1d"));
            }
            span.0 / HOUR
        }
    };
    if (until - since + hours - 1) / hours > MOST {
        return Err(wrong(format!("this would be more than {MOST} buckets; ask for longer ones, or a shorter time")));
    }
    let (by, word) = match asked.by {
        BucketsBy::All => (store::BucketsBy::All, None),
        BucketsBy::Lane => (store::BucketsBy::Lane, Some("lane")),
        BucketsBy::Model => (store::BucketsBy::Model, Some("model")),
    };
    let found = shared.store.usage_buckets(by, since, until, hours).await?;
    let currency = shared.store.currency(None).await?;
    let items = found.iter().map(|one| {
        let mut shown = usage_value(&one.sum, currency.as_deref());
        shown.insert("at".to_owned(), json!(time((since + i64::from(one.bucket) * hours) * HOUR)));
        if let Some(word) = word {
            shown.insert(word.to_owned(), json!(one.sum.name));
        }
        Value::Object(shown)
    });
    Ok(Json(Buckets { width_ms: hours * HOUR, items: items.collect(), currency }))
}
