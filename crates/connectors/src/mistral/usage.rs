//! What a call used.

use crate::openapi::catalogue::Entry;
use model::{Effect, Usage};
use serde_json::Value;

/// Reads tokens and model from every form of answer that has them: chat, FIM, agents, embeddings, transcriptions
/// (`usage`, `model`), conversations (`usage`, the model in the outputs), OCR (`usage_info` without tokens). A read
/// uses nothing, even where what it shows has a `usage`; moderations and classifications say their model alone.
#[must_use]
pub fn usage(entry: &Entry, answer: &Value) -> Option<Usage> {
    if entry.effect == Effect::Read {
        return None;
    }
    let counts = ["usage", "usage_info"].iter().find_map(|name| answer.get(*name).filter(|value| value.is_object()));
    if counts.is_none() && entry.effect != Effect::Compute {
        return None;
    }
    let count = |name: &str| counts.and_then(|counts| counts.get(name)).and_then(Value::as_u64);
    let usage = Usage {
        model: model(answer),
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
        total_tokens: count("total_tokens"),
    };
    (usage.model.is_some() || !usage.is_empty()).then_some(usage)
}

fn model(answer: &Value) -> Option<String> {
    let of_outputs = || {
        let outputs = answer.get("outputs").and_then(Value::as_array)?;
        outputs.iter().find_map(|output| output.get("model").and_then(Value::as_str))
    };
    answer.get("model").and_then(Value::as_str).or_else(of_outputs).map(str::to_owned)
}
