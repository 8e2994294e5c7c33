//! The exchange: the one place with a socket.
//!
//! It adds credentials, limits and time-outs to a request, sends it once, and says what is known about it. It never
//! repeats, redirects or asks a proxy of the environment.

mod address;
#[cfg(test)]
mod address_tests;
mod body;
mod client;
mod form;
mod gate;
mod live;
mod pace;
mod post;
mod receiver;
mod redact;
mod share;

pub use address::is_private;
pub(crate) use address::{is_private_host, public_addresses};
pub use client::{Client, Exchanged, Keys};
pub(crate) use client::{base_url, judge};
pub use form::Files;
pub(crate) use gate::Permit;
pub use gate::{Gate, GateView, Pass};
pub use post::Post;
pub(crate) use receiver::{Receiver, receiver};
pub use redact::redact_headers;
pub(crate) use share::Share;
