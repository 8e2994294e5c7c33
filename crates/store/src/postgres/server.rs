//! The server, as the rest of the adapter sees it: reads in one snapshot, writes in one transaction, each repeated until
//! it is known to have happened.
//!
//! A connection may break at any moment, also between a commit and its answer. So each write has a random number, its
//! call, which is inserted with it into the table `written`. Where the answer to a commit is lost, the next try inserts
//! the same number first. That waits for the lost transaction, where the server still works on it, and adds no row where
//! it was committed: then what it answered is the answer. Else it never happened and is done anew. No write happens
//! twice.

use super::fault::{Fault, Patience};
use super::tally;
use crate::StoreError;
use crate::changes::Changes;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A future that borrows a connection and what was asked.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;
/// A write. It may be carried out several times, and is committed once.
pub(super) type Operation<I, T> = for<'a> fn(&'a mut Write, &'a I) -> Answer<'a, T>;
/// A read. All its statements see the same moment.
pub(super) type Question<I, T> = for<'a> fn(&'a mut PgConnection, &'a I) -> Answer<'a, T>;

/// So long a write is remembered in the table `written`, in milliseconds.
const REMEMBERED: i64 = 3_600_000;
/// So long after a lost answer it is asked for at most: well before it is forgotten.
const ASKED_FOR: Duration = Duration::from_secs(1_200);
/// A try that takes longer has met a silent server, or is too much work for what must be quick.
const QUICK: Duration = Duration::from_secs(30);
/// As before, for what people ask and decide about any number of tasks.
const SLOW: Duration = Duration::from_secs(900);
/// Old rows of `written` are deleted every so many commits.
const FORGET_EVERY: u64 = 5_000;

/// What an operation writes with: a transaction, and the counts that it changes.
pub(super) struct Write {
    transaction: Transaction,
    pub(super) changes: Changes,
}

impl Write {
    /// The connection, within the transaction.
    pub(super) fn db(&mut self) -> &mut PgConnection {
        &mut self.transaction.connection
    }
}

/// A transaction. Where it does not come to its commit, for whatever reason, its connection is closed: nobody gets it
/// with a transaction still open, nor waits for one that is silent.
struct Transaction {
    connection: PoolConnection<Postgres>,
    is_committed: bool,
}

impl Transaction {
    /// Begins with these statements, and says how many rows they wrote.
    async fn begin(pool: &PgPool, sql: String) -> Result<(Self, u64), Fault> {
        let mut transaction = Self { connection: pool.acquire().await?, is_committed: false };
        let begun = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction.connection).await?;
        Ok((transaction, begun.rows_affected()))
    }

    async fn commit(mut self) -> Result<(), Fault> {
        sqlx::raw_sql("COMMIT").execute(&mut *self.connection).await?;
        self.is_committed = true;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_committed {
            self.connection.close_on_drop();
        }
    }
}

/// What a try of a write came to whose commit was not answered.
struct Unanswered<T> {
    answer: T,
    since: Instant,
}

/// The server, and how long one try may take.
#[derive(Clone)]
pub(super) struct Server {
    shared: Arc<Shared>,
    limit: Duration,
}

struct Shared {
    pool: PgPool,
    commits: AtomicU64,
}

impl Server {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { shared: Arc::new(Shared { pool, commits: AtomicU64::new(0) }), limit: QUICK }
    }

    /// The same server, for what may take long.
    pub(super) fn slow(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), limit: SLOW }
    }

    /// Commits since it was opened.
    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Gives a try up that takes too long.
    async fn within_limit<T>(&self, one: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        timeout(self.limit, one).await.unwrap_or(Err(Fault::Silent(self.limit)))
    }

    /// Carries out a write, and returns once it is on disk. Dropping the future does not stop it.
    pub(super) async fn write<I, T>(&self, input: I, operation: Operation<I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let server = self.clone();
        let written = tokio::spawn(async move { server.write_until_known(&input, operation).await });
        written.await.map_err(|_| StoreError::Closed)?
    }

    async fn write_until_known<I, T>(&self, input: &I, operation: Operation<I, T>) -> Result<T, StoreError>
    where
        I: Sync,
        T: Send,
    {
        let call = random().map_err(|error| StoreError::Server(format!("no random number: {error}")))?;
        let mut unanswered = None;
        let mut patience = Patience::new();
        let answer = loop {
            match self.within_limit(self.try_write(call, &mut unanswered, input, operation)).await {
                Ok(answer) => break answer,
                Err(fault) => patience.wait(fault).await?,
            }
        };
        if self.shared.commits.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            // Where it fails, the next one deletes more.
            let _ = self.forget().await;
        }
        Ok(answer)
    }

    async fn forget(&self) -> Result<(), Fault> {
        forget(&mut *self.shared.pool.acquire().await?).await
    }

    async fn try_write<I, T>(
        &self,
        call: i64,
        unanswered: &mut Option<Unanswered<T>>,
        input: &I,
        operation: Operation<I, T>,
    ) -> Result<T, Fault>
    where
        I: Sync,
        T: Send,
    {
        if unanswered.as_ref().is_some_and(|kept| kept.since.elapsed() > ASKED_FOR) {
            let text = "a commit was not answered, and it is too late to ask whether it happened";
            return Err(StoreError::Server(text.to_owned()).into());
        }
        let sql = format!("BEGIN; INSERT INTO written (call, at) VALUES ({call}, {CLOCK}) ON CONFLICT DO NOTHING");
        let (transaction, inserted) = Transaction::begin(&self.shared.pool, sql).await?;
        match unanswered.take() {
            Some(kept) if inserted == 0 => return Ok(kept.answer),
            // Its number was free, so what was tried before was not committed, and cannot be any more.
            _ => {}
        }
        let mut write = Write { transaction, changes: Changes::default() };
        let answer = operation(&mut write, input).await?;
        tally::save(&mut write.transaction.connection, &write.changes).await?;
        crate::crash::point("in_commit");
        *unanswered = Some(Unanswered { answer, since: Instant::now() });
        write.transaction.commit().await?;
        unanswered.take().map(|kept| kept.answer).ok_or_else(|| StoreError::Closed.into())
    }

    /// Asks within one snapshot.
    pub(super) async fn read<I, T>(&self, input: I, question: Question<I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync,
        T: Send,
    {
        let mut patience = Patience::new();
        loop {
            match self.within_limit(self.try_read(&input, question)).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => patience.wait(fault).await?,
            }
        }
    }

    async fn try_read<I, T>(&self, input: &I, question: Question<I, T>) -> Result<T, Fault>
    where
        I: Sync,
        T: Send,
    {
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned();
        let (mut snapshot, _) = Transaction::begin(&self.shared.pool, sql).await?;
        let answer = question(&mut snapshot.connection, input).await?;
        snapshot.commit().await?;
        Ok(answer)
    }
}

/// The server's time in milliseconds.
const CLOCK: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Deletes what nobody asks for any more.
pub(super) async fn forget(db: &mut PgConnection) -> Result<(), Fault> {
    let sql = format!("DELETE FROM written WHERE at < {CLOCK} - $1");
    sqlx::query(AssertSqlSafe(sql)).bind(REMEMBERED).execute(db).await?;
    Ok(())
}

fn random() -> Result<i64, getrandom::Error> {
    let mut bits = [0_u8; 8];
    getrandom::fill(&mut bits)?;
    Ok(i64::from_be_bytes(bits))
}
