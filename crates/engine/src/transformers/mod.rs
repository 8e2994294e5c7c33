//! Transformers: one payload in, none, one or many out.
//!
//! Each is a file: its options, what is prepared once, what happens to a payload. To add one, write such a file, add a
//! line to [`parts`] and cases to `tests/transformers/<name>.yaml`.

mod chain;
mod copy;
mod filter;
mod forget;
mod jaq;
mod jq;
mod key;
mod lookup;
mod map;
mod merge;
mod r#move;
mod only_changed;
mod only_new;
mod options;
pub mod path;
mod places;
mod remember;
mod remove;
mod set;
mod split;
mod template;

use model::Transformer;
use options::part;
use std::sync::Arc;

pub use chain::{Chain, MAX_BYTES, MAX_PAYLOADS, Watch};
pub use jq::Condition;

/// Every transformer.
#[must_use]
pub fn parts() -> Vec<Arc<dyn Transformer>> {
    vec![
        part::<copy::Copy>(),
        part::<filter::Filter>(),
        part::<forget::Forget>(),
        part::<jq::Jq>(),
        part::<lookup::Lookup>(),
        part::<map::Table>(),
        part::<merge::Merge>(),
        part::<r#move::Move>(),
        part::<only_changed::OnlyChanged>(),
        part::<only_new::OnlyNew>(),
        part::<remember::Remember>(),
        part::<remove::Remove>(),
        part::<set::Set>(),
        part::<split::Split>(),
        part::<template::Template>(),
    ]
}
