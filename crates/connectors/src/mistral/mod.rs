//! Mistral AI.

pub mod catalogue;
mod connector;
mod custom;
mod operation;
pub mod refusal;
pub mod usage;

pub use connector::{Mistral, connector};
