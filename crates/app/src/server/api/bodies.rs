//! What a task holds, sent and was answered, as bytes: by range, never more at once than asked, and never shown by a
//! browser as a page.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Path, Query};
use super::problem::Refused;
use super::tasks::unknown;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::{Problem, TaskId};
use serde::Deserialize;
use std::io::{Read, Seek, SeekFrom};
use store::blobs::{BlobId, Blobs};
use store::{BodyOf, StoreError};
use utoipa::IntoParams;

/// What is sent where nobody says how much.
const FIRST: u64 = 64 << 10;
/// What is sent at once at most; what is sent whole comes piece by piece.
const MOST: u64 = 8 << 20;

/// What may be asked of a body, besides a `Range`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Sends all of it. Else the first 64 KiB are sent, or the `Range` that is asked for, 8 MiB at most.
    pub(super) whole: Option<bool>,
}

/// The data of a task, for those who may see it.
#[utoipa::path(
    get, path = "/tasks/{id}/payload", tag = "tasks", params(("id" = i64, Path), Asked),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206, content_type = "application/octet-stream"))
)]
pub(super) async fn payload(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    answer(&shared, &actor, (id, BodyOf::Payload), &asked, &headers).await
}

/// What an attempt sent, for those who may see it.
#[utoipa::path(
    get, path = "/tasks/{id}/attempts/{number}/request", tag = "tasks",
    params(("id" = i64, Path), ("number" = u32, Path), Asked),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206, content_type = "application/octet-stream"))
)]
pub(super) async fn request(
    State(shared): State<Shared>,
    actor: Actor,
    Path((id, number)): Path<(i64, u32)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    answer(&shared, &actor, (id, BodyOf::Request(number)), &asked, &headers).await
}

/// What an attempt was answered, for those who may see it.
#[utoipa::path(
    get, path = "/tasks/{id}/attempts/{number}/answer", tag = "tasks", operation_id = "answer",
    params(("id" = i64, Path), ("number" = u32, Path), Asked),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206, content_type = "application/octet-stream"))
)]
pub(super) async fn answered(
    State(shared): State<Shared>,
    actor: Actor,
    Path((id, number)): Path<(i64, u32)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    answer(&shared, &actor, (id, BodyOf::Answer(number)), &asked, &headers).await
}

/// A file that the data or an answer of a task names (`{"$blob": id}`), for those who may see it.
#[utoipa::path(
    get, path = "/tasks/{id}/blobs/{blob}", tag = "tasks", params(("id" = i64, Path), ("blob" = String, Path), Asked),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206, content_type = "application/octet-stream"))
)]
pub(super) async fn blob(
    State(shared): State<Shared>,
    actor: Actor,
    Path((id, blob)): Path<(i64, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    actor.may_see(&shared, "task.see_payload", &id.to_string()).await?;
    let none = || Refused::not_found("blob_unknown", "this task names no such file");
    let blob = BlobId::parse(&blob).ok_or_else(none)?;
    if !shared.store.names_blob(TaskId(id), blob.clone()).await? {
        return Err(none());
    }
    let length = shared.store.blob_folder().length(&blob)?.ok_or_else(none)?;
    send(&shared, store::Body::Blob(blob, length), &format!("task-{id}"), asked.whole, &headers).await
}

async fn answer(
    shared: &Shared,
    actor: &Actor,
    (id, of): (i64, BodyOf),
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    actor.may_see(shared, "task.see_payload", &id.to_string()).await?;
    let Some(body) = shared.store.body(TaskId(id), of).await? else {
        return Err(match shared.store.body(TaskId(id), BodyOf::Payload).await? {
            None => unknown(id),
            Some(_) => Refused::not_found("body_unknown", "this attempt has none"),
        });
    };
    let name = match of {
        BodyOf::Payload => format!("task-{id}-payload.json"),
        BodyOf::Request(number) => format!("task-{id}-request-{number}.json"),
        BodyOf::Answer(number) => format!("task-{id}-answer-{number}.json"),
    };
    send(shared, body, &name, asked.whole, headers).await
}

/// Sends a body, or the part of it that is asked for.
pub(super) async fn send(
    shared: &Shared,
    body: store::Body,
    name: &str,
    whole: Option<bool>,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let length = match &body {
        store::Body::Text(text) => text.len() as u64,
        store::Body::Blob(_, length) => *length,
    };
    let part = match headers.get(RANGE).and_then(|range| range.to_str().ok()).map(|range| Part::asked(range, length)) {
        Some(Asking::Unfit) => return Ok(unfit(length)),
        Some(Asking::Part(part)) => part,
        _ if whole == Some(true) || length <= FIRST => Part { from: 0, length },
        _ => Part { from: 0, length: FIRST },
    };
    let is_whole = part.length == length;
    let blobs = shared.store.blob_folder().clone();
    let content = match body {
        store::Body::Text(text) => Body::from(slice(&text, &part)),
        store::Body::Blob(id, _) if part.length > MOST => stream(blobs, id, part.length),
        store::Body::Blob(id, _) => Body::from(read(blobs, id, part.from, part.length).await?),
    };
    let mut response = content.into_response();
    *response.status_mut() = if is_whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let set = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, "application/octet-stream"),
        (ACCEPT_RANGES, "bytes"),
        (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    ];
    for (header, value) in fixed {
        set.insert(header, HeaderValue::from_static(value));
    }
    set.insert(CONTENT_LENGTH, part.length.into());
    if let Ok(value) = format!("attachment; filename=\"{name}\"").parse() {
        set.insert(CONTENT_DISPOSITION, value);
    }
    if let Some(value) = (!is_whole).then(|| part.written(length).parse().ok()).flatten() {
        set.insert(CONTENT_RANGE, value);
    }
    Ok(response)
}

