//! The simulator over a socket.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod batch;
mod completions;
mod faults;
mod inputs;
mod limits;
mod objects;
mod operations;
mod refusals;
mod sockets;
mod state;
mod wire;
