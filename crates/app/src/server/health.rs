//! Whether it lives, and whether it works.

use super::Shared;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// The process answers. Nothing else is looked at, so that a full disk does not make anybody restart it.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// Definitions are loaded, work goes on, the store answers: 200. Else 503, with problems.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let (ready, mut problems) = {
        let status = shared.status.borrow();
        (status.ready, status.problems.clone())
    };
    let revision = match shared.store.definitions().await {
        Ok((revision, _)) => Some(revision),
        Err(error) => {
            problems.push(error.problem());
            None
        }
    };
    let trouble = shared.standing.trouble();
    let is_ready = ready && revision.is_some() && trouble.is_none();
    problems.extend(trouble);
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if is_ready { "ready" } else { "not ready" };
    (code, Json(json!({ "status": word, "revision": revision, "problems": problems })))
}
