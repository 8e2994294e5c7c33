//! JSON Schema: the one place that sees the validator.

use crate::Problem;
use serde_json::Value;

/// A compiled schema that explains what does not fit.
#[derive(Debug)]
pub struct Checker {
    validator: jsonschema::Validator,
}

impl Checker {
    /// Compiles a schema (draft 2020-12). References outside the document are an error: nothing is fetched.
    ///
    /// # Errors
    /// `schema_wrong` where the schema is none.
    pub fn compile(schema: &Value) -> Result<Self, Problem> {
        jsonschema::draft202012::new(schema)
            .map(|validator| Self { validator })
            .map_err(|error| Problem::new("schema_wrong", error.to_string()))
    }

    /// Whether the value fits. Fast: no explanation is built.
    #[must_use]
    pub fn fits(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Everything that does not fit; places are JSON pointers into the value.
    #[must_use]
    pub fn problems(&self, value: &Value) -> Vec<Problem> {
        self.validator
            .iter_errors(value)
            .map(|error| Problem::new("schema", error.to_string()).at(error.instance_path().to_string()))
            .collect()
    }
}
