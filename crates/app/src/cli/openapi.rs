//! `tramontane openapi`: the API as a document.

use super::{Context, Ended};
use crate::exit::Exit;
use crate::server::document;
use clap::Args;
use serde_json::json;

/// Arguments of `tramontane openapi`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tramontane openapi > tramontane.json")]
pub(crate) struct OpenApi {}

impl OpenApi {
    #[allow(clippy::unused_self, reason = "as every verb")]
    pub(crate) fn run(self, context: &Context) -> Ended {
        context.printer.value(&json!(document()));
        Ok(Exit::Done)
    }
}
