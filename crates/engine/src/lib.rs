//! Runs definitions: pulls, transforms, pushes, decides.

pub mod alert;
pub mod clock;
pub mod decide;
pub mod definitions;
pub mod engine;
pub mod exchange;
pub mod facts;
pub mod flow;
pub mod keep;
pub mod measures;
pub mod models;
pub mod overheard;
pub mod random;
pub mod runner;
pub mod schedule;
pub mod spans;
pub mod standing;
pub mod trace;
pub mod transformers;
pub mod work;

pub(crate) use store::crash;

pub use engine::{Begun, Engine, Parts, RunOptions};
pub use runner::{Runner, RunnerOptions, Status};
pub use standing::Standing;
pub use work::{Until, WorkEnd, WorkOptions, asked, from_answer};
