//! People and their tokens.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path};
use super::problem::Refused;
use super::schema::{self, Items};
use crate::print::time;
use axum::extract::State;
use axum::http::StatusCode;
use model::Role;
use serde::Serialize;
use utoipa::ToSchema;

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    name: String,
    #[schema(schema_with = schema::role)]
    role: Role,
    /// Whether they may see payloads, requests and answers.
    sees_payloads: bool,
}

/// Who asks, and what they may do.
#[utoipa::path(get, path = "/me", tag = "people", responses((status = 200, body = Me)))]
pub(super) async fn me(actor: Actor) -> Json<Me> {
    Json(Me { name: actor.name, role: actor.role, sees_payloads: actor.sees_payloads })
}

/// Somebody who may use the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    name: String,
    #[schema(schema_with = schema::role)]
    role: Role,
    /// Whether they may see payloads, requests and answers.
    sees_payloads: bool,
    is_disabled: bool,
    #[schema(schema_with = schema::time)]
    created_at: String,
}

impl From<&store::Person> for Person {
    fn from(person: &store::Person) -> Self {
        Self {
            name: person.name.clone(),
            role: person.role,
            sees_payloads: person.sees_payloads,
            is_disabled: person.is_disabled,
            created_at: time(person.created_at),
        }
    }
}

/// A token, without what it is shown as.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    id: i64,
    /// For whom it speaks.
    person: String,
    label: String,
    /// What it may do at most.
    #[schema(schema_with = schema::role)]
    role: Role,
    #[schema(schema_with = schema::time)]
    created_at: String,
    /// When it was last used, to about a minute.
    #[schema(schema_with = schema::time_or_null)]
    used_at: Option<String>,
    #[schema(schema_with = schema::time_or_null)]
    expires_at: Option<String>,
}

impl From<&store::AccessToken> for Token {
    fn from(token: &store::AccessToken) -> Self {
        Self {
            id: token.id,
            person: token.person.clone(),
            label: token.label.clone(),
            role: token.role,
            created_at: time(token.created_at),
            used_at: token.used_at.map(time),
            expires_at: token.expires_at.map(time),
        }
    }
}

/// Everybody who may use the server.
#[utoipa::path(get, path = "/people", tag = "people", responses((status = 200, body = Items<Person>)))]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Items<Person>>, Refused> {
    let people = shared.store.people().await?;
    Ok(Json(Items { items: people.iter().map(Person::from).collect() }))
}

/// Every token; none of them as it is shown.
#[utoipa::path(get, path = "/tokens", tag = "people", responses((status = 200, body = Items<Token>)))]
pub(super) async fn tokens(State(shared): State<Shared>) -> Result<Json<Items<Token>>, Refused> {
    let tokens = shared.store.access_tokens().await?;
    Ok(Json(Items { items: tokens.iter().map(Token::from).collect() }))
}

/// Deletes a token: from now on it counts no more.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "people", params(("id" = i64, Path)), responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete_token(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<StatusCode, Refused> {
    let audit = actor.did("token.delete", id.to_string(), shared.clock.now());
    if shared.store.delete_access_token(id, audit).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refused::not_found("token_unknown", format!("there is no token {id}")))
}
