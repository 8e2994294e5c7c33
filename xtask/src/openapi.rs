//! `openapi/tramontane.json`: the API of the server as a document, as the program itself tells it.

use crate::generated;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::fmt::Write as _;
use std::process::Command;

/// Where it lies.
const PATH: &str = "openapi/tramontane.json";
/// The page that lists all routes.
const ROUTES: &str = "docs/routes.md";

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
    let document: Value = serde_json::from_str(&text).context("the program's answer is no JSON")?;
    let written = generated::write(PATH, &text, arguments.check)?;
    Ok(format!("{written}\n{}", generated::write(ROUTES, &routes(&document), arguments.check)?))
}

/// The page of all routes.
fn routes(document: &Value) -> String {
    let mut page = String::from(
        "# Routes\n\nAll of them are under `/api/v1`, each with the least role that may use it. Made from the document of the API \
         (`tramontane openapi`); what they take and answer is there.\n\n| route | role | what it does |\n|---|---|---|\n",
    );
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let role = operation["x-role"].as_str().unwrap_or("everybody");
            let summary = operation["summary"].as_str().unwrap_or_default().trim_end_matches('.');
            let _ = writeln!(page, "| `{} {path}` | {role} | {summary} |", method.to_uppercase());
        }
    }
    page
}
