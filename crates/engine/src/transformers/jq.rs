//! `jq`: whatever a filter of the jq language makes of the payload.

use super::jaq::{self, Program};
use super::options::FromOptions;
use model::{Millis, Problem, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Runs a filter of the jq language: each output is a payload, no output drops it. The filter sees the payload and the
/// time (`now`), nothing else, and is stopped when it takes too many steps or too much memory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// The filter, for example `{name: .title, price: (.cents / 100)}`.
    filter: String,
}

pub(crate) struct Jq(Program);

impl FromOptions for Jq {
    const KIND: &'static str = "jq";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let program = jaq::compile(&options.filter);
        program.map(Self).map_err(|problems| problems.into_iter().map(|problem| problem.at("filter")).collect())
    }
}

impl Transform for Jq {
    fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        self.0.run(&payload, context.now)
    }
}

/// A question to a value, as a filter of the jq language.
pub struct Condition(Program);

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// `wrong_filter` for each thing that is wrong with the text.
    pub fn compile(text: &str) -> Result<Self, Vec<Problem>> {
        jaq::compile(text).map(Self)
    }

    /// Whether it holds: its first output is neither false nor null. No output is no.
    ///
    /// # Errors
    /// What the filter raises, or what stops it.
    pub fn holds(&self, value: &Value, now: Millis) -> Result<bool, Problem> {
        let outputs = self.0.run(value, now)?;
        Ok(outputs.first().is_some_and(|first| !matches!(first, Value::Null | Value::Bool(false))))
    }
}
