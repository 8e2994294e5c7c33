//! `Idempotency-Key`: a call that creates something is carried out once, however often it is sent.
//!
//! Any POST may bring a key. What it did is kept for a day for whoever sends the same again with the same key.

use super::super::Shared;
use super::actor::Actor;
use super::problem::Refused;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::Problem;
use sha2::{Digest, Sha256};
use store::{KeptAnswer, KeyedCall, Known};

/// The header that brings a key, and the one that says that an answer is not the first.
const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";
/// Letters of a key at most.
const LONGEST_KEY: usize = 200;
/// The largest body of any route, in bytes; a route's own limit holds besides.
const LARGEST: usize = 64 << 20;
/// Answers up to so many bytes are kept.
const KEPT: usize = 256 << 10;
/// What answers are kept of: they hold no secrets and no payloads. Others are carried out once too, and not kept.
const KEPT_OF: [&str; 7] = ["activities", "alerts", "apply", "definitions", "runs", "schedules", "tasks"];

/// Carries out a call that brings a key, unless it was carried out before.
pub(super) async fn carry_out(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    match keyed(shared, request, next).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn keyed(shared: Shared, request: Request, next: Next) -> Result<Response, Refused> {
    let key = presented(&request)?;
    let actor = request.extensions().get::<Actor>().cloned();
    let Some(Actor { name, .. }) = actor else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await.map_err(|_| too_large())?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let call = KeyedCall {
        key: digest(&[name.as_bytes(), key.as_bytes()]),
        asked: digest(&[parts.method.as_str().as_bytes(), target.as_bytes(), &body]),
        who: name,
        at: shared.clock.now(),
    };
    let key = call.key;
    let resource = parts.uri.path().split('/').nth(3).unwrap_or_default();
    let is_kept = KEPT_OF.contains(&resource);
    match shared.store.take_key(call).await? {
        Known::New => {}
        Known::Answered(answer) => return replayed(answer),
        other => return Err(refused(&other)),
    }
    // Carried out to its end also where whoever asked has gone: else nobody would know how it went.
    let carried = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        keep(&shared, key, response, is_kept).await
    });
    carried.await.unwrap_or_else(|_| {
        let problem = Problem::new("internal", "something went wrong in the server; its log says what");
        Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, problem))
    })
}

/// The key, where it is one.
fn presented(request: &Request) -> Result<String, Refused> {
    let mut shown = request.headers().get_all(KEY).iter();
    let only = shown.next().filter(|_| shown.next().is_none()).and_then(|key| key.to_str().ok());
    let fits = |key: &&str| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    only.filter(fits).map(str::to_owned).ok_or_else(|| {
        let reason =
            format!("Idempotency-Key is one key of 1 to {LONGEST_KEY} letters, digits and signs, without spaces");
        Refused::new(StatusCode::BAD_REQUEST, Problem::new("idempotency_key_wrong", reason))
    })
}

/// Each part with its length, so that none can stand for another.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Keeps what was done. A call that was refused or failed did nothing that counts, and may be made again.
async fn keep(shared: &Shared, key: [u8; 32], response: Response, is_kept: bool) -> Result<Response, Refused> {
    if !response.status().is_success() {
        shared.store.free_key(key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST).await.map_err(|_| too_large())?;
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let kept: Option<Bytes> = (is_kept && body.len() <= KEPT).then(|| body.clone());
    let answer = KeptAnswer { status: parts.status.as_u16(), content_type, body: kept };
    shared.store.keep_answer(key, answer).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replayed(answer: KeptAnswer) -> Result<Response, Refused> {
    let Some(body) = answer.body else {
        let reason = "this was carried out, and its answer is not kept: it held a secret, or was too long";
        return Err(Refused::new(StatusCode::CONFLICT, Problem::new("idempotency_answer_gone", reason)));
    };
    let mut response = Body::from(body).into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    match answer.content_type.and_then(|text| text.parse().ok()) {
        Some(value) => response.headers_mut().insert(CONTENT_TYPE, value),
        None => response.headers_mut().remove(CONTENT_TYPE),
    };
    Ok(response)
}

fn refused(known: &Known) -> Refused {
    let (status, code, reason, hint) = match known {
        Known::Other => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "this key was used for another call",
            "give every call a key of its own",
        ),
        Known::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            "idempotency_too_many",
            "too many keys of the last day are kept for you",
            "send keys with calls that create something, and only with those",
        ),
        _ => (
            StatusCode::CONFLICT,
            "idempotency_under_way",
            "a call with this key is being carried out, or was cut while it was",
            "look whether it was done before you send it with another key",
        ),
    };
    Refused::new(status, Problem::new(code, reason).hint(hint))
}

fn too_large() -> Refused {
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, Problem::new("body_wrong", "the body is too large, or was cut"))
}
