//! JSONL: a row is a line.

use super::input::{Input, LineEnd};
use super::json::{self, Fault};
use super::source::{Rows, Stop};
use model::Problem;
use serde_json::Value;

/// The rows of a JSONL file.
#[derive(Debug)]
pub(super) struct Lines {
    line: Vec<u8>,
    limit: usize,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), limit }
    }
}

impl Rows for Lines {
    fn next(&mut self, input: &mut Input) -> Result<Option<Value>, Stop> {
        loop {
            let number = input.line;
            let end = input.take_line(&mut self.line, self.limit)?;
            if end == LineEnd::Limit {
                return Err(Stop::Problem(json::too_large(number, self.limit)));
            }
            if !self.line.trim_ascii().is_empty() {
                return match json::parse(&self.line) {
                    Ok(value) => Ok(Some(value)),
                    Err(fault) => Err(Stop::Problem(explain(&fault, number, &end))),
                };
            }
            if end == LineEnd::File {
                return Ok(None);
            }
        }
    }
}

fn explain(fault: &Fault, number: u64, end: &LineEnd) -> Problem {
    if *end == LineEnd::File && fault.code != "row_too_deep" {
        return Problem::new("line_torn", "the last line is no whole json and has no line break: it was cut")
            .line(number)
            .hint("let the program that writes the file finish the line, or take the line out");
    }
    let problem = Problem::new(fault.code, format!("column {}: {}", fault.column + 1, fault.reason)).line(number);
    match fault.hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
