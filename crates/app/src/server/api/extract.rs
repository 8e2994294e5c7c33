//! What handlers take from a request. What cannot be taken is a problem, told the same way everywhere.

use super::problem::Refused;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The query string, whole: unknown parameters are refused by the type.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// The slots of the path.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

/// A body of JSON, or an answer of it.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let taken: Result<_, QueryRejection> = axum::extract::Query::from_request_parts(parts, state).await;
        Ok(Self(taken?.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let taken: Result<_, PathRejection> = axum::extract::Path::from_request_parts(parts, state).await;
        Ok(Self(taken?.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let taken: Result<_, JsonRejection> = axum::Json::from_request(request, state).await;
        Ok(Self(taken?.0))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}
