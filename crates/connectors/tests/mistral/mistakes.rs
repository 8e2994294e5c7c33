use crate::{operation, request};
use model::Problem;
use model::http::Preflight;
use serde_json::{Value, json};

fn noticed(title: &str, payload: Value) -> Vec<Problem> {
    match operation("POST", title).prepare(&request(json!({"payload": payload})), Preflight::Refuse) {
        Ok(prepared) => prepared.warnings,
        Err(problems) => problems,
    }
}

#[test]
fn fields_of_other_services_are_explained() {
    let user = json!([{"role": "user", "content": "hi"}]);
    let table = [
        ("max_completion_tokens", json!(5), "max_tokens"),
        ("seed", json!(5), "random_seed"),
        ("functions", json!([]), "tools"),
        ("stream_options", json!({"include_usage": true}), "leave it out"),
        ("system", json!("be kind"), "first message"),
    ];
    for (field, value, hint) in table {
        let mut payload = json!({"model": "m", "messages": user});
        payload[field] = value;
        let found = noticed("Chat Completion", payload);
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert!(!found[0].is_error(), "it is sent all the same: {found:?}");
        assert!(found[0].hint.as_deref().is_some_and(|text| text.contains(hint)), "{field}: {found:?}");
    }
    let found = noticed("Create Embeddings", json!({"model": "m", "input": "x", "dimensions": 3}));
    assert_eq!(found[0].hint.as_deref(), Some("it is called output_dimension"));
    let found = noticed("Chat Completion", json!({"model": null, "messages": user}));
    assert!(found[0].hint.as_deref().is_some_and(|text| text.contains("leave the field out")), "{found:?}");
}

#[test]
fn the_order_of_messages_must_make_sense() {
    let user = json!({"role": "user", "content": "hi"});
    let system = json!({"role": "system", "content": "be kind"});
    let said = json!({"role": "assistant", "content": "Hello"});
    let prefix = json!({"role": "assistant", "content": "Hel", "prefix": true});
    let calls = json!({"role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]});
    let tool = json!({"role": "tool", "tool_call_id": "a", "name": "f", "content": "1"});
    let table = [
        (vec![&user], None),
        (vec![&system, &user], None),
        (vec![&user, &said, &user], None),
        (vec![&user, &prefix], None),
        (vec![&user, &calls, &tool], None),
        (vec![&user, &calls, &tool, &tool, &user], None),
        (vec![&user, &said], Some(1)),
        (vec![&system], Some(0)),
        (vec![&user, &system], Some(1)),
        (vec![&tool], Some(0)),
        (vec![&user, &tool], Some(1)),
        (vec![&user, &said, &tool], Some(2)),
        (vec![&user, &calls, &user], Some(2)),
    ];
    for (messages, wrong) in table {
        let found = noticed("Chat Completion", json!({"model": "m", "messages": messages}));
        let places: Vec<&str> = found
            .iter()
            .filter(|problem| problem.code == "message_order")
            .map(|problem| problem.place.as_str())
            .collect();
        let expected: Vec<String> = wrong.iter().map(|index| format!("/payload/messages/{index}")).collect();
        assert_eq!(places, expected, "{messages:?}");
    }
}
