//! Definitions: read from files, checked, planned against what is stored, written back.
//!
//! [`Draft::read`] keeps the lines, [`check`] says all that is wrong at once, [`plan`] says what would change, and
//! [`export`] writes what is stored so that reading it again changes nothing.

mod alerts;
pub mod builtin;
mod check;
mod draft;
mod export;
mod kind;
mod node;
mod parts;
mod plan;
mod references;
mod shape;
pub mod variables;
mod yaml;

pub use check::{Checked, check, from_stored};
pub use draft::{Draft, MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, Source};
pub use export::export;
pub use kind::Kind;
pub use plan::{Changed, Difference, Name, Plan, plan};
pub use shape::MAX_NAME;
pub(crate) use shape::texts;
