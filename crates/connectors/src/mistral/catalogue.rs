//! The catalogue of the Mistral API, embedded.

use crate::openapi::catalogue::Catalogue;
use std::sync::OnceLock;

/// The text of the catalogue; `README.md` beside it says what it was made from.
const TEXT: &str = include_str!("catalogue.json");

/// The catalogue, read on first use. Its schemas stay unread until they are asked for.
#[allow(clippy::expect_used, reason = "the text is part of the program, and a test reads it")]
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| serde_json::from_str(TEXT).expect("the embedded catalogue is readable"))
}
