//! Moderation and classification: scores that depend on each input alone. A few plain words decide clear cases.

use crate::answer::Answer;
use crate::fingerprint;
use serde_json::{Map, Value, json};

/// Categories of moderation, each with words that are a clear case of it.
const CATEGORIES: [(&str, &[&str]); 12] = [
    ("sexual", &["sex", "nude", "porn"]),
    ("hate_and_discrimination", &["hate", "racist", "subhuman"]),
    ("violence_and_threats", &["kill", "murder", "attack", "threat", "shoot"]),
    ("dangerous_and_criminal_content", &["bomb", "poison", "weapon", "steal", "fraud"]),
    ("dangerous", &["bomb", "poison", "weapon"]),
    ("criminal", &["steal", "fraud", "smuggle"]),
    ("selfharm", &["suicide", "selfharm", "overdose"]),
    ("health", &["diagnosis", "medicine", "dose", "symptom"]),
    ("financial", &["invest", "stocks", "loan", "mortgage"]),
    ("law", &["lawsuit", "lawyer", "sue", "custody"]),
    ("pii", &["passport", "iban", "ssn", "birthdate"]),
    ("jailbreaking", &["jailbreak", "ignore all previous"]),
];

/// Categories that the first model of moderation has alone, and those that came after it.
const FIRST: [&str; 1] = ["dangerous_and_criminal_content"];
const LATER: [&str; 3] = ["dangerous", "criminal", "jailbreaking"];

/// Labels of a classification, each with words that speak for it.
const LABELS: [(&str, &[&str]); 3] = [
    ("positive", &["good", "great", "love", "thank", "excellent", "happy"]),
    ("neutral", &[]),
    ("negative", &["bad", "broken", "poor", "late", "angry", "refund", "terrible"]),
];

/// Moderates a valid request: one result for each input, or for each conversation.
pub(crate) fn moderate(payload: &Value) -> Answer {
    let others: &[&str] = match payload["model"].as_str() {
        Some(model) if model.ends_with("2411") => &LATER,
        _ => &FIRST,
    };
    let results = inputs(payload).into_iter().map(|text| {
        let scores = CATEGORIES.iter().filter(|(category, _)| !others.contains(category)).map(|(category, words)| {
            let noise = part(&text, category) * 0.08;
            (*category, if speaks(&text, words) > 0 { 0.9 + noise } else { noise })
        });
        let scores: Vec<(&str, f64)> = scores.collect();
        let flags: Map<String, Value> =
            scores.iter().map(|(category, score)| ((*category).to_owned(), (*score >= 0.5).into())).collect();
        let scores: Map<String, Value> =
            scores.into_iter().map(|(category, score)| (category.to_owned(), rounded(score))).collect();
        json!({ "categories": flags, "category_scores": scores })
    });
    told(payload, &results.collect::<Vec<_>>())
}

/// Classifies a valid request by one target, `sentiment`.
pub(crate) fn classify(payload: &Value) -> Answer {
    let results = inputs(payload).into_iter().map(|text| {
        let weights = LABELS.map(|(label, words)| {
            let neutral = if words.is_empty() { 0.5 } else { 0.0 };
            (label, speaks(&text, words) as f64 * 3.0 + neutral + part(&text, label) * 0.2)
        });
        let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let scores: Map<String, Value> =
            weights.into_iter().map(|(label, weight)| (label.to_owned(), rounded(weight / sum))).collect();
        json!({ "sentiment": { "scores": scores } })
    });
    told(payload, &results.collect::<Vec<_>>())
}

fn told(payload: &Value, results: &[Value]) -> Answer {
    let id = fingerprint::uuid(fingerprint::of(payload)).replace('-', "");
    Answer::json(200, &json!({ "id": id, "model": payload["model"], "results": results }))
}

/// The text of each input: texts, a conversation, several, or objects with `messages`.
fn inputs(payload: &Value) -> Vec<String> {
    let is_message = |value: &Value| value.get("role").is_some();
    match &payload["input"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) if list.iter().all(is_message) => vec![last_said(list)],
        Value::Array(list) => list.iter().map(one).collect(),
        other => vec![one(other)],
    }
}

fn one(input: &Value) -> String {
    match (input, input.get("messages").and_then(Value::as_array)) {
        (Value::String(text), _) => text.clone(),
        (Value::Array(messages), _) => last_said(messages),
        (_, Some(messages)) => last_said(messages),
        _ => String::new(),
    }
}

/// What the last message says.
fn last_said(messages: &[Value]) -> String {
    let Some(last) = messages.last() else { return String::new() };
    match &last["content"] {
        Value::String(text) => text.clone(),
        Value::Array(chunks) => chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

/// How many of the words a text has.
fn speaks(text: &str, words: &[&str]) -> usize {
    let text = text.to_lowercase();
    let begins = |word: &&&str| {
        text.match_indices(**word).any(|(at, _)| !text[..at].chars().next_back().is_some_and(char::is_alphanumeric))
    };
    words.iter().filter(begins).count()
}

/// A number from 0 to 1 of a text and a name.
fn part(text: &str, name: &str) -> f64 {
    let random = fingerprint::mix(fingerprint::text_of(text) ^ fingerprint::text_of(name).rotate_left(13));
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

fn rounded(score: f64) -> Value {
    ((score * 1e6).round() / 1e6).into()
}
