//! What others send. Accepted means on disk: 2xx is said after the commit.

use super::{Shared, body};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use engine::flow::{PullFlow, PullSource, Refusal};
use model::Problem;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use store::{LaneId, NewRun};

/// Seconds after which a sender may try again what could not be written.
const AGAIN_AFTER: &str = "5";

pub(super) fn router() -> Router<Shared> {
    let paths = Arc::<Paths>::default();
    Router::new()
        .route("/webhooks/{path}", post(move |shared, path, headers, body| receive(paths, shared, path, headers, body)))
}

/// Lanes by the addresses of their webhooks: they never change, so they are asked for once.
#[derive(Default)]
struct Paths(RwLock<HashMap<LaneId, String>>);

impl Paths {
    /// The incoming behind an address.
    async fn find(&self, shared: &Shared, path: &str) -> Result<Option<Arc<PullFlow>>, store::StoreError> {
        let flows = shared.status.borrow().flows.clone();
        let Some(flows) = flows else { return Ok(None) };
        let hooks = || flows.pulls.values().filter(|flow| matches!(flow.source, PullSource::Webhook(_)));
        let unknown: Vec<LaneId> = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            hooks().map(|flow| flow.lane).filter(|lane| !known.contains_key(lane)).collect()
        };
        if !unknown.is_empty() {
            let paths = shared.store.webhook_paths(unknown.clone()).await?;
            self.0.write().unwrap_or_else(PoisonError::into_inner).extend(unknown.into_iter().zip(paths));
        }
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(hooks().filter(|flow| known.get(&flow.lane).is_some_and(|own| own == path)).last().cloned())
    }
}

async fn receive(
    paths: Arc<Paths>,
    State(shared): State<Shared>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let flow = match paths.find(&shared, &path).await {
        Ok(flow) => flow,
        Err(error) => return later(&error),
    };
    let Some(flow) = flow else {
        return refuse(StatusCode::NOT_FOUND, &Problem::new("webhook_unknown", "there is no webhook at this address"));
    };
    let PullSource::Webhook(hook) = &flow.source else { return StatusCode::NOT_FOUND.into_response() };
    let body = match body::read(hook.max_bytes, &headers, body).await {
        Ok(body) => body,
        Err((status, problem)) => return refuse(status, &problem),
    };
    let now = shared.clock.now();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let event = match hook.judge(header, &body, now) {
        Ok(event) => event,
        Err(refusal) => {
            tracing::warn!(incoming = flow.name, ?refusal, "a request to a webhook was refused");
            return unauthorised(refusal);
        }
    };
    let payload: Value = match serde_json::from_slice(&body) {
        Ok(payload) => payload,
        Err(error) => {
            let problem = Problem::new("body_no_json", format!("the body is no JSON: {error}"));
            return refuse(StatusCode::BAD_REQUEST, &problem);
        }
    };
    let run = NewRun {
        in_order: flow.keeps_order(),
        key: event.id.as_ref().map(|id| format!("webhook/{}/{id}", flow.lane.0)),
        ..NewRun::now(flow.lane, "webhook", now, json!({ "payload": payload }).to_string().into())
    };
    match shared.store.begin_runs(vec![run]).await.map(|mut begun| begun.pop().flatten()) {
        Ok(Some((run, task))) => {
            shared.standing.call_for(&[]);
            (StatusCode::ACCEPTED, Json(json!({ "run": run, "task": task }))).into_response()
        }
        Ok(None) => (StatusCode::OK, Json(json!({ "duplicate": true }))).into_response(),
        Err(error) => later(&error),
    }
}

fn refuse(code: StatusCode, problem: &Problem) -> Response {
    (code, Json(json!({ "problems": [problem] }))).into_response()
}

/// What was wrong exactly is in the log: it would help who guesses.
fn unauthorised(refusal: Refusal) -> Response {
    let problem = match refusal {
        Refusal::Old => {
            Problem::new("webhook_old", "the signature is right, and of another time").hint("set the clock")
        }
        Refusal::NoSecret | Refusal::Unsigned => {
            Problem::new("webhook_unsigned", "the signature or token is not right")
        }
    };
    refuse(StatusCode::UNAUTHORIZED, &problem)
}

/// Nothing is lost: the sender keeps it and comes again.
fn later(error: &store::StoreError) -> Response {
    tracing::warn!(%error, "a request to a webhook could not be written");
    let problem = Problem::new("store_unavailable", "it cannot be written at present").hint("send it again later");
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, &problem);
    response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static(AGAIN_AFTER));
    response
}
