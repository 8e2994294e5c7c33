//! Alerts and models as JSON, the same for the CLI and the API.

use crate::print::time;
use engine::alert::{Body, State, title};
use engine::models::{Known, Model};
use model::Millis;
use model::definition::Alert;
use serde_json::{Value, json};
use store::{AlertMessage, AlertRow, ModelCheck, SendEnd, SendStory};

/// How an alert stands, in one word.
pub(crate) fn standing(alert: &Alert, row: Option<&AlertRow>, now: Millis) -> &'static str {
    let is_muted = row.and_then(|row| row.muted.as_ref()).is_some_and(|(until, _)| *until > now);
    match (alert.enabled, is_muted, state(row).since) {
        (false, ..) => "off",
        (_, true, _) => "muted",
        (_, _, Some(_)) => "firing",
        (_, _, None) => "quiet",
    }
}

/// How an alert stands; an unreadable state is none.
pub(crate) fn state(row: Option<&AlertRow>) -> State {
    row.and_then(|row| serde_json::from_str(&row.state).ok()).unwrap_or_default()
}

/// One alert, with its latest messages.
pub(crate) fn alert_value(
    name: &str,
    alert: &Alert,
    row: Option<&AlertRow>,
    messages: &[AlertMessage],
    now: Millis,
) -> Value {
    let state = state(row);
    let muted = row.and_then(|row| row.muted.as_ref()).filter(|(until, _)| *until > now);
    json!({
        "name": name,
        "state": standing(alert, row, now),
        "when": alert.when,
        "since": state.since.map(time),
        "subjects": state.subjects,
        "muted": muted.map(|(until, by)| json!({ "until": time(*until), "by": by })),
        "messages": messages.iter().map(message_value).collect::<Vec<_>>(),
    })
}

/// One message, and how it went with its targets.
pub(crate) fn message_value(message: &AlertMessage) -> Value {
    let body: Option<Body> = serde_json::from_str(&message.body).ok();
    json!({
        "id": message.id,
        "alert": message.alert,
        "what": message.what,
        "at": time(message.at),
        "title": body.as_ref().map(title),
        "subjects": body.map(|body| body.subjects),
        "sends": message.sends.iter().map(send_value).collect::<Vec<_>>(),
    })
}

fn send_value(send: &SendStory) -> Value {
    json!({
        "to": send.shown, "state": send.state, "attempts": send.attempts,
        "due_at": send.due_at.filter(|_| send.state == "due").map(time),
        "ended_at": send.ended_at.map(time), "problem": send.problem,
    })
}

/// How a try went with one target.
pub(crate) fn tried_value(to: &str, end: &SendEnd) -> Value {
    let (state, problem) = match end {
        SendEnd::Sent => ("sent", None),
        SendEnd::Again(_, problem) | SendEnd::Failed(problem) => ("failed", Some(problem)),
        SendEnd::Unknown(problem) => ("unknown", Some(problem)),
    };
    json!({ "to": to, "state": state, "problem": problem })
}

/// What is known of models: those in use, or all.
pub(crate) fn models_value(known: &Known, hidden: &[String], all: bool) -> Value {
    let shown = known.models.iter().filter(|model| all || model.is_used());
    json!({
        "items": shown.map(model_value).collect::<Vec<_>>(),
        "clients": known.checks.iter().map(check_value).collect::<Vec<_>>(),
        "unlisted": known.unlisted.iter()
            .map(|used| json!({ "id": used.model, "route": used.route, "calls": used.calls })).collect::<Vec<_>>(),
        "not_visible": hidden,
    })
}

fn model_value(model: &Model) -> Value {
    let Model { seen, places, routes, calls } = model;
    json!({
        "client": seen.client, "id": seen.id, "aliases": seen.aliases, "used": model.is_used(), "places": places,
        "routes": routes, "calls": calls, "retires_at": seen.retires_at.map(time), "replacement": seen.replacement,
        "created_at": seen.created_at.map(time), "capabilities": seen.capabilities, "seen_at": time(seen.seen_at),
    })
}

fn check_value(check: &ModelCheck) -> Value {
    json!({
        "client": check.client, "checked_at": check.checked_at.map(time), "due_at": time(check.due_at),
        "problem": check.problem,
    })
}
