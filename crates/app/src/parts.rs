//! Every part there is, in plain sight.

use connectors::mistral::prices::Prices;
use model::Registry;
use std::sync::Arc;

/// The parts that definitions choose from, with the prices that estimates rest on.
pub(crate) fn registry(prices: Prices) -> Registry {
    Registry::default()
        .connector(connectors::mistral::connector(prices))
        .source(Arc::new(systems::file::FileSubscriber))
        .source(Arc::new(systems::folder::FolderSubscriber))
        .target(Arc::new(systems::file::FilePublisher))
        .transformers(engine::transformers::parts())
}
