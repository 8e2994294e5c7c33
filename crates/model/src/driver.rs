//! Connectors with a driver of their own: files first, later databases, brokers, mail.
//!
//! They do I/O, but only between `mark` and `recover`: the engine commits START with the mark before `deliver` is
//! called, and hands the mark back after a crash.

use crate::{Component, Effect, Evidence, Problem};
use async_trait::async_trait;
use serde_json::Value;
use std::io::Read;
use std::sync::Arc;

/// A kind of subscriber with its own driver.
pub trait SourceDriver: Component {
    /// Opens options for pulling. No I/O yet.
    ///
    /// # Errors
    /// What is wrong with the options.
    fn source(&self, options: &Value) -> Result<Arc<dyn Source>, Vec<Problem>>;
}

/// A subscriber, ready to pull.
#[async_trait]
pub trait Source: Send + Sync {
    /// Reads on from the cursor (`None`: from the beginning), at most `limit` payloads. Files go to `keep`.
    async fn pull(&self, cursor: Option<&Value>, limit: usize, keep: &Arc<dyn Keep>) -> Result<Page, Failure>;
}

/// Where a source puts files that are too large for a payload; the payload names them.
pub trait Keep: Send + Sync {
    /// Reads to the end and keeps what came, never holding it whole. When it returns `Ok`, the file is durable. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// The reader's, or the disk's that it is kept on.
    fn keep(&self, from: &mut dyn Read) -> Result<Kept, Problem>;

    /// Gives up a file that no payload will name. Blocks on the disk.
    fn discard(&self, kept: &Kept);
}

/// A file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What stands behind `$blob` in a payload.
    pub id: String,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its content, as lower-case hex digits.
    pub sha256: String,
}

/// What one pull brought.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The payloads, in order.
    pub payloads: Vec<Value>,
    /// What was left out while the rest was taken in. An error becomes a failed task, committed with the page;
    /// warnings are kept with the pull's attempt.
    pub problems: Vec<Problem>,
    /// Where to go on; committed together with the tasks of this page.
    pub cursor: Option<Value>,
    /// Whether there may be more at once.
    pub more: bool,
    /// How far the cursor stands and how far there is to go, in the source's own unit (bytes, rows), for progress.
    pub progress: Option<(u64, u64)>,
}

/// A kind of publisher with its own driver.
pub trait TargetDriver: Component {
    /// Opens options for publishing. No I/O yet.
    ///
    /// # Errors
    /// What is wrong with the options.
    fn target(&self, options: &Value) -> Result<Arc<dyn Target>, Vec<Problem>>;
}

/// A publisher, ready to deliver. One batch at a time per target.
#[async_trait]
pub trait Target: Send + Sync {
    /// What a repeat does at the far side.
    fn effect(&self) -> Effect;

    /// What two targets share if they must not deliver at the same time (a file's path).
    fn exclusive_key(&self) -> Option<String>;

    /// The largest number of payloads in one batch.
    fn batch_limit(&self) -> usize;

    /// What must be known after a crash to tell what became of a batch (a file's length). Committed with START.
    async fn mark(&self) -> Result<Value, Failure>;

    /// Delivers a batch whole: when it returns `Ok`, everything is durable at the far side. `mark` is what `mark` gave
    /// for this batch; where the far side no longer is as it says, nothing is delivered.
    async fn deliver(&self, mark: &Value, batch: &[Value]) -> Result<(), Failure>;

    /// Says what became of a batch whose delivery was cut, and undoes what it can.
    async fn recover(&self, mark: &Value, batch: &[Value]) -> Recovery;
}

/// What became of a batch whose delivery was cut.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// Nothing of it is there (any more): it can be delivered again.
    Undone,
    /// Cannot be told; the reason says why.
    Unknown(Problem),
}

/// A pull or a delivery that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is known about the far side.
    pub evidence: Evidence,
    /// Why.
    pub problem: Problem,
}
