//! `tramontane webhooks`: the addresses that others send to.

use super::server::Items;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use clap::Args;
use model::TaskKind;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Arguments of `tramontane webhooks`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane webhooks

The path behind the address of `tramontane serve`, or of the proxy before it. It cannot be guessed, and is not enough:
each request must be signed or bring the token, as its incoming says.")]
pub(crate) struct Webhooks {}

impl Webhooks {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let hooks = match context.server()? {
            Some(server) => server.get::<Items<Hook>>(&["webhooks"], &[]).await?.items,
            None => stored(context).await?,
        };
        if context.printer.json() {
            context.printer.value(&json!(hooks));
        } else {
            let rows: Vec<Vec<String>> = hooks.into_iter().map(|hook| vec![hook.incoming, hook.path]).collect();
            context.printer.table(&["incoming", "path"], &rows);
        }
        Ok(Exit::Done)
    }
}

/// Where an incoming is sent to.
#[derive(Serialize, Deserialize)]
struct Hook {
    incoming: String,
    path: String,
}

async fn stored(context: &Context) -> Result<Vec<Hook>, Failure> {
    let store = context.engine_store().await?;
    let (_, stored) = store.definitions().await?;
    let definitions = engine::definitions::from_stored(&stored).map_err(Failure::refused)?;
    let hooks = definitions.incoming.iter().filter(|(_, incoming)| incoming.subscriber.kind == "webhook");
    let names: Vec<String> = hooks.map(|(name, _)| name.clone()).collect();
    let lanes = store.lanes(names.iter().map(|name| (TaskKind::Pull, name.clone())).collect()).await?;
    let paths = store.webhook_paths(lanes).await?;
    Ok(names
        .into_iter()
        .zip(paths)
        .map(|(incoming, path)| Hook { incoming, path: format!("/webhooks/{path}") })
        .collect())
}
