//! The one place that prints: data on stdout, everything else on stderr.

use model::{Millis, Problem, Severity};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// What people and programs get to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
    colour: bool,
}

impl Printer {
    pub(crate) fn new(json: bool, no_colour: bool) -> Self {
        Self { json, colour: !no_colour && std::io::stderr().is_terminal() }
    }

    /// Whether programs read along.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// A JSON value on stdout, indented: one document for one command.
    pub(crate) fn value(&self, value: &Value) {
        self.data(&serde_json::to_string_pretty(value).unwrap_or_default());
    }

    /// One line (or a whole text) on stdout. A reader that went away is no error of ours.
    pub(crate) fn data(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// A remark on stderr.
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Problems: text on stderr, and with `--json` an object on stdout.
    pub(crate) fn problems(&self, problems: &[Problem]) {
        if self.json && problems.iter().any(Problem::is_error) {
            self.value(&json!({ "problems": problems }));
        }
        for problem in problems {
            self.problem(problem);
        }
    }

    /// One problem as text on stderr.
    pub(crate) fn problem(&self, problem: &Problem) {
        let (word, colour) = match problem.severity {
            Severity::Error => ("error", "31"),
            Severity::Warning => ("warning", "33"),
        };
        self.say(&format!("{}: {problem} [{}]", self.painted(word, colour), problem.code));
        if let Some(id) = &problem.request_id {
            self.say(&format!("  the service calls this request {id}"));
        }
        if let Some(hint) = &problem.hint {
            self.say(&format!("  {}: {hint}", self.painted("hint", "36")));
        }
    }

    fn painted(&self, word: &str, colour: &str) -> String {
        if self.colour { format!("\x1b[1;{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }

    /// A table on stdout: columns as wide as their widest cell, the last one as it comes.
    pub(crate) fn table(&self, head: &[&str], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
        for row in std::iter::once(&head).chain(rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            self.data(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}

/// A time for people and programs: RFC 3339, UTC, always with milliseconds.
pub(crate) fn time(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| format!("{time:.3}"))
}

/// One line of a text, at most so many characters, control characters shown as spaces.
pub(crate) fn short(text: &str, most: usize) -> String {
    let mut line: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}
