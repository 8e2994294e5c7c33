use super::connector;
use crate::{answer, codes, request};
use model::http::Preflight;
use model::{Credential, Effect, Evidence, Operation, Problem, Side};
use serde_json::{Value, json};
use std::sync::Arc;

fn options(more: Value) -> Value {
    let mut options = json!({"method": "POST", "entity": "custom", "path_template": "/v1/things/{thing_id}"});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn custom(more: Value) -> Arc<dyn Operation> {
    connector().operation(Side::Publisher, &options(more)).unwrap()
}

fn refused(side: Side, more: Value) -> Vec<Problem> {
    connector().operation(side, &options(more)).err().unwrap_or_default()
}

#[test]
fn slots_are_filled_as_those_of_known_operations_and_the_rest_is_free() {
    let operation = custom(json!({}));
    assert_eq!(operation.signature(), "POST /v1/things/{thing_id}");
    let prepare = |value: Value| operation.prepare(&request(value), Preflight::Refuse);
    let built = prepare(json!({
        "path": {"thing_id": "a b/é".replace('/', "|")},
        "query": {"any": [1, "x"], "other": true},
        "payload": {"free": [null, {"deep": 1}]},
    }));
    let built = built.unwrap();
    assert!(built.warnings.is_empty(), "{:?}", built.warnings);
    assert_eq!(built.http.method, "POST");
    assert_eq!(built.http.target, "/v1/things/a%20b%7C%C3%A9?any=1&any=x&other=true");
    assert_eq!(built.http.body.as_deref(), Some(br#"{"free":[null,{"deep":1}]}"#.as_slice()));
    assert!(prepare(json!({"path": {"thing_id": 7}})).unwrap().http.body.is_none(), "a payload is never needed");
    let cases = [
        (json!({}), "path_missing /path/thing_id"),
        (json!({"path": {"thing_id": ""}}), "path_empty /path/thing_id"),
        (json!({"path": {"thing_id": ".."}}), "path_traversal /path/thing_id"),
        (json!({"path": {"thing_id": "a/b"}}), "path_traversal /path/thing_id"),
        (json!({"path": {"thing_id": {}}}), "path_type /path/thing_id"),
        (json!({"path": {"thing_id": 1, "think_id": 2}}), "path_unknown /path/think_id"),
        (json!({"path": {"thing_id": 1}, "header": {"x-a": 1}}), "header_unknown /header/x-a"),
    ];
    for (given, expected) in cases {
        assert_eq!(codes(&prepare(given.clone()).unwrap_err()), [expected], "{given}");
    }
    let get = custom(json!({"method": "GET"}));
    let refused = get.prepare(&request(json!({"path": {"thing_id": 1}, "payload": {}})), Preflight::Off).unwrap_err();
    assert_eq!(codes(&refused), ["payload_unexpected /payload"]);
}

#[test]
fn answers_are_json_or_empty() {
    let operation = custom(json!({}));
    for (status, body, expected) in
        [(200, "{\"a\": 1}", json!({"a": 1})), (201, "[1]", json!([1])), (202, "", json!(null))]
    {
        let reading = operation.read(&answer(status, &[("content-type", "application/json")], body));
        assert_eq!(
            (reading.evidence, reading.answer, reading.problem),
            (Evidence::Answered, expected, None),
            "{status}"
        );
    }
    let html = operation.read(&answer(200, &[("content-type", "text/html")], "<html>"));
    assert_eq!(html.problem.unwrap().code, "bad_answer");
    assert_eq!(operation.read(&answer(422, &[], "{\"detail\": \"no\"}")).evidence, Evidence::Rejected);
}

#[test]
fn effect_and_credential_follow_the_method_unless_they_are_said() {
    let cases = [
        (json!({"method": "GET"}), Effect::Read, Credential::ApiKey),
        (json!({"method": "post"}), Effect::Create, Credential::ApiKey),
        (json!({"method": "PATCH"}), Effect::Create, Credential::ApiKey),
        (json!({"method": "PUT"}), Effect::Idempotent, Credential::ApiKey),
        (json!({"method": "DELETE"}), Effect::Idempotent, Credential::ApiKey),
        (json!({"effect": "compute", "credential": "admin_key"}), Effect::Compute, Credential::AdminKey),
        (json!({"effect": "read", "credential": "user_key"}), Effect::Read, Credential::UserKey),
        (json!({"method": "DELETE", "effect": "create", "credential": "api_key"}), Effect::Create, Credential::ApiKey),
    ];
    for (more, effect, credential) in cases {
        let operation = custom(more.clone());
        assert_eq!((operation.effect(&request(json!({}))), operation.credential()), (effect, credential), "{more}");
    }
    let on_subscriber = [(json!({}), true), (json!({"effect": "read"}), false), (json!({"method": "PUT"}), true)];
    for (more, is_refused) in on_subscriber {
        let problems = refused(Side::Subscriber, more.clone());
        assert_eq!(codes(&problems).contains(&"entity_side entity".to_owned()), is_refused, "{more}");
    }
}

#[test]
fn mistakes_have_a_place_and_a_hint() {
    let cases = [
        (json!({"path_template": null}), "path_template_missing path_template"),
        (json!({"path_template": "v1/x"}), "path_template_wrong path_template"),
        (json!({"path_template": "/v1/../x"}), "path_template_wrong path_template"),
        (json!({"path_template": "/v1/x?a=1"}), "path_template_wrong path_template"),
        (json!({"path_template": "https://elsewhere/v1/x"}), "path_template_wrong path_template"),
        (json!({"path_template": "/v1/{a}/{a}"}), "path_template_wrong path_template"),
        (json!({"credential": "admin"}), "option_wrong credential"),
        (json!({"credential": 1}), "option_wrong credential"),
        (json!({"effect": "creates"}), "option_wrong effect"),
        (json!({"effect": "findable"}), "option_wrong effect"),
        (json!({"entity": "Create Agent"}), "option_misplaced path_template"),
    ];
    for (more, expected) in cases {
        let problems = refused(Side::Publisher, more.clone());
        assert_eq!(codes(&problems), [expected], "{more}");
        assert!(problems.iter().all(|problem| problem.hint.is_some()), "{problems:?}");
        assert_eq!(connector().validate(&options(more)), problems, "both say the same");
    }
    let all = refused(Side::Publisher, json!({"path_template": "x", "credential": "x", "effect": "x"}));
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn request_parameters_are_looked_at_and_a_known_operation_is_named() {
    let validate = |more: Value| connector().validate(&options(more));
    assert_eq!(validate(json!({})), []);
    let slip = validate(json!({"request_parameters": {"path": {"thing": 1}, "query": {"free": 1}}}));
    assert_eq!(codes(&slip), ["path_unknown request_parameters.path.thing"]);
    assert!(slip[0].hint.as_deref().is_some_and(|hint| hint.contains("thing_id")), "{slip:?}");
    for path in ["/v1/models/{model_id}", "/v1/models/{m}"] {
        let known = validate(json!({"method": "GET", "path_template": path}));
        assert_eq!(codes(&known), ["custom_known path_template"]);
        assert!(!known[0].is_error());
        assert!(known[0].hint.as_deref().is_some_and(|hint| hint.contains("entity: Retrieve Model")), "{known:?}");
    }
    assert_eq!(validate(json!({"method": "PUT", "path_template": "/v1/models/{m}"})), [], "another method");
    assert_eq!(validate(json!({"method": "GET", "path_template": "/v1/models/{m}/x"})), []);
}
