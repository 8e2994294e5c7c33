//! `cargo xtask catalogue`: the catalogue of Mistral AI's operations.

use crate::generated;
use anyhow::{Context, Error, Result, anyhow};
use connectors::openapi::embedded;
use connectors::openapi::read::{Document, read};
use model::Problem;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

const OVERRIDES: &str = "crates/connectors/src/mistral/overrides.yaml";
const CATALOGUE: &str = "crates/connectors/src/mistral/catalogue.json";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The official OpenAPI document (openapi-public-doc.yaml); crates/connectors/src/mistral/README.md says where it
    /// comes from
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
    /// Write nothing, and fail where the catalogue is not what would be written
    #[arg(long)]
    check: bool,
}

/// Makes the catalogue from the document and the overrides.
pub(crate) fn run(arguments: &Arguments) -> Result<String> {
    let text = generated::read(&arguments.spec)?;
    let overrides = generated::read(&generated::in_repository(OVERRIDES))?;
    let sha256: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let file = arguments.spec.file_name().and_then(|name| name.to_str()).context("the document has no name")?;
    let document = Document { file, sha256: &sha256, text: &text };
    let reading = read(&document, &overrides).map_err(|problems| refuse(&problems))?;
    if !reading.gaps.is_empty() {
        return Err(refuse(&reading.gaps));
    }
    generated::write(CATALOGUE, &embedded::write(&reading.catalogue)?, arguments.check)
}

fn refuse(problems: &[Problem]) -> Error {
    let lines: Vec<String> = problems.iter().map(describe).collect();
    anyhow!("the catalogue cannot be made:\n{}", lines.join("\n"))
}

fn describe(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{problem} ({hint})"),
        None => problem.to_string(),
    }
}
