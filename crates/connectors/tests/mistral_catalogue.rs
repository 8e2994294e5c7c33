//! What the embedded catalogue of Mistral AI must say, whatever the official document becomes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use connectors::mistral::catalogue::{catalogue, reference_page};
use connectors::openapi::catalogue::{BodyKind, Catalogue, Encoding, Entry, Location, Method, Paging, Stream};
use connectors::openapi::embedded;
use model::schema::Checker;
use model::{Credential, Effect};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TEXT: &str = include_str!("../src/mistral/catalogue.json");

fn entry(method: Method, path: &str) -> &'static Entry {
    catalogue().by_signature(method, path).unwrap_or_else(|| panic!("{} {path}", method.as_str()))
}

/// `METHOD /path` of all entries that fit, sorted.
fn those(fits: impl Fn(&Entry) -> bool) -> Vec<String> {
    let fitting = catalogue().operations.iter().filter(|entry| fits(entry));
    let mut found: Vec<String> = fitting.map(|entry| format!("{} {}", entry.method.as_str(), entry.path)).collect();
    found.sort();
    found
}

fn schemas_of(entry: &Entry) -> impl Iterator<Item = (&'static str, &Value)> {
    let parameters = entry.parameters.iter().map(|parameter| ("parameter", &parameter.schema));
    let body = entry.body.iter().map(|body| ("body", &body.schema));
    let answers = entry.answers.iter().filter_map(|answer| Some(("answer", answer.schema.as_ref()?)));
    parameters.chain(body).chain(answers)
}

#[test]
fn all_operations_are_there() {
    let mut operations = BTreeMap::new();
    for entry in &catalogue().operations {
        *operations.entry(entry.method).or_insert(0) += entry.variants;
    }
    let expected =
        [(Method::Get, 126), (Method::Post, 90), (Method::Put, 17), (Method::Patch, 21), (Method::Delete, 34)];
    assert_eq!(operations, BTreeMap::from(expected));
    assert_eq!((catalogue().operations.len(), catalogue().source.operations), (284, 288));
    let signatures: Vec<_> = catalogue().operations.iter().map(|entry| (&entry.path, entry.method)).collect();
    assert!(signatures.is_sorted_by(|a, b| a < b));
    assert!(catalogue().operations.iter().all(|entry| !entry.path.contains('#')));
}

#[test]
fn titles_are_unique_per_method_and_summaries_are_one_plain_line() {
    let mut titles = BTreeSet::new();
    for Entry { title, summary, method, .. } in &catalogue().operations {
        assert!(titles.insert((method, title.to_lowercase())), "{title}");
        assert!(title.len() <= 50 && title.starts_with(char::is_uppercase), "{title}");
        assert!((10..=100).contains(&summary.len()) && !summary.contains('\n') && !summary.ends_with('.'), "{summary}");
    }
}

#[test]
fn titles_that_people_know_are_kept() {
    let known = [
        (Method::Get, "Retrieve Model", "/v1/models/{model_id}"),
        (Method::Get, "List Models", "/v1/models"),
        (Method::Delete, "Delete Model", "/v1/models/{model_id}"),
        (Method::Get, "List Files", "/v1/files"),
        (Method::Get, "Retrieve File", "/v1/files/{file_id}"),
        (Method::Post, "Upload File", "/v1/files"),
        (Method::Delete, "Delete File", "/v1/files/{file_id}"),
        (Method::Get, "Download File", "/v1/files/{file_id}/content"),
        (Method::Post, "Chat Completion", "/v1/chat/completions"),
        (Method::Post, "FIM Completion", "/v1/fim/completions"),
        (Method::Post, "Agents Completion", "/v1/agents/completions"),
        (Method::Post, "Create Embeddings", "/v1/embeddings"),
        (Method::Post, "Create Batch Job", "/v1/batch/jobs"),
        (Method::Post, "OCR", "/v1/ocr"),
    ];
    for (method, title, path) in known {
        let found = catalogue().find(Some(method), title).unwrap();
        assert_eq!((found.title.as_str(), found.path.as_str()), (title, path));
    }
}

#[test]
fn finds_titles_and_explains_what_it_does_not_find() {
    let find = |method, title| catalogue().find(method, title);
    assert_eq!(find(None, " retrieve MODEL ").unwrap().path, "/v1/models/{model_id}");
    let cases = [
        (None, "Retreive Model", "entity_unknown", Some("did you mean \"Retrieve Model\"?")),
        (Some(Method::Get), "Retreive Model", "entity_unknown", Some("did you mean \"Retrieve Model\"?")),
        (Some(Method::Get), "Delete Model", "entity_unknown", Some("it has method DELETE")),
        (Some(Method::Get), "Chat Completoin", "entity_unknown", Some("did you mean \"Chat Completion\"?")),
        (None, "Make Coffee", "entity_unknown", Some("tramontane entities lists them all")),
        (None, "", "entity_unknown", Some("tramontane entities lists them all")),
    ];
    for (method, title, code, hint) in cases {
        let problem = find(method, title).unwrap_err();
        assert_eq!((&*problem.code, problem.hint.as_deref()), (code, hint), "{title}");
    }
}

