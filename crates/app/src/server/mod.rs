//! What listens: health, webhooks and the API on an address, other commands of this machine on a socket in the data folder.

mod api;
mod body;
pub(crate) mod control;
mod events;
mod health;
mod hosts;
mod listen;
mod metrics;
mod webhooks;

use crate::keys::Keys;
use crate::logs::Logs;
use crate::sign_in::SigningIn;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use engine::clock::Clock;
use engine::{Parts, Standing, Status};
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;
use tokio::sync::watch;

pub(crate) use api::{Activity, Deed, Lists, Person, Token, Trace, Turns, document, rights, schema};
pub(crate) use events::Hub;
pub(crate) use hosts::{Hosts, host_name};
pub(crate) use listen::{Door, Limits, Listener, Proxies, Reception, Room, listen, may_open};
pub(crate) use metrics::Requests;

/// What every request may know.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) status: watch::Receiver<Status>,
    /// What an engine is made of, to begin runs.
    pub(crate) parts: Parts,
    /// The key that the store is sealed with.
    pub(crate) keys: Arc<Keys>,
    /// Who calls which route.
    pub(crate) turns: Arc<Turns>,
    /// What can be chosen, as it was lately.
    pub(crate) choices: Arc<Lists>,
    pub(crate) signing_in: Arc<SigningIn>,
    /// Folders in which definitions that come through the API may name files.
    pub(crate) file_roots: Arc<[PathBuf]>,
    /// Where what happens is told.
    pub(crate) hub: Arc<Hub>,
    /// Where connections have their places.
    pub(crate) room: Arc<Room>,
    /// What was said of late.
    pub(crate) logs: Arc<Logs>,
    /// What is counted of requests.
    pub(crate) requests: Arc<Requests>,
    /// Whether `/metrics` is shown without a token.
    pub(crate) open_metrics: bool,
}

/// What the network gets to see. What stands here by itself is public; everything of the API asks who comes.
pub(crate) fn public(shared: Shared, hosts: Arc<Hosts>) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(webhooks::router())
        .merge(api::router(&shared))
        .layer(from_fn_with_state(hosts, hosts::known))
        .layer(from_fn_with_state(shared.clone(), metrics::count))
        .with_state(shared)
}
