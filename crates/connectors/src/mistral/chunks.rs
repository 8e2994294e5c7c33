//! The pieces of streamed answers, put together.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The text that one event adds to its answer, for those who read along: of the first choice, where there are several.
pub(super) fn text_of(event: &Value) -> Option<String> {
    if let Some(choices) = event.get("choices") {
        return content_text(choices.get(0)?.get("delta")?.get("content")?);
    }
    match event.get("type").and_then(Value::as_str)? {
        "message.output.delta" => content_text(event.get("content")?),
        "transcription.text.delta" => content_text(event.get("text")?),
        _ => None,
    }
}

/// A text, or the texts of its pieces.
fn content_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(pieces) => Some(pieces.iter().filter_map(content_text).collect()),
        Value::Object(piece) => piece.get("text").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

/// Chunks of chat, FIM and agents completion.
#[derive(Default)]
pub(super) struct Completion {
    /// Members beside the choices; the last of each counts.
    top: Map<String, Value>,
    choices: BTreeMap<u64, Choice>,
}

#[derive(Default)]
struct Choice {
    message: Map<String, Value>,
    content: Content,
    calls: Vec<Map<String, Value>>,
    finish_reason: Option<Value>,
}

impl Completion {
    pub(super) fn add(&mut self, mut chunk: Map<String, Value>) {
        let choices = chunk.shift_remove("choices");
        for (name, value) in chunk {
            if !value.is_null() || !self.top.contains_key(&name) {
                self.top.insert(name, value);
            }
        }
        for choice in list(choices) {
            let Value::Object(mut choice) = choice else { continue };
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            let own = self.choices.entry(index).or_default();
            if let Some(Value::Object(delta)) = choice.shift_remove("delta") {
                own.add(delta);
            }
            own.finish_reason =
                choice.shift_remove("finish_reason").filter(|why| !why.is_null()).or(own.finish_reason.take());
        }
    }

    /// Whether every choice has said why it ended.
    pub(super) fn finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.values().all(|choice| choice.finish_reason.is_some())
    }

    /// The answer as it would have come unstreamed; `None` where no chunk came.
    pub(super) fn answer(self) -> Option<Value> {
        if self.top.is_empty() && self.choices.is_empty() {
            return None;
        }
        let mut answer = self.top;
        answer.insert("object".to_owned(), Value::from("chat.completion"));
        let choices = self.choices.into_iter().map(|(index, choice)| choice.into_value(index));
        answer.insert("choices".to_owned(), choices.collect());
        Some(Value::Object(answer))
    }
}

impl Choice {
    fn add(&mut self, delta: Map<String, Value>) {
        for (name, value) in delta {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("content", value) => self.content.add(value),
                ("tool_calls", value) => list(Some(value)).into_iter().for_each(|call| self.call(call)),
                (_, value) => drop(self.message.insert(name, value)),
            }
        }
    }

    /// A call comes whole, or its arguments in pieces under the same index.
    fn call(&mut self, call: Value) {
        let Value::Object(call) = call else { return };
        let id = |call: &Map<String, Value>| {
            call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty() && *id != "null").map(str::to_owned)
        };
        let goes_on = self
            .calls
            .iter_mut()
            .find(|begun| begun.get("index") == call.get("index") && (id(&call).is_none() || id(&call) == id(begun)));
        let Some(begun) = goes_on else { return self.calls.push(call) };
        let piece = call.get("function").and_then(|function| function.get("arguments"));
        match (begun.get_mut("function").and_then(|function| function.get_mut("arguments")), piece) {
            (Some(Value::String(text)), Some(Value::String(more))) => text.push_str(more),
            (Some(arguments), Some(whole)) => *arguments = whole.clone(),
            _ => {}
        }
    }

    fn into_value(self, index: u64) -> Value {
        let mut message = Map::new();
        message.insert("role".to_owned(), Value::from("assistant"));
        message.insert("content".to_owned(), self.content.into_value());
        let calls = self.calls.into_iter().map(Value::Object).collect::<Vec<_>>();
        message.insert("tool_calls".to_owned(), if calls.is_empty() { Value::Null } else { Value::Array(calls) });
        message.extend(self.message);
        json!({ "index": index, "message": message, "finish_reason": self.finish_reason })
    }
}

/// A message's content: a text, or pieces of several types.
#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    Text(String),
    Pieces(Vec<Value>),
}

