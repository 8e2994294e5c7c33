use crate::{codes, entry, request};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::build::build;
use connectors::openapi::catalogue::{Entry, Location, Method};
use model::HttpRequest;
use model::form::{Content, Field};
use model::http::Preflight;
use serde_json::{Value, json};

fn built(entry: &Entry, value: Value) -> HttpRequest {
    build(entry, &request(value.clone())).unwrap_or_else(|problems| panic!("{value}: {problems:?}"))
}

fn header<'a>(built: &'a HttpRequest, name: &str) -> Option<&'a str> {
    built.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

#[test]
fn path_slots_are_encoded_exactly() {
    let model = entry(Method::Get, "/v1/models/{model_id}");
    let cases = [
        (json!("open-mistral-7b"), "open-mistral-7b"),
        (json!("ft:open:a@b"), "ft:open:a@b"),
        (json!("a+b c"), "a+b%20c"),
        (json!("a?b#c%d&e=f"), "a%3Fb%23c%25d&e=f"),
        (json!("[a]|^{b}`\\\"<>"), "%5Ba%5D%7C%5E%7Bb%7D%60%5C%22%3C%3E"),
        (json!("é 😀"), "%C3%A9%20%F0%9F%98%80"),
        (json!("%2e%2e%2f"), "%252e%252e%252f"),
        (json!("..."), "..."),
        (json!("a\nb\u{0}"), "a%0Ab%00"),
        (json!(7), "7"),
        (json!(7.0), "7"),
        (json!(18_446_744_073_709_551_615_u64), "18446744073709551615"),
    ];
    for (value, expected) in cases {
        let built = built(model, json!({"path": {"model_id": value}}));
        assert_eq!(built.target, format!("/v1/models/{expected}"));
        assert_eq!((built.method, built.body), ("GET", None));
    }
    let two = entry(Method::Get, "/v1/agents/{agent_id}/versions/{version}");
    assert_eq!(built(two, json!({"path": {"version": 3, "agent_id": "ag"}})).target, "/v1/agents/ag/versions/3");
}

#[test]
fn path_slots_that_cannot_be_filled_are_refused() {
    let model = entry(Method::Delete, "/v1/models/{model_id}");
    let cases = [
        (json!({}), "path_missing /path/model_id"),
        (json!({"model_id": ""}), "path_empty /path/model_id"),
        (json!({"model_id": "."}), "path_traversal /path/model_id"),
        (json!({"model_id": ".."}), "path_traversal /path/model_id"),
        (json!({"model_id": "a/b"}), "path_traversal /path/model_id"),
        (json!({"model_id": "../x"}), "path_traversal /path/model_id"),
        (json!({"model_id": null}), "path_type /path/model_id"),
        (json!({"model_id": true}), "path_type /path/model_id"),
        (json!({"model_id": {"id": "x"}}), "path_type /path/model_id"),
        (json!({"model_id": ["x"]}), "path_type /path/model_id"),
        (json!({"model_id": "x", "id": "y"}), "path_unknown /path/id"),
    ];
    for (path, expected) in cases {
        let problems = build(model, &request(json!({"path": path}))).unwrap_err();
        assert_eq!(codes(&problems), [expected], "{path}");
    }
    let problems = build(model, &request(json!({"path": {"modelid": "x"}}))).unwrap_err();
    let hints: Vec<_> = problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
    assert!(hints.contains(&"did you mean \"model_id\"?"), "{hints:?}");
}

