//! Server-sent events of the operations that name them; completions have a form of their own.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::words;
use connectors::openapi::example::{Fill, example};
use serde_json::{Value, json};

/// A whole stream: named events up to the one that ends it. A live stream has one event, an example of `schema`,
/// and then ends.
pub(crate) fn answer(path: &str, schema: Option<&Value>, request: &Judged<'_>, number: u64) -> Answer {
    let text = words::reply("", number);
    let events = if path.starts_with("/v1/audio/transcriptions") {
        transcription(request, &text)
    } else if path.starts_with("/v1/audio/speech") {
        vec![
            json!({"type": "speech.audio.delta", "audio_data": "AAAAAAAAAAA="}),
            json!({"type": "speech.audio.done", "usage": usage(0, 8)}),
        ]
    } else {
        return live(schema, number);
    };
    told(events)
}

/// Named events as a stream.
pub(crate) fn told(events: Vec<Value>) -> Answer {
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

/// The events of a conversation's answer, which say the same as the unstreamed one.
pub(crate) fn conversation(id: &str, output: &Value, text: &str, usage: &Value) -> Vec<Value> {
    let at = &output["created_at"];
    let mut events = vec![json!({"type": "conversation.response.started", "created_at": at, "conversation_id": id})];
    events.extend(words::tokens(text).map(|token| {
        let mut event = json!({"type": "message.output.delta", "created_at": at, "output_index": 0,
            "id": output["id"], "content_index": 0, "role": "assistant", "content": token});
        for name in ["model", "agent_id"] {
            if let Some(value) = output.get(name) {
                event[name] = value.clone();
            }
        }
        event
    }));
    events.push(json!({"type": "conversation.response.done", "created_at": at, "usage": usage}));
    events
}

fn transcription(request: &Judged<'_>, text: &str) -> Vec<Value> {
    let mut events = vec![json!({"type": "transcription.language", "audio_language": "en"})];
    events.extend(words::tokens(text).map(|token| json!({"type": "transcription.text.delta", "text": token})));
    events.push(json!({"type": "transcription.done", "model": request.payload()["model"], "text": text,
        "language": "en", "segments": [], "usage": usage(0, words::count(text))}));
    events
}

/// Tokens in and out, and their sum.
pub(crate) fn usage(prompt: u64, completion: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}
