//! What people did, and were kept from doing.

use super::super::Shared;
use super::extract::{Json, Query};
use super::problem::Refused;
use super::schema::{self, Page};
use super::tasks::{limited, wrong};
use crate::print::time;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AuditEntry, AuditFilter};
use utoipa::{IntoParams, ToSchema};

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only of this person.
    who: Option<String>,
    /// Only this: `task.retry`.
    what: Option<String>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Something that somebody did, or was kept from doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deed {
    id: i64,
    #[schema(schema_with = schema::time)]
    at: String,
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

/// One page of what people did, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Asked), responses((status = 200, body = Page<Deed>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(Asked { who, what, limit, cursor }): Query<Asked>,
) -> Result<Json<Page<Deed>>, Refused> {
    let limit = limited(limit, 100, 1_000)?;
    let before = cursor.map(|cursor| cursor.parse().map_err(|_| wrong("this is no cursor"))).transpose()?;
    let page = shared.store.find_audit(AuditFilter { before, who, what, limit, ..AuditFilter::default() }).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|entry| entry.id.to_string())).flatten();
    Ok(Json(Page { items: page.into_iter().map(shown).collect(), next }))
}

fn shown(entry: AuditEntry) -> Deed {
    let AuditEntry { id, at, who, origin, what, subject, details } = entry;
    let details = details.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Deed { id, at: time(at), who, origin, what, subject, details }
}
