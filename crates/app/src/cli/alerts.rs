//! `tramontane alerts`: how alerts stand, and whether what they say arrives.

use super::server::{Items, Server};
use super::{Context, Ended, Failure};
use crate::alerts::{Alert, Tried};
use crate::exit::Exit;
use crate::print::{short, time};
use crate::settings;
use clap::{Args, Subcommand};
use engine::alert::attempt;
use engine::definitions::used_secrets;
use engine::definitions::variables::Variables as _;
use model::definition::{self, Span};
use model::{Problem, suggest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{AuditEntry, Store};

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

async fn defined(store: &dyn Store) -> Result<BTreeMap<String, definition::Alert>, Failure> {
    let (_, stored) = store.definitions().await?;
    Ok(engine::definitions::from_stored(&stored).map_err(Failure::refused)?.alerts)
}

fn named(mut alerts: BTreeMap<String, definition::Alert>, name: &str) -> Result<definition::Alert, Failure> {
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
    let most = if context.printer.json() { messages } else { 1 };
    let shown: Vec<Value> = match context.server()? {
        Some(server) => {
            let list: Items<Value> = server.get(&["alerts"], &[("messages", Some(most.to_string()))]).await?;
            list.items
        }
        None => listed(context, most).await?,
    };
    if context.printer.json() {
        context.printer.value(&Value::Array(shown));
        return Ok(Exit::Done);
    }
    let rows = shown.iter().map(|alert| {
        let text = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        let last = alert["messages"].get(0).map(last_said).unwrap_or_default();
        vec![text("name"), text("state"), text("since"), last]
    });
    context.printer.table(&["name", "state", "since", "last message"], &rows.collect::<Vec<_>>());
    Ok(Exit::Done)
}

async fn listed(context: &Context, most: u32) -> Result<Vec<Value>, Failure> {
    let store = context.read_store().await?;
    let now = settings::clock().now();
    let (alerts, rows) = (defined(store.as_ref()).await?, store.alert_rows().await?);
    let mut shown = Vec::new();
    for (name, alert) in &alerts {
        let row = rows.iter().find(|row| row.name == *name);
        let said = store.alert_messages(Some(name.clone()), None, most).await?;
        shown.push(json!(Alert::new(name, alert, row, &said, now)));
    }
    Ok(shown)
}

/// What it said last, and whether that arrived.
fn last_said(message: &Value) -> String {
    let text = |name: &str| message[name].as_str().unwrap_or_default();
    let sends: Vec<&Value> = message["sends"].as_array().into_iter().flatten().collect();
    let lost = sends.iter().filter(|send| matches!(send["state"].as_str(), Some("failed" | "unknown"))).count();
    let lost = if lost > 0 { format!(", {lost} of {} not sent", sends.len()) } else { String::new() };
    format!("{}{lost}: {}", text("at"), short(text("title"), 80))
}

async fn try_one(context: &Context, name: &str) -> Ended {
    let tried = match context.server()? {
        Some(server) => server.send::<Items<Tried>>("POST", &["alerts", name, "try"], None).await?.items,
        None => try_here(context, name).await?,
    };
    if context.printer.json() {
        context.printer.value(&json!({ "alert": name, "sends": tried }));
    }
    for one in &tried {
        let how = match one.state.as_str() {
            "sent" => "sent",
            "unknown" => "it may have arrived",
            _ => "not sent",
        };
        context.printer.say(&format!("{}: {how}", one.to));
        one.problem.iter().for_each(|problem| context.printer.problem(problem));
    }
    let any = |state: &str| tried.iter().any(|one| one.state == state);
    Ok(if any("failed") {
        Exit::Failed
    } else if any("unknown") {
        Exit::Unknown
    } else {
        Exit::Done
    })
}

async fn try_here(context: &Context, name: &str) -> Result<Vec<Tried>, Failure> {
    let store = context.engine_store().await?;
    let alert = named(defined(store.as_ref()).await?, name)?;
    let clock = settings::clock_of(&store).await?;
    let variables = Arc::new(context.environment(&store));
    let (_, stored) = store.definitions().await?;
    variables.refresh(&used_secrets(&stored).into_keys().collect()).await.map_err(Failure::refused)?;
    let tried = attempt(store, clock, variables, (name, &alert), did("alert.try", name)).await?;
    Ok(tried.into_iter().map(Tried::from).collect())
}

async fn mute(context: &Context, name: &str, span: Option<Span>) -> Ended {
    let until = match context.server()? {
        Some(server) => mute_at(&server, name, span).await?,
        None => mute_here(context, name, span).await?,
    };
    context.printer.say(&match until {
        Some(until) => format!("nothing is sent of it until {until}"),
        None => "it speaks again".to_owned(),
    });
    Ok(Exit::Done)
}

/// Returns until when it is muted.
async fn mute_here(context: &Context, name: &str, span: Option<Span>) -> Result<Option<String>, Failure> {
    let store = context.engine_store().await?;
    named(defined(store.as_ref()).await?, name)?;
    let now = settings::clock().now();
    let until = span.map(|span| now + span.0);
    let what = if until.is_some() { "alert.mute" } else { "alert.unmute" };
    store.mute_alert(name.to_owned(), until.map(|until| (until, "cli".to_owned())), did(what, name)).await?;
    Ok(until.map(time))
}

async fn mute_at(server: &Server, name: &str, span: Option<Span>) -> Result<Option<String>, Failure> {
    let body = span.map(|span| json!({ "for": span }));
    let verb = if span.is_some() { "mute" } else { "unmute" };
    let alert: Value = server.send("POST", &["alerts", name, verb], body.as_ref()).await?;
    Ok(alert["muted"]["until"].as_str().map(str::to_owned))
}
