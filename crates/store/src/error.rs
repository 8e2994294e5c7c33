//! What can go wrong with a store.

use model::Problem;

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
    /// The database said no.
    #[error("{0}")]
    Database(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// As a problem for people.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let reason = self.to_string();
        match self {
            Self::Conflict { .. } => {
                Problem::new("definitions_changed", reason).hint("look at the plan again, then apply")
            }
            Self::Newer { .. } => {
                Problem::new("store_newer", reason).hint("use the newer program, or restore a backup")
            }
            Self::BlobMissing(_) => {
                Problem::new("blob_missing", reason).hint("restore the data folder's blobs from a backup")
            }
            Self::Io { .. } => Problem::new("store_io", reason).hint("check the data folder's disk and permissions"),
            Self::Database(_) => {
                Problem::new("store_database", reason).hint("check the data folder's disk and permissions")
            }
            Self::Closed => Problem::new("store_closed", reason),
        }
    }
}
