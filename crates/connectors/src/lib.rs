//! HTTP-shaped connectors. They build requests and read answers; no socket, no database, no clock.

pub mod mistral;
pub mod openapi;
