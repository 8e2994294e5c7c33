//! Chat, FIM and agents completion: the path that load tests take, so written by hand.

use crate::answer::Answer;
use crate::refusal::{Fault, Refusal};
use crate::state::Caches;
use crate::{EPOCH, fingerprint, wished, words};
use serde::Serialize;
use serde_json::Value;

/// More choices than anyone has use for.
const MAX_CHOICES: u64 = 32;

/// The model of an agent whose own model we do not know.
const AGENTS_MODEL: &str = "mistral-medium-latest";

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    tool_calls: Option<&'a [Value]>,
}

#[derive(Clone, Copy, Serialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    /// Only where the client says what it wishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    /// Only where the client gives its prompts a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<Details>,
}

#[derive(Clone, Copy, Serialize)]
struct Details {
    cached_tokens: u64,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [ChunkChoice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<&'a [Value]>,
}

/// A text that a model gave, and why it ended.
struct Said {
    text: String,
    /// Instead of a text.
    calls: Option<Vec<Value>>,
    tokens: u64,
    finish_reason: &'static str,
}

/// Answers a valid request. The text depends on what is asked of whom; `max_tokens` and `stop` cut it, and `stream`
/// only changes the way it is told.
pub(crate) fn answer(payload: &Value, caches: &Caches) -> Result<Answer, Refusal> {
    let model = text(payload, "model").unwrap_or(AGENTS_MODEL);
    let asked = Asked::read(payload);
    let choices = payload.get("n").and_then(Value::as_u64).unwrap_or(1);
    if choices > MAX_CHOICES {
        let fault =
            Fault::new("less_than_equal", &["body", "n"], format!("at most {MAX_CHOICES} choices can be asked for"));
        return Err(Refusal::Invalid(vec![fault]));
    }
    let said: Vec<Said> = (0..choices).map(|index| say(payload, &asked, index)).collect();
    let completion_tokens = said.iter().map(|said| said.tokens).sum();
    let total_tokens = asked.tokens + completion_tokens;
    let service_tier = text(payload, "service_tier").map(|_| "standard");
    let details = asked.heard.zip(text(payload, "prompt_cache_key"));
    let prompt_tokens_details = details.map(|(heard, key)| Details { cached_tokens: caches.found(key, heard) });
    let usage =
        Usage { prompt_tokens: asked.tokens, completion_tokens, total_tokens, service_tier, prompt_tokens_details };
    let request = fingerprint::of(payload);
    let id = format!("cmpl-{request:016x}{:016x}", fingerprint::mix(request));
    let created = EPOCH + request % 86_400;
    let answer = if payload.get("stream") == Some(&Value::Bool(true)) {
        stream(&id, created, model, &said, usage).map_err(|error| Refusal::Broken(error.to_string()))?
    } else {
        let choices = said.iter().enumerate().map(|(index, said)| Choice {
            index,
            message: Message { role: "assistant", content: &said.text, tool_calls: said.calls.as_deref() },
            finish_reason: said.finish_reason,
        });
        let choices = choices.collect();
        Answer::json(200, &Completion { id: &id, object: "chat.completion", created, model, choices, usage })
    };
    Ok(answer.used(total_tokens))
}

/// What the answer's text depends on.
struct Asked<'a> {
    /// The last text that the client says.
    question: &'a str,
    seed: u64,
    tokens: u64,
    /// All texts in their order, where they may be found again.
    heard: Option<String>,
}

impl<'a> Asked<'a> {
    fn read(payload: &'a Value) -> Self {
        let whom = text(payload, "model").or_else(|| text(payload, "agent_id")).unwrap_or_default();
        let random = payload.get("random_seed").and_then(Value::as_u64).unwrap_or_default();
        let seed = fingerprint::mix(fingerprint::text_of(whom) ^ random);
        let heard = payload.get("prompt_cache_key").map(|_| String::new());
        let mut asked = Self { question: "", seed, tokens: 0, heard };
        for name in ["prompt", "suffix"] {
            asked.hear(name, text(payload, name).unwrap_or_default());
        }
        for message in payload.get("messages").and_then(Value::as_array).into_iter().flatten() {
            let role = text(message, "role").unwrap_or_default();
            match message.get("content") {
                Some(Value::String(content)) => asked.hear(role, content),
                Some(Value::Array(chunks)) => chunks.iter().for_each(|chunk| asked.hear_chunk(role, chunk)),
                _ => {}
            }
        }
        asked
    }

    fn hear(&mut self, role: &str, text: &'a str) {
        if text.is_empty() {
            return;
        }
        self.tokens += words::count(text);
        if let Some(heard) = &mut self.heard {
            heard.push_str(text);
            heard.push('\n');
        }
        self.seed =
            fingerprint::mix(self.seed ^ fingerprint::text_of(role).rotate_left(9) ^ fingerprint::text_of(text));
        if matches!(role, "user" | "prompt") {
            self.question = text;
        }
    }

    fn hear_chunk(&mut self, role: &str, chunk: &'a Value) {
        match text(chunk, "text") {
            Some(text) => self.hear(role, text),
            None => self.seed = fingerprint::mix(self.seed ^ fingerprint::of(chunk)),
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// One choice: the whole answer, cut at the first of the stop texts and after the wanted number of tokens.
fn say(payload: &Value, asked: &Asked, index: u64) -> Said {
    let seed = asked.seed.wrapping_add(index);
    if let Some(call) = wished::tool_call(payload, seed) {
        let tokens = words::count(&call.to_string());
        return Said { text: String::new(), calls: Some(vec![call]), tokens, finish_reason: "tool_calls" };
    }
    let mut text = wished::json(payload, seed).unwrap_or_else(|| words::reply(asked.question, seed));
    let stops = match payload.get("stop") {
        Some(Value::String(stop)) => vec![stop.as_str()],
        Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(end) = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop)).min() {
        text.truncate(end);
    }
    let tokens = words::count(&text);
    let most = payload.get("max_tokens").and_then(Value::as_u64).unwrap_or(u64::MAX);
    if tokens <= most {
        return Said { text, calls: None, tokens, finish_reason: "stop" };
    }
    let kept = words::tokens(&text).take(usize::try_from(most).unwrap_or(usize::MAX)).map(str::len).sum();
    text.truncate(kept);
    Said { text, calls: None, tokens: most, finish_reason: "length" }
}

/// The same as server-sent events: one token each, then the reason of the end and the usage, then the end mark.
fn stream(id: &str, created: u64, model: &str, said: &[Said], usage: Usage) -> serde_json::Result<Answer> {
    let mut body = Vec::with_capacity(16 << 10);
    let mut tell = |index, delta, finish_reason, usage| {
        let choices = [ChunkChoice { index, delta, finish_reason }];
        body.extend_from_slice(b"data: ");
        serde_json::to_writer(
            &mut body,
            &Chunk { id, object: "chat.completion.chunk", created, model, choices, usage },
        )?;
        body.extend_from_slice(b"\n\n");
        Ok(())
    };
    for (index, choice) in said.iter().enumerate() {
        tell(index, Delta { role: Some("assistant"), content: "", tool_calls: None }, None, None)?;
        for token in words::tokens(&choice.text) {
            tell(index, Delta { role: None, content: token, tool_calls: None }, None, None)?;
        }
        let usage = (index + 1 == said.len()).then_some(usage);
        tell(
            index,
            Delta { role: None, content: "", tool_calls: choice.calls.as_deref() },
            Some(choice.finish_reason),
            usage,
        )?;
    }
    body.extend_from_slice(b"data: [DONE]\n\n");
    Ok(Answer::new(200, "text/event-stream; charset=utf-8", body))
}
