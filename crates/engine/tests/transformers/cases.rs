//! The cases in the YAML files.

use super::{context, registry};
use bytes::Bytes;
use model::{Problem, Storages, Transform, TransformContext};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    options: Value,
    /// Without it, the options themselves are wrong.
    #[serde(default, deserialize_with = "present")]
    input: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    output: Option<Value>,
    outputs: Option<Vec<Value>>,
    problem: Option<Expected>,
    /// What the storage `seen` has before.
    #[serde(default)]
    storage: BTreeMap<String, Value>,
    /// What is written to it; `null` for what is deleted.
    #[serde(default)]
    written: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    code: String,
    place: Option<String>,
    reason: Option<String>,
    hint: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[allow(clippy::disallowed_methods, reason = "test data")]
fn cases(kind: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transformers").join(format!("{kind}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is wrong with a case: nothing, if it holds.
fn judge(kind: &str, case: &Case) -> Result<(), String> {
    let transformer = &registry().transformers[kind];
    let result = match (transformer.compile(&case.options), &case.input) {
        (Err(problems), None) => Err(problems[0].clone()),
        (Err(problems), Some(_)) => {
            return match &case.problem {
                Some(expected) if expected.code.starts_with("wrong_") => fits(expected, &problems[0]),
                _ => Err(format!("the options are wrong: {problems:?}")),
            };
        }
        (Ok(_), None) => return Err("the options should be wrong".to_owned()),
        (Ok(transform), Some(input)) => {
            let (result, written) = apply(&*transform, input, &case.storage);
            if written != case.written {
                return Err(format!("\n expected to be written {:?}\n but got  {written:?}", case.written));
            }
            result
        }
    };
    match (&case.problem, result) {
        (Some(expected), Err(problem)) => fits(expected, &problem),
        (Some(_), Ok(outputs)) => Err(format!("a problem was expected, but {outputs:?} came out")),
        (None, Err(problem)) => Err(format!("{problem:?}")),
        (None, Ok(outputs)) => {
            let expected = case.outputs.clone().or_else(|| case.output.clone().map(|output| vec![output]));
            let (expected, outputs) = (text(&expected.unwrap_or_default()), text(&outputs));
            if expected == outputs { Ok(()) } else { Err(format!("\n expected {expected}\n but got  {outputs}")) }
        }
    }
}

/// What comes out and what is written, with a storage as the engine has it: read when it is asked for.
fn apply(
    transform: &dyn Transform,
    input: &Value,
    storage: &BTreeMap<String, Value>,
) -> (Result<Vec<Value>, Problem>, BTreeMap<String, Value>) {
    let mut known = HashMap::new();
    loop {
        let mut context = TransformContext { storages: Storages::over(known.clone()), ..context() };
        let result = transform.apply(input.clone(), &mut context);
        if context.storages.wanted().is_empty() {
            let (_, written) = context.storages.take();
            let read = |value: Option<Bytes>| value.map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
            return (result, written.into_iter().map(|(of, value)| (of.key, read(value))).collect());
        }
        for of in context.storages.wanted() {
            let value = storage.get(&of.key).map(|value| Bytes::from(value.to_string()));
            known.insert(of.clone(), value);
        }
    }
}

/// As text, so that the order of members and `1` and `1.0` count.
fn text(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

fn fits(expected: &Expected, problem: &Problem) -> Result<(), String> {
    let code = expected.code == problem.code;
    let place = expected.place.as_ref().is_none_or(|place| *place == problem.place);
    let reason = expected.reason.as_ref().is_none_or(|reason| *reason == problem.reason);
    let hint = expected.hint.is_none() || expected.hint == problem.hint;
    if code && place && reason && hint { Ok(()) } else { Err(format!("another problem: {problem:?}")) }
}

#[test]
fn every_case_of_every_transformer_holds() {
    let mut wrong = Vec::new();
    for kind in registry().transformers.keys() {
        let cases = cases(kind);
        let good = cases.iter().filter(|case| case.problem.is_none()).count();
        assert!(good >= 6, "{kind} has {good} good examples");
        assert!(good < cases.len(), "{kind} has no bad example");
        wrong.extend(cases.iter().filter_map(|case| {
            let error = judge(kind, case).err()?;
            Some(format!("{kind}: {}: {error}", case.name))
        }));
    }
    assert!(wrong.is_empty(), "{} cases do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_transformer_describes_each_of_its_options() {
    for (kind, transformer) in registry().transformers {
        let schema = transformer.schema();
        assert_eq!(schema["additionalProperties"], false, "{kind}");
        assert!(schema["description"].is_string(), "{kind} has no description");
        for (name, option) in schema["properties"].as_object().unwrap() {
            assert!(option["description"].is_string(), "{kind}.{name} has no description");
        }
        for case in cases(kind).iter().filter(|case| case.problem.is_none()) {
            let problems = model::schema::Checker::compile(&schema).unwrap().problems(&case.options);
            assert!(problems.is_empty(), "{kind}: {}: {problems:?}", case.name);
        }
    }
}
