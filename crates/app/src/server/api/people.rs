//! People and their tokens.

use super::super::Shared;
use super::actor::Actor;
use super::problem::Refused;
use crate::print::time;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};
use store::{AccessToken, Person};

/// Who asks, and what they may do.
pub(super) async fn me(Extension(actor): Extension<Actor>) -> Json<Value> {
    Json(json!({ "name": actor.name, "role": actor.role, "sees_payloads": actor.sees_payloads }))
}

/// Everybody.
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Value>, Refused> {
    let people = shared.store.people().await?;
    Ok(Json(json!({ "items": people.iter().map(person_value).collect::<Vec<_>>() })))
}

/// Every token; none of them as it is shown.
pub(super) async fn tokens(State(shared): State<Shared>) -> Result<Json<Value>, Refused> {
    let tokens = shared.store.access_tokens().await?;
    Ok(Json(json!({ "items": tokens.iter().map(token_value).collect::<Vec<_>>() })))
}

/// From now on it counts no more.
pub(super) async fn delete_token(
    State(shared): State<Shared>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<StatusCode, Refused> {
    let Path(id) = id?;
    let audit = actor.did("token.delete", id.to_string(), shared.clock.now());
    if shared.store.delete_access_token(id, audit).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refused::not_found("token_unknown", format!("there is no token {id}")))
}

/// A person as JSON, the same for the CLI.
pub(crate) fn person_value(person: &Person) -> Value {
    json!({
        "name": person.name,
        "role": person.role,
        "sees_payloads": person.sees_payloads,
        "is_disabled": person.is_disabled,
        "created_at": time(person.created_at),
    })
}

/// A token as JSON, the same for the CLI.
pub(crate) fn token_value(token: &AccessToken) -> Value {
    json!({
        "id": token.id,
        "person": token.person,
        "label": token.label,
        "role": token.role,
        "created_at": time(token.created_at),
        "used_at": token.used_at.map(time),
        "expires_at": token.expires_at.map(time),
    })
}
