//! Mistakes that people bring along from other services, and what to write instead.
//!
//! Sources: the request schemas of the catalogue; errors that callers of the service have published (message order: code
//! 3230, calls without answers: 3280). A hint is only added where preflight found a problem; the order of messages is a
//! problem of its own, because no schema can say it.

use crate::openapi::catalogue::Entry;
use model::schema::{code, pointer};
use model::{Problem, Request};
use serde_json::Value;

/// Fields of other services, and what they are called here.
const FIELDS: [(&str, &str); 19] = [
    ("best_of", "there is no such field: ask for n choices and choose yourself"),
    ("dimensions", "it is called output_dimension"),
    ("echo", "leave it out: the prompt is never repeated"),
    ("function_call", "it is called tool_choice"),
    ("functions", "they are called tools, each {\"type\": \"function\", \"function\": {…}}"),
    ("inputs", "only conversations have inputs; here they are called messages, in embeddings input"),
    ("logit_bias", "leave it out: the service has none"),
    ("max_completion_tokens", "it is called max_tokens"),
    ("max_new_tokens", "it is called max_tokens"),
    ("max_output_tokens", "it is called max_tokens"),
    ("prompt", "a chat has messages: [{\"role\": \"user\", \"content\": …}]; only FIM has a prompt"),
    ("safe_mode", "it is called safe_prompt"),
    ("seed", "it is called random_seed"),
    ("stop_sequences", "it is called stop"),
    ("stream_options", "leave it out: the last event of a stream has the usage anyway"),
    ("system", "make it the first message: {\"role\": \"system\", \"content\": …}"),
    ("top_logprobs", "the catalogue does not know it; the service refuses fields that it does not know"),
    ("user", "there is no such field; metadata can carry your own ids"),
    ("verbosity", "leave it out: the service has none"),
];

/// Adds to problems what is known of such mistakes.
pub(super) fn explain(problems: &mut [Problem]) {
    for problem in problems {
        if problem.code == code::UNKNOWN_FIELD {
            let name = problem.place.rsplit('/').next().unwrap_or_default();
            if let Some((_, hint)) = FIELDS.iter().find(|(field, _)| *field == name) {
                problem.hint = Some((*hint).to_owned());
            }
        } else if problem.code == code::TYPE && problem.hint.is_none() && problem.reason.ends_with("is null") {
            problem.hint = Some("leave the field out instead: null is a value of its own".to_owned());
        }
    }
}

/// What is wrong with the order of a chat's messages.
pub(super) fn order(entry: &Entry, request: &Request) -> Option<Problem> {
    let chat = ["/v1/chat/completions", "/v1/agents/completions"].contains(&entry.path.as_str());
    let messages = request.payload.as_ref().filter(|_| chat)?.get("messages")?.as_array()?;
    let role = |message: &Value| message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    let problem = |index: usize, reason: &str, hint: &str| {
        let place = pointer("/payload/messages", &index.to_string());
        Some(Problem::new("message_order", reason).at(place).hint(hint))
    };
    for (index, pair) in messages.windows(2).enumerate() {
        let calls = pair[0].get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
        let answers = role(&pair[1]) == "tool";
        if answers && !calls && role(&pair[0]) != "tool" {
            let hint = "put the assistant's message with the tool_calls before it";
            return problem(index + 1, "a tool's answer follows no call of a tool", hint);
        }
        if calls && !answers {
            let hint = "answer each call with a message {\"role\": \"tool\", \"tool_call_id\": …} first";
            return problem(index + 1, "calls of tools stand before it without an answer", hint);
        }
    }
    let last = messages.last()?;
    let index = messages.len() - 1;
    match role(last).as_str() {
        "assistant" if last.get("prefix") != Some(&Value::Bool(true)) => problem(
            index,
            "the last message is the assistant's own",
            "end with a user's message, or set prefix: true to have it continued",
        ),
        "system" => problem(index, "the last message is the system's", "end with a user's message"),
        "tool" if messages.len() == 1 => {
            problem(index, "a tool's answer follows no call of a tool", "put the messages before it that led to it")
        }
        _ => None,
    }
}
