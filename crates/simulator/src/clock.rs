//! The simulator's own clock, which long work (batch jobs, documents, imports) goes by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// A clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real { start: Instant, speed: f64 },
    Hand(Arc<AtomicU64>),
}

impl Clock {
    /// Goes `speed` times as fast as the world's.
    #[must_use]
    pub fn real(speed: f64) -> Self {
        Self(Kind::Real { start: Instant::now(), speed })
    }

    /// Shows the milliseconds that somebody else sets.
    #[must_use]
    pub fn by_hand(milliseconds: Arc<AtomicU64>) -> Self {
        Self(Kind::Hand(milliseconds))
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.0 {
            Kind::Real { start, speed } => {
                let seconds = start.elapsed().as_secs_f64() * speed.max(0.0);
                u64::try_from(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_millis())
                    .unwrap_or(u64::MAX)
            }
            Kind::Hand(milliseconds) => milliseconds.load(Ordering::Acquire),
        }
    }
}
