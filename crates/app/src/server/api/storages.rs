//! Storages: what transformers remembered.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{Items, Page};
use super::tasks::limited;
use crate::story::Entry;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::EntryFilter;
use utoipa::{IntoParams, ToSchema};

/// A storage that has entries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Storage {
    name: String,
    /// How many entries it has.
    entries: u64,
}

/// Every storage that has entries, with how many.
#[utoipa::path(get, path = "/storages", tag = "storages", responses((status = 200, body = Items<Storage>)))]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Items<Storage>>, Refused> {
    let counts = shared.store.entry_counts(shared.clock.now()).await?;
    let items = counts.into_iter().map(|(name, entries)| Storage { name, entries });
    Ok(Json(Items { items: items.collect() }))
}

/// What may be asked of the entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Text in key or value.
    search: Option<String>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One page of the entries of a storage, by key: data, for those who may see it.
#[utoipa::path(
    get, path = "/storages/{name}", tag = "storages", params(("name" = String, Path), Asked),
    responses((status = 200, body = Page<Entry>))
)]
pub(super) async fn entries(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    Query(Asked { search, limit, cursor }): Query<Asked>,
) -> Result<Json<Page<Entry>>, Refused> {
    let limit = limited(limit, 100, 1_000)?;
    actor.may_see(&shared, "storage.see_entries", &name).await?;
    let filter = EntryFilter { storage: name, text: search, after: cursor, limit };
    let page = shared.store.find_entries(filter, shared.clock.now()).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|entry| entry.key.clone())).flatten();
    Ok(Json(Page { items: page.iter().map(Entry::from).collect(), next }))
}
