//! Revisions of the definitions.

use super::HeldStore;
use crate::server::control::Ask;
use async_trait::async_trait;
use store::{AuditEntry, Declared, Revise, Revised, Revision, RevisionFilter, Revisions, StoreError};

#[async_trait]
impl Revisions for HeldStore {
    async fn revise(&self, revise: Revise) -> Result<i64, StoreError> {
        self.ask(Ask::Revise(revise)).await
    }

    async fn revisions(&self, filter: RevisionFilter) -> Result<Vec<Revision>, StoreError> {
        self.reading.revisions(filter).await
    }

    async fn revised(&self, kind: String, name: String, at: i64) -> Result<Option<Revised>, StoreError> {
        self.reading.revised(kind, name, at).await
    }

    async fn declared(&self) -> Result<Vec<Declared>, StoreError> {
        self.reading.declared().await
    }

    async fn declare(&self, variables: Vec<Declared>, audit: AuditEntry) -> Result<(), StoreError> {
        self.ask(Ask::Declare { variables, audit }).await
    }
}
