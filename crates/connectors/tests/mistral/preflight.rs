use crate::{codes, operation, request};
use model::http::Preflight;
use serde_json::{Value, json};

fn chat(payload: Value) -> (Vec<String>, Vec<String>) {
    looked_at("POST", "Chat Completion", json!({"payload": payload}), Preflight::Refuse)
}

/// Errors and warnings.
fn looked_at(method: &str, title: &str, value: Value, preflight: Preflight) -> (Vec<String>, Vec<String>) {
    match operation(method, title).prepare(&request(value), preflight) {
        Ok(prepared) => {
            assert!(!prepared.warnings.iter().any(model::Problem::is_error));
            (Vec::new(), codes(&prepared.warnings))
        }
        Err(problems) => {
            let (errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(model::Problem::is_error);
            assert!(!errors.is_empty());
            (codes(&errors), codes(&warnings))
        }
    }
}

#[test]
fn a_chat_body_is_looked_at_whole() {
    let user = json!([{"role": "user", "content": "hi"}]);
    let cases: [(Value, &[&str], &[&str]); 8] = [
        (json!({"model": "m", "messages": user}), &[], &[]),
        (json!({"model": "m"}), &["schema_missing /payload/messages"], &[]),
        (json!({"model": 5, "messages": user}), &["schema_type /payload/model"], &[]),
        (
            json!({"model": "m", "messages": [{"role": "usr", "content": "hi"}]}),
            &["schema_enum /payload/messages/0/role"],
            &[],
        ),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": 5}]}),
            &["schema_type /payload/messages/0/content"],
            &[],
        ),
        (json!({"model": "m", "messages": user, "temprature": 1}), &[], &["schema_unknown_field /payload/temprature"]),
        (json!([]), &["schema_type /payload"], &[]),
        (json!({"model": "m", "messages": user, "stream": true}), &[], &[]),
    ];
    for (payload, errors, warnings) in cases {
        let found = chat(payload.clone());
        assert_eq!((found.0, found.1), (owned(errors), owned(warnings)), "{payload}");
    }
    assert_eq!(looked_at("POST", "Chat Completion", json!({}), Preflight::Refuse).0, ["schema_missing /payload"]);
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn how_much_is_refused_is_a_setting_but_what_cannot_be_sent_never_is() {
    let wrong = json!({"payload": {"model": 5}});
    assert_eq!(looked_at("POST", "Chat Completion", wrong.clone(), Preflight::Refuse).0.len(), 2);
    let warned = looked_at("POST", "Chat Completion", wrong.clone(), Preflight::Warn);
    assert_eq!(warned, (vec![], owned(&["schema_missing /payload/messages", "schema_type /payload/model"])));
    assert_eq!(looked_at("POST", "Chat Completion", wrong, Preflight::Off), (vec![], vec![]));
    for preflight in [Preflight::Refuse, Preflight::Warn, Preflight::Off] {
        let found = looked_at("GET", "Retrieve Model", json!({"path": {"model_id": ".."}}), preflight);
        assert_eq!(found.0, ["path_traversal /path/model_id"]);
    }
}

#[test]
fn in_a_url_all_is_text() {
    let cases: [(Value, &[&str], &[&str]); 9] = [
        (json!({"page": 1, "created_by_me": true, "status": ["RUNNING"]}), &[], &[]),
        (json!({"page": "1", "created_by_me": "true", "status": "RUNNING"}), &[], &[]),
        (json!({"page": null, "metadata": {"any": "thing"}}), &[], &[]),
        (json!({"page": "one"}), &["schema_type /query/page"], &[]),
        (json!({"page": 1.5}), &["schema_type /query/page"], &[]),
        (json!({"status": ["RUNNIN"]}), &["schema_enum /query/status/0"], &[]),
        (json!({"created_after": "yesterday"}), &["schema_format /query/created_after"], &[]),
        (json!({"pagesize": 1}), &[], &["schema_unknown_field /query/pagesize"]),
        (json!({"model": {}}), &["query_type /query/model"], &[]),
    ];
    for (query, errors, warnings) in cases {
        let found = looked_at("GET", "List Batch Jobs", json!({"query": query}), Preflight::Refuse);
        assert_eq!((found.0, found.1), (owned(errors), owned(warnings)), "{query}");
    }
    let hint = operation("GET", "List Batch Jobs")
        .prepare(&request(json!({"query": {"pagesize": 1}})), Preflight::Refuse)
        .unwrap()
        .warnings
        .remove(0)
        .hint;
    assert_eq!(hint.as_deref(), Some("did you mean \"page_size\"?"));
}

#[test]
fn slots_are_looked_at_too() {
    let cases = [
        (json!({"job_id": "123e4567-e89b-12d3-a456-426614174000"}), None),
        (json!({"job_id": "nope"}), Some("schema_format /path/job_id")),
        (json!({"job_id": 5}), Some("schema_type /path/job_id")),
        (json!({"job_id": [5]}), Some("path_type /path/job_id")),
        (json!({}), Some("path_missing /path/job_id")),
    ];
    for (path, expected) in cases {
        let found = looked_at("GET", "Retrieve Batch Job", json!({"path": path}), Preflight::Refuse).0;
        assert_eq!(found, expected.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{path}");
    }
}
