//! `merge`: objects into one.

use super::options::{FromOptions, Missing, path};
use super::path::{Path, kind};
use super::split::single;
use model::{Problem, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Lays objects over an object of the payload, member by member, objects in them too. First those at `from`, in this
/// order, then `value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Path of the object that changes; made if it is missing.
    #[serde(default = "whole")]
    to: String,
    /// Paths of objects of the payload; with wildcards all that they fit. They stay where they are.
    #[serde(default)]
    from: Vec<String>,
    /// A fixed object.
    #[serde(default)]
    value: Map<String, Value>,
    /// What happens to lists that are on both sides.
    #[serde(default)]
    lists: Lists,
    /// Whether a member that is there already is replaced. If not, only what is missing (or `null`) is added.
    #[serde(default = "yes")]
    overwrite: bool,
    /// What happens where there is no object at one of `from`.
    #[serde(default)]
    if_missing: Missing,
}

/// What happens to lists that are on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lists {
    /// As with every other value, one of them stays.
    #[default]
    Replace,
    /// The new items follow the old ones.
    Append,
}

fn whole() -> String {
    ".".to_owned()
}

fn yes() -> bool {
    true
}

pub(crate) struct Merge {
    to: Path,
    from: Vec<Path>,
    value: Map<String, Value>,
    rules: Rules,
    if_missing: Missing,
}

struct Rules {
    lists: Lists,
    overwrite: bool,
}

impl FromOptions for Merge {
    const KIND: &'static str = "merge";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        if options.from.is_empty() && options.value.is_empty() {
            let problem = Problem::new("wrong_option", "there is nothing to merge");
            return Err(vec![problem.hint("write \"from\", \"value\" or both")]);
        }
        let from = options.from.iter().enumerate();
        let from = from.map(|(at, text)| path(text, &format!("from[{at}]"))).collect::<Result<_, _>>()?;
        let rules = Rules { lists: options.lists, overwrite: options.overwrite };
        let to = single(&options.to, "to")?;
        Ok(Self { to, from, value: options.value, rules, if_missing: options.if_missing })
    }
}

impl Transform for Merge {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let mut layers = Vec::new();
        for path in &self.from {
            let found = path.find_all(&payload);
            let found = found.into_iter().filter(|(_, value)| !value.is_null());
            let before = layers.len();
            for (bound, value) in found {
                let Value::Object(map) = value else {
                    return Err(not_an_object(value).at(path.bind(&bound).pointer()));
                };
                layers.push(map.clone());
            }
            if layers.len() == before && self.if_missing == Missing::Fail {
                return Err(path.missing(&payload));
            }
        }
        if !self.value.is_empty() {
            layers.push(self.value.clone());
        }
        let target = self.to.make(&mut payload)?;
        if target.is_null() {
            *target = Value::Object(Map::new());
        }
        let Value::Object(target) = target else { return Err(not_an_object(target).at(self.to.pointer())) };
        layers.into_iter().for_each(|layer| self.rules.merge(target, layer));
        Ok(vec![payload])
    }
}

fn not_an_object(value: &Value) -> Problem {
    Problem::new("wrong_type", format!("{} stands where an object is needed", kind(value)))
}

impl Rules {
    fn merge(&self, target: &mut Map<String, Value>, layer: Map<String, Value>) {
        for (name, new) in layer {
            match (target.get_mut(&name), new) {
                (Some(Value::Object(old)), Value::Object(new)) => self.merge(old, new),
                (Some(Value::Array(old)), Value::Array(new)) if self.lists == Lists::Append => old.extend(new),
                (Some(old), new) if self.overwrite || old.is_null() => *old = new,
                (Some(_), _) => {}
                (None, new) => {
                    target.insert(name, new);
                }
            }
        }
    }
}