fn unfit(length: u64) -> Response {
    let problem = Problem::new("range_wrong", format!("there are {length} bytes, and none of them is in this range"));
    let mut response = Refused::new(StatusCode::RANGE_NOT_SATISFIABLE, problem).into_response();
    if let Ok(value) = format!("bytes */{length}").parse() {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    response
}

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    from: u64,
    length: u64,
}

/// What a `Range` asks.
#[derive(Debug, PartialEq, Eq)]
enum Asking {
    Part(Part),
    /// Nothing that is there.
    Unfit,
    /// Nothing that we know: as if it were not there.
    Nothing,
}

impl Part {
    fn asked(range: &str, length: u64) -> Asking {
        let Some((from, to)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Asking::Nothing;
        };
        let (from, to) = (from.trim(), to.trim());
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        let (from, end) = match (number(from), number(to)) {
            (Some(from), Some(to)) if to >= from => (from, to.saturating_add(1).min(length)),
            (Some(from), None) if to.is_empty() => (from, length),
            (None, Some(last)) if from.is_empty() => (length.saturating_sub(last), length),
            _ => return Asking::Nothing,
        };
        if from >= end {
            return Asking::Unfit;
        }
        Asking::Part(Self { from, length: (end - from).min(MOST) })
    }

    fn written(&self, length: u64) -> String {
        format!("bytes {}-{}/{length}", self.from, self.from + self.length.saturating_sub(1))
    }
}

fn slice(text: &Bytes, part: &Part) -> Bytes {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(text.len());
    text.slice(at(part.from)..at(part.from + part.length))
}

async fn read(blobs: Blobs, id: BlobId, from: u64, length: u64) -> Result<Bytes, StoreError> {
    let reading = tokio::task::spawn_blocking(move || {
        let failed = |error| StoreError::Io { what: format!("cannot read blob {id}"), error };
        let mut file = blobs.open(&id)?;
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Bytes::from(bytes))
    });
    reading.await.map_err(|_| StoreError::Closed)?
}

/// All of a blob, piece by piece as it is taken.
fn stream(blobs: Blobs, id: BlobId, length: u64) -> Body {
    let pieces = futures_util::stream::try_unfold(0, move |from| {
        let (blobs, id) = (blobs.clone(), id.clone());
        async move {
            if from >= length {
                return Ok::<_, StoreError>(None);
            }
            let piece = read(blobs, id, from, FIRST.min(length - from)).await?;
            let next = if piece.is_empty() { length } else { from + piece.len() as u64 };
            Ok(Some((piece, next)))
        }
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_meant() {
        let part = |from, length| Asking::Part(Part { from, length });
        let cases = [
            ("bytes=0-9", 100, part(0, 10)),
            ("bytes=90-", 100, part(90, 10)),
            ("bytes=-10", 100, part(90, 10)),
            ("bytes=-1000", 100, part(0, 100)),
            ("bytes=50-1000", 100, part(50, 50)),
            ("bytes=0-18446744073709551615", 100, part(0, 100)),
            ("bytes=0-99999999", 1 << 30, part(0, MOST)),
            ("bytes=100-", 100, Asking::Unfit),
            ("bytes=-0", 100, Asking::Unfit),
            ("bytes=0-0", 0, Asking::Unfit),
            ("bytes=9-0", 100, Asking::Nothing),
            ("bytes=0-1,5-6", 100, Asking::Nothing),
            ("bytes=+1-2", 100, Asking::Nothing),
            ("bytes=a-b", 100, Asking::Nothing),
            ("bytes=-", 100, Asking::Nothing),
            ("lines=0-1", 100, Asking::Nothing),
            ("bytes=99999999999999999999-", 100, Asking::Nothing),
        ];
        for (range, length, expected) in cases {
            assert_eq!(Part::asked(range, length), expected, "{range}");
        }
        assert_eq!(Part { from: 5, length: 3 }.written(100), "bytes 5-7/100");
    }
}
