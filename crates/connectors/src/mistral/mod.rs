//! Mistral AI.

pub mod catalogue;
