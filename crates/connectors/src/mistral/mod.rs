//! Mistral AI.

pub mod catalogue;
mod chunks;
mod connector;
mod custom;
mod mistakes;
mod models;
mod operation;
pub mod prices;
pub mod refusal;
mod stream;
pub mod usage;

pub use connector::{Mistral, connector};