impl Content {
    fn add(&mut self, more: Value) {
        match (&mut *self, more) {
            (_, Value::Null) => {}
            (Self::Nothing, Value::String(text)) => *self = Self::Text(text),
            (Self::Text(text), Value::String(more)) => text.push_str(&more),
            (Self::Pieces(pieces), Value::String(text)) => join(pieces, json!({ "type": "text", "text": text })),
            (_, more) => {
                let mut pieces = match std::mem::take(self) {
                    Self::Nothing => Vec::new(),
                    Self::Text(text) if text.is_empty() => Vec::new(),
                    Self::Text(text) => vec![json!({ "type": "text", "text": text })],
                    Self::Pieces(pieces) => pieces,
                };
                // A piece may come alone or in a list.
                let more = if more.is_array() { list(Some(more)) } else { vec![more] };
                more.into_iter().for_each(|piece| join(&mut pieces, piece));
                *self = Self::Pieces(pieces);
            }
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Nothing => Value::from(""),
            Self::Text(text) => Value::from(text),
            Self::Pieces(pieces) => Value::from(pieces),
        }
    }
}

/// Adds a piece; text and thinking go on where the last piece is of the same type.
fn join(pieces: &mut Vec<Value>, piece: Value) {
    let kind = piece.get("type").and_then(Value::as_str).unwrap_or_default();
    let last = pieces.last_mut().filter(|last| last.get("type").and_then(Value::as_str) == Some(kind));
    match (kind, last) {
        ("text", Some(last)) => {
            if let (Some(Value::String(text)), Some(more)) = (last.get_mut("text"), piece["text"].as_str()) {
                text.push_str(more);
            }
        }
        ("thinking", Some(last)) => {
            if let Some(Value::Array(thoughts)) = last.get_mut("thinking") {
                list(piece.get("thinking").cloned()).into_iter().for_each(|thought| join(thoughts, thought));
            }
        }
        _ => pieces.push(piece),
    }
}

/// Outputs of a conversation, by their index.
#[derive(Default)]
pub(super) struct Outputs(BTreeMap<u64, (Map<String, Value>, Content)>);

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes an event that is about an output; others mean nothing to the answer.
    pub(super) fn add(&mut self, kind: &str, mut data: Map<String, Value>) {
        let entry = match kind {
            "message.output.delta" => "message.output",
            "tool.execution.started" | "tool.execution.delta" | "tool.execution.done" => "tool.execution",
            "agent.handoff.started" | "agent.handoff.done" => "agent.handoff",
            "function.call.delta" => "function.call",
            _ => return,
        };
        let index = data.shift_remove("output_index").and_then(|index| index.as_u64()).unwrap_or(0);
        let (members, content) = self.0.entry(index).or_insert_with(|| {
            let members = [("object", "entry"), ("type", entry)];
            (members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(), Content::default())
        });
        for (name, value) in data {
            match (name.as_str(), value) {
                ("type" | "content_index", _) => {}
                ("content", value) => content.add(value),
                ("arguments", Value::String(more)) => match members.get_mut("arguments") {
                    Some(Value::String(text)) => text.push_str(&more),
                    _ => drop(members.insert(name, Value::String(more))),
                },
                // When it began stays as it is; of everything else the last counts.
                ("created_at", value) => drop(members.entry(name).or_insert(value)),
                (_, Value::Null) if members.contains_key(&name) => {}
                (_, value) => drop(members.insert(name, value)),
            }
        }
    }

    pub(super) fn into_value(self) -> Value {
        let entries = self.0.into_values().map(|(mut members, content)| {
            if members.get("type").and_then(Value::as_str) == Some("message.output") {
                members.insert("content".to_owned(), content.into_value());
            }
            Value::Object(members)
        });
        entries.collect()
    }
}

/// Transcriptions and speech, as far as they came.
#[derive(Default)]
pub(super) struct Audio {
    text: Option<String>,
    segments: Vec<Value>,
    language: Option<Value>,
    sound: Option<Vec<u8>>,
}

impl Audio {
    pub(super) fn text(&mut self, data: &Map<String, Value>) {
        self.text.get_or_insert_default().push_str(data.get("text").and_then(Value::as_str).unwrap_or_default());
    }

    pub(super) fn segment(&mut self, mut data: Map<String, Value>) {
        data.insert("type".to_owned(), Value::from("transcription_segment"));
        self.segments.push(Value::Object(data));
    }

    pub(super) fn language(&mut self, data: &mut Map<String, Value>) {
        self.language = data.shift_remove("audio_language");
    }

    /// Each piece of sound is a base64 text of its own.
    pub(super) fn sound(&mut self, data: &Map<String, Value>) {
        let piece = data.get("audio_data").and_then(Value::as_str).unwrap_or_default();
        self.sound.get_or_insert_default().extend(STANDARD.decode(piece).unwrap_or_default());
    }

    pub(super) fn into_members(self) -> Map<String, Value> {
        let mut members = Map::new();
        let transcribed = self.text.is_some() || !self.segments.is_empty() || self.language.is_some();
        if transcribed {
            members.insert("text".to_owned(), self.text.unwrap_or_default().into());
            members.insert("segments".to_owned(), self.segments.into());
            members.insert("language".to_owned(), self.language.unwrap_or_default());
        }
        if let Some(sound) = self.sound {
            members.insert("audio_data".to_owned(), STANDARD.encode(sound).into());
        }
        members
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
