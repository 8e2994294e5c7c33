//! Parts that the engine itself provides.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Options of the subscriber `inline`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineOptions {
    /// The payloads.
    pub payloads: Vec<Value>,
}

/// Options of the subscriber `answers`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersOptions {
    /// Name of the route to listen to.
    pub route: String,
    /// Which ends to hear of.
    #[serde(default)]
    pub on: On,
}

/// Which ends a listener hears of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Tasks that finished.
    #[default]
    Finished,
    /// Tasks that failed.
    Failed,
    /// Tasks whose outcome is unknown.
    Unknown,
    /// All of these.
    All,
}
