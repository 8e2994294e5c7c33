//! The operations of Mistral AI, embedded in the binary. `cargo xtask catalogue` makes the file.

use crate::openapi::catalogue::{Catalogue, Entry};
use crate::openapi::embedded;
use std::sync::OnceLock;

/// The embedded file.
const TEXT: &str = include_str!("catalogue.json");

/// All operations. Read when it is first asked for, which takes a few milliseconds.
///
/// # Panics
/// Never: the file is checked against what it is made from before each release, and read by the tests.
#[must_use]
#[allow(clippy::expect_used, reason = "the embedded file is part of the program")]
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| embedded::load(TEXT).expect("the embedded catalogue is readable"))
}

/// The page of the official API reference that describes an operation. There is one page per area.
#[must_use]
pub fn reference_page(entry: &Entry) -> String {
    let area = if entry.area == "events" { "workflows.events" } else { &entry.area };
    format!("https://docs.mistral.ai/api/endpoint/{}", area.replace('.', "/"))
}
