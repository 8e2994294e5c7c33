//! `tramontane environment`: what a server is called, and its colour.

use super::people::did;
use super::server::Server;
use super::{Context, Ended, Failure};
use crate::badge::{self, Badge, Colour};
use crate::exit::Exit;
use clap::{Args, Subcommand};
use serde_json::json;

/// Arguments of `tramontane environment`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane environment set production --colour red")]
pub(crate) struct Environment {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows it.
    Show,
    /// Says what it is called from now on.
    Set {
        /// At most 40 characters.
        name: String,
        /// The colour that people see it in.
        #[arg(long, value_enum, default_value_t = Colour::Grey)]
        colour: Colour,
    },
}

impl Environment {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let shown = match context.server()? {
            Some(server) => self.run_at(&server).await?,
            None => self.run_here(context).await?,
        };
        if context.printer.json() {
            context.printer.value(&json!(shown));
        } else {
            let name = if shown.name.is_empty() { "(no name)" } else { &shown.name };
            let colour = json!(shown.colour);
            context.printer.data(&format!("{name}, {}", colour.as_str().unwrap_or_default()));
        }
        Ok(Exit::Done)
    }
    async fn run_here(self, context: &Context) -> Result<Badge, Failure> {
        let Verb::Set { name, colour } = self.verb else {
            return Ok(badge::read(context.read_store().await?.as_ref()).await?);
        };
        let after = Badge { name, colour };
        after.check().map_err(|problem| Failure::refused(vec![problem]))?;
        let store = context.engine_store().await?;
        let before = badge::read(store.as_ref()).await?;
        let details = json!({ "before": before, "after": after });
        let audit = store::AuditEntry { details: Some(details.to_string()), ..did("setting.write", badge::SETTING) };
        badge::write(store.as_ref(), &after, audit).await?;
        Ok(after)
    }

    async fn run_at(self, server: &Server) -> Result<Badge, Failure> {
        let path = ["settings", "environment"];
        match self.verb {
            Verb::Show => server.get(&path, &[]).await,
            Verb::Set { name, colour } => server.send("PUT", &path, Some(&json!(Badge { name, colour }))).await,
        }
    }
}
