//! What people did, and were kept from doing.

use super::super::Shared;
use super::problem::Refused;
use super::tasks::wrong;
use crate::print::time;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::AuditFilter;

/// What may be asked of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    who: Option<String>,
    what: Option<String>,
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// One page, newest first.
pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let Query(Asked { who, what, limit, cursor }) = asked?;
    let limit = limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(wrong("limit is 1 to 1000"));
    }
    let page =
        shared.store.find_audit(AuditFilter { before: cursor, who, what, limit, ..AuditFilter::default() }).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|entry| entry.id.to_string())).flatten();
    let items = page.iter().map(|entry| {
        let details = entry.details.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        json!({
            "id": entry.id,
            "at": time(entry.at),
            "who": entry.who,
            "origin": entry.origin,
            "what": entry.what,
            "subject": entry.subject,
            "details": details,
        })
    });
    Ok(Json(json!({ "items": items.collect::<Vec<_>>(), "next": next })))
}
