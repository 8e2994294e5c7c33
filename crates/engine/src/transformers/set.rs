//! `set`: puts values into the payload.

use super::options::{FromOptions, path};
use super::path::Path;
use model::{Problem, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Puts fixed values into the payload.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// What to put where: each key is a path, each value any JSON. Objects and lists on the way are made. They are set
    /// in the order written.
    values: Map<String, Value>,
    /// Leaves a value as it is where there is one (`null` is none).
    #[serde(default)]
    only_missing: bool,
}

pub(crate) struct Set {
    values: Vec<(Path, Value)>,
    only_missing: bool,
}

impl FromOptions for Set {
    const KIND: &'static str = "set";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let mut values = Vec::new();
        let mut problems = Vec::new();
        for (text, value) in options.values {
            match path(&text, &format!("values.{text}")) {
                Ok(path) => values.push((path, value)),
                Err(more) => problems.extend(more),
            }
        }
        if problems.is_empty() { Ok(Self { values, only_missing: options.only_missing }) } else { Err(problems) }
    }
}

impl Transform for Set {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        for (path, value) in &self.values {
            if self.only_missing {
                path.set_missing(&mut payload, value)?;
            } else {
                path.set(&mut payload, value.clone())?;
            }
        }
        Ok(vec![payload])
    }
}
