//! Several transformers after each other.

use super::{chain, context, part, parts};
use engine::transformers::{Chain, MAX_PAYLOADS};
use model::{Component, Problem, Registry, Transform, TransformContext, Transformer};
use serde_json::{Value, json};
use std::sync::Arc;

#[test]
fn what_one_makes_the_next_one_takes() {
    let chain = chain(&[
        part("split", json!({ "path": "items", "keep": { "order": "id" } })),
        part("filter", json!({ "where": "qty", "greater": 0 })),
        part("jq", json!({ "filter": "., {order, copy: true}" })),
        part("remove", json!({ "paths": ["qty"] })),
    ])
    .unwrap();
    let payload = json!({ "id": 7, "items": [{ "sku": "A", "qty": 1 }, { "sku": "B", "qty": 0 }] });
    let outputs = chain.apply(payload, &mut context()).unwrap();
    assert_eq!(outputs, [json!({ "sku": "A", "order": 7 }), json!({ "order": 7, "copy": true })]);
}

#[test]
fn no_transformers_change_nothing() {
    let chain = chain(&[]).unwrap();
    assert!(chain.is_empty());
    assert_eq!(chain.apply(json!([1]), &mut context()).unwrap(), [json!([1])]);
}

#[test]
fn every_wrong_option_is_said_with_its_place() {
    let problems = chain(&[
        part("jq", json!({ "filter": "." })),
        part("jq", json!({ "filter": ".a |" })),
        part("templat", json!({})),
        part("copy", json!({ "from": "a[", "to": ".b", "form": 1 })),
        part("copy", json!({ "from": "a[", "to": ".b" })),
    ])
    .unwrap_err();
    let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[1].filter", "[2].type", "[3].form", "[4].from", "[4].to"]);
    assert_eq!(problems[1].code, "unknown_transformer");
    let hint = problems[1].hint.as_deref().unwrap();
    assert!(hint.starts_with("did you mean \"template\"?") && hint.contains("copy, filter, forget, jq"), "{hint}");
}

#[test]
fn a_problem_says_which_transformer_it_was() {
    let chain =
        chain(&[part("set", json!({ "values": { "a": 1 } })), part("set", json!({ "values": { "a.b": 1 } }))]).unwrap();
    let problem = chain.apply(json!({}), &mut context()).unwrap_err();
    assert_eq!((&*problem.code, &*problem.place), ("wrong_type", "[1]/a"));
}

#[test]
fn one_payload_becomes_at_most_so_many() {
    let items: Vec<Value> = (0..1_000).map(Value::from).collect();
    let twice = |n| {
        let items = json!({ "filter": format!("range({n})") });
        chain(&[part("split", json!({ "path": "." })), part("jq", items)]).unwrap()
    };
    let payload = json!(items);
    assert_eq!(twice(100).apply(payload.clone(), &mut context()).unwrap().len(), MAX_PAYLOADS);
    let problem = twice(101).apply(payload, &mut context()).unwrap_err();
    assert_eq!((&*problem.code, &*problem.place), ("too_many_payloads", "[1]"));
    let problem = chain(&[part("jq", json!({ "filter": "range(100001)" }))]).unwrap();
    assert_eq!(problem.apply(json!(1), &mut context()).unwrap_err().code, "jq_too_costly");
}

#[test]
fn one_payload_becomes_at_most_so_large() {
    let big = "x".repeat(4_000_000);
    let payload = json!({ "big": big, "items": (0..100).map(|_| json!({})).collect::<Vec<_>>() });
    let chain = chain(&[part("split", json!({ "path": "items", "keep": { "big": "big" } }))]).unwrap();
    assert_eq!(chain.apply(payload, &mut context()).unwrap_err().code, "payloads_too_large");
}

struct Broken;

impl Component for Broken {
    fn kind(&self) -> &'static str {
        "broken"
    }

    fn schema(&self) -> Value {
        json!({})
    }
}

impl Transformer for Broken {
    fn compile(&self, _: &Value) -> Result<Box<dyn Transform>, Vec<Problem>> {
        Ok(Box::new(Self))
    }
}

impl Transform for Broken {
    fn apply(&self, payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        panic!("cannot cope with {payload}")
    }
}

#[test]
fn a_panic_is_a_problem() {
    let registry = Registry::default().transformers(parts()).transformers([Arc::new(Broken) as Arc<dyn Transformer>]);
    let parts = [part("jq", json!({ "filter": "." })), part("broken", json!({}))];
    let chain = Chain::compile(&parts, &registry).unwrap();
    let problem = chain.apply(json!(7), &mut context()).unwrap_err();
    assert_eq!((&*problem.code, &*problem.place), ("transformer_panicked", "[1]"));
    assert!(problem.reason.contains("cannot cope with 7"), "{}", problem.reason);
}
