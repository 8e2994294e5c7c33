//! Keys of storages: read from the payload.

use super::options::path;
use super::path::{Path, kind};
use model::storages::LONGEST_KEY;
use model::{EntryKey, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A path, or several: the key is then the list of their values as JSON, `["DE","4711"]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum KeyPaths {
    One(String),
    Several(Vec<String>),
}

/// Where an entry is: in which storage, under which value of the payload.
pub(super) struct Key {
    pub(super) storage: String,
    paths: Vec<Path>,
    is_list: bool,
}

impl Key {
    /// From the options `storage` and `key`.
    pub(super) fn new(storage: String, key: &KeyPaths) -> Result<Self, Vec<Problem>> {
        if storage.is_empty() {
            return Err(vec![Problem::new("wrong_option", "the storage needs a name").at("storage")]);
        }
        let (texts, is_list) = match key {
            KeyPaths::One(text) => (std::slice::from_ref(text), false),
            KeyPaths::Several(texts) => (texts.as_slice(), true),
        };
        if texts.is_empty() {
            return Err(vec![Problem::new("wrong_option", "the key needs a path").at("key")]);
        }
        let paths = texts.iter().map(|text| single(text, "key")).collect::<Result<_, _>>()?;
        Ok(Self { storage, paths, is_list })
    }

    /// The entry that belongs to a payload.
    ///
    /// # Errors
    /// `missing_value`, and `wrong_key` for what is no text and no whole number, or is empty or too long.
    pub(super) fn of(&self, payload: &Value) -> Result<EntryKey, Problem> {
        let parts = self.paths.iter().map(|path| text(path, payload)).collect::<Result<Vec<_>, _>>()?;
        let key = if self.is_list { Value::from(parts).to_string() } else { parts.concat() };
        if key.len() > LONGEST_KEY {
            let reason = format!("a key has {} bytes, {LONGEST_KEY} are allowed", key.len());
            return Err(Problem::new("wrong_key", reason).at(self.paths[0].pointer()));
        }
        Ok(EntryKey { storage: self.storage.clone(), key })
    }
}

/// A path to one value.
pub(super) fn single(text: &str, place: &str) -> Result<Path, Vec<Problem>> {
    let path = path(text, place)?;
    if path.wildcards() > 0 {
        let problem = Problem::new("wrong_path", "a wildcard stands for several values, here it must be one").at(place);
        return Err(vec![problem]);
    }
    Ok(path)
}

fn text(path: &Path, payload: &Value) -> Result<String, Problem> {
    let wrong = |what: &str| {
        let problem =
            Problem::new("wrong_key", format!("the key of an entry is a text, not {what}")).at(path.pointer());
        Err(problem.hint("choose a member that names the thing: an id, a SKU"))
    };
    match path.find(payload).ok_or_else(|| path.missing(payload))? {
        Value::String(text) if text.is_empty() => wrong("an empty one"),
        Value::String(text) => Ok(text.clone()),
        // An id is often a number; as 1 and "1" mean the same thing, so do their keys.
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Value::Number(_) => wrong("a number with decimals"),
        other => wrong(kind(other)),
    }
}
