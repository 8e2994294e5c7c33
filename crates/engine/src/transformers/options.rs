//! Options of transformers: a type describes them, here they are read.

use super::path::Path;
use model::schema::{Checker, code, dotted};
use model::{Component, Problem, Transform, Transformer};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;
use std::sync::Arc;

/// A transform that is made from its options.
pub(crate) trait FromOptions: Transform + Sized + 'static {
    /// The value of `type:` that chooses it.
    const KIND: &'static str;

    /// Its options. Their doc comments are the reference.
    type Options: DeserializeOwned + JsonSchema;

    /// Checks and prepares everything that does not depend on a payload.
    ///
    /// # Errors
    /// Everything that is wrong; places are relative to the options.
    fn from_options(options: Self::Options) -> Result<Self, Vec<Problem>>;
}

struct Kind<T>(PhantomData<fn() -> T>);

/// The transformer that makes transforms of one type.
pub(crate) fn part<T: FromOptions>() -> Arc<dyn Transformer> {
    Arc::new(Kind::<T>(PhantomData))
}

impl<T: FromOptions> Component for Kind<T> {
    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(T::Options).to_value()
    }

    fn validate(&self, options: &Value) -> Vec<Problem> {
        self.compile(options).err().unwrap_or_default()
    }
}

impl<T: FromOptions> Transformer for Kind<T> {
    fn compile(&self, options: &Value) -> Result<Box<dyn Transform>, Vec<Problem>> {
        // `deserialize` on a reference copies only what is kept.
        let read = T::Options::deserialize(options).map_err(|error| self.explain(options, &error))?;
        Ok(Box::new(T::from_options(read)?))
    }
}

impl<T: FromOptions> Kind<T> {
    /// Why options cannot be read: the schema knows every place, serde only the first.
    fn explain(&self, options: &Value, error: &serde_json::Error) -> Vec<Problem> {
        let problems = Checker::compile(&self.schema()).map(|checker| checker.problems(options)).unwrap_or_default();
        if problems.is_empty() {
            return vec![Problem::new("wrong_option", error.to_string())];
        }
        let ours = |problem: Problem| {
            let code = if problem.code == code::UNKNOWN_FIELD { "unknown_option" } else { "wrong_option" };
            let place = dotted(&problem.place);
            Problem { code: code.into(), place, ..problem }
        };
        problems.into_iter().map(ours).collect()
    }
}

/// Reads a path from the option that has it.
pub(crate) fn path(text: &str, place: &str) -> Result<Path, Vec<Problem>> {
    text.parse().map_err(|problem: Problem| vec![problem.at(place)])
}

/// What happens where a value is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    /// Nothing: the payload goes on as it is.
    #[default]
    Skip,
    /// The task fails.
    Fail,
}
