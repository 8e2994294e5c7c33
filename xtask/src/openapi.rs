//! `openapi/tramontane.json`: the API of the server as a document, as the program itself tells it.

use crate::generated;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::process::Command;

/// Where it lies.
const PATH: &str = "openapi/tramontane.json";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Writes nothing; fails where the file is not what would be written
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<String> {
    #[allow(clippy::disallowed_methods, reason = "only the program knows its routes")]
    let mut program = Command::new(env!("CARGO"));
    // The features of the tests, so that nothing is built twice.
    program.args(["run", "--quiet", "--locked", "--package", "app", "--features", "crash-points", "--", "openapi"]);
    let output = program.output().context("cannot run the program")?;
    if !output.status.success() {
        bail!("the program failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout).context("the program's answer is not UTF-8")?;
    generated::write(PATH, &text, arguments.check)
}
