//! `only_new`: each key once.

use super::key::{Key, KeyPaths};
use super::options::FromOptions;
use model::{Problem, StorageUse, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Drops the payloads whose key the storage has, and remembers the key of each other one: a thing passes once, or once
/// more after its entry was forgotten.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Name of the storage.
    storage: String,
    /// Path of the key: a text or a whole number. A list of paths makes a key of several values.
    key: KeyPaths,
}

pub(crate) struct OnlyNew(Key);

impl FromOptions for OnlyNew {
    const KIND: &'static str = "only_new";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        Key::new(options.storage, &options.key).map(Self)
    }
}

impl Transform for OnlyNew {
    fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let of = self.0.of(&payload)?;
        if context.storages.get(&of)?.is_some() {
            return Ok(Vec::new());
        }
        context.storages.set(of, Some(&Value::Bool(true)))?;
        Ok(vec![payload])
    }

    fn storage(&self) -> Option<StorageUse<'_>> {
        Some(StorageUse { name: &self.0.storage, writes: true })
    }
}
