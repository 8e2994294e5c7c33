//! Tables of the user's.

use super::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table of keys and values that transformers remember things in and look them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// An entry is forgotten so long after it was last written. Without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
}
