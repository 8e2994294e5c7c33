//! `tramontane store`: a whole store into another one.

use super::prune::size;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::time;
use crate::settings;
use clap::{Args, Subcommand};
use model::Problem;
use serde_json::json;
use std::path::PathBuf;
use store::StoreError;
use store::copy::{self, Place};

/// Arguments of `tramontane store`.
#[derive(Debug, Args)]
pub(crate) struct StoreVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Copies a store into a new one: from a data folder to PostgreSQL, and back.
    #[command(after_help = "\
Example: tramontane store copy --from ./data --to postgres://tramontane@db/tramontane

Stop the engines first. The target must be new or empty; everything is copied in one transaction, and every table is read
back before it is committed, so that a copy that was cut leaves nothing. Files of tasks (blobs) of a store in PostgreSQL
are in the data folder (--data). Go on with one of the two stores only: each would do what is still open.")]
    Copy {
        /// The store to copy: a data folder, or `postgres://…`.
        #[arg(long, value_name = "FOLDER|URL")]
        from: String,
        /// The store to make.
        #[arg(long, value_name = "FOLDER|URL")]
        to: String,
        /// Says what would be copied, and changes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

impl StoreVerb {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let Verb::Copy { from, to, dry_run } = self.verb;
        let (from, to) = (place(context, &from), place(context, &to));
        let now = settings::clock().now();
        let by = format!("store copy, since {}", time(now));
        if dry_run {
            let (tables, blobs, bytes) = copy::count(&from, &by).await.map_err(failed)?;
            let rows: u64 = tables.iter().map(|(_, rows)| rows).sum();
            if context.printer.json() {
                let tables: serde_json::Map<_, _> =
                    tables.into_iter().map(|(name, rows)| (name, json!(rows))).collect();
                context
                    .printer
                    .value(&json!({ "would_copy": { "tables": tables, "blobs": blobs, "blob_bytes": bytes } }));
            } else {
                context.printer.say(&format!("{rows} rows and {blobs} blobs ({}) would be copied", size(bytes)));
            }
            return Ok(Exit::Done);
        }
        let mut said = now;
        let progress = |table: &str, rows: u64, total: u64| {
            let now = settings::clock().now();
            if now - said > SAY_EVERY {
                said = now;
                context.printer.say(&format!("{table}: {rows} of {total}"));
            }
        };
        let copied = copy::copy(&from, &to, &by, now, progress).await.map_err(failed)?;
        if context.printer.json() {
            context.printer.value(&json!(copied));
            return Ok(Exit::Done);
        }
        let row =
            |table: &copy::Copied| vec![table.table.clone(), table.rows.to_string(), table.sha256[..16].to_owned()];
        context.printer.table(&["table", "rows", "sha256"], &copied.tables.iter().map(row).collect::<Vec<_>>());
        context.printer.say(&format!("{} blobs, {}", copied.blobs, size(copied.blob_bytes)));
        context.printer.say("each table was read back and is the same; go on with the copy alone");
        Ok(Exit::Done)
    }
}

/// How often a long copy says how far it is, in milliseconds.
const SAY_EVERY: i64 = 2_000;

fn place(context: &Context, text: &str) -> Place {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Place::Server { url: text.to_owned(), data: context.data() };
    }
    Place::Folder(PathBuf::from(text))
}

fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::Held { .. } => {
            let problem: Problem = error.problem();
            Failure::refused(vec![
                problem.hint("stop the engine on it first: what it does meanwhile would not be copied"),
            ])
        }
        StoreError::Refused(_) | StoreError::Newer { .. } | StoreError::Absent(_) => {
            Failure::refused(vec![error.problem()])
        }
        error => error.into(),
    }
}
