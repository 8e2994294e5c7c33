//! `tramontane audit`: what people did, and were kept from doing.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::{short, time};
use crate::server::Deed;
use clap::{Args, Subcommand};
use model::Millis;
use serde_json::{Value, json};
use store::{AuditEntry, AuditFilter, Store};

/// Entries that are read at a time.
const PAGE: u32 = 1_000;
/// What the list shows of an entry.
const COLUMNS: [&str; 6] = ["at", "who", "origin", "what", "subject", "details"];

/// Arguments of `tramontane audit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane audit list --what denied --since 2026-11-01
          tramontane audit export > audit.ndjson

Nothing is ever changed or deleted there.")]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists what was done, newest first.
    List {
        #[command(flatten)]
        wanted: Wanted,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
    },
    /// Writes all of it, newest first, a line of JSON each.
    Export {
        #[command(flatten)]
        wanted: Wanted,
    },
}

#[derive(Debug, Args)]
struct Wanted {
    /// Only of this person; `cli` is this command line.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Only this: task.retry, session.refused, denied.
    #[arg(long, value_name = "WHAT")]
    what: Option<String>,
    /// Only what was done to this: a name, a number.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// From this time on: 2026-11-24, or 2026-11-24T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Millis>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Millis>,
}

/// A day, which begins at midnight UTC, or a moment.
fn moment(text: &str) -> Result<Millis, String> {
    let midnight = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(midnight);
    moment.map(|moment| moment.as_millisecond()).ok_or_else(|| format!("\"{text}\" is no time; write 2026-11-24"))
}

impl Wanted {
    /// As a server is asked.
    fn query(self) -> [(&'static str, Option<String>); 5] {
        let Self { who, what, subject, since, until } = self;
        let (since, until) = (since.map(time), until.map(time));
        [("who", who), ("what", what), ("subject", subject), ("since", since), ("until", until)]
    }
}

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let server = context.server()?;
        match (self.verb, server) {
            (Verb::List { wanted, limit }, Some(server)) => {
                print(context, server.items(&["audit"], &wanted.query(), limit.into()).await?);
            }
            (Verb::List { wanted, limit }, None) => {
                let store = context.read_store().await?;
                print(context, list(store.as_ref(), wanted, limit).await?);
            }
            (Verb::Export { wanted }, Some(server)) => {
                let lines = server.text(&["audit", "export"], &wanted.query()).await?;
                lines.lines().for_each(|line| context.printer.data(line));
            }
            (Verb::Export { wanted }, None) => {
                let store = context.read_store().await?;
                let mut filter = filter(wanted);
                while let Some(page) = next_page(store.as_ref(), &mut filter, PAGE).await? {
                    page.into_iter().for_each(|entry| context.printer.data(&json!(Deed::from(entry)).to_string()));
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn filter(Wanted { who, what, subject, since, until }: Wanted) -> AuditFilter {
    AuditFilter { before: None, who, what, subject, since, until, limit: PAGE }
}

/// The page that comes now; the filter then asks for the one after it.
async fn next_page(store: &dyn Store, filter: &mut AuditFilter, most: u32) -> Result<Option<Vec<AuditEntry>>, Failure> {
    filter.limit = most.min(PAGE);
    let page = store.find_audit(filter.clone()).await?;
    filter.before = page.last().map(|entry| entry.id);
    Ok((!page.is_empty()).then_some(page))
}

async fn list(store: &dyn Store, wanted: Wanted, limit: u32) -> Result<Vec<Value>, Failure> {
    let (mut filter, mut found) = (filter(wanted), Vec::new());
    while let Some(left) = limit.checked_sub(u32::try_from(found.len()).unwrap_or(u32::MAX)).filter(|left| *left > 0)
        && let Some(page) = next_page(store, &mut filter, left).await?
    {
        found.extend(page.into_iter().map(|entry| json!(Deed::from(entry))));
    }
    Ok(found)
}

fn print(context: &Context, found: Vec<Value>) {
    if context.printer.json() {
        return context.printer.value(&Value::Array(found));
    }
    let row = |deed: &Value| {
        let cell = |name: &str| match &deed[name] {
            Value::Null => "-".to_owned(),
            Value::String(text) if text.is_empty() => "-".to_owned(),
            Value::String(text) => short(text, 60),
            other => short(&other.to_string(), 60),
        };
        COLUMNS.map(cell).to_vec()
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    context.printer.table(&COLUMNS, &rows);
}
