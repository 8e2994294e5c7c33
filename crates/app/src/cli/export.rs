//! `tramontane export`: the stored definitions as YAML.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use clap::Args;
use engine::definitions::export;
use model::Problem;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `tramontane export`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tramontane export definitions.yaml")]
pub(crate) struct Export {
    /// File to write; stdout where none is named. A file that is there is not overwritten.
    path: Option<PathBuf>,
    /// Overwrites the file.
    #[arg(long)]
    force: bool,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let (revision, stored) = context.read_store().await?.definitions().await?;
        let text = export(&stored).map_err(Failure::refused)?;
        let Some(path) = self.path else {
            if context.printer.json() {
                context.printer.value(&json!({ "revision": revision, "yaml": text }));
            } else {
                context.printer.data(text.trim_end());
            }
            return Ok(Exit::Done);
        };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).truncate(true).create(self.force).create_new(!self.force);
        let written = options.open(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(|error| {
            let problem = Problem::new("file_unwritable", format!("{}: {error}", path.display()));
            let there = error.kind() == std::io::ErrorKind::AlreadyExists;
            Failure::new(Exit::Trouble, if there { problem.hint("overwrite it with --force") } else { problem })
        })?;
        context.printer.say(&format!("wrote {} definitions to {}", stored.len(), path.display()));
        Ok(Exit::Done)
    }
}
