//! What a remote system may be asked at most.

use super::Span;
use crate::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a remote system may be asked at most, by all routes and all engines together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls under way at the same time.
    #[schemars(range(min = 1, max = 10_000))]
    pub parallel: u32,
    /// Calls begun in a second, evenly spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 100_000.0))]
    pub requests_per_second: Option<f64>,
    /// Tokens used in a minute, of prompts and answers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub tokens_per_minute: Option<u64>,
    /// Calls begun in a day (UTC). What is beyond waits for the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub calls_per_day: Option<u64>,
    /// What the calls of a day (UTC) may cost, in the currency of the price book, as estimated. What is beyond waits
    /// for the next day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>", range(min = 0.000_001, max = 1_000_000_000.0))]
    pub cost_per_day: Option<Money>,
    /// When a system that fails is left alone.
    #[serde(skip_serializing_if = "super::is_default")]
    pub breaker: Breaker,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 64,
            requests_per_second: None,
            tokens_per_minute: None,
            calls_per_day: None,
            cost_per_day: None,
            breaker: Breaker::default(),
        }
    }
}

/// When a system that fails is left alone: nothing is sent for `pause`, then one call tries whether it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// After so many calls in a row that found it broken (5xx), unreachable or silent.
    #[schemars(range(min = 1, max = 10_000))]
    pub after: u32,
    /// After so many calls in a row whose outcome is unknown.
    #[schemars(range(min = 1, max = 10_000))]
    pub after_unknown: u32,
    /// For so long.
    pub pause: Span,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { after: 20, after_unknown: 5, pause: Span(30_000) }
    }
}
