//! How it goes, and what is measured.

use super::super::Shared;
use super::super::health::{Health, in_words};
use super::super::metrics;
use super::extract::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

/// How it goes, in words: in one sentence, and part by part.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Health)))]
pub(super) async fn show(State(shared): State<Shared>) -> Json<Health> {
    Json(in_words(&shared).await)
}

/// What is measured, as OpenMetrics text. It stands outside the API, where collectors look for it.
pub(super) async fn measured(State(shared): State<Shared>) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&shared).await).into_response()
}
