//! The parts that the engine itself provides: subscribers `inline` and `answers`, publisher `none`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The subscriber whose payloads stand in the definition.
pub const INLINE: &str = "inline";
/// The subscriber that listens to the answers of a route.
pub const ANSWERS: &str = "answers";
/// The publisher that sends nothing.
pub const NONE: &str = "none";

/// Options of the subscriber `inline`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineOptions {
    /// The payloads, in order.
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

/// Options of the publisher `none`: there are none.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoneOptions {}
