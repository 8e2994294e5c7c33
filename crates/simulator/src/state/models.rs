//! Models: a fixed list of base models, and fine-tuned ones that can be changed and deleted.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::refusal::Refusal;
use crate::state::lock;
use crate::{EPOCH, fingerprint};
use serde_json::{Value, json};
use std::sync::Mutex;

/// What a model can do, as the service names it.
const CHAT: &[&str] = &["completion_chat", "function_calling"];
const SEEING: &[&str] = &["completion_chat", "function_calling", "vision"];

/// Id, aliases, context length, capabilities.
const BASE: [(&str, &[&str], u32, &[&str]); 15] = [
    ("open-mistral-7b", &["mistral-tiny"], 32_768, CHAT),
    ("open-mistral-nemo", &["mistral-tiny-latest"], 131_072, CHAT),
    ("mistral-small-2506", &[], 131_072, SEEING),
    ("mistral-small-2603", &["mistral-small-latest"], 262_144, SEEING),
    ("mistral-medium-3-5", &["mistral-medium-latest", "mistral-medium"], 262_144, SEEING),
    ("mistral-large-2512", &["mistral-large-latest"], 262_144, SEEING),
    ("ministral-8b-2512", &["ministral-8b-latest"], 262_144, SEEING),
    ("codestral-2508", &["codestral-latest"], 131_072, &["completion_chat", "completion_fim", "function_calling"]),
    ("mistral-embed-2312", &["mistral-embed"], 8_192, &[]),
    ("codestral-embed-2505", &["codestral-embed"], 8_192, &[]),
    ("mistral-moderation-2603", &["mistral-moderation-latest"], 131_072, &["moderation"]),
    ("mistral-ocr-2505", &[], 16_384, &["ocr"]),
    ("mistral-ocr-4-1", &["mistral-ocr-latest"], 16_384, &["ocr"]),
    ("voxtral-mini-2602", &["voxtral-mini-latest"], 16_384, &["audio", "audio_transcription"]),
    ("voxtral-mini-tts-2603", &["voxtral-mini-tts-latest"], 16_384, &["audio", "audio_speech"]),
];

/// Models that are to go: id, days until then, the model in its place. Days count from where the simulator's times begin.
const LEAVING: [(&str, u64, &str); 2] =
    [("mistral-small-2506", 21, "mistral-small-latest"), ("mistral-ocr-2505", 120, "mistral-ocr-latest")];

/// Id, base model, name.
const TUNED: [(&str, &str, &str); 3] = [
    ("ft:open-mistral-7b:daf5e488:20260114:c1bed559", "open-mistral-7b", "Support answers"),
    ("ft:mistral-small-2603:daf5e488:20260302:7a01e2f4", "mistral-small-2603", "Product texts"),
    ("ft:ministral-8b-2512:daf5e488:20260317:0f9d3c1b", "ministral-8b-2512", "Ticket routing"),
];

const FLAGS: [&str; 14] = [
    "completion_chat",
    "function_calling",
    "reasoning",
    "completion_fim",
    "fine_tuning",
    "vision",
    "ocr",
    "classification",
    "moderation",
    "audio",
    "audio_transcription",
    "audio_transcription_realtime",
    "audio_speech",
    "unified_resources",
];

/// The models of a workspace. Nothing adds to them, so they are bounded.
#[derive(Debug)]
pub(crate) struct Models {
    cards: Mutex<Vec<Value>>,
}

impl Models {
    pub(crate) fn new(since: u64) -> Self {
        let leaving = |mut card: Value| {
            if let Some((_, days, place)) = LEAVING.iter().find(|(id, ..)| card["id"] == *id) {
                let at = i64::try_from(since + days * 86_400).unwrap_or(i64::MAX);
                card["deprecation"] = jiff::Timestamp::from_second(at).map(|at| at.to_string()).ok().into();
                card["deprecation_replacement_model"] = (*place).into();
            }
            card
        };
        let base = BASE.iter().map(|(id, aliases, length, abilities)| card(id, aliases, *length, abilities, None));
        let tuned = TUNED.iter().map(|(id, root, name)| card(id, &[], 32_768, CHAT, Some((root, name))));
        Self { cards: Mutex::new(base.map(leaving).chain(tuned).collect()) }
    }

