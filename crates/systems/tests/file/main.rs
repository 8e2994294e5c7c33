//! The subscriber and the publisher `file`, from outside.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod desk;
mod options;
mod pages;
mod publisher;
mod subscriber;
