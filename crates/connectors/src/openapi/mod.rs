//! What every connector with an OpenAPI document shares.

pub mod catalogue;
pub mod example;
pub mod lookup;
pub mod overrides;
pub mod read;
pub mod schemas;
