//! `tramontane plan --against URL`: what differs between definitions here and another environment.

use super::apply::{Planned, bundle};
use super::file_roots::FileRoots;
use super::server::Server;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::parts;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::definitions::{Draft, Source, export, portable};
use serde_json::Value;
use std::path::Path;

/// The other environment.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Against {
    /// Compares with what runs at this address. Without PATH, what is stored here is compared.
    #[arg(long, value_name = "URL")]
    pub(crate) against: Option<String>,
    #[command(flatten)]
    file_roots: FileRoots,
}

impl Against {
    /// Asks the server at this address, and prints what it says.
    pub(crate) async fn show(&self, url: &str, context: &Context, path: Option<&Path>, prune: bool) -> Ended {
        context.refuse_server()?;
        let sources = match path {
            Some(path) => Draft::sources(path).map_err(Failure::refused)?,
            None => vec![self.stored(context).await?],
        };
        let server = Server::at("--against", url, context)?;
        let value: Value = server.send("POST", &["plan"], Some(&bundle(&sources, prune))).await?;
        let planned: Planned = serde_json::from_value(value.clone()).map_err(|_| server.strange(200))?;
        if context.printer.json() {
            context.printer.value(&value);
            return Ok(Exit::Done);
        }
        context.printer.problems(&planned.plan.warnings);
        context.printer.problems(&planned.problems);
        context.printer.data(planned.plan.to_string().trim_end());
        Ok(Exit::Done)
    }

    /// What is stored here, as it can be taken elsewhere.
    async fn stored(&self, context: &Context) -> Result<Source, Failure> {
        let (_, stored) = context.read_store().await?.definitions().await?;
        let folders = self.file_roots.folders(context)?;
        let text =
            export(&portable(&stored, &folders, &parts::registry(Prices::shipped()))).map_err(Failure::refused)?;
        Ok(Source { name: "export.yaml".to_owned(), bytes: text.into_bytes() })
    }
}
