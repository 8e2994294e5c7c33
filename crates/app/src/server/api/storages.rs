//! Storages: what transformers remembered.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Items, Page};
use super::tasks::limited;
use crate::storages::{Storage, known};
use crate::story::Entry;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use model::storages::{LARGEST_VALUE, LONGEST_KEY};
use model::{EntryKey, Problem};
use serde::Deserialize;
use serde_json::Value;
use store::{EntryFilter, EntryWrite};
use utoipa::{IntoParams, ToSchema};

/// Every storage that is defined or has entries, with how many.
#[utoipa::path(get, path = "/storages", tag = "storages", responses((status = 200, body = Items<Storage>)))]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Items<Storage>>, Refused> {
    Ok(Json(Items { items: known(shared.store.as_ref(), shared.clock.now()).await? }))
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

/// One entry of a storage: data, for those who may see it.
#[utoipa::path(
    get, path = "/storages/{name}/{key}", tag = "storages", params(("name" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = Entry))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    actor: Actor,
    Path((storage, key)): Path<(String, String)>,
) -> Result<Json<Entry>, Refused> {
    actor.may_see(&shared, "storage.see_entries", &storage).await?;
    let of = EntryKey { storage, key };
    let found = shared.store.entries(vec![of.clone()], shared.clock.now()).await?.pop().flatten();
    found.map(|entry| Json(Entry::from(&entry))).ok_or_else(|| unknown(&of))
}

/// What an entry is to hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEntry {
    #[schema(schema_with = schema::any)]
    value: Value,
}

/// Writes an entry, in place of what was there. It is kept as long as its storage says.
#[utoipa::path(
    put, path = "/storages/{name}/{key}", tag = "storages", params(("name" = String, Path), ("key" = String, Path)),
    request_body = NewEntry, responses((status = 200, body = Entry))
)]
pub(super) async fn put(
    State(shared): State<Shared>,
    actor: Actor,
    Path((storage, key)): Path<(String, String)>,
    Json(NewEntry { value }): Json<NewEntry>,
) -> Result<Json<Entry>, Refused> {
    let of = EntryKey { storage, key };
    let text = value.to_string();
    let refused = |code, reason: String| Err(Refused::new(StatusCode::BAD_REQUEST, Problem::new(code, reason)));
    if text.len() > LARGEST_VALUE {
        return refused("value_too_large", format!("the value has {} bytes, {LARGEST_VALUE} are allowed", text.len()));
    }
    if of.key.is_empty() || of.key.len() > LONGEST_KEY {
        return refused("wrong_key", format!("a key has 1 to {LONGEST_KEY} bytes, this one has {}", of.key.len()));
    }
    let definition = defined(&shared, &of.storage).await?;
    let now = shared.clock.now();
    let expires_at = definition.ttl.map(|ttl| now + ttl.0);
    let written = EntryWrite { of: of.clone(), value: Some(Bytes::from(text)), expires_at };
    shared.store.write_entries(vec![written], now).await?;
    shared.store.record(vec![actor.did("storage.write", format!("{} {}", of.storage, of.key), now)]).await?;
    let found = shared.store.entries(vec![of.clone()], now).await?.pop().flatten();
    found.map(|entry| Json(Entry::from(&entry))).ok_or_else(|| unknown(&of))
}

/// Deletes an entry.
#[utoipa::path(
    delete, path = "/storages/{name}/{key}", tag = "storages", params(("name" = String, Path), ("key" = String, Path)),
    responses((status = 204))
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    actor: Actor,
    Path((storage, key)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    let of = EntryKey { storage, key };
    let now = shared.clock.now();
    if shared.store.entries(vec![of.clone()], now).await?.pop().flatten().is_none() {
        return Err(unknown(&of));
    }
    let gone = EntryWrite { of: of.clone(), value: None, expires_at: None };
    shared.store.write_entries(vec![gone], now).await?;
    shared.store.record(vec![actor.did("storage.delete", format!("{} {}", of.storage, of.key), now)]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A storage as it is defined. What is not defined is not written to.
async fn defined(shared: &Shared, name: &str) -> Result<model::definition::Storage, Refused> {
    let (_, stored) = shared.store.definitions().await?;
    let one = stored.iter().find(|one| one.kind == "storages" && one.name == name);
    let found = one.and_then(|one| serde_json::from_str(&one.body).ok());
    found.ok_or_else(|| {
        Refused::not_found("storage_unknown", format!("there is no storage \"{}\"", name.escape_debug()))
    })
}

fn unknown(of: &EntryKey) -> Refused {
    let (storage, key) = (of.storage.escape_debug(), of.key.escape_debug());
    Refused::not_found("entry_unknown", format!("\"{storage}\" has no entry \"{key}\""))
}
