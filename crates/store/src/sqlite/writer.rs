//! The one thread that writes.
//!
//! Operations queue up while a commit waits for the disk; the next transaction carries all of them, each under a
//! savepoint, and they are answered after its commit. So a busy store pays for one sync per group, not per operation.

use super::tally::save;
use crate::StoreError;
use crate::changes::Changes;
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

/// An operation, and how it is carried out.
struct Waiting {
    operation: Operation,
    /// In a transaction of its own, with foreign keys off.
    apart: bool,
}

/// Given the reason instead where nothing can be written.
type Operation = Box<dyn FnOnce(Result<&mut Write<'_>, &str>) -> Done + Send>;

/// Tells who waits how the commit went: why it failed, or nothing.
type Answer = Box<dyn FnOnce(Option<&str>)>;

/// An operation that was carried out and waits for its commit.
struct Done {
    succeeded: bool,
    answer: Answer,
}

#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only while dropping.
    queue: Option<Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
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
        self.carry_out(operation, false).await
    }

    /// The same in a transaction of its own, in which the database does not look after foreign keys: for deletions that
    /// look after them themselves.
    pub(super) async fn write_apart<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.carry_out(operation, true).await
    }

    async fn carry_out<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
        apart: bool,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let operation: Operation = Box::new(move |write| {
            let result = write.map_err(|why| StoreError::Unavailable(why.to_owned())).and_then(operation);
            Done {
                succeeded: result.is_ok(),
                answer: Box::new(move |failure| {
                    let result = match failure {
                        Some(why) => result.and_then(|_| Err(StoreError::Unavailable(why.to_owned()))),
                        None => result,
                    };
                    // Whoever asked may be gone; the operation stands all the same.
                    let _ = answer.send(result);
                }),
            }
        });
        self.queue
            .as_ref()
            .ok_or(StoreError::Closed)?
            .send(Waiting { operation, apart })
            .map_err(|_| StoreError::Closed)?;
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

fn write_all(db: Connection, waiting: &Receiver<Waiting>, commits: &AtomicU64) {
    while let Ok(first) = waiting.recv() {
        let (apart, together): (Vec<_>, Vec<_>) =
            std::iter::once(first).chain(waiting.try_iter()).partition(|waiting| waiting.apart);
        if !together.is_empty() {
            write_group(&db, together.into_iter().map(|waiting| waiting.operation).collect(), commits);
        }
        for one in apart {
            // Where this fails, foreign keys are looked after, which takes longer and is right as well.
            let _ = db.execute_batch("PRAGMA foreign_keys = OFF");
            write_group(&db, vec![one.operation], commits);
            let _ = db.execute_batch("PRAGMA foreign_keys = ON");
        }
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
        match &failure {
            Some(why) => done.push(operation(Err(why))),
            None => {
                let (one, settled) = carry_out(db, operation, &mut changes);
                done.push(one);
                failure = settled.err();
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

/// Carries out one operation; where it fails, undoes it alone. An error says why the whole transaction is lost.
fn carry_out(db: &Connection, operation: Operation, changes: &mut Changes) -> (Done, Result<(), String>) {
    let lost = |error: rusqlite::Error| format!("the transaction failed: {error}");
    if let Err(why) = run(db, "SAVEPOINT operation").map_err(lost) {
        return (operation(Err(&why)), Err(why));
    }
    let mut write = Write { db, changes: Changes::default() };
    let done = operation(Ok(&mut write));
    let settled = if done.succeeded {
        changes.add(write.changes);
        run(db, "RELEASE operation")
    } else if db.is_autocommit() {
        return (done, Err("the transaction failed: another operation in it met a full or broken disk".to_owned()));
    } else {
        run(db, "ROLLBACK TO operation").and_then(|()| run(db, "RELEASE operation"))
    };
    (done, settled.map_err(lost))
}

fn commit(db: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    save(db, changes)?;
    crate::crash::point("in_commit");
    run(db, "COMMIT")
}

fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(|_| ())
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
