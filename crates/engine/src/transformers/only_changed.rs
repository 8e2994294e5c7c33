//! `only_changed`: what is as it was last time is dropped.

use super::key::{Key, KeyPaths};
use super::options::{FromOptions, path};
use super::path::Path;
use model::{Problem, StorageUse, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Drops the payloads that are the same as the last one of their key, and remembers each other one by its hash: only
/// products that changed, for example.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Name of the storage.
    storage: String,
    /// Path of the key: a text or a whole number. A list of paths makes a key of several values.
    key: KeyPaths,
    /// Paths of what counts; all else may change without being noticed. Without it, the whole payload. The order of
    /// members never counts, that of lists does.
    #[serde(default)]
    fields: Option<Vec<String>>,
}

pub(crate) struct OnlyChanged {
    key: Key,
    fields: Option<Vec<Path>>,
}

impl FromOptions for OnlyChanged {
    const KIND: &'static str = "only_changed";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let fields = options.fields.map(|fields| {
            let named = fields.iter().enumerate().map(|(at, text)| path(text, &format!("fields[{at}]")));
            named.collect::<Result<Vec<_>, _>>()
        });
        let fields = fields.transpose()?;
        if fields.as_ref().is_some_and(Vec::is_empty) {
            return Err(vec![Problem::new("wrong_option", "no field counts: then nothing ever changes").at("fields")]);
        }
        Ok(Self { key: Key::new(options.storage, &options.key)?, fields })
    }
}

impl Transform for OnlyChanged {
    fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let of = self.key.of(&payload)?;
        let hash = Value::from(self.hash(&payload));
        if context.storages.get(&of)?.as_ref() == Some(&hash) {
            return Ok(Vec::new());
        }
        context.storages.set(of, Some(&hash))?;
        Ok(vec![payload])
    }

    fn storage(&self) -> Option<StorageUse<'_>> {
        Some(StorageUse { name: &self.key.storage, writes: true })
    }
}

impl OnlyChanged {
    fn hash(&self, payload: &Value) -> String {
        let mut hash = Sha256::new();
        match &self.fields {
            None => feed(&mut hash, payload),
            Some(fields) => {
                for field in fields {
                    // Each value with an end, so that none can stand for two.
                    field.find_all(payload).into_iter().for_each(|(_, value)| feed(&mut hash, value));
                    hash.update(b";");
                }
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A value as bytes, members in the order of their names.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Array(items) => {
            hash.update(b"[");
            items.iter().for_each(|item| feed(hash, item));
            hash.update(b"]");
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            hash.update(b"{");
            for (name, value) in members {
                hash.update(Value::from(name.as_str()).to_string());
                feed(hash, value);
            }
            hash.update(b"}");
        }
        scalar => {
            hash.update(scalar.to_string());
            hash.update(b",");
        }
    }
}
