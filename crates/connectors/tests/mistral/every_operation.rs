use super::connector;
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::BodyKind;
use connectors::openapi::example::{Fill, example_request};
use model::Side;
use model::http::Preflight;
use serde_json::{Map, Value, json};

#[test]
fn each_builds_from_an_example() {
    let mut built = 0;
    for entry in &catalogue().operations {
        let signature = format!("{} {}", entry.method.as_str(), entry.path);
        let options = json!({"method": entry.method, "entity": entry.title});
        let operation = connector().operation(Side::Publisher, &options).unwrap();
        assert_eq!(operation.signature(), signature);
        for fill in [Fill::Smallest, Fill::Everything, Fill::Odd] {
            let mut request = example_request(entry, catalogue(), 7, fill);
            // No schema says in which order messages make sense, so an example does not know it.
            if let Some(messages) = request.payload.as_mut().and_then(|payload| payload.get_mut("messages")) {
                *messages = json!([{"role": "user", "content": "hi"}]);
            }
            let prepared = operation.prepare(&request, Preflight::Refuse);
            let prepared =
                prepared.unwrap_or_else(|problems| panic!("{signature} {fill:?}: {problems:#?}\n{request:?}"));
            assert!(prepared.warnings.is_empty(), "{signature} {fill:?}: {:#?}", prepared.warnings);
            assert_eq!(
                prepared.http.body.is_some() || prepared.http.form.is_some(),
                request.payload.is_some(),
                "{signature}"
            );
            assert!(!prepared.http.target.contains(['{', '}', ' ']), "{}", prepared.http.target);
            built += 1;
        }
    }
    assert_eq!(built, 284 * 3);
}

#[test]
fn none_accepts_a_payload_that_is_nothing_like_its_body() {
    for entry in &catalogue().operations {
        let Some(body) = &entry.body else { continue };
        let options = json!({"method": entry.method, "entity": entry.title});
        let operation = connector().operation(Side::Publisher, &options).unwrap();
        let mut request = example_request(entry, catalogue(), 7, Fill::Smallest);
        request.payload = Some(json!("text"));
        assert!(operation.prepare(&request, Preflight::Refuse).is_err(), "{}", entry.title);
        let sendable = body.kind == BodyKind::Json;
        assert_eq!(operation.prepare(&request, Preflight::Warn).is_ok(), sendable, "{}", entry.title);
        request.payload = None;
        assert_eq!(operation.prepare(&request, Preflight::Refuse).is_err(), body.required, "{}", entry.title);
    }
}

#[test]
fn an_unknown_field_anywhere_at_the_top_of_a_body_is_noticed_and_sent() {
    let mut noticed = 0;
    for entry in &catalogue().operations {
        let mut request = example_request(entry, catalogue(), 7, Fill::Smallest);
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
