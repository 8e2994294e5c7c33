//! Every operation of the catalogue, asked with what its schemas allow.

use crate::wire::{Got, client, encode, send, start};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{Answer, Entry, Method, Stream};
use connectors::openapi::example::{Fill, example_request};
use connectors::openapi::paging;
use serde_json::Value;
use simulator::Running;

/// Operations whose objects must be there; their stories are told elsewhere. Bodies may name an agent.
fn names_an_object(entry: &Entry) -> bool {
    entry.path.contains('{')
        || ["/v1/conversations", "/v1/batch/jobs"].contains(&&*entry.path)
        || entry.method == Method::Delete
}

async fn ask(client: &reqwest::Client, running: &Running, entry: &Entry, seed: u64, fill: Fill) -> Got {
    let request = example_request(entry, catalogue(), seed, fill);
    let (method, target, headers, body) = encode(entry, &request);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    send(client, method, format!("{}{target}", running.url()), &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_examples_and_answers_to_the_schema() {
    let (running, client) = (start().await, client());
    let mut asked = 0;
    for entry in &catalogue().operations {
        let declared = entry.answers.first().unwrap();
        let json = declared.media_type.as_deref() == Some("application/json");
        let schema = declared.schema.as_ref().filter(|_| json).map(|schema| catalogue().resolved(schema));
        let rule = schema.map(|schema| jsonschema::options().should_validate_formats(true).build(&schema).unwrap());
        for (seed, fill) in [(1, Fill::Smallest), (2, Fill::Everything), (3, Fill::Odd), (4, Fill::Everything)] {
            let got = ask(&client, &running, entry, seed, fill).await;
            asked += 1;
            let signature = format!("{} {}, {fill:?}", entry.method.as_str(), entry.path);
            // A job without requests has nothing to do.
            if got.status == 422 && entry.path == "/v1/batch/jobs" {
                assert!(got.text().contains("there are no requests"), "{signature}: {}", got.text());
                continue;
            }
            let reads_a_file = matches!(&*entry.path, "/v1/ocr" | "/v1/audio/transcriptions");
            // One at a time, and the one before goes on; a name that two examples share is taken.
            let taken = got.status == 409 && got.text().contains("exists already");
            if taken || (got.status == 409 && entry.path == "/v1/admin/scim/sync") {
                continue;
            }
            if names_an_object(entry) || reads_a_file {
                assert!([404, declared.status].contains(&got.status), "{signature}: {}", got.text());
                if got.status == 404 {
                    assert!(got.text().contains("does not exist"), "{signature}: {}", got.text());
                    continue;
                }
            }
            assert_eq!(got.status, declared.status, "{signature}: {}", got.text());
            let media_type = got.header("content-type").map(|value| value.split(';').next().unwrap());
            assert_eq!(media_type, declared.media_type.as_deref(), "{signature}");
            assert!(got.header("mistral-correlation-id").is_some(), "{signature}");
            if let Some(rule) = &rule {
                let value = got.json();
                let problems: Vec<String> = rule.iter_errors(&value).map(|error| error.to_string()).collect();
                assert!(problems.is_empty(), "{signature}: {value}\n{problems:?}");
            }
        }
    }
    assert_eq!(running.requests_seen(), asked);
    assert_eq!(asked, 4 * 284);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_answer() {
    let (first, second, client) = (start().await, start().await, client());
    for entry in &catalogue().operations {
        let one = ask(&client, &first, entry, 5, Fill::Everything).await;
        let same = ask(&client, &second, entry, 5, Fill::Everything).await;
        assert_eq!(one.body, same.body, "{} {}", entry.method.as_str(), entry.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_as_they_should() {
    let (running, client) = (start().await, client());
    let streams = catalogue().operations.iter().filter(|entry| entry.stream != Stream::None);
    let mut told = 0;
    for entry in streams {
        let mut request = example_request(entry, catalogue(), 1, Fill::Smallest);
        if let Some(payload) = &mut request.payload {
            payload["stream"] = true.into();
        }
        let (method, target, headers, body) = encode(entry, &request);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let headers: Vec<(&str, &str)> = headers.into_iter().filter(|(name, _)| *name != "accept").collect();
        let got = send(&client, method, format!("{}{target}", running.url()), &headers, body).await;
        told += 1;
        if got.status == 404 && names_an_object(entry) {
            continue;
        }
        assert_eq!(got.status, 200, "{}: {}", entry.path, got.text());
        assert_eq!(got.header("content-type"), Some("text/event-stream; charset=utf-8"), "{}", entry.path);
        let text = got.text();
        let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
        let last = events.last().unwrap();
        match &entry.path {
            path if path.ends_with("/completions") => assert_eq!(*last, "data: [DONE]"),
            path if path.starts_with("/v1/workflows") => assert!(last.contains("\ndata: "), "{path}: {last}"),
            path => assert!(last.contains(".done\"") && last.starts_with("event: "), "{path}: {last}"),
        }
        let told_as = |answer: &&Answer| answer.media_type.as_deref() == Some("text/event-stream");
        let schema = entry.answers.iter().find(told_as).and_then(|answer| answer.schema.as_ref());
        let schema = catalogue().resolved(schema.unwrap_or(&Value::Bool(true)));
        let rule = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for event in events.iter().filter(|event| !event.starts_with(':') && **event != "data: [DONE]") {
            let mut envelope = serde_json::Map::new();
            for (field, value) in event.lines().map(|line| line.split_once(": ").unwrap()) {
                let value = if field == "data" { serde_json::from_str(value).unwrap() } else { value.into() };
                assert!(envelope.insert(field.to_owned(), value).is_none(), "{event}");
            }
            let envelope = Value::Object(envelope);
            let problems: Vec<String> = rule.iter_errors(&envelope).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{}: {envelope}\n{problems:?}", entry.path);
        }
    }
    assert_eq!(told, 12);
}

/// What makes an object, the slot that names it elsewhere, and where the answer has its id.
const MADE: [(&str, &str, &str); 16] = [
    ("/v1/agents", "agent_id", "/id"),
    ("/v1/conversations", "conversation_id", "/conversation_id"),
    ("/v1/libraries", "library_id", "/id"),
    ("/v1/libraries/{library_id}/documents", "document_id", "/id"),
    ("/v1/files", "file_id", "/id"),
    ("/v2/prompts", "prompt_id", "/id"),
    ("/v2/skills", "skill_id", "/id"),
    ("/v1/connectors", "connector_id_or_name", "/id"),
    ("/v1/audio/voices", "voice_id", "/id"),
    ("/v1/workflows/schedules", "schedule_id", "/schedule_id"),
    ("/v1/observability/campaigns", "campaign_id", "/id"),
    ("/v1/observability/datasets", "dataset_id", "/id"),
    ("/v1/observability/datasets/{dataset_id}/imports/from-file", "task_id", "/id"),
    ("/v1/observability/judges", "judge_id", "/id"),
    ("/v1/admin/user-groups", "group_uuid", "/uuid"),
    ("/v1/workflows/{workflow_identifier}/execute", "execution_id", "/execution_id"),
];

/// With every object there, whatever reads one answers as its schema says.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_shown_as_the_schema_says() {
    let (running, client) = (start().await, client());
    let mut known = std::collections::HashMap::from([
        ("model_id".to_owned(), Value::from("mistral-small-latest")),
        ("workflow_identifier".to_owned(), Value::from("nightly")),
    ]);
    let filled = |entry: &Entry, known: &std::collections::HashMap<String, Value>| {
        let mut request = example_request(entry, catalogue(), 1, Fill::Smallest);
        for (slot, value) in &mut request.path {
            value.clone_from(known.get(slot)?);
        }
        // An agent that an example makes up is not there; a model is.
        if entry.path == "/v1/conversations" && entry.method == Method::Post {
            request.payload = Some(serde_json::json!({"model": "mistral-small-latest", "inputs": "hi"}));
        }
        Some(request)
    };
    for (path, slot, id) in MADE {
        let entry = catalogue().by_signature(Method::Post, path).unwrap();
        let (_, target, headers, body) = encode(entry, &filled(entry, &known).unwrap());
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let got = send(&client, "POST", format!("{}{target}", running.url()), &headers, body).await;
        assert!(got.status < 300, "{path}: {}", got.text());
        known.insert(
            slot.to_owned(),
            got.json().pointer(id).unwrap_or_else(|| panic!("{path}: {}", got.text())).clone(),
        );
    }
    let mut shown = 0;
    for entry in catalogue().operations.iter().filter(|entry| entry.method == Method::Get && entry.path.contains('{')) {
        let Some(request) = filled(entry, &known) else { continue };
        let (_, target, headers, body) = encode(entry, &request);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let got = send(&client, "GET", format!("{}{target}", running.url()), &headers, body).await;
        let declared = entry.answers.first().unwrap();
        assert_eq!(got.status, declared.status, "{}: {}", entry.path, got.text());
        shown += 1;
        let Some(schema) = declared.schema.as_ref().filter(|_| entry.stream == Stream::None) else { continue };
        if declared.media_type.as_deref() == Some("application/json") {
            let schema = catalogue().resolved(schema);
            let rule = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
            let value = got.json();
            let problems: Vec<String> = rule.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{}: {value}\n{problems:?}", entry.path);
        }
    }
    assert!(shown >= 50, "{shown}");
    let mut walked = 0;
    for entry in catalogue().operations.iter().filter(|entry| entry.paging.is_some()) {
        let Some(mut request) = filled(entry, &known) else { continue };
        for page in 0.. {
            assert!(page < 10, "{} has no end", entry.path);
            let (method, target, headers, body) = encode(entry, &request);
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let got = send(&client, method, format!("{}{target}", running.url()), &headers, body).await;
            assert_eq!(got.status, 200, "{}: {}", entry.path, got.text());
            let value = got.json();
            assert!(paging::items(entry, &value).is_some(), "{}: {value}", entry.path);
            match paging::next_page(entry, &request, &value, page) {
                Some(next) => request = next,
                None => break,
            }
        }
        walked += 1;
    }
    assert!(walked >= 40, "{walked} of 44 lists");
    running.stop().await;
}
