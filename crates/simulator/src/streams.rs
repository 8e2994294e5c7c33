//! Server-sent events of the operations that name them; completions have a form of their own.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::{fingerprint, words};
use connectors::openapi::example::{Fill, example};
use serde_json::{Value, json};

/// A whole stream: named events up to the one that ends it. A live stream has one event, an example of `schema`,
/// and then ends.
pub(crate) fn answer(path: &str, schema: Option<&Value>, request: &Judged<'_>, number: u64) -> Answer {
    let text = words::reply("", number);
    let events = if path.starts_with("/v1/conversations") {
        conversation(request, number, &text)
    } else if path.starts_with("/v1/audio/transcriptions") {
        transcription(request, &text)
    } else if path.starts_with("/v1/audio/speech") {
        vec![
            json!({"type": "speech.audio.delta", "audio_data": "AAAAAAAAAAA="}),
            json!({"type": "speech.audio.done", "usage": usage(0, 8)}),
        ]
    } else {
        return live(schema, number);
    };
    let mut body = String::from(": events\n\n");
    for event in events {
        let name = event["type"].as_str().unwrap_or("message");
        body.push_str(&format!("event: {name}\ndata: {event}\n\n"));
    }
    Answer::new(200, "text/event-stream; charset=utf-8", body)
}

/// The schema is of an envelope `{event, id, data}`. Errors are among its examples, but nothing fails here.
fn live(schema: Option<&Value>, number: u64) -> Answer {
    let mut body = String::from(": events\n\n");
    let fails = |event: &Value| event["event"] == "error" || event["data"].get("error").is_some();
    let mut examples =
        (0..64).map(|n| example(schema.unwrap_or(&Value::Null), number.wrapping_add(n), Fill::Everything));
    if let Some(event) = examples.find(|event| event.is_object() && !fails(event)) {
        for field in ["event", "id"] {
            if let Some(text) = event[field].as_str() {
                body.push_str(&format!("{field}: {text}\n"));
            }
        }
        body.push_str(&format!("data: {}\n\n", event["data"]));
    }
    Answer::new(200, "text/event-stream; charset=utf-8", body)
}

fn conversation(request: &Judged<'_>, number: u64, text: &str) -> Vec<Value> {
    let at = "2026-01-01T00:00:00Z";
    let named = request.slot("conversation_id");
    let id = if named.is_empty() { format!("conv_{}", fingerprint::uuid(number)) } else { named.to_owned() };
    let message = format!("msg_{}", fingerprint::uuid(number ^ 1));
    let mut events = vec![json!({"type": "conversation.response.started", "created_at": at, "conversation_id": id})];
    events.extend(words::tokens(text).map(|token| {
        json!({"type": "message.output.delta", "created_at": at, "output_index": 0, "id": message,
            "content_index": 0, "role": "assistant", "content": token})
    }));
    let used = words::count(text);
    events.push(json!({"type": "conversation.response.done", "created_at": at, "usage": usage(0, used)}));
    events
}

fn transcription(request: &Judged<'_>, text: &str) -> Vec<Value> {
    let mut events = vec![json!({"type": "transcription.language", "audio_language": "en"})];
    events.extend(words::tokens(text).map(|token| json!({"type": "transcription.text.delta", "text": token})));
    events.push(json!({"type": "transcription.done", "model": request.payload()["model"], "text": text,
        "language": "en", "segments": [], "usage": usage(0, words::count(text))}));
    events
}

fn usage(prompt: u64, completion: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}
