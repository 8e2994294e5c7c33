use super::*;
use serde_json::json;

fn sse(events: &[(&str, Value)]) -> String {
    events
        .iter()
        .map(|(name, data)| {
            let name = if name.is_empty() { String::new() } else { format!("event: {name}\n") };
            format!("{name}data: {data}\n\n")
        })
        .collect()
}

#[allow(clippy::needless_pass_by_value, reason = "literals read best so")]
fn chunk(delta: Value, finish: Option<&str>) -> Value {
    json!({"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m",
           "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn chat() -> String {
    let mut last = chunk(json!({"content": "é!"}), Some("stop"));
    last["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
    let first = chunk(json!({"role": "assistant", "content": ""}), None);
    sse(&[("", first), ("", chunk(json!({"content": "caf"}), None)), ("", last)]) + "data: [DONE]\n\n"
}

fn conversation() -> String {
    sse(&[
        (
            "conversation.response.started",
            json!({"type": "conversation.response.started", "created_at": "t0", "conversation_id": "conv"}),
        ),
        (
            "tool.execution.started",
            json!({"type": "tool.execution.started", "created_at": "t1", "output_index": 0, "id": "x", "name": "web_search", "arguments": "{\"q\""}),
        ),
        (
            "tool.execution.delta",
            json!({"type": "tool.execution.delta", "output_index": 0, "id": "x", "name": "web_search", "arguments": ": 1}"}),
        ),
        (
            "tool.execution.done",
            json!({"type": "tool.execution.done", "created_at": "t2", "output_index": 0, "id": "x", "name": "web_search", "info": {"ok": true}}),
        ),
        (
            "message.output.delta",
            json!({"type": "message.output.delta", "created_at": "t3", "output_index": 1, "id": "y", "content_index": 0, "model": "m", "role": "assistant", "content": "Hel"}),
        ),
        (
            "message.output.delta",
            json!({"type": "message.output.delta", "output_index": 1, "id": "y", "content_index": 0, "role": "assistant", "content": "lo"}),
        ),
        (
            "message.output.delta",
            json!({"type": "message.output.delta", "output_index": 1, "id": "y", "content_index": 1, "role": "assistant", "content": {"type": "tool_reference", "title": "T"}}),
        ),
        (
            "conversation.response.done",
            json!({"type": "conversation.response.done", "created_at": "t4", "usage": {"total_tokens": 9}}),
        ),
    ])
}

#[test]
fn completions() {
    let folded = fold(chat().as_bytes());
    assert_eq!(folded.end, End::Done);
    assert_eq!(
        folded.answer,
        json!({"id": "c1", "object": "chat.completion", "created": 5, "model": "m",
               "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
               "choices": [{"index": 0, "finish_reason": "stop",
                            "message": {"role": "assistant", "content": "café!", "tool_calls": null}}]})
    );
}

#[test]
fn several_choices_calls_and_pieces() {
    let call = |arguments: &str, id: &str| json!({"tool_calls": [{"id": id, "index": 0, "function": {"name": "f", "arguments": arguments}}]});
    let mut second =
        chunk(json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}), None);
    second["choices"][0]["index"] = json!(1);
    let mut third = chunk(
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}, {"type": "text", "text": "A"}]}),
        None,
    );
    third["choices"][0]["index"] = json!(1);
    let mut fourth = chunk(json!({"content": "B"}), Some("stop"));
    fourth["choices"][0]["index"] = json!(1);
    let text = sse(&[
        ("", chunk(call("{\"a\"", "id1"), None)),
        ("", second),
        ("", chunk(call(":1}", "null"), Some("tool_calls"))),
        ("", third),
        ("", fourth),
    ]) + "data: [DONE]\n\n";
    let answer = fold(text.as_bytes()).answer;
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(answer["choices"][0]["message"]["tool_calls"].as_array().unwrap().len(), 1);
    assert_eq!(
        answer["choices"][1]["message"]["content"],
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "AB"}])
    );
}

