//! Secrets: values that definitions refer to by name, sealed; and the key that seals them.

use crate::seal::{Key, Sealed};
use crate::{AuditEntry, StoreError};
use async_trait::async_trait;
use model::{Millis, Problem};
use serde::{Deserialize, Serialize};

/// The longest name of a secret, in bytes.
pub const LONGEST_NAME: usize = 200;
/// The longest value of a secret, in bytes.
pub const LONGEST_VALUE: usize = 64 << 10;

/// A secret as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// What definitions call it.
    pub name: String,
    /// Its value, sealed for [`crate::seal::SECRET`] and its name.
    pub value: Vec<u8>,
    /// When it was first set.
    pub created_at: Millis,
    /// When its value was last set.
    pub rotated_at: Millis,
    /// Who set it last.
    pub by: String,
}

/// A secret to be written, at the time and by whom the record of it says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewSecret {
    /// What definitions call it.
    pub name: String,
    /// Its value.
    pub value: Sealed,
}

/// The key that a store is sealed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// By what it is known: [`Key::check`].
    pub proof: Vec<u8>,
    /// Counted up by every change of a secret.
    pub revision: i64,
}

/// The group of operations about secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Every secret, by name.
    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError>;

    /// Sets a secret, and records it.
    ///
    /// # Errors
    /// `store_key_changed` where it was sealed with another key than the present one.
    async fn write_secret(&self, new: NewSecret, audit: AuditEntry) -> Result<(), StoreError>;

    /// Deletes a secret, and records it; `false` where it is not there.
    async fn delete_secret(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError>;

    /// The key that seals; `None` where nothing was ever sealed.
    async fn sealing(&self) -> Result<Option<Sealing>, StoreError>;

    /// Reseals everything that is sealed, in one commit, and records it; returns how many values. From then on `to` is
    /// the present key.
    ///
    /// # Errors
    /// `store_key_changed` where `from` is not the present key; `seal_broken`, with its place, where a value does not open.
    async fn reseal(&self, from: Key, to: Key, audit: AuditEntry) -> Result<u64, StoreError>;
}

/// Whether a value that this key sealed may be written into a store with this proof.
pub(crate) fn agree(proof: &[u8], value: &[u8]) -> Result<(), StoreError> {
    use crate::seal::key_of;
    let (present, given) = (key_of(proof).map_err(StoreError::Refused)?, key_of(value).map_err(StoreError::Refused)?);
    if present == given {
        return Ok(());
    }
    Err(changed(&format!("the store is sealed with the key {present}, and not with {given}")))
}

/// Whether a key is the present one.
pub(crate) fn is_present(proof: &[u8], key: &Key) -> Result<(), StoreError> {
    key.check(proof).map_err(|problem| match &*problem.code {
        "store_key_wrong" => changed(&format!("the key {} is not the present one", key.id())),
        _ => StoreError::Refused(problem),
    })
}

/// One value under the new key.
pub(crate) fn resealed(
    (from, to): (&Key, &Key),
    column: &crate::seal::Column,
    row: &str,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    use secrecy::ExposeSecret as _;
    let plain = from.open(value, column, row);
    let sealed = plain.and_then(|plain| to.seal(plain.expose_secret(), column, row));
    sealed.map_err(|problem| StoreError::Refused(problem.at(format!("{}.{row}", column.table))))
}

fn changed(reason: &str) -> StoreError {
    StoreError::Refused(Problem::new("store_key_changed", reason).hint("the key was changed meanwhile; try again"))
}
