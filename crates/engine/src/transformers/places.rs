//! Values from one place to another: what `copy` and `move` share.

use super::options::{Missing, path};
use super::path::{Path, Step};
use model::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// From where to where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Path of the value. With wildcards (`items[*].sku`) every value it fits.
    from: String,
    /// Path of its new place; objects and lists on the way are made. As many wildcards as `from` has: each value goes to
    /// its own place. No wildcards: the list of all values goes there.
    to: String,
    /// What happens where there is no value.
    #[serde(default)]
    if_missing: Missing,
}

pub(super) struct Places {
    pub(super) from: Path,
    to: Path,
    if_missing: Missing,
}

impl Places {
    pub(super) fn new(options: &Options) -> Result<Self, Vec<Problem>> {
        let (from, to) = match (path(&options.from, "from"), path(&options.to, "to")) {
            (Ok(from), Ok(to)) => (from, to),
            (from, to) => return Err([from.err(), to.err()].into_iter().flatten().flatten().collect()),
        };
        let (given, wanted) = (from.wildcards(), to.wildcards());
        if wanted != 0 && wanted != given {
            let reason = format!("{wanted} wildcards, but \"from\" has {given}");
            let problem = Problem::new("wrong_path", reason).at("to");
            return Err(vec![problem.hint("write as many as in \"from\", or none to get a list")]);
        }
        Ok(Self { from, to, if_missing: options.if_missing })
    }

    /// Fails if nothing was found and that matters.
    pub(super) fn check<T>(&self, found: &[T], payload: &Value) -> Result<(), Problem> {
        match self.if_missing {
            Missing::Fail if found.is_empty() => Err(self.from.missing(payload)),
            _ => Ok(()),
        }
    }

    /// Puts what was found into its place.
    pub(super) fn put(&self, payload: &mut Value, found: Vec<(Vec<Step>, Value)>) -> Result<(), Problem> {
        if found.is_empty() {
            return Ok(());
        }
        if self.from.wildcards() > 0 && self.to.wildcards() == 0 {
            return self.to.set(payload, found.into_iter().map(|(_, value)| value).collect());
        }
        found.into_iter().try_for_each(|(bound, value)| match bound.is_empty() {
            true => self.to.set(payload, value),
            false => self.to.bind(&bound).set(payload, value),
        })
    }
}
