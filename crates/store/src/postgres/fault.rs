//! What goes wrong between us and the server, and what passes by itself.

use crate::StoreError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// So long something that passes by itself is waited for.
const MOST: Duration = Duration::from_secs(60);
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Codes of the server that another try may not meet.
const PASSING: [&str; 10] = [
    "40001", // could not serialize
    "40P01", // deadlock
    "53100", // its disk is full
    "53300", // too many connections
    "57P01", // shut down by its administrator
    "57P02", // another of its processes crashed
    "57P03", // starts up or shuts down
    "57P05", // this connection was idle for too long
    "25P03", // as before, within a transaction: this process was stopped for a while
    "25006", // read-only: it has just become a replica, and another server is to be found under the name
];
/// The class of codes for connections that broke.
const CONNECTION: &str = "08";

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server or the way to it.
    Database(sqlx::Error),
    /// Nothing came back for so long.
    Silent(Duration),
    /// What another try cannot change.
    Store(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Database(sqlx::Error::PoolClosed) => Self::Closed,
            Fault::Store(error) => error,
            // None of these texts has a password in it: the driver's are about what the server said.
            Fault::Database(ref error) if fault.passes() => Self::Unavailable(error.to_string()),
            Fault::Database(error) => Self::Server(error.to_string()),
            Fault::Silent(limit) => Self::Unavailable(format!("the server gave no answer for {} s", limit.as_secs())),
        }
    }
}

impl Fault {
    /// Whether another try may succeed without anybody doing something here.
    fn passes(&self) -> bool {
        match self {
            Self::Silent(_)
            | Self::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| PASSING.contains(&code.as_ref()) || code.starts_with(CONNECTION))
            }
            Self::Database(_) | Self::Store(_) => false,
        }
    }
}

/// Waits before the next try, longer each time, up to an end.
pub(super) struct Patience {
    most: Duration,
    since: Option<Instant>,
    next: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self::of(MOST)
    }

    /// Patience for so long.
    pub(super) fn of(most: Duration) -> Self {
        Self { most, since: None, next: FIRST_WAIT }
    }

    /// Returns when the next try is due.
    ///
    /// # Errors
    /// The fault itself, where it does not pass or has lasted too long.
    pub(super) async fn wait(&mut self, fault: Fault) -> Result<(), StoreError> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !fault.passes() || since.elapsed() >= self.most {
            return Err(fault.into());
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST_WAIT);
        Ok(())
    }
}
