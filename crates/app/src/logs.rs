//! What the program says while it works: on stderr, as text or JSON, and the latest of it in memory, for the API.
//!
//! One record is one line, whatever stands in it: a text from outside cannot begin a line of its own, nor colour one.

use crate::print::time;
use engine::clock::{Clock, SystemClock};
use model::Millis;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// So many records are kept in memory.
const KEPT: usize = 10_000;
/// The longest value of a field, in bytes.
const LONGEST: usize = 2_000;
/// Levels that are counted, by name.
const LEVELS: [(Level, &str); 3] = [(Level::ERROR, "error"), (Level::WARN, "warn"), (Level::INFO, "info")];

/// How records are written to stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// One thing that was said.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Counted from 1 since the start; 0 where it is not kept.
    pub(crate) number: u64,
    pub(crate) at: Millis,
    pub(crate) level: Level,
    /// The part of the program that says it.
    pub(crate) target: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Map<String, Value>,
}

impl Record {
    fn of(event: &Event<'_>) -> Self {
        let about = event.metadata();
        let mut record = Self {
            number: 0,
            at: SystemClock.now(),
            level: *about.level(),
            target: about.target(),
            message: String::new(),
            fields: Map::new(),
        };
        event.record(&mut record);
        record
    }

    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }

    /// A field that is a number.
    pub(crate) fn number_in(&self, name: &str) -> Option<i64> {
        self.fields.get(name)?.as_i64()
    }

    /// A field that is a text.
    pub(crate) fn text_in(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// Its level as it is written.
    pub(crate) fn level_name(&self) -> &'static str {
        LEVELS.iter().find(|(level, _)| *level == self.level).map_or("debug", |(_, name)| name)
    }

    fn as_text(&self) -> String {
        let mut line = format!("{} {:>5} {}: {}", time(self.at), self.level, self.target, encoded(&self.message));
        for (name, value) in &self.fields {
            let _ = match value {
                Value::String(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    write!(line, " {name}={text}")
                }
                Value::String(text) => {
                    write!(line, " {name}=\"{}\"", encoded(&text.replace('\\', "\\\\").replace('"', "\\\"")))
                }
                value => write!(line, " {name}={value}"),
            };
        }
        line
    }

    fn as_json(&self) -> String {
        let mut line = json!({
            "time": time(self.at), "level": self.level_name(), "target": self.target, "message": self.message,
        });
        if let Value::Object(line) = &mut line {
            // A field never takes the place of what we say ourselves.
            for (name, value) in &self.fields {
                line.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        // JSON leaves some control characters as they are; a terminal obeys them all the same.
        let mut text = String::new();
        for character in line.to_string().chars() {
            let _ = match is_plain(character) {
                true => text.write_char(character),
                false => write!(text, "\\u{:04x}", u32::from(character)),
            };
        }
        text
    }
}

/// Whether a character is shown, and does nothing else.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without what would end the line or change how it is shown.
fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match is_plain(character) {
            true => safe.push(character),
            false => safe.extend(character.escape_unicode()),
        }
    }
    safe
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = format!("{value:?}");
        cut(&mut text);
        self.set(field, Value::String(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = value.to_owned();
        cut(&mut text);
        self.set(field, Value::String(text));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
}

/// Writes records to stderr.
pub(crate) struct ToStderr(pub(crate) LogFormat);

impl<S: Subscriber> Layer<S> for ToStderr {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = Record::of(event);
        let mut line = match self.0 {
            LogFormat::Text => record.as_text(),
            LogFormat::Json => record.as_json(),
        };
        line.push('\n');
        // Nobody to tell where that fails.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// The latest records.
#[derive(Debug)]
pub(crate) struct Logs {
    kept: Mutex<VecDeque<Arc<Record>>>,
    /// The number of the newest one.
    newest: watch::Sender<u64>,
    counts: [AtomicU64; LEVELS.len()],
}

impl Default for Logs {
    fn default() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0), counts: Default::default() }
    }
}

