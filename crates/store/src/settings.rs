//! Settings of the server that are changed while it runs.

use crate::{AuditEntry, StoreError};
use async_trait::async_trait;

/// Values by name, each a JSON text.
#[async_trait]
pub trait Settings: Send + Sync {
    /// The value of a setting; `None`: it was never set.
    async fn setting(&self, name: String) -> Result<Option<String>, StoreError>;

    /// Sets it, and records it.
    async fn set_setting(&self, name: String, value: String, audit: AuditEntry) -> Result<(), StoreError>;
}
