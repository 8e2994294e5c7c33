//! `tramontane webhooks`: the addresses that others send to.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use clap::Args;
use model::TaskKind;
use serde_json::{Value, json};

/// Arguments of `tramontane webhooks`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane webhooks

The path behind the address of `tramontane serve`, or of the proxy before it. It cannot be guessed, and is not enough:
each request must be signed or bring the token, as its incoming says.")]
pub(crate) struct Webhooks {}

impl Webhooks {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let store = context.engine_store().await?;
        let (_, stored) = store.definitions().await?;
        let definitions = engine::definitions::from_stored(&stored).map_err(Failure::refused)?;
        let hooks = definitions.incoming.iter().filter(|(_, incoming)| incoming.subscriber.kind == "webhook");
        let names: Vec<String> = hooks.map(|(name, _)| name.clone()).collect();
        let lanes = store.lanes(names.iter().map(|name| (TaskKind::Pull, name.clone())).collect()).await?;
        let paths = store.webhook_paths(lanes).await?;
        let rows: Vec<(String, String)> =
            names.into_iter().zip(paths.into_iter().map(|path| format!("/webhooks/{path}"))).collect();
        if context.printer.json() {
            let shown: Vec<Value> =
                rows.iter().map(|(incoming, path)| json!({ "incoming": incoming, "path": path })).collect();
            context.printer.value(&json!(shown));
        } else {
            let rows: Vec<Vec<String>> = rows.into_iter().map(|(incoming, path)| vec![incoming, path]).collect();
            context.printer.table(&["incoming", "path"], &rows);
        }
        Ok(Exit::Done)
    }
}
