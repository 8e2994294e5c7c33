//! Files: the subscriber and the publisher `file`.

mod cursor;
pub(crate) mod disk;
mod elements;
mod input;
mod json;
mod lines;
mod options;
mod records;
mod source;
mod target;

use model::driver::{Failure, Source, SourceDriver, Target, TargetDriver};
use model::{Component, Evidence, Problem};
use serde_json::Value;
use std::sync::Arc;

/// The value of `type:` on both sides.
const KIND: &str = "file";

/// The subscriber `file`: reads JSONL, a JSON list or CSV as a stream, row by row.
///
/// A cursor names a byte of the file, so a pull goes on where the last one ended, after a restart too, and a file that
/// has grown is read on from there. What is wrong in a row stops the pull at that row, after the rows before it:
/// nothing is passed over in silence.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSubscriber;

impl Component for FileSubscriber {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(options::SubscriberOptions).to_value()
    }

    fn validate(&self, options: &Value) -> Vec<Problem> {
        options::subscriber(options).err().unwrap_or_default()
    }

    fn path_options(&self) -> &'static [&'static str] {
        &["path"]
    }
}

impl SourceDriver for FileSubscriber {
    fn source(&self, options: &Value) -> Result<Arc<dyn Source>, Vec<Problem>> {
        Ok(Arc::new(source::FileSource::new(options::subscriber(options)?)))
    }
}

/// The publisher `file`: appends JSONL, each batch whole or not at all, also across a crash.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilePublisher;

impl Component for FilePublisher {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(options::PublisherOptions).to_value()
    }

    fn validate(&self, options: &Value) -> Vec<Problem> {
        options::publisher(options).err().unwrap_or_default()
    }

    fn path_options(&self) -> &'static [&'static str] {
        &["path"]
    }
}

impl TargetDriver for FilePublisher {
    fn target(&self, options: &Value) -> Result<Arc<dyn Target>, Vec<Problem>> {
        Ok(Arc::new(target::FileTarget::new(options::publisher(options)?)))
    }
}

/// Nothing was done at the far side, and a later attempt may find it otherwise.
pub(crate) fn not_sent(problem: Problem) -> Failure {
    Failure { evidence: Evidence::NotSent, problem }
}

/// A repeat gives the same until somebody changes the file or the definition.
pub(crate) fn rejected(problem: Problem) -> Failure {
    Failure { evidence: Evidence::Rejected, problem }
}

/// Runs file work on a thread that may block.
///
/// # Errors
/// `file_interrupted` where the work never began (the engine stops: `not_sent`) or broke off in a panic (`unknown`).
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let evidence = if error.is_cancelled() { Evidence::NotSent } else { Evidence::Unknown };
        Err(Failure { evidence, problem: Problem::new("file_interrupted", format!("the work on the file {error}")) })
    })
}
