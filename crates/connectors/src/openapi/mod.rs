//! What every connector with an OpenAPI document shares.

pub mod catalogue;
pub mod embedded;
mod lookup;
pub mod read;
pub mod schemas;
