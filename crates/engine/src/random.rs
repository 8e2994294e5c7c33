//! Chance, injected.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of evenly spread numbers. Good for jitter, not for secrets.
pub trait Random: Send + Sync {
    /// At least 0, below 1.
    fn fraction(&self) -> f64;
}

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug)]
pub struct Seeded {
    state: AtomicU64,
}

impl Seeded {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// A seed that differs from process to process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::new(std::collections::hash_map::RandomState::new().build_hasher().finish())
    }
}

impl Random for Seeded {
    fn fraction(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // 53 bits fill a double's mantissa exactly.
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
        let numerator = (z >> 11) as f64;
        numerator / (1u64 << 53) as f64
    }
}
