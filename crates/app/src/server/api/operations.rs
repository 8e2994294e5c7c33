//! Operations of the catalogue: what can be asked of the service, and with what.

use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::Items;
use super::tasks::wrong;
use crate::cli::method;
use crate::operations::{search, summary, whole};
use axum::http::StatusCode;
use connectors::mistral::catalogue::catalogue;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only of this method: `POST`.
    method: Option<String>,
    /// Text in title, path, area or summary.
    search: Option<String>,
}

/// The operations that fit; there are few enough for one page.
#[utoipa::path(get, path = "/operations", tag = "operations", params(Asked), responses((status = 200, body = Items<Value>)))]
pub(super) async fn list(Query(asked): Query<Asked>) -> Result<Json<Items<Value>>, Refused> {
    let method = asked.method.as_deref().map(method).transpose().map_err(wrong)?;
    let found = search(catalogue(), method, asked.search.as_deref().unwrap_or_default());
    Ok(Json(Items { items: found.into_iter().map(summary).collect() }))
}

/// One operation, by method and title: its form.
#[utoipa::path(
    get, path = "/operations/{method}/{title}", tag = "operations",
    params(("method" = String, Path), ("title" = String, Path)), responses((status = 200, body = Value))
)]
pub(super) async fn show(Path((word, title)): Path<(String, String)>) -> Result<Json<Value>, Refused> {
    let method = method(&word).map_err(wrong)?;
    let entry = catalogue().find(Some(method), &title);
    let entry = entry.map_err(|problem| Refused::new(StatusCode::NOT_FOUND, problem))?;
    Ok(Json(whole(catalogue(), entry)))
}
