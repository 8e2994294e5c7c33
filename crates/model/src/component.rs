//! What every part has, whatever it does.

use crate::Problem;
use serde_json::Value;

/// A part that people choose by name (`type: jq`) and fill with options.
pub trait Component: Send + Sync + 'static {
    /// The value of `type:` that chooses it, for example `jq` or `mistral`.
    fn kind(&self) -> &'static str;

    /// JSON Schema of its options, `type` left out: the source of check, form and reference.
    fn schema(&self) -> Value;

    /// What the schema cannot say. Places are relative to the options. Never does I/O, ever.
    fn validate(&self, options: &Value) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// Names of the options that are paths on this machine: `${NAME}` is replaced in them, and relative ones are taken
    /// from the folder of the definitions.
    fn path_options(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Which way the data goes through a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// A subscriber takes data in.
    Subscriber,
    /// A publisher sends data out.
    Publisher,
}
