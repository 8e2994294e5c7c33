//! `map`: values by a table.

use super::options::{FromOptions, Missing, path};
use super::path::{Path, kind};
use model::{Problem, Transform, TransformContext, suggest};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Replaces values by what a table says: codes of one system by those of another.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Path of the value; with wildcards every value it fits.
    path: String,
    /// The table. Each key is a value as text (`1`, `true` and `null` stand for number, boolean and null too), each value
    /// any JSON.
    values: Map<String, Value>,
    /// What a value becomes that is not in the table.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    default: Option<Value>,
    /// What happens to a value that is not in the table where there is no `default`.
    #[serde(default)]
    if_unknown: Unknown,
    /// What happens where there is no value at all.
    #[serde(default)]
    if_missing: Missing,
}

/// What happens to a value that is not in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unknown {
    /// The task fails.
    #[default]
    Fail,
    /// The value stays.
    Keep,
}

/// `default: null` is a default too.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

pub(crate) struct Table {
    path: Path,
    values: Map<String, Value>,
    default: Option<Value>,
    if_unknown: Unknown,
    if_missing: Missing,
}

impl FromOptions for Table {
    const KIND: &'static str = "map";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let Options { values, default, if_unknown, if_missing, .. } = options;
        Ok(Self { path: path(&options.path, "path")?, values, default, if_unknown, if_missing })
    }
}

impl Transform for Table {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let mut found = false;
        self.path.change(&mut payload, &mut |value| {
            found = true;
            self.replace(value)
        })?;
        match self.if_missing {
            Missing::Fail if !found => Err(self.path.missing(&payload)),
            _ => Ok(vec![payload]),
        }
    }
}

impl Table {
    fn replace(&self, value: &mut Value) -> Result<(), Problem> {
        let known = match &*value {
            Value::String(text) => self.values.get(text),
            Value::Array(_) | Value::Object(_) => {
                let reason = format!("{} cannot be looked up in a table", kind(value));
                return Err(Problem::new("wrong_type", reason));
            }
            scalar => self.values.get(&scalar.to_string()),
        };
        match known.or(self.default.as_ref()) {
            Some(new) => *value = new.clone(),
            None if self.if_unknown == Unknown::Keep => {}
            None => return Err(self.unknown(value)),
        }
        Ok(())
    }

    fn unknown(&self, value: &Value) -> Problem {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let short: String = text.chars().take(60).collect();
        let problem = Problem::new("not_in_table", format!("\"{short}\" is not in the table"));
        match suggest::hint(&short, self.values.keys().map(String::as_str)) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}
