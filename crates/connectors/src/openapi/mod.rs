//! What every connector with an OpenAPI document shares.

pub mod answer;
pub mod build;
pub mod catalogue;
mod close;
pub mod embedded;
pub mod encode;
pub mod example;
mod lookup;
pub mod paging;
pub mod preflight;
mod query;
pub mod read;
pub mod retry_after;
pub mod schemas;
pub mod served;
pub mod template;
