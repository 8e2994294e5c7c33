//! Schedules: when incomings run by themselves.
//!
//! An occurrence is a run whose key is made of the schedule's name and its time, so that each comes once, however many
//! engines look at the clock.

mod due;
mod ticker;
pub mod times;

pub use due::{Occurrence, Scheduled};
pub(crate) use ticker::Ticker;
