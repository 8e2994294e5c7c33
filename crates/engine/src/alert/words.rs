//! What alerts say, in the words of each way to say it.

use super::step::What;
use super::subjects::Subject;
use model::Millis;
use model::definition::When;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// So many subjects are listed; the others are counted.
const LISTED: usize = 30;
/// The longest subject line of a mail, in letters.
const TITLE: usize = 150;

/// A message as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Name of the alert.
    pub alert: String,
    /// Of which kind.
    pub what: What,
    /// When it came about.
    pub at: Millis,
    /// Since when the rule holds, or held.
    pub since: Millis,
    /// The rule.
    pub when: When,
    /// What it holds for, or held for.
    pub subjects: Vec<Subject>,
    /// Names of those that are told of for the first time.
    pub fresh: Vec<String>,
}

/// One line: what it is about.
#[must_use]
pub fn title(body: &Body) -> String {
    let Body { alert, what, subjects, .. } = body;
    let told = match what {
        What::More => subjects.iter().find(|subject| body.fresh.contains(&subject.name)),
        _ => subjects.first(),
    };
    let first = told.map(|subject| format!("{}: {}", subject.name, subject.says)).unwrap_or_default();
    let text = match what {
        What::Firing => format!("{alert}: {first}"),
        What::More => format!("{alert}, more: {first}"),
        What::Still => format!("{alert} goes on: {first}"),
        What::Resolved => format!("{alert} is over"),
        What::Test => format!("{alert}: this is a test"),
    };
    line(&text, TITLE)
}

/// All of it as a text.
#[must_use]
pub fn in_words(body: &Body) -> String {
    let Body { alert, what, at, since, when, subjects, fresh } = body;
    let head = match what {
        What::Firing => format!("The alert {alert} has come."),
        What::More => format!("More has come to the alert {alert}, which lasts since {}.", time(*since)),
        What::Still => format!("The alert {alert} lasts since {}.", time(*since)),
        What::Resolved => format!("The alert {alert} is over. It lasted {}; then it was about:", span(at - since)),
        What::Test => {
            format!("Somebody tries whether what the alert {alert} has to say arrives. Nothing else has happened.")
        }
    };
    let mut text = format!("{head}\n");
    if !subjects.is_empty() {
        text.push('\n');
    }
    for subject in subjects.iter().take(LISTED) {
        let mark = if *what == What::More && fresh.contains(&subject.name) { " (new)" } else { "" };
        text.push_str(&format!("- {}{mark}: {}\n", subject.name, subject.says));
    }
    if subjects.len() > LISTED {
        text.push_str(&format!("- and {} more\n", subjects.len() - LISTED));
    }
    text.push_str(&format!("\nIt watches for: {}\nTime: {}\n", rule(when), time(*at)));
    text
}

/// A rule in words.
pub(super) fn rule(when: &When) -> String {
    let of = |name: &Option<String>, all: &str| name.clone().unwrap_or_else(|| all.to_owned());
    match when {
        When::FailedTasks { route, count, within } => {
            format!("{count} failed tasks of {} within {within}", of(route, "a route or incoming"))
        }
        When::UnknownOutcomes { route } => format!("unknown outcomes of {}", of(route, "any route")),
        When::OldestWaiting { longer_than, route } => {
            format!("a task of {} that waits for longer than {longer_than}", of(route, "any route or incoming"))
        }
        When::ScheduleMissed { schedule } => format!("missed times of {}", of(schedule, "any schedule")),
        When::Budget { client, percent } => format!("{percent}% of what {client} may use in a day"),
        When::KeyRefused { client } => format!("a refused key of {}", of(client, "any HTTP client")),
        When::Disk { free_below } => format!("less than {free_below} free on the disk"),
        When::ModelRetirement { within } => format!("models in use that go within {within}"),
    }
}

/// The payload of a webhook, in the form that Standard Webhooks advises.
pub(super) fn payload(body: &Body, store: &str) -> Value {
    let subject = |subject: &Subject| {
        let is_new = body.fresh.contains(&subject.name);
        json!({ "name": subject.name, "says": subject.says, "new": is_new })
    };
    json!({
        "type": format!("alert.{}", body.what.as_str()),
        "timestamp": time(body.at),
        "data": {
            "alert": body.alert, "what": body.what, "test": body.what == What::Test, "title": title(body),
            "since": time(body.since), "when": body.when, "store": store,
            "subjects": body.subjects.iter().map(subject).collect::<Vec<_>>(),
        },
    })
}

/// The payload of a channel: a text in which nothing of the data is markup.
pub(super) fn channel(body: &Body) -> Value {
    let text = format!("{}\n{}", title(body), in_words(body));
    json!({ "text": text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") })
}

/// One line of a text, at most so many letters.
pub(super) fn line(text: &str, most: usize) -> String {
    let is_odd = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    let mut line: String = text.chars().take(most).map(|letter| if is_odd(letter) { ' ' } else { letter }).collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

/// RFC 3339, UTC.
pub(super) fn time(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| format!("{time:.0}"))
}

/// A length of time with its two largest units: `3h 12m`.
pub(super) fn span(millis: Millis) -> String {
    let seconds = millis.max(0) / 1_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(unit, _)| seconds >= *unit) else { return "0s".to_owned() };
    let (unit, name) = units[first];
    let next = units.get(first + 1).map(|(smaller, name)| (seconds % unit / smaller, name)).filter(|(n, _)| *n > 0);
    let rest = next.map(|(n, name)| format!(" {n}{name}")).unwrap_or_default();
    format!("{}{name}{rest}", seconds / unit)
}

/// Bytes for people.
#[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(super) fn size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

impl Body {
    /// A message that says nothing but that it arrives.
    pub(super) fn test(alert: &str, when: &When, now: Millis) -> Self {
        Self {
            alert: alert.to_owned(),
            what: What::Test,
            at: now,
            since: now,
            when: when.clone(),
            subjects: Vec::new(),
            fresh: Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
