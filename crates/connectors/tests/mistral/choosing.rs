use super::connector;
use crate::{codes, operation, request};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::Method;
use model::schema::Checker;
use model::{Effect, Problem, Side};
use serde_json::{Value, json};

fn refused(side: Side, options: Value) -> Vec<Problem> {
    connector().operation(side, &options).err().unwrap_or_default()
}

#[test]
fn operations_are_chosen_by_method_and_entity() {
    assert_eq!(operation("get", " retrieve model ").signature(), "GET /v1/models/{model_id}");
    assert_eq!(operation("DELETE", "Delete Model").effect(&request(json!({}))), Effect::Idempotent);
    assert_eq!(operation("Post", "Chat Completion").title(), "Chat Completion");
    let cases = [
        (json!({}), "method_missing method"),
        (json!({"method": "FETCH", "entity": "List Models"}), "method_unknown method"),
        (json!({"method": "GET"}), "entity_missing entity"),
        (json!({"method": "GET", "entity": "Retreive Model"}), "entity_unknown entity"),
        (json!({"method": "POST", "entity": "Retrieve Model"}), "entity_unknown entity"),
        (json!({"method": "GET", "entity": "custom"}), "path_template_missing path_template"),
    ];
    for (options, expected) in cases {
        assert_eq!(codes(&refused(Side::Publisher, options.clone())), [expected], "{options}");
    }
    let slip = refused(Side::Publisher, json!({"method": "GET", "entity": "Retreive Model"}));
    assert_eq!(slip[0].hint.as_deref(), Some("did you mean \"Retrieve Model\"?"));
}

#[test]
fn each_side_has_its_operations() {
    for entry in &catalogue().operations {
        let options = json!({"method": entry.method, "entity": entry.title});
        let on_subscriber = refused(Side::Subscriber, options.clone());
        let can = entry.method == Method::Get
            || (entry.method == Method::Post && [Effect::Read, Effect::Compute].contains(&entry.effect));
        let wrong_side = on_subscriber.iter().any(|problem| problem.code == "entity_side");
        assert_eq!(wrong_side, !can, "{} {}", entry.method.as_str(), entry.title);
        let on_publisher = refused(Side::Publisher, options);
        assert_eq!(on_publisher, [], "{}", entry.title);
    }
}

#[test]
fn an_execution_without_an_id_of_ours_cannot_be_found_again() {
    let execute = operation("POST", "Execute Workflow");
    assert_eq!(execute.effect(&request(json!({"payload": {"execution_id": "e1"}}))), Effect::Findable);
    for payload in [json!({}), json!({"execution_id": ""}), json!({"execution_id": null}), json!(1)] {
        assert_eq!(execute.effect(&request(json!({"payload": payload}))), Effect::Create);
    }
    assert_eq!(execute.effect(&request(json!({}))), Effect::Create);
    assert_eq!(operation("POST", "Create Batch Job").effect(&request(json!({}))), Effect::Findable);
}

#[test]
fn request_parameters_are_looked_at_before_anything_runs() {
    let chat =
        |parameters: Value| json!({"method": "POST", "entity": "Chat Completion", "request_parameters": parameters});
    let model =
        |parameters: Value| json!({"method": "GET", "entity": "Retrieve Model", "request_parameters": parameters});
    let cases: [(Value, &[&str]); 12] = [
        (model(json!({})), &[]),
        (model(json!({"path": {"model_id": "m"}})), &[]),
        (model(json!({"path": {"model": "m"}})), &["path_unknown request_parameters.path.model"]),
        (model(json!({"path": {"model_id": "../x"}})), &["path_traversal request_parameters.path.model_id"]),
        (model(json!({"path": {"model_id": {}}})), &["path_type request_parameters.path.model_id"]),
        (model(json!({"payload": {}})), &["payload_unexpected request_parameters.payload"]),
        (model(json!("no request")), &[]),
        // The data brings the messages.
        (chat(json!({"payload": {"model": "m"}})), &[]),
        (chat(json!({"payload": {"model": "m", "messages": []}})), &[]),
        (chat(json!({"payload": {"model": 5}})), &["schema_type request_parameters.payload.model"]),
        (
            chat(json!({"payload": {"messages": [{"role": "usr", "content": "x"}]}})),
            &["schema_enum request_parameters.payload.messages[0].role"],
        ),
        (json!({"method": "GET", "entity": "Nothing"}), &["entity_unknown entity"]),
    ];
    for (options, expected) in cases {
        assert_eq!(codes(&connector().validate(&options)), expected, "{options}");
    }
    for chain in ["input_transformers", "request_transformers"] {
        let mut options = model(json!({"path": {"model": "m"}}));
        options[chain] = json!([{"type": "move"}]);
        assert_eq!(codes(&connector().validate(&options)), Vec::<String>::new(), "transformers may move it");
    }
}

#[test]
fn options_are_described() {
    let checker = Checker::compile(&connector().schema()).unwrap();
    assert!(checker.fits(&json!({"method": "GET", "entity": "List Models", "http_client": "mistral"})));
    assert_eq!(codes(&checker.problems(&json!({"method": 1}))), ["schema_missing /entity", "schema_type /method"]);
}
