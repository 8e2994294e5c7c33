//! How people sign in, and settings: what commands change of them.

use super::HeldStore;
use crate::server::control::Ask;
use async_trait::async_trait;
use model::Millis;
use store::seal::Sealed;
use store::{
    AuditEntry, Credentials, LinkUse, NewLink, NewSession, Session, Settings, SignIn, SignedIn, StoreError, WaysIn,
};

#[async_trait]
impl SignIn for HeldStore {
    async fn credentials(&self, name: String) -> Result<Option<Credentials>, StoreError> {
        self.reading.credentials(name).await
    }

    async fn ways_in(&self) -> Result<Vec<WaysIn>, StoreError> {
        self.reading.ways_in().await
    }

    async fn set_password(&self, name: String, hash: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.ask(Ask::SetPassword { name, hash, audit }).await
    }

    async fn add_link(&self, link: NewLink, audit: AuditEntry) -> Result<bool, StoreError> {
        self.ask(Ask::AddLink { link, audit }).await
    }

    async fn link(&self, hash: [u8; 32], now: Millis) -> Result<Option<Option<String>>, StoreError> {
        self.reading.link(hash, now).await
    }

    async fn use_link(&self, used: LinkUse, audit: AuditEntry) -> Result<bool, StoreError> {
        self.reading.use_link(used, audit).await
    }

    async fn begin_session(&self, new: NewSession, audit: AuditEntry) -> Result<(), StoreError> {
        self.reading.begin_session(new, audit).await
    }

    async fn signed_in(&self, hash: [u8; 32]) -> Result<Option<SignedIn>, StoreError> {
        self.reading.signed_in(hash).await
    }

    async fn session_used(&self, id: i64, at: Millis) -> Result<(), StoreError> {
        self.reading.session_used(id, at).await
    }

    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.reading.sessions().await
    }

    async fn end_session(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError> {
        self.ask(Ask::EndSession { id, audit }).await
    }

    async fn offer_factor(&self, name: String, sealed: Sealed) -> Result<bool, StoreError> {
        self.reading.offer_factor(name, sealed).await
    }

    async fn confirm_factor(
        &self,
        name: String,
        step: i64,
        codes: Vec<[u8; 32]>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.reading.confirm_factor(name, step, codes, audit).await
    }

    async fn use_step(&self, name: String, step: i64) -> Result<bool, StoreError> {
        self.reading.use_step(name, step).await
    }

    async fn use_code(&self, name: String, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.reading.use_code(name, hash).await
    }

    async fn remove_factor(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.ask(Ask::RemoveFactor { name, audit }).await
    }
}

#[async_trait]
impl Settings for HeldStore {
    async fn setting(&self, name: String) -> Result<Option<String>, StoreError> {
        self.reading.setting(name).await
    }

    async fn set_setting(&self, name: String, value: String, audit: AuditEntry) -> Result<(), StoreError> {
        self.ask(Ask::SetSetting { name, value, audit }).await
    }
}
