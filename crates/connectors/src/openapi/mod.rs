//! What every connector with an OpenAPI document shares.

pub mod answer;
pub mod build;
pub mod catalogue;
mod close;
pub mod diff;
pub mod embedded;
pub mod encode;
pub mod events;
pub mod example;
pub(crate) mod find;
pub(crate) mod form;
mod lookup;
mod media;
pub mod paging;
pub mod preflight;
mod query;
pub mod read;
pub mod retry_after;
pub mod schemas;
pub mod template;
