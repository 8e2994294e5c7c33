//! Every operation of the catalogue, asked with what its schemas allow.

use crate::wire::{Got, client, encode, send, start};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{Answer, Entry, Method, Stream};
use connectors::openapi::example::{Fill, example_request};
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
            if names_an_object(entry) {
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
