//! Chat, FIM and agents completion.

use crate::wire::{Got, post, start};
use serde_json::{Value, json};
use simulator::Running;

async fn chat(running: &Running, body: &Value) -> Got {
    let got = post(running, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(got.status, 200, "{body}: {}", got.text());
    got
}

fn ask(question: &str, more: &Value) -> Value {
    let mut body = json!({"model": "mistral-small-latest", "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn said(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn the_text_depends_on_what_is_asked_of_whom() {
    let running = start().await;
    let plain = chat(&running, &ask("Describe a chair", &json!({}))).await;
    let answer = plain.json();
    assert!(said(&answer).contains("Describe a chair"), "{answer}");
    let reordered = r#"{"messages": [{"content": "Be brief.", "role": "system"},
        {"content": "Describe a chair", "role": "user"}], "model": "mistral-small-latest"}"#;
    assert_eq!(
        post(&running, "/v1/chat/completions", reordered).await.body,
        plain.body,
        "the order of keys is nothing"
    );
    let chunks = ask("Describe a chair", &json!({}));
    let chunks =
        chunks.to_string().replace(r#""Describe a chair""#, r#"[{"type": "text", "text": "Describe a chair"}]"#);
    let got = post(&running, "/v1/chat/completions", chunks).await.json();
    assert_eq!(said(&got), said(&answer));
    assert_ne!(got["id"], answer["id"]);
    for other in [
        ask("Describe a table", &json!({})),
        ask("Describe a chair", &json!({"model": "open-mistral-7b"})),
        ask("Describe a chair", &json!({"random_seed": 3})),
    ] {
        assert_ne!(said(&chat(&running, &other).await.json()), said(&answer), "{other}");
    }
    let usage = &answer["usage"];
    assert_eq!(usage["prompt_tokens"], 6);
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert_eq!(plain.header("x-ratelimit-tokens-query-cost"), Some(sum.to_string().as_str()));
    assert!(plain.header("x-ratelimit-limit-req-minute").is_some());
}

#[tokio::test]
async fn limits_cut_the_same_text() {
    let running = start().await;
    let whole = chat(&running, &ask("Describe a chair", &json!({}))).await.json();
    let text = said(&whole);
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    for most in [0, 1, 7] {
        let cut = chat(&running, &ask("Describe a chair", &json!({"max_tokens": most}))).await.json();
        assert!(text.starts_with(said(&cut)) && said(&cut).len() < text.len(), "{cut}");
        assert_eq!(
            (&cut["usage"]["completion_tokens"], &cut["choices"][0]["finish_reason"]),
            (&json!(most), &json!("length"))
        );
    }
    let wide = chat(&running, &ask("Describe a chair", &json!({"max_tokens": 10_000}))).await.json();
    assert_eq!((said(&wide), &wide["choices"][0]["finish_reason"]), (text, &json!("stop")));
    let stop = text.split('.').next().unwrap();
    for stops in [json!("."), json!(["nowhere", ".", ""])] {
        let cut = chat(&running, &ask("Describe a chair", &json!({"stop": stops}))).await.json();
        assert_eq!((said(&cut), &cut["choices"][0]["finish_reason"]), (stop, &json!("stop")), "{stops}");
    }
    let two = chat(&running, &ask("Describe a chair", &json!({"n": 2}))).await.json();
    assert_eq!(said(&two), text);
    assert_ne!(two["choices"][1]["message"]["content"], *text);
}

#[tokio::test]
async fn a_stream_tells_the_same() {
    let running = start().await;
    let whole = chat(&running, &ask("Describe a chair", &json!({}))).await.json();
    let stream = chat(&running, &ask("Describe a chair", &json!({"stream": true}))).await.text();
    let chunks: Vec<Value> = stream
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let text: String = chunks.iter().map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap()).collect();
    assert_eq!(text, said(&whole));
    assert!(stream.ends_with("data: [DONE]\n\n"));
    let last = chunks.last().unwrap();
    assert_eq!((&last["usage"], &last["choices"][0]["finish_reason"]), (&whole["usage"], &json!("stop")));
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
}

#[tokio::test]
async fn fim_and_agents() {
    let running = start().await;
    let fim = json!({"model": "codestral-latest", "prompt": "def f(", "suffix": "return a", "max_tokens": 3});
    let got = post(&running, "/v1/fim/completions", fim.to_string()).await.json();
    assert_eq!((&got["model"], &got["usage"]["completion_tokens"]), (&json!("codestral-latest"), &json!(3)));
    let agent = json!({"agent_id": "ag_1", "messages": [{"role": "user", "content": "hello"}]});
    let one = post(&running, "/v1/agents/completions", agent.to_string()).await.json();
    let other = agent.to_string().replace("ag_1", "ag_2");
    assert_ne!(said(&one), said(&post(&running, "/v1/agents/completions", other).await.json()));
}

#[tokio::test]
async fn the_form_of_the_answer_is_as_wished() {
    let running = start().await;
    let object = ask("Describe a chair", &json!({"response_format": {"type": "json_object"}}));
    let object: Value = serde_json::from_str(said(&chat(&running, &object).await.json())).unwrap();
    assert!(object.is_object());
    let schema = json!({"type": "object", "required": ["legs", "kind"], "additionalProperties": false, "properties": {
        "legs": {"type": "integer", "minimum": 3, "maximum": 4}, "kind": {"enum": ["stool", "throne"]}}});
    let format =
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "chair", "schema": schema}}});
    let value: Value = serde_json::from_str(said(&chat(&running, &ask("?", &format)).await.json())).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&value), "{value}");
    let tools = json!([{"type": "function", "function": {"name": "sit", "parameters": schema}}]);
    for (choice, calls) in [(json!("any"), true), (json!("none"), false), (json!("auto"), true)] {
        let more = json!({"tools": tools, "tool_choice": choice});
        let got = chat(&running, &ask("Sit", &more)).await.json();
        let told = &got["choices"][0];
        assert_eq!(told["finish_reason"] == "tool_calls", calls, "{choice}: {got}");
        if calls {
            let function = &told["message"]["tool_calls"][0]["function"];
            let arguments: Value = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
            assert_eq!(function["name"], "sit");
            assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&arguments), "{arguments}");
            let mut streamed = more.clone();
            streamed["stream"] = true.into();
            let text = chat(&running, &ask("Sit", &streamed)).await.text();
            let whole = &told["message"]["tool_calls"];
            let events = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|line| *line != "[DONE]");
            let mut events = events.map(|event| serde_json::from_str::<Value>(event).unwrap());
            assert!(events.any(|event| event["choices"][0]["delta"]["tool_calls"] == *whole), "{text}");
        }
    }
}

#[tokio::test]
async fn the_beginning_of_a_prompt_is_found_again_under_its_key() {
    let running = start().await;
    let long = "one two three four ".repeat(50);
    let cached = async |question: &str, key: Value| {
        let usage = chat(&running, &ask(question, &json!({"prompt_cache_key": key}))).await.json()["usage"].clone();
        assert!(usage["prompt_tokens_details"]["cached_tokens"].as_u64() <= usage["prompt_tokens"].as_u64());
        usage["prompt_tokens_details"]["cached_tokens"].as_u64()
    };
    assert_eq!(cached(&long, json!("a")).await, Some(0), "the first");
    assert_eq!(cached(&format!("{long} and five"), json!("a")).await, Some(192), "whole blocks of 64");
    assert_eq!(cached(&long, json!("b")).await, Some(0), "another key");
    assert_eq!(cached("short", json!("a")).await, Some(0), "another prompt");
    assert_eq!(cached(&long, Value::Null).await, None, "no key");
}
