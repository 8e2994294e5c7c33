//! `lookup`: reads from a storage.

use super::key::{Key, KeyPaths, single};
use super::options::{FromOptions, Missing, path};
use super::path::Path;
use model::{Problem, StorageUse, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Puts the value of a storage's entry into the payload.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Name of the storage.
    storage: String,
    /// Path of the key: a text or a whole number. A list of paths makes a key of several values.
    key: KeyPaths,
    /// Path that the value is put at; objects and lists on the way are made.
    to: String,
    /// Path within the entry's value. Without it, the whole value.
    #[serde(default)]
    value: Option<String>,
    /// What is put there where there is no entry, or nothing at `value`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    default: Option<Value>,
    /// What happens where there is nothing, and no `default`.
    #[serde(default)]
    if_missing: Missing,
}

/// `default: null` is a default too.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

pub(crate) struct Lookup {
    key: Key,
    to: Path,
    value: Option<Path>,
    default: Option<Value>,
    if_missing: Missing,
}

impl FromOptions for Lookup {
    const KIND: &'static str = "lookup";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let Options { storage, key, to, value, default, if_missing } = options;
        let value = value.as_deref().map(|text| single(text, "value")).transpose()?;
        Ok(Self { key: Key::new(storage, &key)?, to: path(&to, "to")?, value, default, if_missing })
    }
}

impl Transform for Lookup {
    fn apply(&self, mut payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let of = self.key.of(&payload)?;
        let entry = context.storages.get(&of)?;
        let found = match (&self.value, entry) {
            (Some(path), Some(entry)) => path.find(&entry).cloned(),
            (_, entry) => entry,
        };
        match found.or_else(|| self.default.clone()) {
            Some(value) => self.to.set(&mut payload, value)?,
            None if self.if_missing == Missing::Skip => {}
            None => {
                let reason = format!("the storage \"{}\" has nothing for \"{}\"", of.storage, of.key);
                return Err(Problem::new("missing_entry", reason).hint("give a \"default\", or fill the storage first"));
            }
        }
        Ok(vec![payload])
    }

    fn storage(&self) -> Option<StorageUse<'_>> {
        Some(StorageUse { name: &self.key.storage, writes: false })
    }
}
