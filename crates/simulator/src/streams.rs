//! Server-sent events of the operations that name them; completions have a form of their own.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::{fingerprint, words};
use connectors::openapi::example::{Fill, example};
use serde_json::{Value, json};

/// Named events as a stream.
pub(crate) fn told(events: Vec<Value>) -> Answer {
    let mut body = String::from(": events\n\n");
    for event in events {
        let name = event["type"].as_str().unwrap_or("message");
        body.push_str(&format!("event: {name}\ndata: {event}\n\n"));
    }
    Answer::new(200, "text/event-stream; charset=utf-8", body)
}

/// How many events a live stream has. The service keeps such streams open; here they end after the last one.
const LIVE: u64 = 20;

/// A live stream: examples of an envelope `{event, id, data}` with rising ids, from 1 on, after the one that the client
/// has seen last. Errors are among the examples of the schema, but nothing fails here.
pub(crate) fn live(schema: Option<&Value>, request: &Judged<'_>, path: &str) -> Answer {
    let seen = request.last_event_id().or_else(|| request.query("last_event_id").and_then(Value::as_str));
    let seen = seen.and_then(|id| id.trim().parse::<u64>().ok()).unwrap_or(0);
    let first = request.query("start_seq").and_then(Value::as_u64).unwrap_or(0).max(seen.saturating_add(1));
    let fails = |event: &Value| event["event"] == "error" || event["data"].get("error").is_some();
    let seed = fingerprint::text_of(path);
    let mut body = String::from(": events\n\n");
    for id in first..=LIVE {
        let draw =
            |n| example(schema.unwrap_or(&Value::Null), fingerprint::mix(seed ^ id).wrapping_add(n), Fill::Everything);
        let Some(mut event) = (0..64).map(draw).find(|event| event.is_object() && !fails(event)) else { continue };
        if let Some(sequence) = event["data"].get_mut("broker_sequence") {
            *sequence = id.into();
        }
        if let Some(name) = event["event"].as_str() {
            body.push_str(&format!("event: {name}\n"));
        }
        body.push_str(&format!("id: {id}\ndata: {}\n\n", event["data"]));
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

/// Tokens in and out, and their sum.
pub(crate) fn usage(prompt: u64, completion: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}
