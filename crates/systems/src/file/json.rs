//! One row of JSON, and what is wrong with it.

use model::Problem;
use serde_json::Value;

/// Why bytes are no JSON.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) reason: String,
    pub(super) hint: Option<&'static str>,
    /// Line breaks before it in the row.
    pub(super) lines: u64,
    /// Bytes before it in its line.
    pub(super) column: usize,
    /// Bytes before it in the row.
    pub(super) index: usize,
}

/// Reads one row.
pub(super) fn parse(row: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(row).map_err(|error| {
        let index = error.valid_up_to();
        let (lines, column) = place(row, index);
        let (reason, hint) = ("the text is not UTF-8".to_owned(), Some("save the file as UTF-8"));
        Fault { code: "row_not_utf8", reason, hint, lines, column, index }
    })?;
    serde_json::from_str(text).map_err(|error| explain(row, &error))
}

fn explain(row: &[u8], error: &serde_json::Error) -> Fault {
    let lines = error.line().saturating_sub(1);
    let column = error.column().saturating_sub(1);
    let line_start: usize = row.split_inclusive(|byte| *byte == b'\n').take(lines).map(<[u8]>::len).sum();
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = full.strip_suffix(&place).unwrap_or(&full).to_owned();
    let (code, reason, hint) = if reason == "recursion limit exceeded" {
        ("row_too_deep", "lists and objects lie in each other more than 127 deep".to_owned(), None)
    } else {
        ("row_not_json", format!("this is no json: {reason}"), None)
    };
    Fault { code, reason, hint, lines: lines as u64, column, index: line_start + column }
}

fn place(row: &[u8], index: usize) -> (u64, usize) {
    let before = &row[..index];
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    (lines as u64, column)
}

/// The problem of a row that is longer than the limit.
pub(super) fn too_large(line: u64, limit: usize) -> Problem {
    Problem::new("row_too_large", format!("the row that begins here is longer than {limit} bytes"))
        .line(line)
        .hint("`max_line_bytes` of the subscriber is the limit")
}
