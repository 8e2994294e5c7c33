//! Definitions as stored: references to secrets and variables unresolved.

use super::super::Shared;
use super::extract::{Json, Path};
use super::problem::Refused;
use super::schema;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use store::StoredDefinition;
use utoipa::ToSchema;

/// What is defined, without what it says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Defined {
    /// The present revision of all of them.
    revision: i64,
    items: Vec<Named>,
}

/// A definition's name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Named {
    kind: String,
    name: String,
    /// The revision that last changed it.
    revision: i64,
}

/// All definitions, without what they say.
#[utoipa::path(get, path = "/definitions", tag = "definitions", responses((status = 200, body = Defined)))]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Defined>, Refused> {
    let (revision, all) = shared.store.definitions().await?;
    let named = |one: StoredDefinition| Named { kind: one.kind, name: one.name, revision: one.revision };
    Ok(Json(Defined { revision, items: all.into_iter().map(named).collect() }))
}

/// A definition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Definition {
    kind: String,
    name: String,
    /// The revision that last changed it.
    revision: i64,
    /// As it was written.
    #[schema(schema_with = schema::any)]
    definition: Value,
}

/// One definition.
#[utoipa::path(
    get, path = "/definitions/{kind}/{name}", tag = "definitions",
    params(("kind" = String, Path), ("name" = String, Path)), responses((status = 200, body = Definition))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Definition>, Refused> {
    let (_, all) = shared.store.definitions().await?;
    let found = all.into_iter().find(|one| one.kind == kind && one.name == name);
    let Some(StoredDefinition { kind, name, body, revision }) = found else {
        return Err(Refused::not_found("definition_unknown", "there is no definition of this kind and name"));
    };
    let definition: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    Ok(Json(Definition { kind, name, revision, definition }))
}
