//! What calls used, and what that is estimated to cost.

use super::{operation, request};
use model::{Money, Usage};
use serde_json::{Value, json};

/// Where most calls go.
const BASE: &str = "https://api.mistral.ai";

fn used(method: &str, title: &str, asked: Value, answer: &Value, base: &str) -> Option<Usage> {
    operation(method, title).usage(&request(json!({"payload": asked})), answer, base)
}

fn of(model: Option<&str>, counts: Value, cost: Option<f64>) -> Usage {
    let usage: Usage = serde_json::from_value(counts).unwrap();
    Usage { model: model.map(str::to_owned), cost: cost.map(|cost| Money::from_units(cost).unwrap()), ..usage }
}

#[test]
fn usage_is_read_from_every_form_of_answer() {
    let counts = json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "connector_tokens": null});
    let tokens = json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12});
    let with = |more: Value| {
        let mut counts = counts.clone();
        counts.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"model": "m", "usage": counts})
    };
    let and = |more: Value| {
        let mut tokens = tokens.clone();
        tokens.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(of(Some("m"), tokens, None))
    };
    let plain = || and(json!({}));
    let named = |model: &str| Some(of(Some(model), json!({}), None));
    let cases = [
        ("Chat Completion", json!({}), with(json!({})), plain()),
        ("Start Conversation", json!({}), json!({"outputs": [{}, {"model": "m"}], "usage": counts}), plain()),
        ("Chat Completion", json!({}), with(json!({"num_cached_tokens": 4})), and(json!({"cached_tokens": 4}))),
        (
            "Agents Completion",
            json!({}),
            with(json!({"prompt_tokens_details": {"cached_tokens": 3}, "num_cached_tokens": 4})),
            and(json!({"cached_tokens": 3})),
        ),
        (
            "FIM Completion",
            json!({}),
            with(json!({"prompt_token_details": {"cached_tokens": 2}})),
            and(json!({"cached_tokens": 2})),
        ),
        (
            "Create Transcription",
            json!({}),
            with(json!({"prompt_audio_seconds": 61})),
            and(json!({"audio_seconds": 61})),
        ),
        (
            "Create Transcription",
            json!({}),
            with(json!({"prompt_audio_seconds": 2.1})),
            and(json!({"audio_seconds": 3})),
        ),
        ("Create Transcription", json!({}), with(json!({"prompt_audio_seconds": null})), plain()),
        (
            "OCR",
            json!({}),
            json!({"model": "m", "usage_info": {"pages_processed": 2, "doc_size_bytes": 9}}),
            Some(of(Some("m"), json!({"pages": 2}), None)),
        ),
        (
            "Create Speech",
            json!({"model": "voxtral-mini-tts-2603", "input": "Für 3 €"}),
            json!({"audio_data": "AAAA"}),
            Some(of(Some("voxtral-mini-tts-2603"), json!({"characters": 7}), Some(0.000_112))),
        ),
        ("Moderate Chat", json!({}), json!({"model": "m", "results": []}), named("m")),
        ("Chat Completion", json!({"model": "asked"}), json!({"choices": []}), named("asked")),
        ("Create Batch Job", json!({"model": "asked"}), json!({"model": "m"}), None),
        ("Chat Completion", json!({}), json!({}), None),
        ("Chat Completion", json!({}), json!([1]), None),
        ("Chat Completion", json!({}), json!({"usage": {"prompt_tokens": -1, "total_tokens": "5"}}), None),
    ];
    for (title, asked, answer, expected) in cases {
        assert_eq!(used("POST", title, asked, &answer, BASE), expected, "{title} {answer}");
    }
    assert_eq!(used("GET", "List Models", json!({}), &json!({"usage": counts}), BASE), None, "a read uses nothing");
}

#[test]
fn costs_are_by_the_book_and_its_conditions() {
    let million = json!({"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000});
    let mut priority = million.clone();
    priority["service_tier"] = json!("priority");
    let chat = |usage: &Value| json!({"model": "mistral-small-latest", "usage": usage});
    let pages = json!({"model": "mistral-ocr-latest", "usage_info": {"pages_processed": 1000}});
    let annotated = json!({"document_annotation_format": {"type": "json_object"}});
    let cases = [
        ("Chat Completion", json!({}), chat(&million), BASE, Some(0.75)),
        ("Chat Completion", json!({}), chat(&priority), BASE, Some(1.312_5)),
        ("Chat Completion", json!({}), chat(&million), "https://api.eu.mistral.ai/", Some(0.825)),
        ("Chat Completion", json!({}), chat(&million), "http://api.us.mistral.ai:8080", Some(0.825)),
        ("Chat Completion", json!({}), chat(&million), "https://eu.api.example.com", Some(0.75)),
        ("Chat Completion", json!({}), chat(&million), "", Some(0.75)),
        ("OCR", json!({}), pages.clone(), BASE, Some(4.0)),
        ("OCR", json!({"document_annotation_format": null}), pages.clone(), BASE, Some(4.0)),
        ("OCR", annotated, pages, BASE, Some(5.0)),
        ("Chat Completion", json!({}), json!({"model": "of-tomorrow", "usage": million}), BASE, None),
    ];
    for (title, asked, answer, base, expected) in cases {
        let cost = used("POST", title, asked, &answer, base).unwrap().cost;
        assert_eq!(cost, expected.map(|units| Money::from_units(units).unwrap()), "{title} {answer} {base}");
    }
}

#[test]
fn the_lines_of_a_batch_cost_half() {
    let line = |model: &str, tokens: u64| {
        let body = json!({"model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}});
        json!({"custom_id": "1", "response": {"status_code": 200, "body": body}, "error": null})
    };
    let failed = json!({"custom_id": "2", "response": null, "error": {"message": "no"}});
    let million = 1_000_000;
    let cases = [
        (
            json!([line("mistral-small-latest", million), failed, line("mistral-small-latest", million)]),
            Some(of(
                Some("mistral-small-latest"),
                json!({"prompt_tokens": 2_000_000, "total_tokens": 2_000_000}),
                Some(0.15),
            )),
        ),
        (
            json!([line("mistral-small-latest", million), line("mistral-large-latest", million)]),
            Some(of(None, json!({"prompt_tokens": 2_000_000, "total_tokens": 2_000_000}), Some(0.325))),
        ),
        (
            json!([line("mistral-small-latest", 1), line("of-tomorrow", 1)]),
            Some(of(None, json!({"prompt_tokens": 2, "total_tokens": 2}), None)),
        ),
        (json!([failed, 1, "line"]), None),
        (json!([]), None),
    ];
    for (lines, expected) in cases {
        assert_eq!(used("GET", "Download File", json!({}), &lines, BASE), expected, "{lines}");
    }
}