#[test]
fn asks_which_method_where_several_have_the_title() {
    let mut twins = embedded::load(TEXT).unwrap();
    twins.operations.retain(|entry| ["/v1/models/{model_id}"].contains(&entry.path.as_str()));
    twins.operations.iter_mut().for_each(|entry| entry.title = "Model".to_owned());
    let problem = twins.find(None, "model").unwrap_err();
    assert_eq!((&*problem.code, problem.hint.as_deref()), ("entity_ambiguous", Some("say which method: GET, DELETE")));
    assert_eq!(twins.find(Some(Method::Delete), "model").unwrap().method, Method::Delete);
}

#[test]
fn bodies_are_what_the_document_says() {
    let multipart = those(|entry| entry.body.as_ref().is_some_and(|body| body.kind == BodyKind::Multipart));
    // Four in the document: the transcription and its stream twin are one entry.
    assert_eq!(
        multipart,
        ["POST /v1/audio/transcriptions", "POST /v1/files", "POST /v1/libraries/{library_id}/documents"]
    );
    let on_delete = those(|entry| entry.method == Method::Delete && entry.body.is_some());
    assert_eq!(
        on_delete,
        [
            "DELETE /v1/admin/user-groups/{group_uuid}/members",
            "DELETE /v1/admin/workspaces/{workspace_uuid}/remove-users",
            "DELETE /v1/libraries/{library_id}/share",
        ]
    );
    let writes = [Method::Post, Method::Put, Method::Patch];
    let without = |method| those(|entry| entry.method == method && entry.body.is_none()).len();
    assert_eq!(writes.map(without), [10, 4, 1]);
    let optional = those(|entry| entry.body.as_ref().is_some_and(|body| !body.required));
    assert_eq!(
        optional,
        ["pause", "resume", "trigger"].map(|what| format!("POST /v1/workflows/schedules/{{schedule_id}}/{what}"))
    );
    assert!(catalogue().operations.iter().all(|entry| entry.method != Method::Get || entry.body.is_none()));
}

#[test]
fn answers_are_what_the_document_says() {
    let with = |status| those(|entry| entry.answers.iter().any(|answer| answer.status == status)).len();
    assert_eq!([201, 202, 204].map(with), [9, 13, 31]);
    let twofold = those(|entry| entry.answers.iter().any(|answer| answer.status != entry.answers[0].status));
    assert_eq!(
        twofold,
        [
            "DELETE /v1/libraries/{library_id}",
            "DELETE /v1/libraries/{library_id}/share",
            "POST /v1/libraries/{library_id}/documents",
        ]
    );
    let odd = those(|entry| {
        entry
            .answers
            .iter()
            .filter_map(|answer| answer.media_type.as_deref())
            .any(|kind| kind != "application/json" && kind != "text/event-stream")
    });
    assert_eq!(odd, ["GET /v1/audio/voices/{voice_id}/sample", "GET /v1/files/{file_id}/content"]);
    for entry in &catalogue().operations {
        for answer in &entry.answers {
            let json = answer.media_type.as_deref() == Some("application/json");
            assert!(!json || answer.schema.is_some(), "{}", entry.title);
        }
    }
}