impl Logs {
    /// Records with numbers below this one that are wanted, newest first, at most so many.
    pub(crate) fn before(&self, number: u64, most: usize, wanted: impl Fn(&Record) -> bool) -> Vec<Arc<Record>> {
        let kept = self.kept();
        kept.iter().rev().filter(|record| record.number < number && wanted(record)).take(most).cloned().collect()
    }

    /// Records with numbers above this one that are wanted, in their order.
    pub(crate) fn after(&self, number: u64, wanted: impl Fn(&Record) -> bool) -> Vec<Arc<Record>> {
        let kept = self.kept();
        let mut found: Vec<Arc<Record>> =
            kept.iter().rev().take_while(|record| record.number > number).filter(|one| wanted(one)).cloned().collect();
        found.reverse();
        found
    }

    /// The number of the newest record, and of those to come.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// How many were said of each level.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LEVELS.iter().zip(&self.counts).map(|((_, name), count)| (*name, count.load(Ordering::Relaxed)))
    }

    fn keep(&self, mut record: Record) {
        if let Some(at) = LEVELS.iter().position(|(level, _)| *level == record.level) {
            self.counts[at].fetch_add(1, Ordering::Relaxed);
        }
        let mut kept = self.kept();
        record.number = kept.back().map_or(0, |last| last.number) + 1;
        let number = record.number;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::new(record));
        drop(kept);
        self.newest.send_modify(|newest| *newest = number.max(*newest));
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Record>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps records in memory.
pub(crate) struct ToMemory(pub(crate) Arc<Logs>);

impl<S: Subscriber> Layer<S> for ToMemory {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.keep(Record::of(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// What somebody sends who wants to write lines of their own.
    const FORGED: [&str; 9] = [
        "x\n2026-01-01T00:00:00Z ERROR engine: all is lost",
        "x\r\nINFO",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{9b}2J",
        "\u{7f}\u{8}\u{8}",
        "a\u{2028}b\u{2029}c",
        "\u{202e}desrever",
        "quote\" level=error \"",
        "\0\u{b}\u{c}\u{85}",
    ];

    fn said(forged: &str) -> Arc<Record> {
        let logs = Arc::new(Logs::default());
        let subscriber = tracing_subscriber::registry().with(ToMemory(logs.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(route = forged, task = 7, shown = %forged, "somebody said {forged}");
        });
        logs.before(u64::MAX, 1, |_| true).remove(0)
    }

    #[test]
    fn one_record_is_one_line_whatever_it_says() {
        for forged in FORGED {
            let record = said(forged);
            let (text, line) = (record.as_text(), record.as_json());
            for shown in [&text, &line] {
                assert!(shown.chars().all(is_plain), "{shown:?}");
            }
            let back: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&back["route"], &back["task"], &back["level"]), (&json!(forged), &json!(7), &json!("info")));
        }
    }

    #[test]
    fn the_oldest_goes_where_there_are_too_many() {
        let logs = Logs::default();
        let record = (*said("x")).clone();
        for _ in 0..KEPT + 5 {
            logs.keep(record.clone());
        }
        let all = logs.before(u64::MAX, usize::MAX, |_| true);
        assert_eq!((all.len(), all[0].number, all[KEPT - 1].number), (KEPT, KEPT as u64 + 5, 6));
        assert_eq!(logs.after(KEPT as u64 + 3, |_| true).len(), 2);
        assert_eq!(logs.before(10, 2, |_| true).iter().map(|one| one.number).collect::<Vec<_>>(), [9, 8]);
        assert_eq!(logs.counts().last(), Some(("info", KEPT as u64 + 5)));
    }

    #[test]
    fn a_long_value_is_cut() {
        let record = said(&"ä".repeat(5_000));
        assert!(record.text_in("route").is_some_and(|text| text.len() <= LONGEST + 3 && text.ends_with('…')));
    }
}
