//! Definitions: read from files, checked, planned against what is stored, written back.
//!
//! [`Draft::read`] keeps the lines, [`check`] says all that is wrong at once, [`plan`] says what would change, and
//! [`export`] writes what is stored so that reading it again changes nothing.

mod alerts;
mod allowed;
pub mod builtin;
mod check;
mod draft;
mod export;
mod keys;
mod kind;
mod node;
mod parts;
mod place;
mod plan;
mod references;
mod secrets;
mod shape;
mod uses;
pub mod variables;
mod yaml;

pub use allowed::Allowed;
pub use check::{Checked, check, from_stored};
pub use draft::{Draft, MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, Source};
pub use export::{export, portable};
pub use keys::{KEY_MASK, masked};
pub use kind::Kind;
pub use place::{Place, locate};
pub use plan::{Changed, Difference, Name, Plan, compare, plan, plan_deletion};
pub use secrets::{Reach, reached, used_secrets};
pub use shape::MAX_NAME;
pub(crate) use shape::texts;
pub use uses::{needed, used_by, uses};
