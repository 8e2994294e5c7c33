//! Storages: what transformers remembered.

use super::super::Shared;
use super::actor::Actor;
use super::problem::Refused;
use super::tasks::wrong;
use crate::story::entry_value;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use store::EntryFilter;

/// Every storage that has entries, with how many.
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Value>, Refused> {
    let counts = shared.store.entry_counts(shared.clock.now()).await?;
    let items = counts.into_iter().map(|(name, entries)| json!({ "name": name, "entries": entries }));
    Ok(Json(json!({ "items": items.collect::<Vec<_>>() })))
}

/// What may be asked of the entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Text in key or value.
    search: Option<String>,
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One page of the entries of a storage, by key: data, for those who may see it.
pub(super) async fn entries(
    State(shared): State<Shared>,
    Extension(actor): Extension<Actor>,
    name: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let (Path(name), Query(asked)) = (name?, asked?);
    let now = shared.clock.now();
    if !actor.sees_payloads {
        shared.store.record(vec![actor.did("denied", format!("entries of {name}"), now)]).await?;
        let problem = Problem::new("forbidden", "this needs the permission to see payloads");
        return Err(Refused::new(StatusCode::FORBIDDEN, problem));
    }
    let limit = asked.limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(wrong("limit is 1 to 1000"));
    }
    shared.store.record(vec![actor.did("storage.see_entries", &name, now)]).await?;
    let filter = EntryFilter { storage: name, text: asked.search, after: asked.cursor, limit };
    let page = shared.store.find_entries(filter, now).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|entry| entry.key.clone())).flatten();
    Ok(Json(json!({ "items": page.iter().map(entry_value).collect::<Vec<_>>(), "next": next })))
}
