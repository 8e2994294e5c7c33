//! Settings of the server.

use super::super::Shared;
use super::actor::Actor;
use super::extract::Json;
use super::problem::Refused;
use super::sign_in::unfit;
use crate::badge::{self, Badge};
use axum::extract::State;
use serde_json::json;

/// What this server is called, and its colour, so that nobody mistakes one for another.
#[utoipa::path(get, path = "/settings/environment", tag = "settings", responses((status = 200, body = Badge)))]
pub(super) async fn environment(State(shared): State<Shared>) -> Result<Json<Badge>, Refused> {
    Ok(Json(badge::read(shared.store.as_ref()).await?))
}

/// Says what this server is called.
#[utoipa::path(
    put, path = "/settings/environment", tag = "settings", request_body = Badge,
    responses((status = 200, body = Badge))
)]
pub(super) async fn set_environment(
    State(shared): State<Shared>,
    actor: Actor,
    Json(after): Json<Badge>,
) -> Result<Json<Badge>, Refused> {
    after.check().map_err(unfit)?;
    let before = badge::read(shared.store.as_ref()).await?;
    let details = json!({ "before": before, "after": after });
    let audit = actor.did_so("setting.write", badge::SETTING, shared.clock.now(), &details);
    badge::write(shared.store.as_ref(), &after, audit).await?;
    Ok(Json(after))
}
