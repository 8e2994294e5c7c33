//! Transformers: one payload in, none, one or many out.
//!
//! Each is a file: its options, what is prepared once, what happens to a payload. To add one, write such a file, add a
//! line to [`parts`] and cases to `tests/transformers/<name>.yaml`.

mod chain;
mod copy;
mod filter;
mod jaq;
mod jq;
mod map;
mod merge;
mod r#move;
mod options;
pub mod path;
mod places;
mod remove;
mod set;
mod split;
mod template;

use model::Transformer;
use options::part;
use std::sync::Arc;

pub use chain::{Chain, MAX_BYTES, MAX_PAYLOADS};
pub use jq::Condition;

/// Every transformer.
#[must_use]
pub fn parts() -> Vec<Arc<dyn Transformer>> {
    vec![
        part::<copy::Copy>(),
        part::<filter::Filter>(),
        part::<jq::Jq>(),
        part::<map::Table>(),
        part::<merge::Merge>(),
        part::<r#move::Move>(),
        part::<remove::Remove>(),
        part::<set::Set>(),
        part::<split::Split>(),
        part::<template::Template>(),
    ]
}