#[test]
fn query_values_are_encoded_as_each_parameter_asks() {
    let jobs = entry(Method::Get, "/v1/batch/jobs");
    let conversations = entry(Method::Get, "/v1/conversations");
    let prompts = entry(Method::Get, "/v2/prompts");
    let cases = [
        (jobs, json!({}), ""),
        (jobs, json!({"page": null, "created_by_me": true}), "?created_by_me=true"),
        (jobs, json!({"created_by_me": false}), "?created_by_me=false"),
        // The order of the document, whatever the order given.
        (jobs, json!({"model": "m", "page_size": 10, "page": 0}), "?page=0&page_size=10&model=m"),
        (jobs, json!({"status": ["RUNNING", null, "SUCCESS"]}), "?status=RUNNING&status=SUCCESS"),
        (jobs, json!({"status": []}), ""),
        (jobs, json!({"model": ""}), "?model="),
        (jobs, json!({"model": "a+b &=/?#é"}), "?model=a%2Bb%20%26%3D%2F%3F%23%C3%A9"),
        (jobs, json!({"metadata": {"a b": "x&y", "n": 1, "l": [1, 2], "z": null}}), "?a%20b=x%26y&n=1&l=1&l=2"),
        (conversations, json!({"metadata": {"a": "b"}}), "?metadata=%7B%22a%22%3A%22b%22%7D"),
        (conversations, json!({"metadata": "{\"a\":\"b\"}"}), "?metadata=%7B%22a%22%3A%22b%22%7D"),
        (prompts, json!({"sort.direction": "asc", "sort.field": "name", "pageSize": 5}), "pageSize=5"),
        // Not declared: after the others, by name, as it is.
        (jobs, json!({"zeta": 1, "alpha": ["x", 2], "page": 3}), "?page=3&alpha=x&alpha=2&zeta=1"),
        (jobs, json!({"page": 2.0}), "?page=2"),
        (jobs, json!({"page": 1e300}), "?page=1e%2B300"),
    ];
    for (entry, query, expected) in cases {
        let target = built(entry, json!({"query": query})).target;
        if expected.starts_with('?') || expected.is_empty() {
            assert_eq!(target, format!("{}{expected}", entry.path), "{query}");
        } else {
            assert!(target.contains(expected), "{target}");
        }
    }
    let target = built(prompts, json!({"query": {"sort.field": "name"}})).target;
    assert!(target.ends_with("?sort.field=name"), "{target}");
}

#[test]
fn query_values_without_a_text_form_are_refused() {
    let jobs = entry(Method::Get, "/v1/batch/jobs");
    let cases = [
        (json!({"model": {"a": 1}}), "query_type /query/model"),
        (json!({"status": [["x"]]}), "query_type /query/status"),
        (json!({"metadata": "x"}), "query_type /query/metadata"),
        (json!({"metadata": {"a": {"b": 1}}}), "query_type /query/metadata"),
        (json!({"metadata": {"page": 5}}), "query_collision /query/metadata/page"),
        (json!({"other": {}}), "query_type /query/other"),
    ];
    for (query, expected) in cases {
        assert_eq!(codes(&build(jobs, &request(json!({"query": query}))).unwrap_err()), [expected], "{query}");
    }
}

#[test]
fn bodies_go_as_they_are_given() {
    let chat = entry(Method::Post, "/v1/chat/completions");
    let text = r#"{"z":1,"a":"${HOME}","big":9007199254740993,"max":18446744073709551615,"é":"\u0001 / 😀","f":0.1}"#;
    let payload: Value = serde_json::from_str(text).unwrap();
    let built = built(chat, json!({"payload": payload}));
    assert_eq!(built.target, "/v1/chat/completions");
    assert_eq!(built.body.as_deref(), Some(text.as_bytes()));
    assert_eq!(header(&built, "content-type"), Some("application/json"));
    assert_eq!(header(&built, "accept"), Some("application/json"));
}

#[test]
fn without_a_body_there_is_no_content_type() {
    let pause = entry(Method::Post, "/v1/workflows/schedules/{schedule_id}/pause");
    let without = built(pause, json!({"path": {"schedule_id": "x"}}));
    assert_eq!((without.body.as_ref(), header(&without, "content-type")), (None, None));
    let with = built(pause, json!({"path": {"schedule_id": "x"}, "payload": null}));
    assert_eq!(with.body.as_deref(), Some(&b"null"[..]));

    let models = entry(Method::Get, "/v1/models");
    let problems = build(models, &request(json!({"payload": {}}))).unwrap_err();
    assert_eq!(codes(&problems), ["payload_unexpected /payload"]);
}

#[test]
fn forms_have_texts_first_and_files_last() {
    let id = "0123456789abcdef0123456789abcdef";
    let payload = json!({
        "file": {"$blob": id, "name": "dir/Ton \"a\".MP3", "size": 9},
        "model": "voxtral", "diarize": true, "temperature": 0.5, "language": null,
        "timestamp_granularities": ["segment", "word"],
    });
    let built = built(entry(Method::Post, "/v1/audio/transcriptions"), json!({"payload": payload}));
    assert_eq!((&built.body, header(&built, "content-type")), (&None, None));
    let boundary = "B";
    let heads: Vec<String> = built.form.unwrap().0.iter().map(|field| field.head(boundary) + &text(field)).collect();
    let plain =
        |name: &str, text: &str| format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}");
    assert_eq!(
        heads,
        [
            plain("model", "voxtral"),
            plain("diarize", "true"),
            plain("temperature", "0.5"),
            plain("timestamp_granularities", "segment"),
            plain("timestamp_granularities", "word"),
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Ton %22a%22.MP3\"\r\nContent-Type: audio/mpeg\r\n\r\n"
                .to_owned(),
        ]
    );
}

