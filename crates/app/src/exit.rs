//! Exit codes, documented in `docs/cli.md`. Numbers are never given another meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and everything is as it should be.
    Done = 0,
    /// Something went wrong that has no number of its own: a disk, a store.
    Trouble = 1,
    /// The command line is wrong. (Chosen by the argument parser.)
    #[allow(dead_code, reason = "named so that the list is complete")]
    Usage = 2,
    /// Refused before anything was sent or changed: definitions, parameters, payloads.
    Refused = 3,
    /// A call was not sent: no connection, no key.
    NotSent = 4,
    /// The service said "not now".
    TryLater = 5,
    /// A call was answered with an error, or a run has failed tasks.
    Failed = 6,
    /// The outcome of a call, or of tasks of a run, is unknown.
    Unknown = 7,
    /// What is left of a run comes due later than it was allowed to wait.
    Waiting = 8,
    /// Told to stop; what is left goes on with the next run.
    Stopped = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