#[test]
fn conversations() {
    let folded = fold(conversation().as_bytes());
    assert_eq!(folded.end, End::Done);
    assert_eq!(
        folded.answer,
        json!({"object": "conversation.response", "conversation_id": "conv", "usage": {"total_tokens": 9}, "outputs": [
            {"object": "entry", "type": "tool.execution", "created_at": "t1", "id": "x", "name": "web_search",
             "arguments": "{\"q\": 1}", "info": {"ok": true}},
            {"object": "entry", "type": "message.output", "created_at": "t3", "id": "y", "model": "m", "role": "assistant",
             "content": [{"type": "text", "text": "Hello"}, {"type": "tool_reference", "title": "T"}]},
        ]})
    );
}

#[test]
fn transcriptions_and_speech() {
    let done = json!({"type": "transcription.done", "model": "m", "text": "a b", "language": "en", "segments": [], "usage": {}});
    let text = sse(&[
        ("transcription.text.delta", json!({"type": "transcription.text.delta", "text": "a "})),
        ("transcription.done", done),
    ]);
    let folded = fold(text.as_bytes());
    assert_eq!((folded.end, &folded.answer["text"], folded.answer.get("type")), (End::Done, &json!("a b"), None));
    // Without its end, what was heard so far is kept.
    let cut = fold(&text.as_bytes()[..text.len() - 2]);
    assert_eq!((cut.end, &cut.answer["text"]), (End::Cut { finished: false }, &json!("a ")));

    let speech = sse(&[
        ("speech.audio.delta", json!({"type": "speech.audio.delta", "audio_data": "YQ=="})),
        ("speech.audio.delta", json!({"type": "speech.audio.delta", "audio_data": "YmM="})),
        ("speech.audio.done", json!({"type": "speech.audio.done", "usage": {"total_tokens": 1}})),
    ]);
    assert_eq!(fold(speech.as_bytes()).answer, json!({"audio_data": "YWJj", "usage": {"total_tokens": 1}}));
}

#[test]
fn errors_in_the_stream() {
    let begun = sse(&[("", chunk(json!({"content": "half"}), None))]);
    let errors = [
        ("", json!({"object": "error", "message": "broke", "code": "500"})),
        ("", json!({"error": {"message": "broke"}})),
        ("error", json!({"error": "broke", "reason": "internal_error"})),
        (
            "conversation.response.error",
            json!({"type": "conversation.response.error", "message": "broke", "code": 500}),
        ),
    ];
    for (name, data) in errors {
        let folded = fold((begun.clone() + &sse(&[(name, data.clone())])).as_bytes());
        assert_eq!(folded.end, End::Error(data));
        assert_eq!(folded.answer["choices"][0]["message"]["content"], "half");
    }
}

/// Cut at every byte, with every line end, nothing but the whole is ever done.
#[test]
fn no_cut_is_taken_for_the_whole() {
    for stream in [chat(), conversation()] {
        for ends in ["\n", "\r\n", "\r"] {
            let text = stream.replace('\n', ends);
            for cut in 0..text.len() {
                let folded = fold(&text.as_bytes()[..cut]);
                // The last line end may be one of two bytes: the event is whole without the second.
                let whole = text.len() - cut < ends.len();
                assert_eq!(folded.end == End::Done, whole, "cut at {cut} of {} with {ends:?}", text.len());
            }
            assert_eq!(fold(text.as_bytes()).end, End::Done);
        }
    }
    let without_mark = chat().replace("data: [DONE]\n\n", "");
    assert_eq!(fold(without_mark.as_bytes()).end, End::Cut { finished: true });
}

#[test]
fn live_events_keep_their_ids() {
    let text = "id: 1\nevent: log\ndata: {\"a\":1}\n\nid: 2\ndata: text\n\nevent: error\ndata: {\"error\":\"gone\"}\n\nid: 3\ndata: 1\n\n";
    let (items, error) = live(text.as_bytes());
    assert_eq!(
        items,
        [json!({"id": "1", "event": "log", "data": {"a": 1}}), json!({"id": "2", "event": null, "data": "text"})]
    );
    assert_eq!(error, Some(json!({"error": "gone"})));
}
