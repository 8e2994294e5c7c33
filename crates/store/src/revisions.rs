//! Revisions of the definitions: who changed what, when and why; and the variables that definitions may name.

use crate::{AuditEntry, DefinitionChange, StoreError};
use async_trait::async_trait;
use model::Millis;
use serde::{Deserialize, Serialize};

/// Names that a revision in a list says.
pub const NAMES: u32 = 100;

/// A change of definitions, all of it or nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revise {
    /// The revision that the changes were made for.
    pub expected: i64,
    /// What changes.
    pub changes: Vec<DefinitionChange>,
    /// Why, in the words of who changes it.
    pub why: Option<String>,
    /// Who, when and from where; recorded together with the change.
    pub audit: AuditEntry,
}

/// One revision, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// When it was made.
    pub at: Millis,
    /// By whom; `None`: by a version that did not write that down.
    pub who: Option<String>,
    /// From where: an address, `cli`.
    pub origin: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// How many definitions it changed.
    pub changed: u64,
    /// Which, by kind and name: the first [`NAMES`].
    pub names: Vec<Changed>,
}

/// A definition that a revision changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// A definition as a revision left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revised {
    /// The revision that changed it last.
    pub revision: i64,
    /// JSON text; `None`: it was deleted.
    pub body: Option<String>,
}

/// Which revisions to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct RevisionFilter {
    /// Only those that changed this definition: kind and name.
    pub of: Option<(String, String)>,
    /// Only numbers below this one: the next page.
    pub before: Option<i64>,
    /// At most this many, 1,000 a call.
    pub limit: u32,
}

/// A variable that definitions which come through the API may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// `REGION`, for `${REGION}`.
    pub name: String,
    /// What it stands for; `None`: what the server's environment says.
    pub value: Option<String>,
}

/// The past of the definitions.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// Changes definitions in one commit, together with its record, and returns the new revision. Without changes there
    /// is none, and no record.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the present revision is not the expected one.
    async fn revise(&self, revise: Revise) -> Result<i64, StoreError>;

    /// One page of revisions, newest first.
    async fn revisions(&self, filter: RevisionFilter) -> Result<Vec<Revision>, StoreError>;

    /// A definition as it stood at a revision; `None` where there was none of this name yet.
    async fn revised(&self, kind: String, name: String, at: i64) -> Result<Option<Revised>, StoreError>;

    /// Variables that may be named, by name.
    async fn declared(&self) -> Result<Vec<Declared>, StoreError>;

    /// Puts these in the place of all that there were, together with the record of it.
    async fn declare(&self, variables: Vec<Declared>, audit: AuditEntry) -> Result<(), StoreError>;
}
