//! Models: which there are, which are in use, and which of those go.

mod look;
mod named;

pub use look::check;
pub(crate) use look::look_if_due;

use crate::alert::Retiring;
use model::definition::Definitions;
use model::{Effect, Registry, Request, Side};
use named::Named;
use std::collections::{BTreeMap, BTreeSet};
use store::{ModelCheck, ModelUse, SeenModel, Store, StoreError};

/// A model, and who uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// As the service lists it.
    pub seen: SeenModel,
    /// Places of definitions that name it: `outgoing.describe.transformers[0].filter`.
    pub places: Vec<String>,
    /// Routes and incomings that use it, by definitions and by what answered of late.
    pub routes: Vec<String>,
    /// Calls that it answered in the thirty days before the last look, by whichever client.
    pub calls: u64,
}

impl Model {
    /// Whether anybody uses it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.calls > 0 || !self.places.is_empty()
    }
}

/// What is known of models.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Every model that was seen, by client and id.
    pub models: Vec<Model>,
    /// How the looks at them went, by client.
    pub checks: Vec<ModelCheck>,
    /// Models that answered of late and are in no list, with the routes that asked.
    pub unlisted: Vec<ModelUse>,
}

/// What is known of models, and who uses them.
///
/// # Errors
/// What the store says.
pub async fn known(store: &dyn Store, definitions: &Definitions) -> Result<Known, StoreError> {
    let (seen, uses, checks) = (store.models().await?, store.model_uses().await?, store.model_checks().await?);
    let mut unlisted: Vec<ModelUse> = uses.clone();
    let named = named::find(definitions, &seen);
    let models = seen.into_iter().map(|seen| {
        let is_called = |name: &str| seen.id == name || seen.aliases.iter().any(|alias| alias == name);
        unlisted.retain(|used| !is_called(&used.model));
        let used: Vec<&ModelUse> = uses.iter().filter(|used| is_called(&used.model)).collect();
        let calls = used.iter().map(|used| used.calls).sum();
        let found: Vec<&Named> =
            named.iter().filter(|named| named.client == seen.client && named.id == seen.id).collect();
        let places: BTreeSet<&String> = found.iter().map(|named| &named.place).collect();
        let routes = found.iter().flat_map(|named| &named.routes);
        let routes: BTreeSet<&String> =
            routes.chain(used.iter().map(|used| &used.route).filter(|route| !route.is_empty())).collect();
        Model {
            places: places.into_iter().cloned().collect(),
            routes: routes.into_iter().cloned().collect(),
            calls,
            seen,
        }
    });
    let models = models.collect();
    Ok(Known { models, checks, unlisted })
}

/// Models in use that have a date on which they go, the first first.
pub(crate) async fn retiring(store: &dyn Store, definitions: &Definitions) -> Result<Vec<Retiring>, StoreError> {
    let known = known(store, definitions).await?;
    let leaving = known.models.into_iter().filter(Model::is_used).filter_map(|model| {
        let Model { seen, routes, .. } = model;
        Some(Retiring {
            at: seen.retires_at?,
            client: seen.client,
            model: seen.id,
            replacement: seen.replacement,
            routes,
        })
    });
    let mut leaving: Vec<Retiring> = leaving.collect();
    leaving.sort_by(|one, other| (one.at, &one.client, &one.model).cmp(&(other.at, &other.client, &other.model)));
    Ok(leaving)
}

/// Outgoings that call models and name none that is known: the data chooses it, or an agent, and no definition tells.
#[must_use]
pub fn hidden(definitions: &Definitions, models: &[Model], registry: &Registry) -> Vec<String> {
    let mut told: BTreeMap<&str, bool> = BTreeMap::new();
    for (name, outgoing) in &definitions.outgoing {
        let options = serde_json::Value::Object(outgoing.publisher.options.clone());
        let connector = registry.connectors.get(outgoing.publisher.kind.as_str());
        let operation = connector.and_then(|connector| connector.operation(Side::Publisher, &options).ok());
        let computes = operation.is_some_and(|operation| operation.effect(&Request::default()) == Effect::Compute);
        let has_models = connector.is_some_and(|connector| connector.models().is_some());
        if computes && has_models {
            let prefix = format!("outgoing.{name}.");
            let names = |model: &Model| model.places.iter().any(|place| place.starts_with(&prefix));
            told.insert(name, models.iter().any(names));
        }
    }
    let hidden = told.into_iter().filter(|(_, is_told)| !is_told);
    hidden.map(|(name, _)| format!("outgoing.{name}")).collect()
}
