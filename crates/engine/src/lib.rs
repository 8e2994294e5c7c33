//! Runs definitions: pulls, transforms, pushes, decides.

pub mod clock;
pub mod crash;
pub mod decide;
pub mod definitions;
pub mod exchange;
pub mod random;
pub mod transformers;
