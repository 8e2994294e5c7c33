//! Conversations: started, continued, started again from an entry; their entries are kept.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::refusal::Refusal;
use crate::state::collections::{AGENTS, CONVERSATIONS};
use crate::state::{Object, Objects};
use crate::{fingerprint, streams, words};
use serde_json::{Map, Value, json};

/// When everything of a conversation is said to happen.
const AT: &str = "2026-01-01T00:00:00Z";

/// Answers the start of a conversation, the next entries of one, or a restart.
pub(crate) fn answer(objects: &Objects, request: &Judged<'_>, now: u64) -> Result<Answer, Refusal> {
    let payload = request.payload();
    let named = request.slot("conversation_id").to_owned();
    if let Some(agent) = payload["agent_id"].as_str() {
        objects.with(AGENTS, &[agent.to_owned()], |_| ())?;
    }
    let mut fields = Map::new();
    if !named.is_empty() {
        fields = objects.with(CONVERSATIONS, std::slice::from_ref(&named), |object| object.fields.clone())?;
    }
    let mut entries = fields.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
    let restarted = payload.get("from_entry_id");
    if let Some(from) = restarted {
        let end = entries.iter().position(|entry| entry["id"] == *from);
        entries.truncate(end.map_or(entries.len(), |end| end + 1));
    }
    let heard = inputs(payload, fingerprint::of(payload) ^ entries.len() as u64);
    entries.extend(heard);
    let question = entries.iter().rev().find(|entry| entry["role"] == "user").map(|entry| plain(&entry["content"]));
    let seed = entries.iter().fold(7, |sum, entry| fingerprint::mix(sum ^ fingerprint::of(&entry["content"])));
    let text = words::reply(&question.unwrap_or_default(), seed);
    let prompt = entries.iter().map(|entry| words::count(&plain(&entry["content"]))).sum();
    let usage = streams::usage(prompt, words::count(&text));
    let mut output = json!({"object": "entry", "type": "message.output", "created_at": AT, "completed_at": AT,
        "id": format!("msg_{}", fingerprint::uuid(seed).replace('-', "")), "role": "assistant", "content": text});
    for name in ["model", "agent_id"] {
        if let Some(value) = payload.get(name).or_else(|| fields.get(name)).cloned() {
            output[name] = value.clone();
            fields.insert(name.to_owned(), value);
        }
    }
    entries.push(output.clone());
    for name in ["name", "description", "instructions", "tools", "completion_args", "metadata"] {
        if let Some(value) = payload.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let messages: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["type"].as_str().is_some_and(|kind| kind.starts_with("message.")))
        .collect();
    fields.insert("messages".to_owned(), json!(messages));
    fields.insert("entries".to_owned(), json!(entries));
    let id = keep(objects, payload, (&named, restarted.is_some()), fields, now)?;
    let tokens = usage["total_tokens"].as_u64().unwrap_or_default();
    let answer = if payload.get("stream") == Some(&Value::Bool(true)) {
        streams::told(streams::conversation(&id, &output, &text, &usage))
    } else {
        let body =
            json!({"object": "conversation.response", "conversation_id": id, "outputs": [output], "usage": usage});
        Answer::json(200, &body)
    };
    Ok(answer.used(tokens))
}

/// Keeps the conversation, unless it is not to be, and says its id.
fn keep(
    objects: &Objects,
    payload: &Value,
    (named, restarted): (&str, bool),
    mut fields: Map<String, Value>,
    now: u64,
) -> Result<String, Refusal> {
    let stored = payload.get("store") != Some(&Value::Bool(false));
    if !named.is_empty() && !restarted {
        if stored {
            objects.with(CONVERSATIONS, &[named.to_owned()], |object| object.fields = fields)?;
        }
        return Ok(named.to_owned());
    }
    if !stored {
        return Ok(format!("conv_{}", fingerprint::uuid(fingerprint::of(payload)).replace('-', "")));
    }
    let made = objects.create(CONVERSATIONS, &[], None, |id, number| {
        for name in ["id", "conversation_id"] {
            fields.insert(name.to_owned(), id.clone());
        }
        fields.insert("object".to_owned(), "conversation".into());
        for name in ["created_at", "updated_at"] {
            fields.insert(name.to_owned(), AT.into());
        }
        Object { number, at: now, id: String::new(), fields }
    })?;
    Ok(made.id)
}

/// What the client says, as entries.
fn inputs(payload: &Value, seed: u64) -> Vec<Value> {
    let entry = |place: usize, role: &Value, content: &Value| {
        let id = fingerprint::uuid(fingerprint::mix(seed ^ place as u64)).replace('-', "");
        json!({"object": "entry", "type": "message.input", "created_at": AT, "completed_at": AT,
            "id": format!("msg_{id}"), "role": role, "content": content, "prefix": false})
    };
    match &payload["inputs"] {
        Value::Null => Vec::new(),
        Value::Array(inputs) => inputs
            .iter()
            .enumerate()
            .map(|(place, input)| match input.get("content").zip(input.get("role")) {
                Some((content, role)) => entry(place, role, content),
                None => input.clone(),
            })
            .collect(),
        said => vec![entry(0, &"user".into(), said)],
    }
}

/// The text of a content, which may come in chunks.
fn plain(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(chunks) => chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
        _ => String::new(),
    }
}
