//! What happens, as a stream of server-sent events: of everything, and of one task.

use super::super::Shared;
use super::super::events::{Heard, Listener};
use super::actor::{Actor, still_counts};
use super::extract::Path;
use super::problem::Refused;
use super::task_events::Following;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream::unfold;
use model::{Problem, TaskId};
use std::convert::Infallible;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The longest id that is looked at, in bytes.
const LONGEST_ID: usize = 64;
/// What keeps a line alive on which nothing happens.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Everything that happens, as server-sent events: small facts, at most four times a second.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(("last-event-id" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, content_type = "text/event-stream", body = String))
)]
pub(super) async fn all(State(shared): State<Shared>, actor: Actor, headers: HeaderMap) -> Result<Response, Refused> {
    let had = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    // An id that cannot be ours is one that is not known any more.
    let had = had.map(|id| if id.len() > LONGEST_ID { String::new() } else { id.to_owned() });
    let listener = shared.hub.join(had, shared.clock.now()).ok_or_else(too_many)?;
    let state = (shared, actor, listener);
    Ok(stream(Body::from_stream(unfold(state, |(shared, actor, mut listener)| async move {
        let bytes = next(&shared, &actor, &mut listener).await?;
        Some((Ok::<_, Infallible>(bytes), (shared, actor, listener)))
    }))))
}

async fn next(shared: &Shared, actor: &Actor, listener: &mut Listener) -> Option<Bytes> {
    let heard = listener.next(shared).await?;
    // Whoever may no longer listen is told no more, soon after.
    if listener.is_to_be_asked(shared) && !still_counts(shared, actor).await {
        return None;
    }
    Some(match heard {
        Heard::Events(bytes) => bytes,
        Heard::Heartbeat => COMMENT,
    })
}

/// What happens to one task, as server-sent events: its states, what the log says of it, and the text of its answer while
/// it comes in, for those who may see payloads.
#[utoipa::path(
    get, path = "/tasks/{id}/events", tag = "events", params(("id" = i64, Path)),
    responses((status = 200, content_type = "text/event-stream", body = String))
)]
pub(super) async fn one_task(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<Response, Refused> {
    let (task, now) = (TaskId(id), shared.clock.now());
    if shared.store.standings(vec![task]).await?.is_empty() {
        return Err(Refused::not_found("task_unknown", format!("there is no task {id}")));
    }
    let following = Following::begin(&shared, task, actor.sees_payloads).ok_or_else(too_many)?;
    if actor.sees_payloads {
        shared.store.record(vec![actor.did("task.see_payload", id.to_string(), now)]).await?;
    }
    let state = (shared, actor, following);
    Ok(stream(Body::from_stream(unfold(state, |(shared, actor, mut following)| async move {
        let bytes = following.next(&shared, &actor).await?;
        Some((Ok::<_, Infallible>(bytes), (shared, actor, following)))
    }))))
}

fn too_many() -> Refused {
    let problem = Problem::new("listeners_too_many", "as many listen already as may");
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, problem.hint("close a page, or ask again later"))
}

fn stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies would hold it back until there is enough of it.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
