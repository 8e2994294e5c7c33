//! What people did, and were kept from doing.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Query};
use super::problem::Refused;
use super::schema::{self, Page, instant};
use super::tasks::{limited, wrong};
use crate::print::time;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{AuditEntry, AuditFilter, Store, StoreError};
use utoipa::{IntoParams, ToSchema};

/// Entries of a page of an export.
const PAGE: u32 = 1_000;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only of this person.
    who: Option<String>,
    /// Only this: `task.retry`.
    what: Option<String>,
    /// Only what was done to this.
    subject: Option<String>,
    /// Only from this time on.
    #[param(schema_with = schema::time)]
    since: Option<String>,
    /// Only before this time.
    #[param(schema_with = schema::time)]
    until: Option<String>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What may be asked of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only of this person.
    who: Option<String>,
    /// Only this: `task.retry`.
    what: Option<String>,
    /// Only what was done to this.
    subject: Option<String>,
    /// Only from this time on.
    #[param(schema_with = schema::time)]
    since: Option<String>,
    /// Only before this time.
    #[param(schema_with = schema::time)]
    until: Option<String>,
}

/// Something that somebody did, or was kept from doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deed {
    id: i64,
    #[schema(schema_with = schema::time)]
    at: String,
    /// A name, `cli`, `serve`, or empty where nobody was known.
    who: String,
    /// The address that they came from, or `cli`.
    origin: String,
    what: String,
    /// To what.
    subject: String,
    /// What more there is to say.
    #[schema(schema_with = schema::any)]
    details: Value,
}

impl From<AuditEntry> for Deed {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, at, who, origin, what, subject, details } = entry;
        let details = details.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { id, at: time(at), who, origin, what, subject, details }
    }
}

/// One page of what people did, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Asked), responses((status = 200, body = Page<Deed>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(Asked { who, what, subject, since, until, limit, cursor }): Query<Asked>,
) -> Result<Json<Page<Deed>>, Refused> {
    let limit = limited(limit, 100, 1_000)?;
    let before = cursor.map(|cursor| cursor.parse().map_err(|_| wrong("this is no cursor"))).transpose()?;
    let (since, until) = (instant(since)?, instant(until)?);
    may_be_there([&who, &what, &subject])?;
    let page = shared.store.find_audit(AuditFilter { before, who, what, subject, since, until, limit }).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|entry| entry.id.to_string())).flatten();
    Ok(Json(Page { items: page.into_iter().map(Deed::from).collect(), next }))
}

/// All that people did, newest first, a line of JSON each. That it was taken out is recorded too.
#[utoipa::path(
    get, path = "/audit/export", tag = "audit", params(Wanted),
    responses((status = 200, body = String, content_type = "application/x-ndjson"))
)]
pub(super) async fn export(
    State(shared): State<Shared>,
    actor: Actor,
    Query(Wanted { who, what, subject, since, until }): Query<Wanted>,
) -> Result<Response, Refused> {
    let details = json!({ "who": who, "what": what, "subject": subject, "since": since, "until": until });
    let (since, until) = (instant(since)?, instant(until)?);
    may_be_there([&who, &what, &subject])?;
    shared.store.record(vec![actor.did_so("audit.export", "audit", shared.clock.now(), &details)]).await?;
    let filter = AuditFilter { before: None, who, what, subject, since, until, limit: PAGE };
    let pages = try_unfold(Some(filter), move |filter| lines(shared.store.clone(), filter));
    let headers =
        [(CONTENT_TYPE, "application/x-ndjson"), (CONTENT_DISPOSITION, "attachment; filename=\"audit.ndjson\"")];
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// A NUL is in no entry, and no database takes one as a text.
fn may_be_there(asked: [&Option<String>; 3]) -> Result<(), Refused> {
    match asked.into_iter().flatten().any(|text| text.contains('\0')) {
        true => Err(wrong("this is in no entry")),
        false => Ok(()),
    }
}

/// The lines of a page, and which one comes next.
async fn lines(
    store: Arc<dyn Store>,
    filter: Option<AuditFilter>,
) -> Result<Option<(Bytes, Option<AuditFilter>)>, StoreError> {
    let Some(filter) = filter else { return Ok(None) };
    let page = store.find_audit(filter.clone()).await?;
    let Some(last) = page.last().map(|entry| entry.id) else { return Ok(None) };
    let next = (page.len() == PAGE as usize).then_some(AuditFilter { before: Some(last), ..filter });
    let lines: String = page.into_iter().map(|entry| format!("{}\n", json!(Deed::from(entry)))).collect();
    Ok(Some((lines.into(), next)))
}
