//! Connections for people's questions: they see what is committed and never wait for the writer.

use super::folder;
use crate::StoreError;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// At most this many questions at once; the others wait.
const MOST: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    folder: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Connections to this folder's database. The first is opened here, so that a bad file is found at once.
    pub(super) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let first = folder::open_reader(&folder)?;
        let permits = Arc::new(Semaphore::new(MOST));
        Ok(Self(Arc::new(Pool { folder, permits, idle: Mutex::new(vec![first]) })))
    }

    /// The store's identity. Asked once, when it is opened.
    pub(super) fn identity(&self) -> Result<String, StoreError> {
        self.0.ask(|db| Ok(db.query_row("SELECT id FROM identity", [], |row| row.get(0))?))
    }

    /// Asks within one snapshot, on a thread that may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let pool = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            pool.ask(question)
        });
        asked.await.map_err(|_| StoreError::Closed)?
    }
}

impl Pool {
    /// As [`Readers::read`], on this thread.
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut db = match idle {
            Some(db) => db,
            None => folder::open_reader(&self.folder)?,
        };
        // A transaction that is dropped is rolled back, so a connection comes back without a snapshot.
        let snapshot = db.transaction()?;
        let answer = question(&snapshot);
        drop(snapshot);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        answer
    }
}
