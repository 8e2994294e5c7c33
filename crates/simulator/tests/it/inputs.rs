//! Answers that depend on what they are given: documents, texts, sounds.

use crate::wire::{KEY, client, get, post, send, start};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use simulator::Running;

const PDF: &str = "%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj 2 0 obj <</Type /Pages /Kids []>> endobj\n\
    3 0 obj <</Type /Page>> endobj 4 0 obj <</Type/Page >> endobj\n\
    stream\nBT\n(Invoice 4711) Tj\nET\nendstream stream\nBT (Total BUDGET: 12) Tj (EUR) Tj\nET\nendstream\n5 0 obj <</Type /Page>>";

async fn answered(running: &Running, target: &str, body: &Value) -> Value {
    let got = post(running, target, body.to_string()).await;
    assert_eq!(got.status, 200, "{body}: {}", got.text());
    got.json()
}

async fn upload(running: &Running, name: &str, content: &[u8]) -> String {
    let got = form(running, "/v1/files", &[("purpose", "ocr")], Some((name, content))).await;
    got["id"].as_str().unwrap().to_owned()
}

async fn form(running: &Running, target: &str, fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Value {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    if let Some((name, content)) = file {
        let head = format!("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    let headers = [KEY, ("content-type", "multipart/form-data; boundary=b")];
    let got = send(&client(), "POST", format!("{}{target}", running.url()), &headers, body).await;
    assert_eq!(got.status, 200, "{}", got.text());
    match got.header("content-type").unwrap().starts_with("text/event-stream") {
        true => events(&got.text()),
        false => got.json(),
    }
}

/// The data of every event.
fn events(text: &str) -> Value {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .collect()
}

fn data_url(content: &[u8]) -> String {
    format!("data:application/octet-stream;base64,{}", STANDARD.encode(content))
}

fn texts(answer: &Value) -> Vec<&str> {
    answer["pages"].as_array().unwrap().iter().map(|page| page["markdown"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn ocr_reads_the_document() {
    let running = start().await;
    let id = upload(&running, "invoice.pdf", PDF.as_bytes()).await;
    let read = async |document: Value, more: Value| {
        let mut body = json!({"model": "mistral-ocr-latest", "document": document});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answered(&running, "/v1/ocr", &body).await
    };
    let file = json!({"type": "file", "file_id": id});
    let whole = read(file.clone(), json!({})).await;
    assert_eq!(texts(&whole)[..2], ["Invoice 4711", "Total BUDGET: 12 EUR"]);
    assert_eq!(whole["usage_info"], json!({"pages_processed": 3, "doc_size_bytes": PDF.len()}));
    let inline = json!({"type": "document_url", "document_url": data_url(PDF.as_bytes())});
    assert_eq!(read(inline, json!({})).await["pages"], whole["pages"], "the way a document comes is nothing");

    for (pages, indexes) in
        [(json!([1]), vec![1]), (json!("0-1"), vec![0, 1]), (json!("2,0"), vec![0, 2]), (json!([7]), vec![])]
    {
        let part = read(file.clone(), json!({"pages": pages})).await;
        let found: Vec<u64> =
            part["pages"].as_array().unwrap().iter().map(|page| page["index"].as_u64().unwrap()).collect();
        assert_eq!(found, indexes, "{pages}");
        assert_eq!(part["usage_info"]["pages_processed"], indexes.len());
    }

    let text = json!({"type": "document_url", "document_url": data_url("page one\u{c}page two".as_bytes())});
    assert_eq!(texts(&read(text.clone(), json!({})).await), ["page one", "page two"]);
    let schema = json!({"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}});
    let wish = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": schema}});
    let annotated = read(text, json!({"document_annotation_format": wish})).await;
    let annotation: Value = serde_json::from_str(annotated["document_annotation"].as_str().unwrap()).unwrap();
    assert!(annotation["total"].is_i64(), "{annotation}");

    let image = json!({"type": "image_url", "image_url": data_url(b"\xff\xd8\xff")});
    let shown = read(image.clone(), json!({"include_image_base64": true})).await;
    assert_eq!(shown["pages"][0]["images"][0]["image_base64"], "data:image/jpeg;base64,/9j/");
    assert_eq!(read(image, json!({})).await["pages"][0]["images"], json!([]));
    let far = |name: &str| json!({"type": "document_url", "document_url": format!("https://example.com/{name}")});
    assert_ne!(texts(&read(far("a"), json!({})).await), texts(&read(far("b"), json!({})).await));

    let gone = json!({"type": "file", "file_id": "123e4567-e89b-12d3-a456-426614174000"});
    let body = json!({"model": "mistral-ocr-latest", "document": gone});
    assert_eq!(post(&running, "/v1/ocr", body.to_string()).await.status, 404);
}

#[tokio::test]
async fn moderation_and_classification_judge_each_input() {
    let running = start().await;
    let moderate = async |target: &str, input: Value| {
        answered(&running, target, &json!({"model": "mistral-moderation-latest", "input": input})).await["results"]
            .clone()
    };
    let results = moderate("/v1/moderations", json!(["I will kill you", "a nice chair", "my passport number"])).await;
    let flagged = |result: &Value| -> Vec<String> {
        let categories = result["categories"].as_object().unwrap();
        categories.iter().filter(|(_, flag)| **flag == true).map(|(name, _)| name.clone()).collect()
    };
    let found: Vec<Vec<String>> = results.as_array().unwrap().iter().map(flagged).collect();
    assert_eq!(found, [vec!["violence_and_threats".to_owned()], vec![], vec!["pii".to_owned()]]);
    for (_, score) in results[0]["category_scores"].as_object().unwrap() {
        assert!((0.0..=1.0).contains(&score.as_f64().unwrap()));
    }
    assert_eq!(moderate("/v1/moderations", json!("a nice chair")).await[0], results[1], "alone as among others");

    let said = |text: &str| json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": text}]);
    let chats = moderate("/v1/chat/moderations", json!([said("go kill it"), said("fine")])).await;
    assert_eq!(
        chats.as_array().unwrap().iter().map(flagged).collect::<Vec<_>>(),
        [vec!["violence_and_threats".to_owned()], vec![]]
    );
    assert_eq!(moderate("/v1/chat/moderations", said("fine")).await.as_array().unwrap().len(), 1);

    let best = |result: &Value| {
        let scores = result["sentiment"]["scores"].as_object().unwrap();
        assert!((scores.values().map(|score| score.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-4);
        let score = |name: &String| scores[name].as_f64().unwrap();
        scores.keys().max_by(|one, other| score(one).total_cmp(&score(other))).unwrap().clone()
    };
    let classify = async |target: &str, input: Value| {
        answered(&running, target, &json!({"model": "m", "input": input})).await["results"].clone()
    };
    let results = classify("/v1/classifications", json!(["great, thank you", "broken and late", "a chair"])).await;
    assert_eq!(results.as_array().unwrap().iter().map(best).collect::<Vec<_>>(), ["positive", "negative", "neutral"]);
    let chat = json!({"messages": [{"role": "user", "content": "terrible"}]});
    assert_eq!(best(&classify("/v1/chat/classifications", chat).await[0]), "negative");
}

#[tokio::test]
async fn what_is_spoken_is_as_long_as_its_text() {
    let running = start().await;
    let speak = async |text: &str, format: &str| {
        let body = json!({"model": "voxtral-mini-tts-latest", "input": text, "response_format": format});
        STANDARD.decode(answered(&running, "/v1/audio/speech", &body).await["audio_data"].as_str().unwrap()).unwrap()
    };
    let (short, long) = (speak("Hello", "wav").await, speak("Hello there, how are you?", "wav").await);
    assert!(short.starts_with(b"RIFF") && short.len() == 44 + 5 * 400 && long.len() == 44 + 25 * 400);
    assert_eq!(speak("Hello", "pcm").await, short[44..]);
    assert_ne!(speak("Jello", "wav").await, short);

    let body = json!({"input": "Hello there, how are you? ".repeat(5), "response_format": "wav"});
    let whole = answered(&running, "/v1/audio/speech", &body).await;
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let got = post(&running, "/v1/audio/speech", streamed.to_string()).await;
    let told = events(&got.text());
    let pieces: String = told.as_array().unwrap().iter().filter_map(|event| event["audio_data"].as_str()).collect();
    assert_eq!(pieces, whole["audio_data"], "the pieces join to the same sound");
    assert!(told.as_array().unwrap().len() > 2 && told.as_array().unwrap().last().unwrap()["usage"].is_object());
}

#[tokio::test]
async fn what_is_heard_is_as_long_as_its_sound() {
    let running = start().await;
    let spoken = json!({"input": "x".repeat(200), "response_format": "wav"});
    let sound =
        STANDARD.decode(answered(&running, "/v1/audio/speech", &spoken).await["audio_data"].as_str().unwrap()).unwrap();
    let hear = async |more: &[(&str, &str)], sound: &[u8]| {
        let fields = [&[("model", "voxtral-mini-latest")][..], more].concat();
        form(&running, "/v1/audio/transcriptions", &fields, Some(("a.wav", sound))).await
    };
    let heard = hear(&[("language", "de"), ("timestamp_granularities", "segment")], &sound).await;
    assert_eq!((&heard["usage"]["prompt_audio_seconds"], &heard["language"]), (&json!(10), &json!("de")));
    let segments = heard["segments"].as_array().unwrap();
    assert_eq!((segments.len(), &segments[1]["end"]), (2, &json!(10.0)));
    let joined: Vec<&str> = segments.iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    assert_eq!(heard["text"], joined.join(" "));
    assert_ne!(hear(&[], b"another sound").await["text"], heard["text"]);

    let id = upload(&running, "a.wav", &sound).await;
    let by_id =
        form(&running, "/v1/audio/transcriptions", &[("model", "voxtral-mini-latest"), ("file_id", &id)], None).await;
    assert_eq!((&by_id["text"], &by_id["segments"]), (&heard["text"], &json!([])));

    let told = hear(&[("stream", "true")], &sound).await;
    let told = told.as_array().unwrap();
    let pieces: String = told
        .iter()
        .filter(|event| event["type"] == "transcription.text.delta")
        .filter_map(|event| event["text"].as_str())
        .collect();
    let done = told.last().unwrap();
    assert_eq!((&json!(pieces), &done["usage"]), (&heard["text"], &heard["usage"]));
}

#[tokio::test]
async fn live_streams_go_on_after_what_was_seen() {
    let running = start().await;
    let ids = async |target: &str, seen: Option<&str>| -> Vec<u64> {
        let headers: Vec<(&str, &str)> = [KEY].into_iter().chain(seen.map(|id| ("last-event-id", id))).collect();
        let got = send(&client(), "GET", format!("{}{target}", running.url()), &headers, "").await;
        assert_eq!(got.status, 200, "{}", got.text());
        got.text().lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
    };
    let logs = "/v1/workflows/deployments/a/logs/stream";
    assert_eq!(ids(logs, None).await, (1..=20).collect::<Vec<_>>());
    assert_eq!(ids(logs, Some("17")).await, [18, 19, 20]);
    assert_eq!(ids(logs, Some("20")).await, Vec::<u64>::new());
    assert_eq!(ids(&format!("{logs}?last_event_id=18"), None).await, [19, 20]);
    assert_eq!(ids("/v1/workflows/events/stream?start_seq=19", None).await, [19, 20]);
    let both = get(&running, &format!("{logs}?last_event_id=18")).await.text();
    assert!(get(&running, logs).await.text().ends_with(both.trim_start_matches(": events\n\n")), "the same events");
}
