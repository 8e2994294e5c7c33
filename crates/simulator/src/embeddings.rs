//! Embeddings: a unit vector per text that depends on the text and the model alone.

use crate::answer::Answer;
use crate::refusal::{Fault, Refusal};
use crate::{fingerprint, streams, words};
use serde_json::{Value, json};

/// How long vectors are where nobody asks for a length: as of `mistral-embed`, and of `codestral-embed`.
const DIMENSION: u64 = 1024;
const CODE_DIMENSION: u64 = 1536;

/// Longest vector that is made.
const MAX_DIMENSION: u64 = 4096;

/// Answers a valid request. Other number types than floats are answered with whole numbers from -127 to 127.
pub(crate) fn answer(payload: &Value) -> Result<Answer, Refusal> {
    let model = payload["model"].as_str().unwrap_or_default();
    let usual = if model.starts_with("codestral") { CODE_DIMENSION } else { DIMENSION };
    let dimension = payload["output_dimension"].as_u64().unwrap_or(usual);
    if dimension > MAX_DIMENSION {
        let message = format!("at most {MAX_DIMENSION} dimensions can be asked for");
        return Err(Refusal::Invalid(vec![Fault::new("less_than_equal", &["body", "output_dimension"], message)]));
    }
    let floats = payload["output_dtype"].as_str().unwrap_or("float") == "float";
    let texts: Vec<&str> = match &payload["input"] {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        text => text.as_str().into_iter().collect(),
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(fingerprint::text_of(text) ^ fingerprint::text_of(model), dimension);
            let vector: Vec<Value> = vector.into_iter().map(|part| number(part, floats)).collect();
            json!({"object": "embedding", "index": index, "embedding": vector})
        })
        .collect();
    let tokens = texts.iter().map(|text| words::count(text)).sum();
    let id = fingerprint::uuid(fingerprint::of(payload)).replace('-', "");
    let usage = streams::usage(tokens, 0);
    let body = json!({"id": id, "object": "list", "data": data, "model": model, "usage": usage});
    Ok(Answer::json(200, &body).used(tokens))
}

#[allow(clippy::cast_possible_truncation, reason = "the number lies between -127 and 127")]
fn number(part: f64, floats: bool) -> Value {
    if floats { part.into() } else { ((part * 127.0) as i64).into() }
}

/// A vector of length one.
fn vector(seed: u64, dimension: u64) -> Vec<f64> {
    let part = |n: u64| {
        let random = fingerprint::mix(seed.wrapping_add(fingerprint::mix(n)));
        f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    let parts: Vec<f64> = (0..dimension).map(part).collect();
    let length = parts.iter().map(|part| part * part).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    parts.into_iter().map(|part| part / length).collect()
}
