//! Models: which are in use, and which of those go.

use super::super::Shared;
use super::extract::{Json, Query};
use super::problem::Refused;
use crate::alerts::Models;
use axum::extract::State;
use engine::models::{hidden, known};
use serde::Deserialize;
use utoipa::IntoParams;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Those that nobody uses too.
    all: Option<bool>,
}

/// The models in use as they were at the last look, with the dates on which they go, and who uses them.
#[utoipa::path(get, path = "/models", tag = "models", params(Asked), responses((status = 200, body = Models)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(Asked { all }): Query<Asked>,
) -> Result<Json<Models>, Refused> {
    let flows = shared.status.borrow().flows.clone();
    let Some(flows) = flows else { return Ok(Json(Models::new(engine::models::Known::default(), Vec::new(), false))) };
    let known = known(shared.store.as_ref(), &flows.definitions).await?;
    let hidden = hidden(&flows.definitions, &known.models, &shared.parts.registry);
    Ok(Json(Models::new(known, hidden, all.unwrap_or(false))))
}
