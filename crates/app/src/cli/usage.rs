//! `tramontane usage`: what calls used.

use super::{Context, Ended};
use crate::exit::Exit;
use clap::{Args, ValueEnum};
use model::Millis;
use serde_json::json;
use store::UsageBy;

/// Arguments of `tramontane usage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane usage --by model
          tramontane usage --by day --since 2026-11-01

Counts are those of the service's answers, failed and repeated calls included. Days are UTC.")]
pub(crate) struct Usage {
    /// What to sum by.
    #[arg(long, value_enum, default_value_t = By::Route)]
    by: By,
    /// From this day on.
    #[arg(long, value_name = "DATE", value_parser = day)]
    since: Option<Millis>,
    /// Up to this day, the day itself not counted.
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<Millis>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The route that made the call.
    Route,
    /// The model that answered.
    Model,
    /// The day on which the call ended.
    Day,
}

fn day(text: &str) -> Result<Millis, String> {
    let wrong = |_| format!("\"{text}\" is no date; write 2026-11-23");
    let date: jiff::civil::Date = text.parse().map_err(wrong)?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(wrong)?;
    Ok(midnight.timestamp().as_millisecond())
}

impl Usage {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let (by, word) = match self.by {
            By::Route => (UsageBy::Route, "route"),
            By::Model => (UsageBy::Model, "model"),
            By::Day => (UsageBy::Day, "day"),
        };
        let (since, until) = (self.since.unwrap_or(Millis::MIN), self.until.unwrap_or(Millis::MAX));
        let sums = context.read_store()?.usage_by(by, since, until).await?;
        if context.printer.json() {
            let rows = sums.iter().map(|sum| {
                json!({
                    word: sum.name, "calls": sum.calls, "prompt_tokens": sum.usage.prompt_tokens,
                    "completion_tokens": sum.usage.completion_tokens, "total_tokens": sum.usage.total_tokens,
                })
            });
            context.printer.value(&rows.collect());
            return Ok(Exit::Done);
        }
        let shown = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let rows = sums.iter().map(|sum| {
            let usage = &sum.usage;
            let counts = [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens].map(shown);
            [vec![sum.name.clone().unwrap_or_else(|| "-".to_owned()), sum.calls.to_string()], counts.to_vec()].concat()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        context.printer.table(&[word, "calls", "tokens in", "tokens out", "tokens"], &rows);
        if rows.is_empty() {
            context.printer.say("no call has used anything");
        }
        Ok(Exit::Done)
    }
}
