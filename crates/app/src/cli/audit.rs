//! `tramontane audit`: what people did, and were kept from doing.

use super::server::{Items, PAGE, Server};
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::{short, time};
use crate::server::Deed;
use clap::{Args, Subcommand};
use model::Millis;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{AuditFilter, Store};

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

#[derive(Clone, Debug, Args)]
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

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            Verb::List { wanted, limit } => {
                let (mut record, mut found) = (Record::open(context, wanted).await?, Vec::new());
                while let Some(left) = u64::from(limit).checked_sub(found.len() as u64).filter(|left| *left > 0)
                    && let Some(page) = record.next(left).await?
                {
                    found.extend(page);
                }
                print(context, found);
            }
            Verb::Export { wanted } => {
                let mut record = Record::open(context, wanted).await?;
                while let Some(page) = record.next(PAGE).await? {
                    page.into_iter().for_each(|deed| context.printer.data(&deed.to_string()));
                }
            }
        }
        Ok(Exit::Done)
    }
}

/// Where the record is read, and up to where it was.
struct Record {
    source: Source,
    wanted: Wanted,
    before: Option<i64>,
}

enum Source {
    Store(Arc<dyn Store>),
    Server(Box<Server>),
}

impl Record {
    async fn open(context: &Context, wanted: Wanted) -> Result<Self, Failure> {
        let source = match context.server()? {
            Some(server) => Source::Server(Box::new(server)),
            None => Source::Store(context.read_store().await?),
        };
        Ok(Self { source, wanted, before: None })
    }

    /// The page that comes now.
    async fn next(&mut self, most: u64) -> Result<Option<Vec<Value>>, Failure> {
        let Wanted { who, what, subject, since, until } = self.wanted.clone();
        let limit = most.min(PAGE);
        let page = match &self.source {
            Source::Store(store) => {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                let filter = AuditFilter { before: self.before, who, what, subject, since, until, limit };
                let page = store.find_audit(filter).await?;
                page.into_iter().map(|entry| json!(Deed::from(entry))).collect()
            }
            Source::Server(server) => {
                let query = [
                    ("who", who),
                    ("what", what),
                    ("subject", subject),
                    ("since", since.map(time)),
                    ("until", until.map(time)),
                    ("limit", Some(limit.to_string())),
                    ("cursor", self.before.map(|before| before.to_string())),
                ];
                server.get::<Items<Value>>(&["audit"], &query).await?.items
            }
        };
        self.before = page.last().and_then(|deed| deed["id"].as_i64());
        Ok((!page.is_empty()).then_some(page))
    }
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
