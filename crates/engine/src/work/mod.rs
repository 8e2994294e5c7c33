//! What moves tasks: one loop that claims, lanes that work, one that commits what came out.
//!
//! ```text
//! claim ──► lane (pull | http | driver) ──► outcomes ──► one commit ──► new tasks wake their lanes
//! ```
//! A lane never touches the task table but for START; every end goes through [`settle`], so that what follows from an
//! end is in the same commit as the end.

mod admission;
mod answered;
pub mod asked;
mod conclude;
mod dispatch;
mod driver_lane;
mod file;
mod http_lane;
mod keep;
mod lane;
mod look;
mod present;
mod pull_lane;
mod repeat;
mod settle;
pub(crate) mod storages;
mod take_over;
mod told;
mod wait;

pub use answered::from_answer;
pub use dispatch::{Until, Work, WorkEnd, WorkOptions};
pub use take_over::take_over;
