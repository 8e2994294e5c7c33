//! Suggestions for who writes a filter.

use super::super::Shared;
use super::extract::{Json, Query};
use super::problem::Refused;
use super::schema::Items;
use super::tasks::{lanes, wrong};
use crate::filter::KEYS;
use axum::extract::State;
use model::{TaskKind, TaskState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::SuggestOf;
use utoipa::{IntoParams, ToSchema};

/// Values at most.
const MOST: usize = 20;
/// Models are suggested that answered in these last hours: a month.
const HOURS: i64 = 30 * 24;

/// What is being written.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The key whose values are asked for; without it, keys are.
    key: Option<String>,
    /// What is written of it so far.
    text: Option<String>,
}

/// Something that can be written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Suggestion {
    value: String,
    /// How many tasks have it; of codes and models how many calls of late. `null` where that is not known.
    count: Option<u64>,
    /// What it means.
    meaning: Option<&'static str>,
}

/// Keys of a filter, or values of one of them, the most frequent first.
#[utoipa::path(
    get, path = "/filters/suggest", tag = "filters", params(Asked), responses((status = 200, body = Items<Suggestion>))
)]
pub(super) async fn suggest(
    State(shared): State<Shared>,
    Query(Asked { key, text }): Query<Asked>,
) -> Result<Json<Items<Suggestion>>, Refused> {
    let text = text.unwrap_or_default();
    if text.len() > 200 {
        return Err(wrong("text has at most 200 bytes"));
    }
    let Some(key) = key else {
        let begun = KEYS.iter().filter(|(name, _)| name.starts_with(&text));
        let keys =
            begun.map(|(name, meaning)| Suggestion { value: (*name).to_owned(), count: None, meaning: Some(meaning) });
        return Ok(Json(Items { items: keys.collect() }));
    };
    let counted = match key.as_str() {
        "status" | "route" | "incoming" | "kind" => counts(&shared, &key).await?,
        "code" => kept(&shared, SuggestOf::Code, &text).await?,
        "model" => kept(&shared, SuggestOf::Model(shared.clock.now() / 3_600_000 - HOURS), &text).await?,
        known if KEYS.iter().any(|(name, _)| *name == known) => Vec::new(),
        _ => return Err(wrong("there is no such key")),
    };
    let lower = text.to_lowercase();
    let fitting = counted.into_iter().filter(|(value, _)| value.to_lowercase().contains(&lower));
    let items = fitting.take(MOST).map(|(value, count)| Suggestion { value, count: Some(count), meaning: None });
    Ok(Json(Items { items: items.collect() }))
}

async fn kept(shared: &Shared, of: SuggestOf, text: &str) -> Result<Vec<(String, u64)>, Refused> {
    let found = shared.store.suggest(of, text.to_owned()).await?;
    Ok(found.into_iter().map(|one| (one.value, one.count)).collect())
}

/// Values that every task has one of, with how many have it.
async fn counts(shared: &Shared, key: &str) -> Result<Vec<(String, u64)>, Refused> {
    let lanes = lanes(shared).await?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    if key == "status" {
        counts.extend(TaskState::ALL.map(|state| (state.as_str().to_owned(), 0)));
    }
    for tally in shared.store.tally(None).await? {
        let lane = lanes.get(&tally.lane);
        let value = match key {
            "status" => Some(tally.state.as_str()),
            "kind" => lane.map(|lane| lane.kind.as_str()),
            "route" => lane.filter(|lane| lane.kind == TaskKind::Push).map(|lane| lane.name.as_str()),
            _ => lane.filter(|lane| lane.kind == TaskKind::Pull).map(|lane| lane.name.as_str()),
        };
        if let Some(value) = value {
            *counts.entry(value.to_owned()).or_default() += tally.count;
        }
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(counts)
}
