//! Secrets, the same for the command line and the API: set, listed, deleted. No value ever comes back out.

use crate::keys::Keys;
use engine::definitions::used_secrets;
use engine::definitions::variables::is_name;
use model::{Millis, Problem, suggest};
use secrecy::{ExposeSecret as _, SecretString};
use store::seal::SECRET;
use store::secrets::{LONGEST_NAME, LONGEST_VALUE};
use store::{AuditEntry, NewSecret, Store, StoreError};

/// How often a write is begun anew when the key is changed under it: each time means another change.
const TRIES: usize = 5;

/// A secret as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Where definitions refer to it.
    pub(crate) used_by: Vec<String>,
    pub(crate) created_at: Millis,
    pub(crate) rotated_at: Millis,
    /// Who set it last.
    pub(crate) by: String,
}

/// Every stored secret, by name.
pub(crate) async fn list(store: &dyn Store) -> Result<Vec<Listed>, StoreError> {
    let mut used = used_secrets(&store.definitions().await?.1);
    let listed = store.secrets().await?.into_iter().map(|secret| Listed {
        used_by: used.remove(&secret.name).unwrap_or_default(),
        name: secret.name,
        created_at: secret.created_at,
        rotated_at: secret.rotated_at,
        by: secret.by,
    });
    Ok(listed.collect())
}

/// Whether a secret can be called so.
///
/// # Errors
/// `secret_name`.
pub(crate) fn check_name(name: &str) -> Result<(), Problem> {
    if is_name(name) && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let problem = Problem::new("secret_name", "this cannot be the name of a secret");
    Err(problem.hint(format!("letters, digits and _, no digit first, at most {LONGEST_NAME}: MISTRAL_API_KEY")))
}

/// Sets a secret. The record does not have its value.
///
/// # Errors
/// `secret_name`, `secret_empty`, `secret_too_long`; what the key and the store say.
pub(crate) async fn set(
    store: &dyn Store,
    keys: &Keys,
    name: &str,
    value: &SecretString,
    audit: AuditEntry,
) -> Result<(), StoreError> {
    check_name(name).map_err(StoreError::Refused)?;
    let value = value.expose_secret();
    if value.is_empty() {
        let problem = Problem::new("secret_empty", format!("the value of {name} is empty"));
        return Err(StoreError::Refused(problem.hint("delete the secret where none is wanted")));
    }
    if value.len() > LONGEST_VALUE {
        let reason = format!("the value of {name} has {} bytes, at most {LONGEST_VALUE} are kept", value.len());
        return Err(StoreError::Refused(Problem::new("secret_too_long", reason)));
    }
    let mut tried = 1;
    loop {
        let sealed = keys.seal(store, &SECRET, name, value.as_bytes()).await.map_err(StoreError::Refused)?;
        let new = NewSecret { name: name.to_owned(), value: sealed };
        match store.write_secret(new, audit.clone()).await {
            Err(error) if tried < TRIES && error.problem().code == "store_key_changed" => tried += 1,
            written => return written,
        }
    }
}

/// Deletes a secret, one that is in use only by `force`.
///
/// # Errors
/// `secret_unknown`, `secret_in_use`; what the store says.
pub(crate) async fn delete(store: &dyn Store, name: &str, force: bool, audit: AuditEntry) -> Result<(), StoreError> {
    let listed = list(store).await?;
    let Some(secret) = listed.iter().find(|secret| secret.name == name) else { return Err(unknown(name, &listed)) };
    if !force && !secret.used_by.is_empty() {
        let problem = Problem::new("secret_in_use", format!("{name} is used by {}", secret.used_by.join(", ")));
        return Err(StoreError::Refused(problem.hint("change these first, or delete it by force")));
    }
    match store.delete_secret(name.to_owned(), audit).await? {
        true => Ok(()),
        false => Err(unknown(name, &listed)),
    }
}

pub(crate) fn unknown(name: &str, listed: &[Listed]) -> StoreError {
    let mut problem = Problem::new("secret_unknown", format!("there is no stored secret \"{}\"", name.escape_debug()));
    problem.hint = suggest::hint(name, listed.iter().map(|secret| secret.name.as_str()));
    StoreError::Refused(problem)
}
