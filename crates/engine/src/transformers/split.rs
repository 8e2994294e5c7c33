//! `split`: a list into payloads.

use super::options::{FromOptions, Missing, path};
use super::path::{Path, kind};
use model::{Problem, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Makes one payload of each item of a list. An empty list makes none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Path of the list; `.` if the payload is the list. With wildcards the items of all lists it fits.
    path: String,
    /// Puts the item at this path of a new object. Without it the item is the payload.
    #[serde(default, rename = "as")]
    place: Option<String>,
    /// What goes along from the payload that is split: each key is a path in the new payload, each value a path in the
    /// old one. What is not there is left out.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    keep: Map<String, Value>,
    /// What happens where there is no list (or `null`): `fail`, or `skip`, which makes no payload.
    #[serde(default = "fail")]
    if_missing: Missing,
}

fn fail() -> Missing {
    Missing::Fail
}

pub(crate) struct Split {
    path: Path,
    place: Option<Path>,
    keep: Vec<(Path, Path)>,
    if_missing: Missing,
}

impl FromOptions for Split {
    const KIND: &'static str = "split";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let place = options.place.as_deref().map(|text| single(text, "as")).transpose()?;
        let mut keep = Vec::new();
        for (new, old) in &options.keep {
            let here = format!("keep.{new}");
            let Some(old) = old.as_str() else {
                let problem = Problem::new("wrong_option", format!("{} is no path", kind(old)));
                return Err(vec![problem.at(here)]);
            };
            keep.push((single(new, &here)?, single(old, &here)?));
        }
        Ok(Self { path: path(&options.path, "path")?, place, keep, if_missing: options.if_missing })
    }
}

/// A path without wildcards.
pub(super) fn single(text: &str, place: &str) -> Result<Path, Vec<Problem>> {
    let path = path(text, place)?;
    match path.wildcards() {
        0 => Ok(path),
        _ => Err(vec![Problem::new("wrong_path", "a wildcard stands for many, but one is needed").at(place)]),
    }
}

impl Transform for Split {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let keep: Vec<(&Path, Value)> =
            self.keep.iter().filter_map(|(new, old)| Some((new, old.find(&payload)?.clone()))).collect();
        let mut items = Vec::new();
        let mut found = false;
        self.path.change(&mut payload, &mut |value| match value {
            Value::Array(list) => {
                found = true;
                items.append(list);
                Ok(())
            }
            Value::Null => Ok(()),
            other => Err(not_a_list(other, &self.path)),
        })?;
        if !found && self.if_missing == Missing::Fail {
            return Err(self.path.missing(&payload));
        }
        items.into_iter().map(|item| self.piece(item, &keep)).collect()
    }
}

fn not_a_list(value: &Value, path: &Path) -> Problem {
    let problem = Problem::new("wrong_type", format!("{} stands where a list is needed", kind(value)));
    match path.steps().last() {
        Some(last) if last.is_wildcard() => problem.hint("leave out the last wildcard: the path leads to the list"),
        _ => problem,
    }
}

impl Split {
    fn piece(&self, item: Value, keep: &[(&Path, Value)]) -> Result<Value, Problem> {
        let mut piece = match &self.place {
            None => item,
            Some(place) => {
                let mut piece = Value::Null;
                place.set(&mut piece, item)?;
                piece
            }
        };
        for (path, value) in keep {
            path.set(&mut piece, value.clone()).map_err(|problem| {
                problem.hint("\"keep\" needs items that are objects; \"as\" puts every item into a new one")
            })?;
        }
        Ok(piece)
    }
}