#[test]
fn streams_are_what_the_document_says_and_agents_completions() {
    assert_eq!(
        those(|entry| entry.stream == Stream::Optional),
        [
            "POST /v1/agents/completions",
            "POST /v1/audio/speech",
            "POST /v1/audio/transcriptions",
            "POST /v1/chat/completions",
            "POST /v1/conversations",
            "POST /v1/conversations/{conversation_id}",
            "POST /v1/conversations/{conversation_id}/restart",
            "POST /v1/fim/completions",
        ]
    );
    assert_eq!(
        those(|entry| entry.stream == Stream::Always),
        [
            "GET /v1/workflows/deployments/{name}/logs/stream",
            "GET /v1/workflows/events/stream",
            "GET /v1/workflows/executions/{execution_id}/logs/stream",
            "GET /v1/workflows/executions/{execution_id}/stream",
        ]
    );
    let twins = those(|entry| entry.variants == 2);
    assert_eq!(twins.len(), 4);
    // Both forms of a twin pass: the switch is free.
    for signature in twins {
        let entry = entry(Method::Post, signature.trim_start_matches("POST "));
        let schema = catalogue().resolved(&entry.body.as_ref().unwrap().schema).to_string();
        assert!(schema.contains(r#""stream":{"type":"boolean","default":false}"#), "{signature}");
    }
}

#[test]
fn credentials_and_deprecations_are_what_the_document_says() {
    let admin = those(|entry| entry.credential == Credential::AdminKey);
    assert_eq!(admin.len(), 47);
    assert!(admin.iter().all(|signature| signature.contains(" /v1/admin/")));
    let user = those(|entry| entry.credential == Credential::UserKey);
    assert_eq!(user, ["", "/organizations", "/workspaces"].map(|rest| format!("GET /v1/users/me{rest}")));
    let deprecated: BTreeMap<&str, &str> = catalogue()
        .operations
        .iter()
        .filter(|entry| entry.deprecated)
        .map(|entry| (entry.title.as_str(), entry.replaced_by.as_deref().unwrap_or("nothing")))
        .collect();
    let expected = [
        ("List Agents (Deprecated)", "List Agents"),
        ("Update Library (Deprecated)", "Update Library"),
        ("Update Library Document (Deprecated)", "Update Library Document"),
        ("Execute Workflow Registration", "Execute Workflow"),
    ];
    assert_eq!(deprecated, BTreeMap::from(expected));
}

#[test]
fn parameters_are_what_the_document_says() {
    let count = |fits: &dyn Fn(&connectors::openapi::catalogue::Parameter) -> bool| {
        let each = |entry: &Entry| entry.parameters.iter().filter(|parameter| fits(parameter)).count() * entry.variants;
        catalogue().operations.iter().map(each).sum::<usize>()
    };
    assert_eq!(count(&|parameter| parameter.location == Location::Path), 215);
    assert_eq!(count(&|parameter| parameter.location == Location::Query), 320);
    assert_eq!(count(&|parameter| parameter.location == Location::Query && parameter.required), 15);
    assert_eq!(count(&|parameter| parameter.name.eq_ignore_ascii_case("last-event-id")), 3);
    assert_eq!(count(&|parameter| parameter.location == Location::Header), 3);
    assert_eq!(count(&|parameter| parameter.deprecated), 4);
    let encoded = |encoding| {
        let mut found = Vec::new();
        for entry in &catalogue().operations {
            let fitting = entry.parameters.iter().filter(|parameter| parameter.encoding == encoding);
            found.extend(fitting.map(|parameter| (entry.path.as_str(), parameter.name.as_str())));
        }
        found
    };
    let json = [("/v1/agents", "metadata"), ("/v1/agents/pages", "metadata"), ("/v1/conversations", "metadata")];
    assert_eq!(encoded(Encoding::Json), json);
    let spread = [
        ("/v1/batch/jobs", "metadata"),
        ("/v1/connectors", "query_filters"),
        ("/v1/workflows/events/stream", "metadata_filters"),
    ];
    assert_eq!(encoded(Encoding::Spread), spread);
}

#[test]
fn lists_know_how_they_go_on() {
    let mut schemes = BTreeMap::new();
    for entry in &catalogue().operations {
        let scheme = match &entry.paging {
            None => continue,
            Some(Paging::Cursor { .. }) => "cursor",
            Some(Paging::Page { .. }) => "page",
            Some(Paging::Offset { .. }) => "offset",
            Some(Paging::Window { .. }) => "window",
        };
        assert!(entry.items.is_some(), "{}", entry.title);
        *schemes.entry(scheme).or_insert(0) += 1;
    }
    assert_eq!(schemes, BTreeMap::from([("cursor", 21), ("page", 18), ("offset", 4), ("window", 1)]));
    let counted_from =
        |start| those(|entry| matches!(entry.paging, Some(Paging::Page { first, .. }) if first == start)).len();
    assert_eq!([0, 1].map(counted_from), [6, 12]);
    assert_eq!(those(|entry| entry.method == Method::Post && entry.paging.is_some()).len(), 6);
    assert_eq!(entry(Method::Get, "/v1/models").items.as_deref(), Some("/data"));
    // A list of lists is not one: its answer stays whole.
    assert_eq!(entry(Method::Get, "/v1/admin/roles").items, None);
}

#[test]
fn effects_are_safe() {
    let with = |effect| those(|entry| entry.effect == effect);
    let reading_posts = with(Effect::Read).into_iter().filter(|signature| signature.starts_with("POST ")).count();
    assert_eq!((with(Effect::Read).len(), reading_posts), (126 + 11, 11));
    assert!(catalogue().operations.iter().all(|entry| entry.method != Method::Get || entry.effect == Effect::Read));
    assert_eq!(with(Effect::Compute).len(), 11);
    assert_eq!(
        with(Effect::Findable),
        [
            "POST /v1/batch/jobs",
            "POST /v1/connectors",
            "POST /v1/files",
            "POST /v1/libraries/{library_id}/documents",
            "POST /v1/workflows/deployments",
            "POST /v1/workflows/registrations/{workflow_registration_id}/execute",
            "POST /v1/workflows/schedules",
            "POST /v1/workflows/{workflow_identifier}/execute",
        ]
    );
    for created in ["/v1/conversations/{conversation_id}", "/v1/observability/campaigns", "/v1/admin/api-keys"] {
        assert_eq!(entry(Method::Post, created).effect, Effect::Create, "{created}");
    }
    // Every change of an agent makes a version.
    assert_eq!(entry(Method::Patch, "/v1/agents/{agent_id}").effect, Effect::Create);
    assert!(those(|entry| entry.method == Method::Delete).iter().all(|one| with(Effect::Idempotent).contains(one)));
}

#[test]
fn every_schema_compiles_on_its_own() {
    for entry in &catalogue().operations {
        for (what, schema) in schemas_of(entry) {
            let compiled = Checker::compile(&catalogue().resolved(schema));
            assert!(compiled.is_ok(), "{what} of {}: {}", entry.title, compiled.unwrap_err());
        }
    }
}

#[test]
fn a_real_completion_fits_the_repaired_schema() {
    let schema = entry(Method::Post, "/v1/chat/completions").answers[0].schema.as_ref().unwrap();
    let checker = Checker::compile(&catalogue().resolved(schema)).unwrap();
    let mut answer = json!({
        "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
        "object": "chat.completion",
        "created": 1_702_256_327,
        "model": "mistral-small-latest",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "A sturdy mug", "tool_calls": null},
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 0}, "num_cached_tokens": 0,
        },
    });
    assert_eq!(checker.problems(&answer), []);
    answer["choices"][0]["index"] = json!("first");
    assert_eq!(checker.problems(&answer)[0].place, "/choices/0/index");
}

