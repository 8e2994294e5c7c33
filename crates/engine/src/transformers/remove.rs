//! `remove`: takes values out of the payload.

use super::options::{FromOptions, path};
use super::path::Path;
use model::{Problem, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Takes values out of the payload. What is not there is no problem.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Paths of what to remove, in this order; with wildcards all that they fit. The rest of a list moves up.
    paths: Vec<String>,
}

pub(crate) struct Remove {
    paths: Vec<Path>,
}

impl FromOptions for Remove {
    const KIND: &'static str = "remove";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut paths = Vec::new();
        for (at, text) in options.paths.iter().enumerate() {
            match path(text, &format!("paths[{at}]")) {
                Ok(path) if path.steps().is_empty() => problems.push(
                    Problem::new("wrong_path", "the whole payload cannot be removed")
                        .at(format!("paths[{at}]"))
                        .hint("\"filter\" drops payloads"),
                ),
                Ok(path) => paths.push(path),
                Err(more) => problems.extend(more),
            }
        }
        if problems.is_empty() { Ok(Self { paths }) } else { Err(problems) }
    }
}

impl Transform for Remove {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        for path in &self.paths {
            path.take(&mut payload);
        }
        Ok(vec![payload])
    }
}
