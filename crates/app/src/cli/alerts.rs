//! `tramontane alerts`: how alerts stand, and whether what they say arrives.

use super::{Context, Ended, Failure};
use crate::alerts::{alert_value, standing, state, tried_value};
use crate::exit::Exit;
use crate::print::{short, time};
use crate::settings::{self, Environment};
use clap::{Args, Subcommand};
use engine::alert::{attempt, title};
use engine::clock::Clock as _;
use model::definition::{Alert, Span};
use model::{Problem, suggest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{AlertMessage, AuditEntry, SendEnd, Store};

/// Arguments of `tramontane alerts`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane alerts list
          tramontane alerts try ocr-fails
          tramontane alerts mute ocr-fails --for 2h

`tramontane serve` looks every 15 s, and sends.")]
pub(crate) struct Alerts {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists alerts, how they stand, and what they said last.
    List {
        /// So many of the latest messages of each, with --json.
        #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
        messages: u32,
    },
    /// Sends a message that says that it is a test, and tells how that went.
    Try {
        /// Name of the alert.
        name: String,
    },
    /// Sends nothing of an alert for a while. It goes on looking.
    Mute {
        /// Name of the alert.
        name: String,
        /// For so long.
        #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
        span: Span,
    },
    /// Lets a muted alert speak again: what holds then is said.
    Unmute {
        /// Name of the alert.
        name: String,
    },
}

impl Alerts {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            Verb::List { messages } => list(context, messages).await,
            Verb::Try { name } => try_one(context, &name).await,
            Verb::Mute { name, span } => mute(context, &name, Some(span)).await,
            Verb::Unmute { name } => mute(context, &name, None).await,
        }
    }
}

async fn defined(store: &dyn Store) -> Result<BTreeMap<String, Alert>, Failure> {
    let (_, stored) = store.definitions().await?;
    Ok(engine::definitions::from_stored(&stored).map_err(Failure::refused)?.alerts)
}

fn named(mut alerts: BTreeMap<String, Alert>, name: &str) -> Result<Alert, Failure> {
    alerts.remove(name).ok_or_else(|| {
        let mut problem = Problem::new("alert_unknown", format!("there is no alert \"{}\"", name.escape_debug()));
        problem.hint = suggest::hint(name, alerts.keys().map(String::as_str));
        Failure::refused(vec![problem])
    })
}

fn did(what: &str, name: &str) -> AuditEntry {
    let at = settings::clock().now();
    let text = str::to_owned;
    let (who, origin) = (text("cli"), text("cli"));
    AuditEntry { id: 0, at, who, origin, what: text(what), subject: text(name), details: None }
}

async fn list(context: &Context, messages: u32) -> Ended {
    let store = context.read_store().await?;
    let now = settings::clock().now();
    let (alerts, rows) = (defined(store.as_ref()).await?, store.alert_rows().await?);
    let mut shown = Vec::new();
    for (name, alert) in &alerts {
        let row = rows.iter().find(|row| row.name == *name);
        let most = if context.printer.json() { messages } else { 1 };
        let said = store.alert_messages(Some(name.clone()), None, most).await?;
        shown.push((name, alert, row, said));
    }
    if context.printer.json() {
        let all = shown.iter().map(|(name, alert, row, said)| alert_value(name, alert, *row, said, now));
        context.printer.value(&all.collect::<Vec<Value>>().into());
        return Ok(Exit::Done);
    }
    let rows = shown.iter().map(|(name, alert, row, said)| {
        let since = state(*row).since.map(time).unwrap_or_default();
        let last = said.first().map(last_said).unwrap_or_default();
        vec![(*name).clone(), standing(alert, *row, now).to_owned(), since, last]
    });
    context.printer.table(&["name", "state", "since", "last message"], &rows.collect::<Vec<_>>());
    Ok(Exit::Done)
}

/// What it said last, and whether that arrived.
fn last_said(message: &AlertMessage) -> String {
    let body = serde_json::from_str(&message.body).map(|body| title(&body)).unwrap_or_default();
    let lost = message.sends.iter().filter(|send| matches!(send.state.as_str(), "failed" | "unknown")).count();
    let lost = if lost > 0 { format!(", {lost} of {} not sent", message.sends.len()) } else { String::new() };
    format!("{}{lost}: {}", time(message.at), short(&body, 80))
}

async fn try_one(context: &Context, name: &str) -> Ended {
    let store = context.engine_store().await?;
    let alert = named(defined(store.as_ref()).await?, name)?;
    let clock = settings::clock_of(&store).await?;
    let variables = Arc::new(Environment::default());
    let tried = attempt(store, clock, variables, (name, &alert), did("alert.try", name)).await?;
    if context.printer.json() {
        let all = tried.iter().map(|one| tried_value(&one.shown, &one.end)).collect::<Vec<_>>();
        context.printer.value(&json!({ "alert": name, "sends": all }));
    }
    let mut exit = Exit::Done;
    for one in &tried {
        match &one.end {
            SendEnd::Sent => context.printer.say(&format!("{}: sent", one.shown)),
            SendEnd::Again(_, problem) | SendEnd::Failed(problem) => {
                context.printer.say(&format!("{}: not sent", one.shown));
                context.printer.problem(problem);
                exit = Exit::Failed;
            }
            SendEnd::Unknown(problem) => {
                context.printer.say(&format!("{}: it may have arrived", one.shown));
                context.printer.problem(problem);
                if exit == Exit::Done {
                    exit = Exit::Unknown;
                }
            }
        }
    }
    Ok(exit)
}

async fn mute(context: &Context, name: &str, span: Option<Span>) -> Ended {
    let store = context.engine_store().await?;
    named(defined(store.as_ref()).await?, name)?;
    let now = settings::clock().now();
    let until = span.map(|span| now + span.0);
    let what = if until.is_some() { "alert.mute" } else { "alert.unmute" };
    store.mute_alert(name.to_owned(), until.map(|until| (until, "cli".to_owned())), did(what, name)).await?;
    context.printer.say(&match until {
        Some(until) => format!("nothing is sent of it until {}", time(until)),
        None => "it speaks again".to_owned(),
    });
    Ok(Exit::Done)
}
