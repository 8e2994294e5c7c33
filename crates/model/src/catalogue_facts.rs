//! What the engine must know about an operation to treat it right, whatever connector it comes from.

use serde::{Deserialize, Serialize};

/// What a repeat of an operation does at the far side. Decides what may happen after an unclear outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing. Safe to repeat.
    Read,
    /// A repeat leaves the same state. Safe to repeat.
    Idempotent,
    /// Creates something that can be found again by what we sent. Looked for before it is repeated.
    Findable,
    /// Computes an answer that costs money but changes nothing. Never repeated on its own after `unknown`.
    Compute,
    /// Creates or starts something that cannot be found again. Never repeated on its own after `unknown`.
    Create,
}

impl Effect {
    /// Every effect, for tables that must be complete.
    pub const ALL: [Effect; 5] = [Self::Read, Self::Idempotent, Self::Findable, Self::Compute, Self::Create];

    /// The word used in YAML, tables, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::Findable => "findable",
            Self::Compute => "compute",
            Self::Create => "create",
        }
    }
}

/// Which kind of credential an operation asks for, and so where it is placed in the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// The normal key, as `Authorization: Bearer`.
    #[default]
    ApiKey,
    /// A key of the organisation's administration, as `Authorization: Bearer`.
    AdminKey,
    /// The key of a signed-in user, in the header `x-api-key`.
    UserKey,
}

impl Credential {
    /// The option of an HTTP client that holds a credential of this kind.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AdminKey => "admin_key",
            Self::UserKey => "user_key",
        }
    }
}
