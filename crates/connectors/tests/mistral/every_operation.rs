use crate::codes;
use connectors::mistral::catalogue::catalogue;
use connectors::mistral::connector;
use connectors::openapi::catalogue::{Entry, Location};
use connectors::openapi::example::{Fill, example};
use connectors::openapi::served;
use model::http::Preflight;
use model::{Request, Side};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const NOT_SERVED: &str = include_str!("../../src/mistral/not_served.txt");

/// A valid request, made from the schemas of an entry.
fn sample(entry: &Entry, seed: u64, fill: Fill) -> Request {
    let mut request = Request::default();
    for (index, parameter) in entry.parameters.iter().enumerate() {
        let wanted = parameter.required || fill != Fill::Smallest;
        let schema = catalogue().resolved(&parameter.schema);
        let value = example(&schema, seed + index as u64, fill);
        match parameter.location {
            Location::Path => request.path.insert(parameter.name.clone(), slot(value)),
            Location::Query if wanted => request.query.insert(parameter.name.clone(), value),
            Location::Query | Location::Header => None,
        };
    }
    if let Some(body) = &entry.body {
        let mut payload = example(&catalogue().resolved(&body.schema), seed, fill);
        if payload.get("stream") == Some(&Value::Bool(true)) {
            payload["stream"] = Value::Bool(false);
        }
        request.payload = Some(payload);
    }
    request
}

/// A slot takes no `/`.
fn slot(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('/', "-")),
        other => other,
    }
}

#[test]
fn each_builds_from_an_example_or_is_on_the_list() {
    let listed: BTreeSet<&str> = NOT_SERVED.lines().collect();
    let mut refused = BTreeSet::new();
    let mut built = 0;
    for entry in &catalogue().operations {
        let signature = format!("{} {}", entry.method.as_str(), entry.path);
        let options = json!({"method": entry.method, "entity": entry.title});
        let operation = match connector().operation(Side::Publisher, &options) {
            Ok(operation) => operation,
            Err(problems) => {
                assert_eq!(codes(&problems), ["operation_not_served entity"], "{signature}");
                refused.insert(signature);
                continue;
            }
        };
        assert_eq!(operation.signature(), signature);
        for fill in [Fill::Smallest, Fill::Everything, Fill::Odd] {
            let request = sample(entry, 7, fill);
            let prepared = operation.prepare(&request, Preflight::Refuse);
            let prepared =
                prepared.unwrap_or_else(|problems| panic!("{signature} {fill:?}: {problems:#?}\n{request:?}"));
            assert!(prepared.warnings.is_empty(), "{signature} {fill:?}: {:#?}", prepared.warnings);
            assert_eq!(prepared.http.body.is_some(), entry.body.is_some(), "{signature}");
            assert!(!prepared.http.target.contains(['{', '}', ' ']), "{}", prepared.http.target);
            built += 1;
        }
    }
    assert_eq!(refused.iter().map(String::as_str).collect::<BTreeSet<_>>(), listed);
    assert_eq!(built, (catalogue().operations.len() - listed.len()) * 3);
}

#[test]
fn the_list_is_what_the_catalogue_implies() {
    let implied = catalogue().operations.iter().filter(|entry| served::refusal(entry).is_some());
    let implied: Vec<String> = implied.map(|entry| format!("{} {}", entry.method.as_str(), entry.path)).collect();
    assert_eq!(NOT_SERVED.lines().collect::<Vec<_>>(), implied);
}

#[test]
fn none_accepts_a_payload_that_is_nothing_like_its_body() {
    for entry in catalogue().operations.iter().filter(|entry| served::refusal(entry).is_none()) {
        let Some(body) = &entry.body else { continue };
        let options = json!({"method": entry.method, "entity": entry.title});
        let operation = connector().operation(Side::Publisher, &options).unwrap();
        let mut request = sample(entry, 7, Fill::Smallest);
        request.payload = Some(json!("text"));
        assert!(operation.prepare(&request, Preflight::Refuse).is_err(), "{}", entry.title);
        assert!(operation.prepare(&request, Preflight::Warn).is_ok(), "{}", entry.title);
        request.payload = None;
        assert_eq!(operation.prepare(&request, Preflight::Refuse).is_err(), body.required, "{}", entry.title);
    }
}

#[test]
fn an_unknown_field_anywhere_at_the_top_of_a_body_is_noticed_and_sent() {
    let mut noticed = 0;
    for entry in catalogue().operations.iter().filter(|entry| served::refusal(entry).is_none()) {
        let mut request = sample(entry, 7, Fill::Smallest);
        let Some(Value::Object(payload)) = &mut request.payload else { continue };
        let _: &mut Map<String, Value> = payload;
        payload.insert("wholly_unknown".to_owned(), json!(1));
        let options = json!({"method": entry.method, "entity": entry.title});
        let operation = connector().operation(Side::Publisher, &options).unwrap();
        let prepared = operation
            .prepare(&request, Preflight::Refuse)
            .unwrap_or_else(|problems| panic!("{}: {problems:#?}", entry.title));
        noticed += usize::from(!prepared.warnings.is_empty());
    }
    // Some bodies say that they take any field.
    assert!(noticed >= 80, "{noticed}");
}
