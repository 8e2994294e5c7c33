//! Webhooks: the addresses that others send to.

use super::super::Shared;
use super::extract::Json;
use super::problem::Refused;
use super::schema::Items;
use axum::extract::State;
use model::TaskKind;
use serde::Serialize;
use utoipa::ToSchema;

/// Where an incoming is sent to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhook {
    incoming: String,
    /// Behind the address of the server, or of the proxy before it. It cannot be guessed, and is not enough: each request
    /// must be signed or bring the token, as its incoming says.
    path: String,
}

/// The addresses of all webhooks, by incoming.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", responses((status = 200, body = Items<Webhook>)))]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Items<Webhook>>, Refused> {
    let (_, stored) = shared.store.definitions().await?;
    let is_webhook = |body: &str| {
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        body["subscriber"]["type"] == "webhook"
    };
    let hooks = stored.iter().filter(|one| one.kind == "incoming" && is_webhook(&one.body));
    let names: Vec<String> = hooks.map(|one| one.name.clone()).collect();
    let lanes = shared.store.lanes(names.iter().map(|name| (TaskKind::Pull, name.clone())).collect()).await?;
    let paths = shared.store.webhook_paths(lanes).await?;
    let items =
        names.into_iter().zip(paths).map(|(incoming, path)| Webhook { incoming, path: format!("/webhooks/{path}") });
    Ok(Json(Items { items: items.collect() }))
}
