//! Models: which there are, which are in use, and when to look again.

use crate::StoreError;
use async_trait::async_trait;
use model::{Millis, Problem};
use serde::{Deserialize, Serialize};

/// A model as the service lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenModel {
    /// The HTTP client that sees it.
    pub client: String,
    /// Its id.
    pub id: String,
    /// Other ids of it.
    pub aliases: Vec<String>,
    /// When it was made.
    pub created_at: Option<Millis>,
    /// When it goes; `None`: no date is known.
    pub retires_at: Option<Millis>,
    /// The model that the service names for it.
    pub replacement: Option<String>,
    /// What it can do, in the service's words.
    pub capabilities: Vec<String>,
    /// When it was last in the list.
    pub seen_at: Millis,
}

/// How the look at the models of an HTTP client went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCheck {
    /// Name of the HTTP client.
    pub client: String,
    /// When it is looked at next.
    pub due_at: Millis,
    /// When it was last looked at; `None`: not yet.
    pub checked_at: Option<Millis>,
    /// Why the last look failed.
    pub problem: Option<Problem>,
}

/// How often a model answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUse {
    /// The model, as the answers name it.
    pub model: String,
    /// The route or incoming that asked; empty where its task is gone.
    pub route: String,
    /// How many calls.
    pub calls: u64,
}

/// What a look found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelsSeen {
    /// Name of the HTTP client.
    pub client: String,
    /// When it was looked.
    pub at: Millis,
    /// When to look again.
    pub due_at: Millis,
    /// The models that are there, or why nobody knows: then those of the look before stay.
    pub found: Result<Vec<SeenModel>, Problem>,
}

/// Which models there are, which are in use, and when to look again.
#[async_trait]
pub trait Models: Send + Sync {
    /// How the looks at the models went, by client.
    async fn model_checks(&self) -> Result<Vec<ModelCheck>, StoreError>;

    /// Takes on the look at a client's models that is due at `now`, and the next one is due then; `false` where none is
    /// due, or another has taken it on. A client that is not known is due `first`.
    async fn claim_model_check(
        &self,
        client: String,
        now: Millis,
        first: Millis,
        again: Millis,
    ) -> Result<bool, StoreError>;

    /// Keeps what a look found out.
    async fn write_models(&self, seen: ModelsSeen) -> Result<(), StoreError>;

    /// Forgets clients that are not among these.
    async fn keep_model_clients(&self, clients: Vec<String>) -> Result<(), StoreError>;

    /// Every model that was seen, by client and id.
    async fn models(&self) -> Result<Vec<SeenModel>, StoreError>;

    /// Counts which models answered from then on, by route. One pass over all attempts.
    async fn count_model_uses(&self, since: Millis) -> Result<Vec<ModelUse>, StoreError>;

    /// Keeps such a count in the place of the one before.
    async fn write_model_uses(&self, uses: Vec<ModelUse>) -> Result<(), StoreError>;

    /// The count that was kept, by model and route.
    async fn model_uses(&self) -> Result<Vec<ModelUse>, StoreError>;
}
