//! What is answered where something is wrong: problem details by RFC 9457, with a stable code.

use super::noted::Noted;
use super::plans::Name;
use super::schema::{ProblemDetails, json};
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use model::{Problem, RunId, TaskId};
use std::time::Duration;
use store::StoreError;

/// A request that is not fulfilled.
#[derive(Debug)]
pub(in super::super) struct Refused {
    status: StatusCode,
    problem: Problem,
    more: Box<More>,
}

/// What there is to say besides, which mostly is nothing.
#[derive(Debug, Default)]
struct More {
    /// The run and the task that it is about.
    about: Option<(RunId, TaskId)>,
    /// When to come again.
    after: Option<Duration>,
    /// What is wrong with definitions, one by one.
    problems: Vec<Noted>,
    /// The revision that there is.
    revision: Option<i64>,
    /// The definitions that are in the way.
    used_by: Vec<Name>,
}

impl Refused {
    pub(in super::super) fn new(status: StatusCode, problem: Problem) -> Self {
        Self { status, problem, more: Box::default() }
    }

    /// Names the task that it is about, so that it can be asked for.
    pub(super) fn about(mut self, run: RunId, task: TaskId) -> Self {
        self.more.about = Some((run, task));
        self
    }

    /// Says when to come again.
    pub(super) fn after(mut self, time: Duration) -> Self {
        self.more.after = Some(time);
        self
    }

    /// Says what is wrong with definitions.
    pub(super) fn with_problems(mut self, problems: Vec<Noted>) -> Self {
        self.more.problems = problems;
        self
    }

    /// Says at which revision what was asked for is.
    pub(super) fn with_revision(mut self, revision: i64) -> Self {
        self.more.revision = Some(revision);
        self
    }

    /// Says which definitions are in the way.
    pub(super) fn with_users(mut self, used_by: Vec<Name>) -> Self {
        self.more.used_by = used_by;
        self
    }

    /// Its status.
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The same status with other words: what was said may quote a body that is secret.
    pub(super) fn saying(self, problem: Problem) -> Self {
        Self { problem, ..self }
    }

    pub(super) fn not_found(code: &'static str, reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Problem::new(code, reason))
    }
}

/// The answer to a request that comes to no handler.
pub(in super::super) fn refuse(status: StatusCode, problem: Problem) -> Response {
    Refused::new(status, problem).into_response()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { status, problem, more } = self;
        let More { about, after, problems, revision, used_by } = *more;
        let body = ProblemDetails {
            kind: format!("/docs/errors/{}", problem.code),
            status: status.as_u16(),
            code: problem.code.into_owned(),
            title: problem.reason,
            place: (!problem.place.is_empty()).then_some(problem.place),
            hint: problem.hint,
            problems,
            revision,
            used_by,
            run: about.map(|(run, _)| run.0),
            task: about.map(|(_, task)| task.0),
        };
        let mut response = (status, Json(json(&body))).into_response();
        if let Some(after) = after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(after.as_secs() + u64::from(after.subsec_nanos() > 0)));
        }
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
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