#[test]
fn faults_of_the_document_are_repaired() {
    let fits = |name: &str, value: Value| {
        let schema = json!({ "$ref": format!("#/schemas/{name}") });
        Checker::compile(&catalogue().resolved(&schema)).unwrap().fits(&value)
    };
    let id = "e8b6fe5d-0a5b-4c57-9a0f-1d38a1c8c1a0";
    assert!(fits("FilePurpose", json!("audio")));
    assert!(fits("SkillAssetContent", json!({"textContent": "x", "isExecutable": true})));
    assert!(fits("SharingDelete", json!({"share_with_uuid": id, "share_with_type": "User"})));
    assert!(!fits("StaticWorkspaceRoles", json!("admin")));
    assert!(fits("StaticWorkspaceRoles", json!("b23cd6e0-91cd-4a8a-9869-b30366bf3966")));
    assert!(fits("AudioChunk", json!({"type": "input_audio", "input_audio": "UklGRg=="})));
    assert!(fits("JudgeRegressionOutput", json!({"min_description": "a", "max_description": "b", "max": 5})));
    assert!(!fits("JudgeRegressionOutput", json!({"min_description": "a", "max_description": "b", "max": 2e9})));
}

#[test]
fn the_embedded_form_is_small_stable_and_complete() {
    assert!(TEXT.len() <= 700 * 1024, "{} bytes", TEXT.len());
    assert_eq!(embedded::write(&embedded::load(TEXT).unwrap()).unwrap(), TEXT);
    assert_eq!(TEXT.lines().count(), 284 + catalogue().schemas.len() + 5);
    let unused: Vec<&String> = {
        let Catalogue { operations, schemas, .. } = catalogue();
        let whole = operations.iter().flat_map(schemas_of).map(|(_, schema)| catalogue().resolved(schema));
        let used: BTreeSet<String> = whole
            .filter_map(|schema| Some(schema.get("$defs")?.as_object()?.keys().cloned().collect::<Vec<_>>()))
            .flatten()
            .collect();
        schemas.keys().filter(|name| !used.contains(*name)).collect()
    };
    assert_eq!(unused, Vec::<&String>::new());
    for word in ["\"description\":\"", "\"example\":", "\"examples\":", "x-speakeasy", "\"nullable\"", "\"$defs\""] {
        assert!(!TEXT.contains(word), "{word}");
    }
}

#[test]
fn reference_pages_follow_the_areas() {
    let pages = [
        (Method::Post, "/v1/chat/completions", "chat"),
        (Method::Get, "/v1/libraries/{library_id}/documents", "beta/libraries/documents"),
        (Method::Get, "/v1/workflows/events/list", "workflows/events"),
    ];
    for (method, path, page) in pages {
        assert_eq!(reference_page(entry(method, path)), format!("https://docs.mistral.ai/api/endpoint/{page}"));
    }
}
