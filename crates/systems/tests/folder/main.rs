//! The subscriber `folder`, from outside.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bench;
mod options;
mod selection;
mod versions;
mod wrong;
