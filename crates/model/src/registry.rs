//! The list of all parts there are. Filled in `app/src/parts.rs`, in plain sight.

use crate::driver::{SourceDriver, TargetDriver};
use crate::{Connector, Transformer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Every part, by the name that chooses it.
#[derive(Default, Clone)]
pub struct Registry {
    /// HTTP-shaped connectors: subscriber and publisher of one remote API.
    pub connectors: BTreeMap<&'static str, Arc<dyn Connector>>,
    /// Subscribers with a driver of their own.
    pub sources: BTreeMap<&'static str, Arc<dyn SourceDriver>>,
    /// Publishers with a driver of their own.
    pub targets: BTreeMap<&'static str, Arc<dyn TargetDriver>>,
    /// Transformers.
    pub transformers: BTreeMap<&'static str, Arc<dyn Transformer>>,
}

impl Registry {
    /// Adds a connector.
    #[must_use]
    pub fn connector(mut self, part: Arc<dyn Connector>) -> Self {
        self.connectors.insert(part.kind(), part);
        self
    }

    /// Adds a subscriber.
    #[must_use]
    pub fn source(mut self, part: Arc<dyn SourceDriver>) -> Self {
        self.sources.insert(part.kind(), part);
        self
    }

    /// Adds a publisher.
    #[must_use]
    pub fn target(mut self, part: Arc<dyn TargetDriver>) -> Self {
        self.targets.insert(part.kind(), part);
        self
    }

    /// Adds transformers.
    #[must_use]
    pub fn transformers(mut self, parts: impl IntoIterator<Item = Arc<dyn Transformer>>) -> Self {
        self.transformers.extend(parts.into_iter().map(|part| (part.kind(), part)));
        self
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("connectors", &self.connectors.keys())
            .field("sources", &self.sources.keys())
            .field("targets", &self.targets.keys())
            .field("transformers", &self.transformers.keys())
            .finish()
    }
}
