//! `forget`: deletes from a storage.

use super::key::{Key, KeyPaths};
use super::options::FromOptions;
use model::{Problem, StorageUse, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Deletes an entry of a storage, if it is there. The payload goes on as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Name of the storage.
    storage: String,
    /// Path of the key: a text or a whole number. A list of paths makes a key of several values.
    key: KeyPaths,
}

pub(crate) struct Forget(Key);

impl FromOptions for Forget {
    const KIND: &'static str = "forget";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        Key::new(options.storage, &options.key).map(Self)
    }
}

impl Transform for Forget {
    fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        context.storages.set(self.0.of(&payload)?, None)?;
        Ok(vec![payload])
    }

    fn storage(&self) -> Option<StorageUse<'_>> {
        Some(StorageUse { name: &self.0.storage, writes: true })
    }
}