fn text(field: &Field) -> String {
    match &field.content {
        Content::Text(text) => text.clone(),
        Content::File(_) => String::new(),
    }
}

#[test]
fn a_file_is_never_named_by_a_text() {
    let upload = crate::operation("POST", "Upload File");
    let id = "0123456789abcdef0123456789abcdef";
    let refused = [
        (json!({"file": "/etc/passwd"}), "file_wrong /payload/file"),
        (json!({"file": "x"}), "file_wrong /payload/file"),
        (json!({"file": {"path": "/etc/passwd"}}), "file_wrong /payload/file"),
        (json!({"file": {"$blob": "../../etc/passwd"}}), "file_wrong /payload/file"),
        (json!({"file": {"$blob": id, "$base64": ""}}), "file_wrong /payload/file"),
        (json!({"file": {"$base64": "%%"}}), "file_wrong /payload/file/$base64"),
        (json!({"purpose": "ocr"}), "schema_missing /payload/file"),
        (json!("text"), "payload_type /payload"),
    ];
    for (payload, expected) in refused {
        let problems = upload.prepare(&request(json!({"payload": payload})), Preflight::Refuse).unwrap_err();
        let errors: Vec<_> = problems.into_iter().filter(model::Problem::is_error).collect();
        assert!(codes(&errors).contains(&expected.to_owned()), "{payload}: {errors:?}");
        assert!(
            errors
                .iter()
                .all(|problem| problem.code != "file_wrong" || problem.hint.is_some() || problem.place.ends_with("64"))
        );
    }
    for file in [json!({"$blob": id}), json!({"$base64": "YQ==", "filename": "a.txt", "media_type": "text/plain"})] {
        let prepared =
            upload.prepare(&request(json!({"payload": {"file": file, "purpose": "ocr"}})), Preflight::Refuse).unwrap();
        assert_eq!(prepared.warnings, []);
        assert_eq!(prepared.http.form.unwrap().0.len(), 2);
    }
}

#[test]
fn accept_names_the_media_types_of_the_operation() {
    let cases = [
        (Method::Get, "/v1/models", "application/json"),
        (Method::Delete, "/v1/agents/{agent_id}", "application/json"),
        (Method::Get, "/v1/files/{file_id}/content", "application/octet-stream"),
        (Method::Get, "/v1/workflows/events/stream", "text/event-stream"),
        (Method::Post, "/v1/conversations", "application/json"),
    ];
    for (method, path, expected) in cases {
        let slots = json!({"agent_id": "a", "file_id": "f"});
        let all = slots.as_object().unwrap().clone();
        let slots: Value = all.into_iter().filter(|(name, _)| path.contains(name.as_str())).collect();
        assert_eq!(header(&built(entry(method, path), json!({"path": slots})), "accept"), Some(expected), "{path}");
    }
}

#[test]
fn headers_are_those_that_the_operation_declares() {
    let stream = entry(Method::Get, "/v1/workflows/executions/{execution_id}/logs/stream");
    let sent = built(stream, json!({"path": {"execution_id": "x"}, "header": {"last-event-id": 7}}));
    assert_eq!(header(&sent, "last-event-id"), Some("7"));
    for (value, expected) in [
        (json!({"Authorization": "x"}), "header_unknown /header/Authorization"),
        (json!({"Last-Event-ID": "a\r\nx: y"}), "header_type /header/Last-Event-ID"),
        (json!({"Last-Event-ID": {}}), "header_type /header/Last-Event-ID"),
    ] {
        let refused = build(stream, &request(json!({"path": {"execution_id": "x"}, "header": value}))).unwrap_err();
        assert_eq!(codes(&refused), [expected]);
    }
    // Each header of the catalogue can be sent.
    for entry in &catalogue().operations {
        for header in entry.parameters.iter().filter(|parameter| parameter.location == Location::Header) {
            let refused =
                build(entry, &request(json!({"header": {header.name.clone(): "x"}}))).err().unwrap_or_default();
            assert!(!refused.iter().any(|problem| problem.code == "header_unknown"), "{}", header.name);
        }
    }
}
