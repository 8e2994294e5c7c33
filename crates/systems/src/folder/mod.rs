//! Folders: the subscriber `folder`.

mod cursor;
mod found;
mod options;
mod source;
mod walk;

use model::driver::{Source, SourceDriver};
use model::{Component, Problem};
use serde_json::Value;
use std::sync::Arc;

/// The subscriber `folder`: each file that matches a glob becomes a payload that names it, its content a blob.
///
/// The cursor remembers every version (path, size, time of the last change) that was taken in, so a pull brings what is
/// new or changed, whatever its date, and goes on after a restart. What is wrong with one file does not stop the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct FolderSubscriber;

impl Component for FolderSubscriber {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(options::FolderOptions).to_value()
    }

    fn validate(&self, options: &Value) -> Vec<Problem> {
        options::selection(options).err().unwrap_or_default()
    }

    fn path_options(&self) -> &'static [&'static str] {
        &["path"]
    }
}

impl SourceDriver for FolderSubscriber {
    fn source(&self, options: &Value) -> Result<Arc<dyn Source>, Vec<Problem>> {
        Ok(Arc::new(source::FolderSource::new(options::selection(options)?)))
    }
}
