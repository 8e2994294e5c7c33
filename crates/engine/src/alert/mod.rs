//! Alerts: what is worth telling somebody is looked for, and told.
//!
//! ```text
//! facts (store) ──► subjects ──► step ──► state and message, one commit ──► claim ──► send ──► how it went
//! ```
//! [`subjects`] and [`step`] are pure. What was said is in the store before it is sent, and each send is claimed before
//! its first byte leaves, so that neither a restart nor a second machine says anything twice.

mod attempt;
mod facts;
mod mail;
mod send;
mod step;
mod subjects;
mod watch;
mod words;

pub use attempt::{Tried, attempt};
pub use facts::{Budget, Facts, Missed, Retiring, Space};
pub(crate) use lettre::message::Mailbox;
pub(crate) use mail::mail_server;
pub use step::{Said, State, What, step};
pub use subjects::{Subject, subjects};
pub(crate) use watch::Watcher;
pub use words::{Body, in_words, title};
