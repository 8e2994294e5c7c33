//! Operations of the catalogue: what can be asked of the service, and with what.

use super::problem::Refused;
use super::tasks::wrong;
use crate::cli::method;
use crate::operations::{search, summary, whole};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use connectors::mistral::catalogue::catalogue;
use serde::Deserialize;
use serde_json::{Value, json};

/// What may be asked of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    method: Option<String>,
    /// Text in title, path, area or summary.
    search: Option<String>,
}

/// All that fit; there are few enough for one page.
pub(super) async fn list(asked: Result<Query<Asked>, QueryRejection>) -> Result<Json<Value>, Refused> {
    let Query(asked) = asked?;
    let method = asked.method.as_deref().map(method).transpose().map_err(wrong)?;
    let found = search(catalogue(), method, asked.search.as_deref().unwrap_or_default());
    Ok(Json(json!({ "items": found.into_iter().map(summary).collect::<Vec<_>>() })))
}

/// One, by method and title: its form.
pub(super) async fn show(path: Result<Path<(String, String)>, PathRejection>) -> Result<Json<Value>, Refused> {
    let Path((word, title)) = path?;
    let method = method(&word).map_err(wrong)?;
    let entry = catalogue().find(Some(method), &title);
    let entry = entry.map_err(|problem| Refused::new(StatusCode::NOT_FOUND, problem))?;
    Ok(Json(whole(catalogue(), entry)))
}
