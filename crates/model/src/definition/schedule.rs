//! When an incoming runs by itself.

use super::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Runs an incoming at certain times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Name of an incoming.
    pub run: String,
    /// When: minute, hour, day of month, month, day of week (six fields begin with the second), or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`.
    pub cron: String,
    /// The zone whose clock counts, by its IANA name: `Europe/Amsterdam`.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub time_zone: String,
    /// What happens to times that came while no engine ran.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub misfire: Misfire,
    /// With `misfire: all`: so many of the latest missed times are made up for.
    #[serde(default = "hundred", skip_serializing_if = "is_hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    pub at_most: u32,
    /// What happens where the run before is still going on.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub overlap: Overlap,
    /// Each run begins at a random moment within this time, so that many schedules of one hour do not ask at once.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub jitter: Span,
}

/// What happens to times that came while no engine ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// They are left out; the latest is recorded as skipped.
    Skip,
    /// One run makes up for all of them.
    #[default]
    Once,
    /// Each gets its run, up to `at_most`.
    All,
}

/// What happens where the run before is still going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The new one is recorded as skipped.
    #[default]
    Skip,
    /// The new one waits for its turn.
    Queue,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

fn hundred() -> u32 {
    100
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_hundred(value: &u32) -> bool {
    *value == 100
}
