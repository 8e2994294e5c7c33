//! Definitions as stored: references to secrets and variables unresolved.

use super::super::Shared;
use super::problem::Refused;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use store::StoredDefinition;

/// All of them, without what they say.
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Value>, Refused> {
    let (revision, all) = shared.store.definitions().await?;
    let items: Vec<Value> =
        all.iter().map(|one| json!({ "kind": one.kind, "name": one.name, "revision": one.revision })).collect();
    Ok(Json(json!({ "revision": revision, "items": items })))
}

/// One of them.
pub(super) async fn show(
    State(shared): State<Shared>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Value>, Refused> {
    let Path((kind, name)) = path?;
    let (_, all) = shared.store.definitions().await?;
    let found = all.into_iter().find(|one| one.kind == kind && one.name == name);
    let Some(StoredDefinition { kind, name, body, revision }) = found else {
        return Err(Refused::not_found("definition_unknown", "there is no definition of this kind and name"));
    };
    let definition: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    Ok(Json(json!({ "kind": kind, "name": name, "revision": revision, "definition": definition })))
}
