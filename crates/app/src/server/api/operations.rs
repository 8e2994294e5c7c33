//! Operations of the catalogue: what can be asked of the service, and with what.

use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Items};
use super::tasks::wrong;
use crate::cli::method;
use crate::operations::{Area, OperationSummary, areas, search};
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use connectors::mistral::catalogue::{catalogue, reference_page};
use connectors::openapi::catalogue::{BodyKind, Entry};
use connectors::openapi::embedded;
use connectors::openapi::normal::normal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::sync::OnceLock;
use utoipa::{IntoParams, ToSchema};

/// The longest text that is searched for, in bytes.
const LONGEST_SEARCH: usize = 200;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only of this method: `POST`.
    method: Option<String>,
    /// Only of this area, or one inside it: `beta.libraries`.
    area: Option<String>,
    /// Text in title, path, area or summary; slips in titles are forgiven.
    #[param(max_length = 200)]
    search: Option<String>,
}

/// The operations that fit, the best first; there are few enough for one page.
#[utoipa::path(get, path = "/operations", tag = "operations", params(Asked), responses((status = 200, body = Items<OperationSummary>)))]
pub(super) async fn list(Query(asked): Query<Asked>) -> Result<Json<Items<OperationSummary>>, Refused> {
    let method = asked.method.as_deref().map(method).transpose().map_err(wrong)?;
    let text = asked.search.unwrap_or_default();
    if text.len() > LONGEST_SEARCH {
        return Err(wrong(format!("search has at most {LONGEST_SEARCH} bytes")));
    }
    let found = search(catalogue(), method, asked.area.as_deref(), &text);
    Ok(Json(Items { items: found.into_iter().map(OperationSummary::of).collect() }))
}

/// The areas of the catalogue.
#[utoipa::path(get, path = "/operations/areas", tag = "operations", responses((status = 200, body = Items<Area>)))]
pub(super) async fn list_areas() -> Json<Items<Area>> {
    Json(Items { items: areas(catalogue()) })
}

/// One operation with its form.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OperationDetails {
    #[serde(flatten)]
    summary: OperationSummary,
    /// Page of the official reference that describes it.
    reference: String,
    form: Form,
    answers: Vec<AnswerKind>,
    /// How a list goes on; `null` where it has one page.
    #[schema(schema_with = schema::any)]
    paging: Value,
    /// Where the items of a list are: a JSON pointer.
    items: Option<String>,
}

/// What an operation takes: JSON Schemas in normal form, each with its own `$defs`; `null` where there is nothing.
///
/// `x-nullable`, `x-tag`, `x-hidden`, `x-order` and `x-widget` say what a form needs beside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Form {
    #[schema(schema_with = schema::any)]
    path: Option<Value>,
    #[schema(schema_with = schema::any)]
    query: Option<Value>,
    #[schema(schema_with = schema::any)]
    header: Option<Value>,
    #[schema(schema_with = schema::any)]
    payload: Option<Value>,
    /// How the payload goes on the wire: `json` or `multipart`.
    #[schema(value_type = Option<String>)]
    payload_kind: Option<BodyKind>,
    payload_required: bool,
}

/// A successful answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnswerKind {
    status: u16,
    media_type: Option<String>,
}

/// One operation, by method and title: its form. It changes with the catalogue alone, so it may be kept by its `ETag`.
#[utoipa::path(
    get, path = "/operations/{method}/{title}", tag = "operations",
    params(("method" = String, Path), ("title" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = OperationDetails), (status = 304, description = "It is as it was"))
)]
pub(super) async fn show(headers: HeaderMap, Path(named): Path<(String, String)>) -> Result<Response, Refused> {
    let entry = find(&named)?;
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let kept = [(ETAG, etag()), (CACHE_CONTROL, "private, no-cache")];
    if known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag())) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    Ok((kept, Json(details(entry))).into_response())
}

/// The operation of this method and title.
pub(super) fn find((word, title): &(String, String)) -> Result<&'static Entry, Refused> {
    let method = method(word).map_err(|reason| Refused::not_found("method_unknown", reason))?;
    catalogue().find(Some(method), title).map_err(|problem| Refused::new(StatusCode::NOT_FOUND, problem))
}

fn details(entry: &Entry) -> OperationDetails {
    let normal = normal(catalogue(), entry);
    let form = Form {
        path: normal.path,
        query: normal.query,
        header: normal.header,
        payload: normal.payload,
        payload_kind: entry.body.as_ref().map(|body| body.kind),
        payload_required: entry.body.as_ref().is_some_and(|body| body.required),
    };
    let answers = entry.answers.iter();
    OperationDetails {
        summary: OperationSummary::of(entry),
        reference: reference_page(entry),
        form,
        answers: answers
            .map(|answer| AnswerKind { status: answer.status, media_type: answer.media_type.clone() })
            .collect(),
        paging: schema::json(&entry.paging),
        items: entry.items.clone(),
    }
}

/// What tells this catalogue, as this version shows it, from every other.
fn etag() -> &'static str {
    static TAG: OnceLock<String> = OnceLock::new();
    TAG.get_or_init(|| {
        let text = embedded::write(catalogue()).unwrap_or_default();
        let hash = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION")).chain_update(text).finalize();
        let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("\"{hex}\"")
    })
}
