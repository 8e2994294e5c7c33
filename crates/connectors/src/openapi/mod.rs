//! What every connector with an OpenAPI document shares.

pub mod answer;
pub mod build;
pub mod catalogue;
pub mod choices;
mod close;
pub mod diff;
pub mod embedded;
pub mod encode;
pub mod events;
pub mod example;
pub(crate) mod find;
pub(crate) mod form;
mod lookup;
pub mod mapped;
mod media;
pub mod normal;
pub mod paging;
pub mod preflight;
mod query;
pub mod read;
pub mod retry_after;
pub mod schemas;
pub mod template;
