//! `filter`: keeps or drops payloads.

use super::jaq::{self, Program};
use super::options::{FromOptions, path};
use super::path::{Path, Step, kind};
use model::{Problem, Transform, TransformContext};
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Keeps the payloads that pass, drops the others. The test is either a path (`where`) and what must hold for the value
/// there, or a jq filter (`jq`). With several tests all must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Path of the value to test. With wildcards one value that passes is enough, and for `not_equals` and `not_in` none
    /// may be as given.
    #[serde(default, rename = "where")]
    path: Option<String>,
    /// The value is this. Numbers are compared by what they are worth: `1` is `1.0`; a text is never a number.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    equals: Option<Value>,
    /// The value is not this, or there is none.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    not_equals: Option<Value>,
    /// The value is one of these.
    #[serde(default, rename = "in")]
    one_of: Option<Vec<Value>>,
    /// The value is none of these, or there is none.
    #[serde(default)]
    not_in: Option<Vec<Value>>,
    /// Whether there is a value (`null` is none).
    #[serde(default)]
    exists: Option<bool>,
    /// Whether there is nothing: no value, `null`, an empty text, list or object.
    #[serde(default)]
    empty: Option<bool>,
    /// A regular expression that fits some part of the text; `^` and `$` tie it to the ends.
    #[serde(default)]
    matches: Option<String>,
    /// The value is greater. Numbers are compared with numbers (and texts that are numbers, as in CSV), texts with texts,
    /// letter by letter, which is right for dates as `2026-01-31`.
    #[serde(default)]
    greater: Option<Bound>,
    /// The value is greater or the same.
    #[serde(default)]
    at_least: Option<Bound>,
    /// The value is less.
    #[serde(default)]
    less: Option<Bound>,
    /// The value is less or the same.
    #[serde(default)]
    at_most: Option<Bound>,
    /// A jq filter on the whole payload: it passes if the first output is neither `false` nor `null`.
    #[serde(default)]
    jq: Option<String>,
    /// What happens to the payloads that pass.
    #[serde(default)]
    then: Then,
}

/// What happens to the payloads that pass; the others have it the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// They go on.
    #[default]
    Keep,
    /// They end here, without a problem.
    Drop,
}

/// A number, or a text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Bound {
    Number(Number),
    Text(String),
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What must hold for one value.
enum Test {
    Equals(Value),
    In(Vec<Value>),
    Matches(Regex),
    Compare(Bound, fn(Ordering) -> bool),
}

enum Condition {
    /// Some value passes.
    Some(Test),
    /// No value passes.
    None(Test),
    /// Whether there is a value.
    Exists(bool),
    /// Whether every value there is empty.
    Empty(bool),
}

enum Question {
    Path(Path, Vec<Condition>),
    Jq(Program),
}

pub(crate) struct Filter {
    question: Question,
    then: Then,
}

impl FromOptions for Filter {
    const KIND: &'static str = "filter";
    type Options = Options;

    fn from_options(mut options: Options) -> Result<Self, Vec<Problem>> {
        let then = options.then;
        let (text, program) = (options.path.take(), options.jq.take());
        let conditions = conditions(options)?;
        let question = match (text, program) {
            (Some(_), Some(_)) => {
                return Err(wrong("jq", "there is a \"where\" too", "use one filter after the other"));
            }
            (None, None) => return Err(wrong("", "there is no test", "write \"where\" or \"jq\"")),
            (None, Some(_)) if !conditions.is_empty() => {
                return Err(wrong("jq", "the other tests need a \"where\"", "put them into the jq filter"));
            }
            (None, Some(program)) => Question::Jq(jaq::compile(&program).map_err(|problems| within(problems, "jq"))?),
            (Some(_), None) if conditions.is_empty() => {
                let hint = "write for example \"equals\", \"in\", \"exists\", \"matches\" or \"greater\"";
                return Err(wrong("where", "nothing is asked of the value", hint));
            }
            (Some(text), None) => Question::Path(path(&text, "where")?, conditions),
        };
        Ok(Self { question, then })
    }
}

fn within(problems: Vec<Problem>, place: &str) -> Vec<Problem> {
    problems.into_iter().map(|problem| problem.within(place)).collect()
}

fn wrong(place: &str, reason: &str, hint: &str) -> Vec<Problem> {
    vec![Problem::new("wrong_option", reason).at(place).hint(hint)]
}

