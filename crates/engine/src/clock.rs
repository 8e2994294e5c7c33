//! Time, injected.

use async_trait::async_trait;
use model::Millis;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The one source of time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// UTC milliseconds.
    fn now(&self) -> Millis;

    /// The same in microseconds, as finely as it can be told.
    fn micros(&self) -> i64 {
        self.now().saturating_mul(1_000)
    }

    /// Returns when that time has come.
    async fn sleep_until(&self, at: Millis);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Millis {
        self.micros() / 1_000
    }

    #[allow(clippy::disallowed_methods, reason = "this is the place where time comes in")]
    fn micros(&self) -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, at: Millis) {
        let wait = u64::try_from(at - self.now()).unwrap_or(0);
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    }
}

/// The clock of a server that several machines share, kept by the machine's own between two looks at it.
pub struct ServerClock {
    own: Arc<dyn Clock>,
    /// How far the server is ahead.
    ahead: AtomicI64,
}

impl ServerClock {
    /// Shows the machine's time until the server's is known.
    #[must_use]
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, ahead: AtomicI64::new(0) }
    }

    /// The server's time is this now.
    pub fn set(&self, server: Millis) {
        self.ahead.store(server - self.own.now(), Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for ServerClock {
    fn now(&self) -> Millis {
        self.own.now() + self.ahead.load(Ordering::Relaxed)
    }

    fn micros(&self) -> i64 {
        self.own.micros() + self.ahead.load(Ordering::Relaxed) * 1_000
    }

    async fn sleep_until(&self, at: Millis) {
        self.own.sleep_until(at - self.ahead.load(Ordering::Relaxed)).await;
    }
}

/// A clock that starts at a round time and runs faster than the machine's: for tests of whole processes.
#[cfg(feature = "crash-points")]
#[derive(Clone, Copy, Debug)]
pub struct FastClock {
    speed: i64,
}

#[cfg(feature = "crash-points")]
impl FastClock {
    /// So many times as fast. Processes that are started one after the other agree: it counts from 1970.
    #[must_use]
    pub fn new(speed: i64) -> Self {
        Self { speed: speed.max(1) }
    }
}

#[cfg(feature = "crash-points")]
#[async_trait]
impl Clock for FastClock {
    fn now(&self) -> Millis {
        // Kept in this century: only the time since a fixed day is stretched.
        const DAY: Millis = 1_780_000_000_000;
        DAY + (SystemClock.now() - DAY) * self.speed
    }

    async fn sleep_until(&self, at: Millis) {
        let wait = u64::try_from((at - self.now()) / self.speed + 1).unwrap_or(0);
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    }
}

/// The machine's clock, ahead by as many milliseconds as stand in a file: for tests of whole processes that move it.
#[cfg(feature = "crash-points")]
#[derive(Clone, Debug)]
pub struct ShiftedClock {
    file: std::path::PathBuf,
}

#[cfg(feature = "crash-points")]
impl ShiftedClock {
    /// Ahead by what stands in this file, looked at each time; where there is nothing, not at all.
    #[must_use]
    pub fn new(file: std::path::PathBuf) -> Self {
        Self { file }
    }
}

#[cfg(feature = "crash-points")]
#[async_trait]
impl Clock for ShiftedClock {
    fn now(&self) -> Millis {
        let ahead = std::fs::read(&self.file).ok().and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
        SystemClock.now() + ahead.unwrap_or(0)
    }

    async fn sleep_until(&self, at: Millis) {
        while self.now() < at {
            let wait = u64::try_from(at - self.now()).unwrap_or(0).min(50);
            tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        }
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Millis>,
    /// Times that somebody waits for, so that a test can move to the next one.
    awaited: Mutex<Vec<Millis>>,
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self { now: watch::Sender::new(now), awaited: Mutex::new(Vec::new()) }
    }

    /// Moves it on.
    pub fn advance(&self, by: Millis) {
        self.now.send_modify(|now| *now += by);
    }

    /// The earliest time that somebody waits for.
    #[must_use]
    pub fn next_awaited(&self) -> Option<Millis> {
        let awaited = self.awaited.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        awaited.iter().copied().filter(|at| *at > self.now()).min()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Millis {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: Millis) {
        self.awaited.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(at);
        // The sender lives as long as we do, so waiting cannot fail.
        let _ = self.now.subscribe().wait_for(|now| *now >= at).await;
    }
}
