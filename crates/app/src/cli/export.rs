//! `tramontane export`: the stored definitions as YAML.

use super::server::Server;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use clap::Args;
use engine::definitions::{Draft, Source, export};
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
        let (revision, text, count) = match context.server()? {
            Some(server) => exported_at(&server).await?,
            None => {
                let (revision, stored) = context.read_store().await?.definitions().await?;
                (revision, export(&stored).map_err(Failure::refused)?, stored.len())
            }
        };
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
        context.printer.say(&format!("wrote {count} definitions to {}", path.display()));
        Ok(Exit::Done)
    }
}

/// What is defined on a server: revision, text, and how many they are. Keys in the open are not shown there.
async fn exported_at(server: &Server) -> Result<(i64, String, usize), Failure> {
    #[derive(serde::Deserialize)]
    struct Defined {
        revision: i64,
    }
    let Defined { revision } = server.get(&["definitions"], &[("limit", Some("1".to_owned()))]).await?;
    let text = server.text(&["export"], &[]).await?;
    let source = Source { name: "export.yaml".to_owned(), bytes: text.clone().into_bytes() };
    let draft = Draft::parse([source]).map_err(|_| server.strange(200))?;
    Ok((revision, text, draft.values().count()))
}
