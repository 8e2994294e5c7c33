//! Secrets: set, listed and deleted. Their values come in, and never out.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Items};
use crate::print::time;
use crate::secrets::{self, Listed};
use axum::extract::State;
use axum::http::StatusCode;
use model::Problem;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::{IntoParams, ToSchema};

/// A stored secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Secret {
    /// What definitions call it: `${secret:NAME}`.
    name: String,
    /// Where definitions refer to it: `http_clients.mistral.api_key`.
    used_by: Vec<String>,
    /// When it was first set.
    #[schema(schema_with = schema::time)]
    created_at: String,
    /// When its value was last set.
    #[schema(schema_with = schema::time)]
    rotated_at: String,
    /// Who set it last.
    by: String,
}

impl From<Listed> for Secret {
    fn from(listed: Listed) -> Self {
        Self {
            name: listed.name,
            used_by: listed.used_by,
            created_at: time(listed.created_at),
            rotated_at: time(listed.rotated_at),
            by: listed.by,
        }
    }
}

/// A value for a secret. Without `Debug`: nothing must print it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretValue {
    /// At most 64 KiB.
    #[schema(write_only, min_length = 1, max_length = 65536)]
    value: String,
}

/// How a secret is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Force {
    /// Also where definitions use it.
    #[serde(default)]
    force: bool,
}

/// Every stored secret; none of them with its value.
#[utoipa::path(get, path = "/secrets", tag = "secrets", responses((status = 200, body = Items<Secret>)))]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Items<Secret>>, Refused> {
    let listed = secrets::list(shared.store.as_ref()).await?;
    Ok(Json(Items { items: listed.into_iter().map(Secret::from).collect() }))
}

/// Sets a secret. What runs uses the new value from now on.
#[utoipa::path(
    put, path = "/secrets/{name}", tag = "secrets", params(("name" = String, Path)), request_body = SecretValue,
    responses((status = 200, body = Secret))
)]
pub(super) async fn set(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    body: Result<Json<SecretValue>, Refused>,
) -> Result<Json<Secret>, Refused> {
    let body = body.map_err(|refused| {
        let problem = Problem::new("body_wrong", "the body is no object with a text as its value");
        refused.saying(problem.hint("send {\"value\": \"…\"}, and nothing besides"))
    });
    let value = SecretString::from(body?.0.value);
    let audit = actor.did("secret.set", name.escape_debug().to_string(), shared.clock.now());
    let store = shared.store.as_ref();
    secrets::set(store, &shared.keys, &name, &value, audit).await.map_err(refused)?;
    shared.standing.definitions_changed();
    let listed = secrets::list(store).await?.into_iter().find(|secret| secret.name == name);
    // Somebody may have deleted it meanwhile.
    listed.map(|secret| Json(secret.into())).ok_or_else(|| refused(secrets::unknown(&name, &[])))
}

/// Deletes a secret that no definition uses.
#[utoipa::path(
    delete, path = "/secrets/{name}", tag = "secrets", params(("name" = String, Path), Force),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    Query(Force { force }): Query<Force>,
) -> Result<StatusCode, Refused> {
    let audit = actor.did("secret.delete", name.escape_debug().to_string(), shared.clock.now());
    secrets::delete(shared.store.as_ref(), &name, force, audit).await.map_err(refused)?;
    shared.standing.definitions_changed();
    Ok(StatusCode::NO_CONTENT)
}

/// What does not fit is said to who asks; the rest is for the log.
fn refused(error: StoreError) -> Refused {
    let StoreError::Refused(problem) = error else { return error.into() };
    let status = match &*problem.code {
        "secret_unknown" => StatusCode::NOT_FOUND,
        "secret_name" | "secret_empty" | "secret_too_long" => StatusCode::UNPROCESSABLE_ENTITY,
        // The secret is in use, or the store's key is not what it should be.
        _ => StatusCode::CONFLICT,
    };
    Refused::new(status, problem)
}
