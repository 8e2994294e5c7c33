//! What is answered where something is wrong: problem details by RFC 9457, with a stable code.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use model::{Millis, Problem};
use serde_json::json;
use store::StoreError;

/// A request that is not fulfilled.
#[derive(Debug)]
pub(in super::super) struct Refused {
    status: StatusCode,
    problem: Problem,
    /// Seconds.
    again_after: Option<i64>,
}

impl Refused {
    pub(in super::super) fn new(status: StatusCode, problem: Problem) -> Self {
        Self { status, problem, again_after: None }
    }

    /// It may be asked again after so long.
    pub(super) fn again_after(self, wait: Millis) -> Self {
        Self { again_after: Some((wait + 999) / 1_000), ..self }
    }

    pub(super) fn not_found(code: &'static str, reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Problem::new(code, reason))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { status, problem, again_after } = self;
        let body = json!({
            "type": format!("/docs/errors/{}", problem.code),
            "status": status.as_u16(),
            "code": problem.code,
            "title": problem.reason,
            "place": (!problem.place.is_empty()).then_some(&problem.place),
            "hint": problem.hint,
        });
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = again_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What the store says is for the log; who asks learns that it is not their fault, and whether to come again.
impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let error = match error {
            StoreError::Refused(problem) => return Self::new(StatusCode::CONFLICT, problem),
            error => error,
        };
        tracing::error!(%error, "a request could not be answered");
        if error.is_passing() {
            let problem = Problem::new("store_unavailable", "the store is not available at present");
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, problem.hint("try again in a moment"));
        }
        let problem = Problem::new("internal", "something went wrong in the server; its log says what");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem)
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), Problem::new("query_wrong", said(&rejection.body_text())))
    }
}

impl From<PathRejection> for Refused {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), Problem::new("path_wrong", said(&rejection.body_text())))
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), Problem::new("body_wrong", said(&rejection.body_text())))
    }
}

/// What is wrong, without the words about how it was found.
fn said(text: &str) -> String {
    let found = ["Failed to deserialize query string: ", "Failed to deserialize the JSON body into the target type: "];
    found.into_iter().find_map(|found| text.strip_prefix(found)).unwrap_or(text).to_owned()
}
