//! Definitions through the API: made, changed, taken back, planned, taken elsewhere, tried, attacked. Every answer is held
//! against the document.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod changes;
mod desk;
mod hostile;
mod traces;
#[path = "../world/mod.rs"]
mod world;
