//! What every connector with an OpenAPI document shares.

pub mod catalogue;
pub mod example;
