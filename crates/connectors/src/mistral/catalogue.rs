//! The operations of Mistral AI, embedded in the binary. `cargo xtask catalogue` makes the file.

use crate::openapi::catalogue::{Catalogue, Entry};
use crate::openapi::embedded;
use std::sync::OnceLock;

/// The embedded file.
const TEXT: &str = include_str!("catalogue.json");

/// What is kept by hand about the operations, beside the official document.
pub const OVERRIDES: &str = include_str!("overrides.yaml");

/// The catalogue that was put in the place of the embedded one.
static INSTALLED: OnceLock<Catalogue> = OnceLock::new();

/// All operations: of the catalogue that was installed, else the embedded ones.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    INSTALLED.get().unwrap_or_else(|| shipped())
}

/// Has [`catalogue`] give this one from now on. For the start of a process, before anything asks; `false` where one was
/// installed before.
pub fn install(catalogue: Catalogue) -> bool {
    INSTALLED.set(catalogue).is_ok()
}

/// The embedded operations. Read when they are first asked for, which takes a few milliseconds.
///
/// # Panics
/// Never: the file is checked against what it is made from before each release, and read by the tests.
#[must_use]
#[allow(clippy::expect_used, reason = "the embedded file is part of the program")]
pub fn shipped() -> &'static Catalogue {
    static SHIPPED: OnceLock<Catalogue> = OnceLock::new();
    SHIPPED.get_or_init(|| embedded::load(TEXT).expect("the embedded catalogue is readable"))
}

/// The page of the official API reference that describes an operation. There is one page per area.
#[must_use]
pub fn reference_page(entry: &Entry) -> String {
    let area = if entry.area == "events" { "workflows.events" } else { &entry.area };
    format!("https://docs.mistral.ai/api/endpoint/{}", area.replace('.', "/"))
}
