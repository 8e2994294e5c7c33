//! What can go wrong with a store.

use model::Problem;
use std::path::{Path, PathBuf};

/// A store that cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The definitions changed in the meantime.
    #[error("the definitions are at revision {present}, not at {expected}")]
    Conflict {
        /// What the caller thought.
        expected: i64,
        /// What is.
        present: i64,
    },
    /// The store was written by a newer version.
    #[error("the store has version {found}, this program knows versions up to {known}")]
    Newer {
        /// Version of the store.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// The store was written by an older version and was opened for reading only, so it cannot be brought up to date.
    #[error("the store has version {found} and must be brought to version {known} first")]
    Older {
        /// Version of the store.
        found: i64,
        /// The version that we read.
        known: i64,
    },
    /// Another engine holds the data folder.
    #[error("the data folder {} is held by {by}", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who, as the holder wrote it.
        by: String,
    },
    /// Nothing to read in the data folder.
    #[error("there is no store in {}", .0.display())]
    Absent(PathBuf),
    /// The file is there and is none of ours, or is damaged.
    #[error("{} is not a store: {reason}", file.display())]
    NotAStore {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A write to a store that was opened for reading.
    #[error("the store was opened for reading only")]
    ReadOnly,
    /// A reference to a blob that is not there.
    #[error("blob {0} is missing")]
    BlobMissing(String),
    /// The file system.
    #[error("{what}: {error}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// Why it failed.
        error: std::io::Error,
    },
    /// The database cannot write or be reached at present: a full disk, a server that restarts. Nothing was written; it
    /// may work later.
    #[error("{0}")]
    Unavailable(String),
    /// The database said no.
    #[error("{0}")]
    Database(String),
    /// What was asked does not fit what is there; nothing was changed.
    #[error("{0}")]
    Refused(Problem),
    /// What the engine said that holds the store, and was asked to write.
    #[error("{0}")]
    Elsewhere(Problem),
    /// The database server said no, or cannot be reached.
    #[error("{0}")]
    Server(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// An error of the file system at a path: `what` reads like "cannot write".
    pub fn io(what: &str, path: &Path, error: std::io::Error) -> Self {
        Self::Io { what: format!("{what} {}", path.display()), error }
    }

    /// Whether the same may work later without anybody changing what is asked.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// As a problem for people.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (code, hint) = match self {
            Self::Conflict { .. } => ("definitions_changed", "look at the plan again, then apply"),
            Self::Newer { .. } => ("store_newer", "use the newer program, or restore a backup"),
            Self::Older { .. } => ("store_older", "run a command that writes once, with this program"),
            Self::Held { .. } => ("store_held", "stop that process, or use another data folder"),
            Self::Absent(_) => ("store_absent", "apply definitions first, or name another data folder"),
            Self::NotAStore { .. } => ("not_a_store", "name another data folder, or restore a backup"),
            Self::ReadOnly => ("store_read_only", "open it as an engine"),
            Self::BlobMissing(_) => ("blob_missing", "restore the data folder's blobs from a backup"),
            Self::Io { .. } => ("store_io", "check the data folder's disk and permissions"),
            Self::Unavailable(_) => ("store_unavailable", "check the disk of the data folder, or the database server"),
            Self::Database(_) => ("store_database", "check the data folder's disk and permissions"),
            Self::Refused(problem) | Self::Elsewhere(problem) => return problem.clone(),
            Self::Server(_) => ("store_server", "check that the database server runs and lets this account work"),
            Self::Closed => ("store_closed", "start the engine again"),
        };
        Problem::new(code, self.to_string()).hint(hint)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull | SystemIoFailure | DatabaseBusy | DatabaseLocked) => Self::Unavailable(error.to_string()),
            _ => Self::Database(error.to_string()),
        }
    }
}
