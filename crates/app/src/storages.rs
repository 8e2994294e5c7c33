//! Storages that there are, the same for commands and for the API.

use model::Millis;
use model::definition::{self, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Store, StoreError};
use utoipa::ToSchema;

/// A storage that is defined, or has entries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Storage {
    pub(crate) name: String,
    /// How many entries it has.
    pub(crate) entries: u64,
    /// How long it keeps them; `null`: for ever.
    #[schema(value_type = Option<String>)]
    pub(crate) ttl: Option<Span>,
    /// Whether it is defined. What is not is no longer written to.
    pub(crate) defined: bool,
}

/// Every storage that is defined or has entries, by name.
pub(crate) async fn known(store: &dyn Store, now: Millis) -> Result<Vec<Storage>, StoreError> {
    let (_, stored) = store.definitions().await?;
    let defined = stored.into_iter().filter(|one| one.kind == "storages").map(|one| {
        let definition: Option<definition::Storage> = serde_json::from_str(&one.body).ok();
        let ttl = definition.and_then(|definition| definition.ttl);
        (one.name.clone(), Storage { name: one.name, entries: 0, ttl, defined: true })
    });
    let mut known: BTreeMap<String, Storage> = defined.collect();
    for (name, entries) in store.entry_counts(now).await? {
        let undefined = Storage { name: name.clone(), entries: 0, ttl: None, defined: false };
        known.entry(name).or_insert(undefined).entries = entries;
    }
    Ok(known.into_values().collect())
}
