//! Streamed answers, folded into one answer of the same shape as the unstreamed one.
//!
//! Three forms: chunks that end with `[DONE]` (chat, FIM, agents completion); named events that end with `….done` or
//! `….error` (conversations, transcriptions, speech); live events with ids, which end when the connection does.

use super::chunks::{Audio, Completion, Outputs};
use crate::openapi::events::{Event, events};
use serde_json::{Map, Value, json};

/// The mark that ends the chunks of a completion.
const DONE: &str = "[DONE]";

/// How a stream ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// With its own mark.
    Done,
    /// With an error of the service, in its own words.
    Error(Value),
    /// Without a mark: what came may be a part. `finished` tells that a finish reason came all the same.
    Cut {
        /// Whether every choice had its finish reason.
        finished: bool,
    },
}

/// What a stream came to.
#[derive(Debug)]
pub(super) struct Folded {
    /// The answer, as far as it came: `null` where nothing came.
    pub(super) answer: Value,
    /// How it ended.
    pub(super) end: End,
}

/// Folds a stream that answers one request.
pub(super) fn fold(body: &[u8]) -> Folded {
    let mut fold = Fold::default();
    for event in events(body) {
        if let Some(end) = fold.take(&event) {
            return Folded { answer: fold.answer(), end };
        }
    }
    let end = End::Cut { finished: fold.completion.finished() };
    Folded { answer: fold.answer(), end }
}

/// The events of a live stream, each `{id, event, data}`, and the error that it ended with, if it did.
pub(super) fn live(body: &[u8]) -> (Vec<Value>, Option<Value>) {
    let mut items = Vec::new();
    for event in events(body) {
        let data = serde_json::from_str(&event.data).unwrap_or_else(|_| Value::from(event.data.as_str()));
        if event.name == "error" {
            return (items, Some(data));
        }
        let name = if event.name.is_empty() { Value::Null } else { Value::from(event.name) };
        items.push(json!({ "id": event.id, "event": name, "data": data }));
    }
    (items, None)
}

#[derive(Default)]
struct Fold {
    completion: Completion,
    outputs: Outputs,
    audio: Audio,
    /// Members of the answer beside its outputs or choices.
    top: Map<String, Value>,
    /// The answer that a last event brought whole.
    whole: Option<Value>,
}

impl Fold {
    fn take(&mut self, event: &Event) -> Option<End> {
        if event.data.trim() == DONE {
            return Some(End::Done);
        }
        let Ok(Value::Object(mut data)) = serde_json::from_str(&event.data) else { return None };
        // Named events say their type in the data too; either may be missing.
        let kind = match data.get("type").and_then(Value::as_str) {
            Some(kind) => kind.to_owned(),
            None => event.name.clone(),
        };
        if is_error(&kind, &data) {
            return Some(End::Error(Value::Object(data)));
        }
        match kind.as_str() {
            _ if data.contains_key("choices") => self.completion.add(data),
            "conversation.response.started" => self.keep(&mut data, &["conversation_id"]),
            "conversation.response.done" => {
                self.keep(&mut data, &["conversation_id", "usage", "guardrails"]);
                return Some(End::Done);
            }
            "transcription.done" => {
                data.shift_remove("type");
                self.whole = Some(Value::Object(data));
                return Some(End::Done);
            }
            "transcription.text.delta" => self.audio.text(&data),
            "transcription.segment" => self.audio.segment(data),
            "transcription.language" => self.audio.language(&mut data),
            "speech.audio.delta" => self.audio.sound(&data),
            "speech.audio.done" => {
                self.keep(&mut data, &["usage"]);
                return Some(End::Done);
            }
            kind => self.outputs.add(kind, data),
        }
        None
    }

    fn keep(&mut self, data: &mut Map<String, Value>, names: &[&str]) {
        for name in names {
            if let Some(value) = data.shift_remove(*name) {
                self.top.insert((*name).to_owned(), value);
            }
        }
    }

    fn answer(self) -> Value {
        if let Some(whole) = self.whole {
            return whole;
        }
        if let Some(answer) = self.completion.answer() {
            return answer;
        }
        let mut answer = Map::new();
        if self.top.contains_key("conversation_id") || !self.outputs.is_empty() {
            answer.insert("object".to_owned(), Value::from("conversation.response"));
            answer.insert("conversation_id".to_owned(), Value::Null);
            answer.insert("outputs".to_owned(), self.outputs.into_value());
        }
        answer.extend(self.audio.into_members());
        answer.extend(self.top);
        if answer.is_empty() { Value::Null } else { Value::Object(answer) }
    }
}

/// Errors come under an event name, a type that ends so, or as the error object of the plain answers.
fn is_error(kind: &str, data: &Map<String, Value>) -> bool {
    kind == "error"
        || kind.ends_with(".error")
        || data.get("object").and_then(Value::as_str) == Some("error")
        || (data.contains_key("error") && !data.contains_key("choices"))
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
