//! Runs definitions: pulls, transforms, pushes, decides.

pub mod definitions;
pub mod transformers;
