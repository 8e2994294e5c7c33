//! Who may call a route and wait for its answer, and how often.

use crate::definitions::builtin::ProxyOptions;
use model::Millis;

/// An incoming whose callers wait for the answer.
#[derive(Clone, Copy, Debug)]
pub struct Proxy {
    /// How long a caller waits. The task goes on after that.
    pub timeout: Millis,
    /// Callers that wait at the same time.
    pub parallel: u32,
    /// Time between two calls, in milliseconds; 0: no matter.
    pub interval: f64,
    /// The largest body, in bytes.
    pub max_bytes: u64,
}

impl Proxy {
    pub(super) fn new(options: &ProxyOptions) -> Self {
        let interval = options.requests_per_second.map_or(0.0, |rate| 1_000.0 / rate);
        Self { timeout: options.timeout.0, parallel: options.parallel, interval, max_bytes: options.max_bytes }
    }
}
