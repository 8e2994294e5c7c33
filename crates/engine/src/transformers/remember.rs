//! `remember`: writes to a storage.

use super::key::{Key, KeyPaths, single};
use super::options::FromOptions;
use super::path::Path;
use model::{Problem, StorageUse, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Writes the payload, or a part of it, to an entry of a storage, in place of what was there. The payload goes on as it
/// is. What is written counts when what the payload becomes is on disk, and is seen by the payloads after it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Name of the storage.
    storage: String,
    /// Path of the key: a text or a whole number. A list of paths makes a key of several values.
    key: KeyPaths,
    /// Path of what is remembered. Without it, the whole payload.
    #[serde(default)]
    value: Option<String>,
}

pub(crate) struct Remember {
    key: Key,
    value: Option<Path>,
}

impl FromOptions for Remember {
    const KIND: &'static str = "remember";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let value = options.value.as_deref().map(|text| single(text, "value")).transpose()?;
        Ok(Self { key: Key::new(options.storage, &options.key)?, value })
    }
}

impl Transform for Remember {
    fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let value = match &self.value {
            Some(path) => path.find(&payload).ok_or_else(|| path.missing(&payload))?,
            None => &payload,
        };
        context.storages.set(self.key.of(&payload)?, Some(value))?;
        Ok(vec![payload])
    }

    fn storage(&self) -> Option<StorageUse<'_>> {
        Some(StorageUse { name: &self.key.storage, writes: true })
    }
}
