//! Connectors with drivers of their own: files first, later databases, brokers, mail.
//!
//! A driver does I/O only inside `pull`, `mark`, `deliver` and `recover`, on threads that may block, and reports what
//! is known afterwards; what follows from it is decided in the engine.

pub mod file;
pub mod folder;
