//! Requests in which values are mapped: what is wrong all the same, and what cannot be said yet.

use super::{codes, operation, request};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::Method;
use connectors::openapi::example::{Fill, example_request};
use connectors::openapi::mapped::check;
use model::http::Preflight;
use serde_json::{Value, json};

#[test]
fn mapped_values_are_allowed_in_any_field() {
    let cases = [
        (json!({"model": "{{ .model }}", "messages": "{{ .messages }}", "temperature": "{{ .t }}"}), vec![], 3),
        (json!({"model": "m", "messages": [{"role": "{{ .role }}", "content": "hi"}]}), vec![], 1),
        (json!({"model": "m", "messages": [{"role": "user", "content": "Hello {{ .name }}"}]}), vec![], 1),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "{{ .u }}"}]}]}),
            vec![],
            1,
        ),
        (
            json!({"model": "{{ .m }}", "messages": [{"role": "user", "content": "a"}], "temperature": "hot"}),
            vec!["schema_type /payload/temperature"],
            1,
        ),
        (json!({"model": "{{ .m }}"}), vec!["schema_missing /payload/messages"], 1),
        (
            json!({"model": "m", "messages": [{"role": "{{ .r }}", "content": "a", "colour": 1}]}),
            vec!["schema_unknown_field /payload/messages/0/colour"],
            1,
        ),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": "{ hot }"}),
            vec!["schema_type /payload/temperature"],
            0,
        ),
    ];
    let (entry, chat) = (super::entry(Method::Post, "/v1/chat/completions"), operation("POST", "Chat Completion"));
    for (payload, expected, unchecked) in cases {
        let found =
            check(catalogue(), entry, chat.as_ref(), &request(json!({ "payload": payload })), Preflight::Refuse);
        assert_eq!(codes(&found.problems), expected, "{payload}");
        assert_eq!(found.unchecked.len(), unchecked, "{payload}: {:?}", found.unchecked);
    }
    let (entry, model) = (super::entry(Method::Get, "/v1/models/{model_id}"), operation("GET", "Retrieve Model"));
    let found = check(
        catalogue(),
        entry,
        model.as_ref(),
        &request(json!({"path": {"model_id": "{{ .a / .b }}"}})),
        Preflight::Refuse,
    );
    assert_eq!((found.problems.len(), found.unchecked), (0, vec!["/path/model_id".to_owned()]));
}

/// Whatever single value is mapped, of whatever operation: nothing is wrong.
#[test]
fn any_one_value_of_a_right_request_can_be_mapped() {
    let mut checked = 0;
    for entry in &catalogue().operations {
        let made = example_request(entry, catalogue(), 7, Fill::Everything);
        let Some(Value::Object(members)) = &made.payload else { continue };
        let own = operation(entry.method.as_str(), &entry.title);
        for name in members.keys().take(4) {
            let mut mapped = made.clone();
            mapped.payload.as_mut().unwrap()[name] = json!("{{ .value }}");
            if name != "messages" && mapped.payload.as_ref().unwrap().get("messages").is_some() {
                mapped.payload.as_mut().unwrap()["messages"] = json!([{"role": "user", "content": "hi"}]);
            }
            let found = check(catalogue(), entry, own.as_ref(), &mapped, Preflight::Refuse);
            assert!(found.problems.is_empty(), "{} {name}: {:?}", entry.title, found.problems);
            assert_eq!(found.unchecked, [format!("/payload/{name}")], "{}", entry.title);
            checked += 1;
        }
    }
    assert!(checked > 250, "{checked}");
}
