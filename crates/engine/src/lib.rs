//! Runs definitions: pulls, transforms, pushes, decides.

pub mod clock;
pub mod decide;
pub mod definitions;
pub mod engine;
pub mod exchange;
pub mod flow;
pub mod random;
pub mod transformers;
pub mod work;

pub(crate) use store::crash;

pub use engine::{Begun, Engine, Parts, RunOptions};
pub use work::{WorkEnd, WorkOptions, from_answer};
