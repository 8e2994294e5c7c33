//! Secrets of a store that another process holds. Values are sealed here; keys never go through the socket.

use super::HeldStore;
use crate::server::control::Ask;
use async_trait::async_trait;
use store::seal::Key;
use store::{AuditEntry, NewSecret, Sealing, Secrets, StoreError, StoredSecret};

#[async_trait]
impl Secrets for HeldStore {
    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        self.reading.secrets().await
    }

    async fn write_secret(&self, new: NewSecret, audit: AuditEntry) -> Result<(), StoreError> {
        self.ask(Ask::WriteSecret { new, audit }).await
    }

    async fn delete_secret(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.ask(Ask::DeleteSecret { name, audit }).await
    }

    async fn sealing(&self) -> Result<Option<Sealing>, StoreError> {
        self.reading.sealing().await
    }

    /// The engine takes both keys from where it has its own.
    async fn reseal(&self, from: Key, to: Key, audit: AuditEntry) -> Result<u64, StoreError> {
        self.ask(Ask::Reseal { from: from.id(), to: to.id(), audit }).await
    }
}