    /// The list, with its filters: `model` is an id or alias, `provider` an owner.
    pub(crate) fn list(&self, request: &Judged<'_>) -> Answer {
        let cards = lock(&self.cards);
        let wanted = |card: &&Value| {
            request.query("model").and_then(Value::as_str).is_none_or(|id| is_called(card, id))
                && request.query("provider").is_none_or(|owner| card["owned_by"] == *owner)
        };
        let cards: Vec<&Value> = cards.iter().filter(wanted).collect();
        Answer::json(200, &json!({"object": "list", "data": cards}))
    }

    pub(crate) fn retrieve(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        let id = request.slot("model_id");
        let cards = lock(&self.cards);
        let card = cards.iter().find(|card| is_called(card, id)).ok_or_else(|| missing(id))?;
        Ok(Answer::json(200, card))
    }

    /// Only a fine-tuned model can be deleted.
    pub(crate) fn delete(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        let id = request.slot("model_id");
        let mut cards = lock(&self.cards);
        let at = tuned(&cards, id)?;
        cards.remove(at);
        Ok(Answer::json(200, &json!({"id": id, "object": "model", "deleted": true})))
    }

    pub(crate) fn update(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        let mut cards = lock(&self.cards);
        let at = tuned(&cards, request.slot("model_id"))?;
        let card = &mut cards[at];
        for name in ["name", "description"] {
            if let Some(value) = request.payload().get(name) {
                card[name] = value.clone();
            }
        }
        Ok(Answer::json(200, &described(card)))
    }

    pub(crate) fn archive(&self, request: &Judged<'_>, archived: bool) -> Result<Answer, Refusal> {
        let id = request.slot("model_id");
        let mut cards = lock(&self.cards);
        let at = tuned(&cards, id)?;
        cards[at]["archived"] = archived.into();
        Ok(Answer::json(200, &json!({"id": id, "object": "model", "archived": archived})))
    }
}

fn is_called(card: &Value, id: &str) -> bool {
    card["id"] == *id || card["aliases"].as_array().is_some_and(|aliases| aliases.iter().any(|alias| alias == id))
}

fn missing(id: &str) -> Refusal {
    Refusal::Missing { what: "the model", id: id.to_owned() }
}

/// Where a fine-tuned model stands.
fn tuned(cards: &[Value], id: &str) -> Result<usize, Refusal> {
    let at = cards.iter().position(|card| is_called(card, id)).ok_or_else(|| missing(id))?;
    if cards[at]["type"] == "fine-tuned" {
        return Ok(at);
    }
    Err(Refusal::Forbidden(format!("the model {id} is a base model, only fine-tuned models can be changed or deleted")))
}

fn card(id: &str, aliases: &[&str], length: u32, abilities: &[&str], tuned: Option<(&str, &str)>) -> Value {
    let capabilities: serde_json::Map<String, Value> =
        FLAGS.iter().map(|flag| ((*flag).to_owned(), abilities.contains(flag).into())).collect();
    let created = EPOCH - fingerprint::text_of(id) % (500 * 86_400);
    let mut card = json!({
        "id": id, "object": "model", "created": created, "owned_by": "mistralai", "capabilities": capabilities,
        "name": id, "description": null, "max_context_length": length, "aliases": aliases, "deprecation": null,
        "deprecation_replacement_model": null, "default_model_temperature": 0.7, "internal": false, "type": "base",
    });
    if let Some((root, name)) = tuned {
        card["name"] = name.into();
        card["owned_by"] = WORKSPACE.into();
        card["type"] = "fine-tuned".into();
        card["job"] = fingerprint::uuid(fingerprint::text_of(id)).into();
        card["root"] = root.into();
        card["archived"] = false.into();
    }
    card
}

const WORKSPACE: &str = "daf5e488-5c35-4a0e-a7a1-6d2f3b1c9e70";

/// A fine-tuned model as the fine-tuning operations show it.
fn described(card: &Value) -> Value {
    let flag = |name: &str| card["capabilities"][name].clone();
    json!({
        "id": card["id"], "object": "model", "created": card["created"], "owned_by": card["owned_by"],
        "workspace_id": WORKSPACE, "root": card["root"], "root_version": "1", "archived": card["archived"],
        "name": card["name"], "description": card["description"],
        "capabilities": {
            "completion_chat": flag("completion_chat"), "completion_fim": flag("completion_fim"),
            "function_calling": flag("function_calling"), "fine_tuning": flag("fine_tuning"),
            "classification": flag("classification"),
        },
        "max_context_length": card["max_context_length"], "aliases": card["aliases"], "job": card["job"],
        "model_type": "completion",
    })
}
