//! What a document lacks or has wrong, kept by hand beside the catalogue.

use super::catalogue::{Encoding, Paging, Stream};
use model::{Credential, Effect, Problem};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The hand-kept file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Changes of the document itself, before it is read.
    #[serde(default)]
    pub repairs: Vec<Repair>,
    /// Facts by operation, written `METHOD /path`.
    #[serde(default)]
    pub operations: BTreeMap<String, Facts>,
}

/// A change of the document at one place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// JSON pointer into the document.
    pub at: String,
    /// Why the document is wrong there.
    pub why: String,
    /// Replaces or adds the value there.
    #[serde(default)]
    pub set: Option<Value>,
    /// Takes this value out of the list there.
    #[serde(default)]
    pub remove_item: Option<Value>,
    /// Puts this value at the end of the list there.
    #[serde(default)]
    pub add_item: Option<Value>,
    /// Takes the member itself away.
    #[serde(default)]
    pub remove: bool,
}

/// What the document does not say about an operation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Name for people.
    pub title: Option<String>,
    /// One line in our own words.
    pub summary: Option<String>,
    /// What a repeat does.
    pub effect: Option<Effect>,
    /// How the list goes on.
    pub paging: Option<Paging>,
    /// Where the items are.
    pub items: Option<String>,
    /// Whether it streams.
    pub stream: Option<Stream>,
    /// The kind of credential.
    pub credential: Option<Credential>,
    /// Title of the operation that replaces it.
    pub replaced_by: Option<String>,
    /// Encodings of parameters, by name.
    #[serde(default)]
    pub encodings: BTreeMap<String, Encoding>,
}

impl Repair {
    /// Carries the repair out.
    ///
    /// # Errors
    /// `override_fits_nothing` where the place is not there or is as it should be already.
    pub fn apply(&self, document: &mut Value) -> Result<(), Problem> {
        let misfit =
            |reason: &str| Problem::new("override_fits_nothing", reason.to_owned()).at(format!("repairs {}", self.at));
        let (parent, last) = self.at.rsplit_once('/').ok_or_else(|| misfit("the place must be a JSON pointer"))?;
        if let Some(item) = &self.remove_item {
            let list = document
                .pointer_mut(&self.at)
                .and_then(Value::as_array_mut)
                .ok_or_else(|| misfit("there is no list"))?;
            // The last of several equal ones: an enum that lists a value twice keeps the first.
            let position =
                list.iter().rposition(|value| value == item).ok_or_else(|| misfit("the item is not in the list"))?;
            list.remove(position);
            return Ok(());
        }
        if let Some(item) = &self.add_item {
            let list = document
                .pointer_mut(&self.at)
                .and_then(Value::as_array_mut)
                .ok_or_else(|| misfit("there is no list"))?;
            if list.contains(item) {
                return Err(misfit("the item is in the list already"));
            }
            list.push(item.clone());
            return Ok(());
        }
        let members = document
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .ok_or_else(|| misfit("there is no such object"))?;
        let name = last.replace("~1", "/").replace("~0", "~");
        if self.remove {
            return members.shift_remove(&name).map(drop).ok_or_else(|| misfit("there is no such member"));
        }
        let value = self.set.clone().ok_or_else(|| misfit("a repair needs set, remove, remove_item or add_item"))?;
        if members.get(&name) == Some(&value) {
            return Err(misfit("the value is there already"));
        }
        members.insert(name, value);
        Ok(())
    }
}
