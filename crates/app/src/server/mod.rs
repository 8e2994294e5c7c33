//! What listens: health, webhooks and the API on an address, other commands of this machine on a socket in the data folder.

mod api;
pub(crate) mod control;
mod health;
mod listen;
mod webhooks;

use axum::Router;
use axum::routing::get;
use engine::clock::Clock;
use engine::{Parts, Standing, Status};
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;
use tokio::sync::watch;

pub(crate) use api::{Activity, Person, Token, Trace, document, schema};
pub(crate) use listen::{listen_tcp, listen_unix};

/// What every request may know.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) status: watch::Receiver<Status>,
    /// What an engine is made of, to begin runs.
    pub(crate) parts: Parts,
    /// Folders in which definitions that come through the API may name files.
    pub(crate) file_roots: Arc<[PathBuf]>,
}

/// What the network gets to see. What stands here by itself is public; everything of the API asks who comes.
pub(crate) fn public(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(webhooks::router())
        .merge(api::router(&shared))
        .with_state(shared)
}
