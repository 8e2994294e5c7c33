//! Every part there is, in plain sight.

use model::Registry;
use std::sync::Arc;

/// The parts that definitions choose from.
pub(crate) fn registry() -> Registry {
    Registry::default()
        .connector(connectors::mistral::connector())
        .source(Arc::new(systems::file::FileSubscriber))
        .source(Arc::new(systems::folder::FolderSubscriber))
        .target(Arc::new(systems::file::FilePublisher))
        .transformers(engine::transformers::parts())
}
