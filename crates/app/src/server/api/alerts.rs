//! Alerts: how they stand, and whether what they say arrives.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::Items;
use super::tasks::{limited, wrong};
use crate::alerts::{Alert, Tried};
use axum::extract::State;
use engine::alert::attempt;
use model::definition::Span;
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// The longest time for which an alert is muted: a year.
const LONGEST: i64 = 366 * 86_400_000;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// So many of the latest messages of each.
    #[param(minimum = 0, maximum = 100, default = 5)]
    messages: Option<u32>,
}

/// For how long an alert is muted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AlertMute)]
pub(super) struct Mute {
    /// `30m`, `2h`, `1d`; at most a year.
    #[serde(rename = "for")]
    #[schema(value_type = String, pattern = "^[0-9]+ ?(ms|s|m|h|d)$")]
    span: Span,
}

/// All alerts, how they stand, and what they said last.
#[utoipa::path(get, path = "/alerts", tag = "alerts", params(Asked), responses((status = 200, body = Items<Alert>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(Asked { messages }): Query<Asked>,
) -> Result<Json<Items<Alert>>, Refused> {
    let most = if messages == Some(0) { 0 } else { limited(messages, 5, 100)? };
    let (rows, now) = (shared.store.alert_rows().await?, shared.clock.now());
    let mut items = Vec::new();
    for (name, alert) in &defined(&shared) {
        let said = shared.store.alert_messages(Some(name.clone()), None, most).await?;
        let row = rows.iter().find(|row| row.name == *name);
        items.push(Alert::new(name, alert, row, &said, now));
    }
    Ok(Json(Items { items }))
}

/// Sends a message that says that it is a test to every target of an alert, and tells how that went.
#[utoipa::path(
    post, path = "/alerts/{name}/try", tag = "alerts", params(("name" = String, Path)),
    responses((status = 200, body = Items<Tried>))
)]
pub(super) async fn try_one(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Items<Tried>>, Refused> {
    let alert = named(&shared, &name)?;
    let audit = actor.did("alert.try", name.clone(), shared.clock.now());
    let (store, clock, variables) = (shared.store.clone(), shared.clock.clone(), shared.parts.variables.clone());
    let tried = attempt(store, clock, variables, (&name, &alert), audit).await?;
    Ok(Json(Items { items: tried.into_iter().map(Tried::from).collect() }))
}

/// Sends nothing of an alert for a while. It goes on looking.
#[utoipa::path(
    post, path = "/alerts/{name}/mute", tag = "alerts", params(("name" = String, Path)), request_body = Mute,
    responses((status = 200, body = Alert))
)]
pub(super) async fn mute(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    Json(Mute { span }): Json<Mute>,
) -> Result<Json<Alert>, Refused> {
    if !(1..=LONGEST).contains(&span.0) {
        return Err(wrong("an alert is muted for a year at most"));
    }
    turn(&shared, &actor, name, Some(span)).await
}

/// Lets a muted alert speak again: what holds then is said.
#[utoipa::path(
    post, path = "/alerts/{name}/unmute", tag = "alerts", params(("name" = String, Path)),
    responses((status = 200, body = Alert))
)]
pub(super) async fn unmute(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Alert>, Refused> {
    turn(&shared, &actor, name, None).await
}

async fn turn(shared: &Shared, actor: &Actor, name: String, span: Option<Span>) -> Result<Json<Alert>, Refused> {
    let (alert, now) = (named(shared, &name)?, shared.clock.now());
    let muted = span.map(|span| (now + span.0, actor.name.clone()));
    let what = if muted.is_some() { "alert.mute" } else { "alert.unmute" };
    shared.store.mute_alert(name.clone(), muted, actor.did(what, name.clone(), now)).await?;
    let rows = shared.store.alert_rows().await?;
    let row = rows.iter().find(|row| row.name == name);
    Ok(Json(Alert::new(&name, &alert, row, &[], now)))
}

/// The alerts of the definitions that are running.
fn defined(shared: &Shared) -> BTreeMap<String, model::definition::Alert> {
    let flows = shared.status.borrow().flows.clone();
    flows.map(|flows| flows.definitions.alerts.clone()).unwrap_or_default()
}

fn named(shared: &Shared, name: &str) -> Result<model::definition::Alert, Refused> {
    let unknown = || Refused::not_found("alert_unknown", format!("there is no alert \"{}\"", name.escape_debug()));
    defined(shared).remove(name).ok_or_else(unknown)
}
