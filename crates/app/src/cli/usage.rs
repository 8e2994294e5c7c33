//! `tramontane usage`: what calls used and are estimated to cost.

use super::server::Items;
use super::{Context, Ended};
use crate::exit::Exit;
use crate::print::time;
use crate::story::{usage_row, usage_sum};
use clap::{Args, ValueEnum};
use model::Millis;
use serde_json::{Map, Value, json};
use store::{UsageBy, UsageSum};

/// Arguments of `tramontane usage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane usage --by model
          tramontane usage --by day --since 2026-11-01

Counts are those of the service's answers, failed and repeated calls included. Costs are estimates by the price
book of the time of the call (tramontane prices list). Days are UTC.")]
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
        let rows = match context.server()? {
            Some(server) => {
                let query =
                    [("by", Some(word.to_owned())), ("since", self.since.map(time)), ("until", self.until.map(time))];
                server.get::<Items<Map<String, Value>>>(&["usage"], &query).await?.items
            }
            None => {
                let (since, until) = (self.since.unwrap_or(Millis::MIN), self.until.unwrap_or(Millis::MAX));
                let store = context.read_store().await?;
                let (sums, currency) = (store.usage_by(by, since, until).await?, store.currency(None).await?);
                sums.iter().map(|sum| usage_row(word, sum, currency.as_deref())).collect()
            }
        };
        if context.printer.json() {
            context.printer.value(&json!(rows));
            return Ok(Exit::Done);
        }
        if rows.is_empty() {
            context.printer.say("no call has used anything");
            return Ok(Exit::Done);
        }
        let named = |row: &Map<String, Value>| {
            let name = row.get(word).and_then(Value::as_str).map(str::to_owned);
            UsageSum { name, ..usage_sum(row) }
        };
        let currency = rows.iter().find_map(|row| row.get("currency")?.as_str()).unwrap_or_default();
        let sums: Vec<UsageSum> = rows.iter().map(named).collect();
        print(context, word, &sums, currency);
        let unpriced: u64 = sums.iter().map(|sum| sum.unpriced).sum();
        if unpriced > 0 {
            let (one, hint) = (if unpriced == 1 { "call has" } else { "calls have" }, "tramontane prices init");
            context.printer.say(&format!("{unpriced} {one} no known price, and no cost here; to add one: {hint}"));
        }
        Ok(Exit::Done)
    }
}

/// A table without the columns in which nothing stands.
fn print(context: &Context, word: &str, sums: &[UsageSum], currency: &str) {
    let head = [word, "calls", "tokens in", "cached", "tokens out", "tokens", "pages", "audio s", "characters"];
    let mut head: Vec<String> = head.into_iter().map(str::to_owned).collect();
    head.push(format!("cost {currency}"));
    let rows = sums.iter().map(|sum| {
        let mut row = vec![sum.name.clone().unwrap_or_else(|| "-".to_owned()), sum.calls.to_string()];
        row.extend(sum.usage.counts().map(|count| count.map_or_else(|| "-".to_owned(), |count| count.to_string())));
        row.push(sum.usage.cost.map_or_else(|| "-".to_owned(), |cost| cost.to_string()));
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let said = |column: &usize| rows.iter().any(|row| row.get(*column).is_some_and(|cell| cell != "-"));
    let columns: Vec<usize> = (0..head.len()).filter(|column| *column < 2 || said(column)).collect();
    let narrow = |row: &[String]| columns.iter().filter_map(|column| row.get(*column).cloned()).collect::<Vec<_>>();
    let head = narrow(&head);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    context.printer.table(&head, &rows.iter().map(|row| narrow(row)).collect::<Vec<_>>());
}

/// `120 tokens (100 in, 64 of them cached, 20 out), 3 pages; estimated 0.12 USD`.
pub(super) fn in_words(sum: &UsageSum, currency: &str) -> String {
    let usage = &sum.usage;
    let of = |count: Option<u64>, what: &str| count.map(|count| format!("{count} {what}"));
    let cached = usage.cached_tokens.filter(|cached| *cached > 0);
    let parts = [of(usage.prompt_tokens, "in"), of(cached, "of them cached"), of(usage.completion_tokens, "out")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let tokens = usage.total_tokens.or(usage.prompt_tokens).map(|tokens| match parts.is_empty() {
        true => format!("{tokens} tokens"),
        false => format!("{tokens} tokens ({})", parts.join(", ")),
    });
    let (pages, seconds) = (of(usage.pages, "pages"), of(usage.audio_seconds, "s of audio"));
    let counted = [tokens, pages, seconds, of(usage.characters, "characters")];
    let counted: Vec<String> = counted.into_iter().flatten().collect();
    let cost = match (usage.cost, sum.unpriced) {
        (Some(cost), 0) => format!("estimated {cost} {currency}"),
        (Some(cost), some) => format!("estimated {cost} {currency} and what {some} calls without a known price cost"),
        (None, _) => "its price is not known".to_owned(),
    };
    match counted.is_empty() {
        true => cost,
        false => format!("{}; {cost}", counted.join(", ")),
    }
}
