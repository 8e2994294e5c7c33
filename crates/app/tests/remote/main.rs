//! Commands through a server: the same output as beside its store, each role kept to what it may, and nothing told to
//! whoever is no server of ours.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

#[path = "../world/mod.rs"]
mod world;

mod desk;
mod same;
mod strangers;
mod writes;
