//! Transformers: one payload in, none, one or many out.

use crate::{Component, Millis, Problem, Storages};
use serde_json::Value;

/// A kind of transformer.
pub trait Transformer: Component {
    /// Turns options into something that runs. Called once when definitions are saved or loaded, never per payload.
    ///
    /// # Errors
    /// Everything that is wrong with the options; places are relative to them.
    fn compile(&self, options: &Value) -> Result<Box<dyn Transform>, Vec<Problem>>;
}

/// A transformer with its options, ready to run.
pub trait Transform: Send + Sync {
    /// Turns one payload into none, one or many.
    ///
    /// # Errors
    /// A problem with the payload or a bound that was passed; the task fails and says so.
    fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem>;

    /// The storage that it reads or writes.
    fn storage(&self) -> Option<StorageUse<'_>> {
        None
    }
}

/// What a transformer does with a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageUse<'a> {
    /// Name of the storage's definition.
    pub name: &'a str,
    /// Whether it writes there.
    pub writes: bool,
}

/// What a transformer may know of the world.
#[derive(Debug, Clone)]
pub struct TransformContext {
    /// The engine's time, so that the same data gives the same result in a test.
    pub now: Millis,
    /// The user's tables.
    pub storages: Storages,
}

impl TransformContext {
    /// At this time, with storages of which nothing is known yet.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self { now, storages: Storages::default() }
    }
}
