//! Definitions: read, checked, planned, exported.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad;
mod fake;
mod files;
mod network;
mod plans;
mod round_trip;
mod variables;
mod yaml;

use engine::definitions::{Draft, Source};
use model::Problem;
use store::StoredDefinition;

/// A draft of one file.
fn parse(name: &str, text: &str) -> Result<Draft, Vec<Problem>> {
    Draft::parse([source(name, text)])
}

fn source(name: &str, text: impl AsRef<[u8]>) -> Source {
    Source { name: name.to_owned(), bytes: text.as_ref().to_vec() }
}

/// What would be stored of one file, without a check of its parts.
fn stored(kind: &str, name: &str, body: &str) -> StoredDefinition {
    StoredDefinition { kind: kind.to_owned(), name: name.to_owned(), body: body.to_owned(), revision: 1 }
}

/// Code, place and line of each problem.
fn brief(problems: &[Problem]) -> Vec<(String, String, Option<u64>)> {
    problems.iter().map(|problem| (problem.code.to_string(), problem.place.clone(), problem.line)).collect()
}
