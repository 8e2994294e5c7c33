//! The simulator over a socket.

mod completions;
mod operations;
mod refusals;
mod sockets;
mod state;
mod wire;
