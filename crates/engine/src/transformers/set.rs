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
            if !self.only_missing {
                path.set(&mut payload, value.clone())?;
            } else if path.wildcards() == 0 {
                if path.find(&payload).is_none_or(Value::is_null) {
                    path.set(&mut payload, value.clone())?;
                }
            } else {
                fill(path, &mut payload, value)?;
            }
        }
        Ok(vec![payload])
    }
}

/// Sets a value under every parent that lacks it.
fn fill(path: &Path, payload: &mut Value, value: &Value) -> Result<(), Problem> {
    let last_wildcard = path.steps().iter().rposition(super::path::Step::is_wildcard).unwrap_or(0);
    let (outer, inner) = path.steps().split_at(last_wildcard + 1);
    let inner = Path::new(inner.to_vec());
    Path::new(outer.to_vec()).change(payload, &mut |parent| match inner.find(parent) {
        None | Some(Value::Null) => inner.set(parent, value.clone()),
        Some(_) => Ok(()),
    })
}