fn conditions(options: Options) -> Result<Vec<Condition>, Vec<Problem>> {
    let compare = |bound: Option<Bound>, holds| Some(Condition::Some(Test::Compare(bound?, holds)));
    let pattern = options.matches.map(|pattern| regex(&pattern)).transpose()?;
    let conditions = [
        options.equals.map(|value| Condition::Some(Test::Equals(value))),
        options.not_equals.map(|value| Condition::None(Test::Equals(value))),
        options.one_of.map(|values| Condition::Some(Test::In(values))),
        options.not_in.map(|values| Condition::None(Test::In(values))),
        options.exists.map(Condition::Exists),
        options.empty.map(Condition::Empty),
        pattern.map(|pattern| Condition::Some(Test::Matches(pattern))),
        compare(options.greater, Ordering::is_gt),
        compare(options.at_least, Ordering::is_ge),
        compare(options.less, Ordering::is_lt),
        compare(options.at_most, Ordering::is_le),
    ];
    Ok(conditions.into_iter().flatten().collect())
}

fn regex(pattern: &str) -> Result<Regex, Vec<Problem>> {
    RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
        let reason = error.to_string().replace('\n', " ");
        vec![Problem::new("wrong_option", format!("not a regular expression: {reason}")).at("matches")]
    })
}

impl Transform for Filter {
    fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let passes = match &self.question {
            Question::Jq(program) => {
                let outputs = program.run(&payload, context.now)?;
                !matches!(outputs.first(), None | Some(Value::Null | Value::Bool(false)))
            }
            Question::Path(path, conditions) => {
                let found = path.find_all(&payload);
                all(conditions, &found).map_err(|(at, problem)| problem.at(path.bind(&found[at].0).pointer()))?
            }
        };
        Ok(if passes == (self.then == Then::Keep) { vec![payload] } else { Vec::new() })
    }
}

/// Values with what the wildcards stood for.
type Found<'v> = [(Vec<Step>, &'v Value)];

/// A problem with one of the values.
type At = (usize, Problem);

fn all(conditions: &[Condition], found: &Found) -> Result<bool, At> {
    for condition in conditions {
        let holds = match condition {
            Condition::Some(test) => any(test, found)?,
            Condition::None(test) => !any(test, found)?,
            Condition::Exists(wanted) => found.iter().any(|(_, value)| !value.is_null()) == *wanted,
            Condition::Empty(wanted) => found.iter().all(|(_, value)| is_empty(value)) == *wanted,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any(test: &Test, found: &Found) -> Result<bool, At> {
    for (at, (_, value)) in found.iter().enumerate() {
        if test.holds(value).map_err(|problem| (at, problem))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

impl Test {
    fn holds(&self, value: &Value) -> Result<bool, Problem> {
        Ok(match (self, value) {
            (Self::Equals(wanted), value) => same(wanted, value),
            (Self::In(wanted), value) => wanted.iter().any(|wanted| same(wanted, value)),
            // What is not there is neither greater nor less, and fits nothing.
            (_, Value::Null) => false,
            (Self::Matches(pattern), Value::String(text)) => pattern.is_match(text),
            (Self::Matches(pattern), Value::Number(_) | Value::Bool(_)) => pattern.is_match(&value.to_string()),
            (Self::Matches(_), value) => {
                let reason = format!("{} cannot be held against a regular expression", kind(value));
                return Err(Problem::new("wrong_type", reason));
            }
            (Self::Compare(bound, holds), value) => compare(value, bound)?.is_some_and(holds),
        })
    }
}

/// Equal as JSON, numbers by what they are worth.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => order(left, right) == Some(Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

fn compare(value: &Value, bound: &Bound) -> Result<Option<Ordering>, Problem> {
    match (value, bound) {
        (Value::Number(value), Bound::Number(bound)) => Ok(order(value, bound)),
        (Value::String(value), Bound::Text(bound)) => Ok(Some(value.as_str().cmp(bound))),
        (Value::String(text), Bound::Number(bound)) => match text.trim().parse::<Number>() {
            Ok(value) => Ok(order(&value, bound)),
            Err(_) => {
                let short: String = text.chars().take(40).collect();
                Err(Problem::new("wrong_type", format!("\"{short}\" is compared with a number, but is none")))
            }
        },
        (value, bound) => {
            let bound = if matches!(bound, Bound::Number(_)) { "a number" } else { "a text" };
            Err(Problem::new("wrong_type", format!("{} cannot be compared with {bound}", kind(value))))
        }
    }
}

/// Whole numbers of 64 bits are compared exactly.
fn order(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}
