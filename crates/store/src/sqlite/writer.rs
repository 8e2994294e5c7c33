//! The one thread that writes.
//!
//! Operations queue up while a commit waits for the disk; the next transaction carries all of them, each under a
//! savepoint, and they are answered after its commit. So a busy store pays for one sync per group, not per operation.

use super::tally::Changes;
use crate::StoreError;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// What an operation writes with: the connection, in a transaction, and the counts that it changes.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) db: &'a Connection,
    pub(super) changes: Changes,
}

/// Given the reason instead where nothing can be written.
type Operation = Box<dyn FnOnce(Result<&mut Write<'_>, &str>) -> Done + Send>;

/// An operation that was carried out and waits for its commit.
struct Done {
    succeeded: bool,
    /// Told why the commit failed, or nothing.
    answer: Box<dyn FnOnce(Option<&str>)>,
}

#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only while dropping.
    queue: Option<Sender<Operation>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Done").field("succeeded", &self.succeeded).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread on a connection that nobody else writes with.
    pub(super) fn start(db: Connection) -> Result<Self, StoreError> {
        let (queue, waiting) = channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(db, &waiting, &counted))
            .map_err(|error| StoreError::Io { what: "cannot start a thread".to_owned(), error })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), commits })
    }

    /// Carries out an operation in the next transaction, and returns once that is on disk. An operation that fails
    /// leaves nothing behind; a commit that fails, fails each operation in it. Dropping the future does not stop an
    /// operation.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let operation: Operation = Box::new(move |write| {
            let result = write.map_err(|why| StoreError::Database(why.to_owned())).and_then(operation);
            Done {
                succeeded: result.is_ok(),
                answer: Box::new(move |failure| {
                    let result = match failure {
                        Some(why) => result.and_then(|_| Err(StoreError::Database(why.to_owned()))),
                        None => result,
                    };
                    // Whoever asked may be gone; the operation stands all the same.
                    let _ = answer.send(result);
                }),
            }
        });
        self.queue.as_ref().ok_or(StoreError::Closed)?.send(operation).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Commits since the start.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    /// Carries out what is queued, then closes the connection cleanly.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has answered nobody, and everybody was told `Closed`.
            let _ = thread.join();
        }
    }
}

fn write_all(db: Connection, waiting: &Receiver<Operation>, commits: &AtomicU64) {
    while let Ok(first) = waiting.recv() {
        let group = std::iter::once(first).chain(waiting.try_iter()).collect();
        write_group(&db, group, commits);
    }
    // Leaves one file behind. Where it fails, the next opening reads the log: nothing is lost.
    let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = db.close();
}

/// Carries out a group in one transaction and answers each operation.
fn write_group(db: &Connection, group: Vec<Operation>, commits: &AtomicU64) {
    let mut failure = run(db, "BEGIN IMMEDIATE").err().map(|error| format!("the store cannot be written: {error}"));
    let mut changes = Changes::default();
    let mut done = Vec::with_capacity(group.len());
    for operation in group {
        let carried_out = match &failure {
            Some(why) => Ok(operation(Err(why))),
            None => carry_out(db, operation, &mut changes),
        };
        match carried_out {
            Ok(one) => done.push(one),
            Err((one, error)) => {
                failure = Some(format!("the transaction failed: {error}"));
                done.push(one);
            }
        }
    }
    if failure.is_none() {
        failure = commit(db, &changes).err().map(|error| format!("the commit failed: {error}"));
    }
    if failure.is_none() {
        commits.fetch_add(1, Ordering::Relaxed);
    } else if !db.is_autocommit() {
        // Where even this fails, the next BEGIN says so to everybody.
        let _ = run(db, "ROLLBACK");
    }
    for one in done {
        (one.answer)(failure.as_deref());
    }
}

/// Carries out one operation; where it fails, undoes it alone. An error means that the whole transaction is lost.
fn carry_out(db: &Connection, operation: Operation, changes: &mut Changes) -> Result<Done, (Done, rusqlite::Error)> {
    if let Err(error) = run(db, "SAVEPOINT operation") {
        return Err((operation(Err(&error.to_string())), error));
    }
    let mut write = Write { db, changes: Changes::default() };
    let done = operation(Ok(&mut write));
    let settled = if done.succeeded {
        changes.add(write.changes);
        Ok(())
    } else {
        // A full disk makes SQLite give up the transaction by itself; then this fails, as it should.
        run(db, "ROLLBACK TO operation")
    };
    match settled.and_then(|()| run(db, "RELEASE operation")) {
        Ok(()) => Ok(done),
        Err(error) => Err((done, error)),
    }
}

fn commit(db: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    changes.save(db)?;
    crate::crash::point("in_commit");
    run(db, "COMMIT")
}

fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(|_| ())
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
