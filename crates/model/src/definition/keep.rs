//! What is kept of what has ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is kept of tasks that have ended; what is beyond any of these goes, the oldest first. Tasks whose outcome is
/// unknown stay until they are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// So many days after their end.
    #[schemars(range(min = 1, max = 36_500))]
    pub days: u32,
    /// So many tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// So many bytes of data, requests and answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { days: 90, tasks: None, bytes: None }
    }
}
