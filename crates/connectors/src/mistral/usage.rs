//! What a call used.

use super::prices::{Conditions, Prices};
use crate::openapi::answer::is_file;
use crate::openapi::catalogue::Entry;
use model::{Effect, Request, Usage};
use serde_json::Value;

/// The operation that speaks a text. Its answer does not say what it used: the characters of the text count.
const SPEECH: &str = "/v1/audio/speech";

/// Fields of a request that ask for annotations of pages.
const ANNOTATIONS: [&str; 2] = ["document_annotation_format", "bbox_annotation_format"];

/// Reads model and counts from every form of answer that has them, and estimates the cost: chat, FIM, agents,
/// embeddings, transcriptions (`usage`, `model`), conversations (`usage`, the model in the outputs), OCR (`usage_info`),
/// the lines of a batch job's result. Where an answer does not name the model, the request does. Another read uses
/// nothing, even where what it shows has a `usage`; moderations and classifications say their model alone.
#[must_use]
pub fn usage(prices: &Prices, entry: &Entry, request: &Request, answer: &Value, base_uri: &str) -> Option<Usage> {
    let regional = is_regional(base_uri);
    if let (Value::Array(lines), true) = (answer, is_file(entry)) {
        let conditions = Conditions { batch: true, regional, ..Conditions::default() };
        let bodies = lines.iter().filter_map(|line| line.pointer("/response/body"));
        return bodies
            .filter_map(|body| used(prices, counts(body)?, body, conditions))
            .reduce(|all, more| sum(all, &more));
    }
    if entry.effect == Effect::Read || (counts(answer).is_none() && entry.effect != Effect::Compute) {
        return None;
    }
    let asked = request.payload.as_ref();
    let mut usage = counted(counts(answer).unwrap_or(&Value::Null), answer);
    let wished = asked.and_then(|asked| asked.get("model")).and_then(Value::as_str);
    usage.model = usage.model.or_else(|| wished.map(str::to_owned));
    if entry.path == SPEECH {
        let text = asked.and_then(|asked| asked.get("input")).and_then(Value::as_str);
        usage.characters = text.map(|text| text.chars().count() as u64);
    }
    let annotated = ANNOTATIONS.iter().any(|name| asked.and_then(|asked| asked.get(*name)).is_some_and(is_set));
    let conditions = Conditions { annotated, regional, priority: is_priority(answer), batch: false };
    usage.cost = prices.cost(&usage, conditions);
    (usage.model.is_some() || !usage.is_empty()).then_some(usage)
}

/// So many bytes of text are a token at least.
const BYTES_PER_TOKEN: u64 = 3;

/// What a call will use at most, by its request alone: tokens of the prompt by its length, those of the answer where the
/// request bounds them. `None` for what uses nothing, or does not name its model.
#[must_use]
pub fn foreseen(prices: &Prices, entry: &Entry, request: &Request, base_uri: &str) -> Option<Usage> {
    let asked = request.payload.as_ref().filter(|_| entry.effect == Effect::Compute)?;
    let count = |name: &str| asked.get(name).and_then(Value::as_u64);
    let mut usage = Usage { model: Some(asked.get("model")?.as_str()?.to_owned()), ..Usage::default() };
    if entry.path == SPEECH {
        usage.characters = asked.get("input").and_then(Value::as_str).map(|text| text.chars().count() as u64);
    } else {
        usage.prompt_tokens = Some((asked.to_string().len() as u64).div_ceil(BYTES_PER_TOKEN));
        usage.completion_tokens = count("max_tokens").map(|most| most.saturating_mul(count("n").unwrap_or(1)));
    }
    let conditions = Conditions { regional: is_regional(base_uri), ..Conditions::default() };
    usage.cost = prices.cost(&usage, conditions);
    Some(usage)
}

/// The part of an answer that counts.
fn counts(answer: &Value) -> Option<&Value> {
    ["usage", "usage_info"].iter().find_map(|name| answer.get(*name).filter(|value| value.is_object()))
}

fn counted(counts: &Value, answer: &Value) -> Usage {
    let at = |pointer: &str| counts.pointer(pointer).and_then(Value::as_u64);
    // The document calls it three ways.
    let cached = ["/prompt_tokens_details/cached_tokens", "/prompt_token_details/cached_tokens", "/num_cached_tokens"];
    Usage {
        model: model(answer),
        prompt_tokens: at("/prompt_tokens"),
        cached_tokens: cached.into_iter().find_map(at),
        completion_tokens: at("/completion_tokens"),
        total_tokens: at("/total_tokens"),
        pages: at("/pages_processed"),
        audio_seconds: counts.get("prompt_audio_seconds").and_then(seconds),
        characters: None,
        cost: None,
    }
}

/// Begun seconds count.
fn seconds(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| Some(value.as_f64()?.ceil()).filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
}

fn used(prices: &Prices, counts: &Value, answer: &Value, conditions: Conditions) -> Option<Usage> {
    let mut usage = counted(counts, answer);
    usage.cost = prices.cost(&usage, Conditions { priority: is_priority(answer), ..conditions });
    (!usage.is_empty()).then_some(usage)
}

/// The sum of two; its model is what both say. The cost of a sum with an unknown part is unknown.
fn sum(mut all: Usage, more: &Usage) -> Usage {
    let model = all.model.take().filter(|model| more.model.as_ref() == Some(model));
    let cost = all.cost.zip(more.cost).map(|(one, other)| one.saturating_add(other));
    all.add(more);
    Usage { model, cost, ..all }
}

fn is_priority(answer: &Value) -> bool {
    counts(answer).and_then(|counts| counts.get("service_tier")).and_then(Value::as_str) == Some("priority")
}

/// `https://api.eu.mistral.ai` is the address of a region, `https://api.mistral.ai` is not.
fn is_regional(base_uri: &str) -> bool {
    let host = base_uri.split_once("://").map_or(base_uri, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let region = host.strip_prefix("api.").and_then(|rest| rest.strip_suffix(".mistral.ai"));
    region.is_some_and(|region| !region.contains('.'))
}

/// Whether a field of a request asks for something.
fn is_set(value: &Value) -> bool {
    !value.is_null()
}

fn model(answer: &Value) -> Option<String> {
    let of_outputs = || {
        let outputs = answer.get("outputs").and_then(Value::as_array)?;
        outputs.iter().find_map(|output| output.get("model").and_then(Value::as_str))
    };
    answer.get("model").and_then(Value::as_str).or_else(of_outputs).map(str::to_owned)
}
