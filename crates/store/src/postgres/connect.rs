//! Connecting, and bringing the database up to date.

use super::fault::{Fault, Patience};
use super::server::forget;
use crate::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool, Row};
use std::str::FromStr;
use std::time::Duration;
use tokio::time::timeout;

/// One for each version of the store, in order.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../migrations/postgres/0001_first.sql"),
    include_str!("../../migrations/postgres/0002_unattended.sql"),
    include_str!("../../migrations/postgres/0003_keep.sql"),
    include_str!("../../migrations/postgres/0004_engines.sql"),
    include_str!("../../migrations/postgres/0005_people.sql"),
    include_str!("../../migrations/postgres/0006_server.sql"),
];
/// The newest version of the store that we know.
const KNOWN: i64 = MIGRATIONS.len() as i64;
/// Older servers lack functions that we use.
const OLDEST_SERVER: i32 = 130_000;
/// Connections of one process at most.
const MOST_CONNECTIONS: u32 = 10;
/// How long a free connection is waited for in one try. One that waits for the server to let a further one in does not
/// see those that others give back meanwhile.
const ACQUIRE: Duration = Duration::from_secs(3);
/// So long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(120);
/// How long a server that is not there is waited for at the start: one that starts up at the same time gets ready.
const AT_THE_START: Duration = Duration::from_secs(15);
/// `TrMn`: who migrates holds this lock.
const LOCK: i64 = 0x5472_4d6e;

/// What every connection is told. Plans are made for the present sizes of tables: one that was made while a table was
/// empty would be kept for long. Whoever was stopped in a transaction must not hold its locks.
const SETTINGS: &str = "SET plan_cache_mode = force_custom_plan;
    SET jit = off;
    SET default_transaction_isolation = 'read committed';
    SET default_transaction_read_only = off;
    SET idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Server(format!("the URL of the database cannot be read: {error}")))?;
    Ok(options.application_name("tramontane").disable_statement_logging())
}

/// Makes or updates the tables in the database of this URL, and returns a pool of connections to it. Any number of
/// processes may do so at once. Second is the store's identity.
pub(super) async fn connect(url: &str) -> Result<(PgPool, String), StoreError> {
    let options = options(url)?;
    let mut patience = Patience::of(AT_THE_START);
    let id = loop {
        match prepare(&options).await {
            Ok(id) => break id,
            Err(fault) => patience.wait(fault).await?,
        }
    };
    Ok((open_pool(options), id))
}

/// One connection, for a copy: the database is brought up to date first.
pub(super) async fn alone(url: &str) -> Result<PgConnection, StoreError> {
    let options = options(url)?;
    let connected = async {
        prepare(&options).await?;
        let mut db = timeout(ACQUIRE, options.connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        db.execute(SETTINGS).await?;
        // Reading the other side may take longer between two statements.
        db.execute("SET idle_in_transaction_session_timeout = 0").await?;
        Ok::<_, Fault>(db)
    };
    Ok(connected.await?)
}

/// Connections as they are needed. One that was idle for long may have been forgotten on its way, without a word to us.
fn open_pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(MOST_CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(IDLE)
        // A broken connection is found by its use, which is repeated.
        .test_before_acquire(false)
        .after_connect(|db, _| Box::pin(async move { db.execute(SETTINGS).await.map(|_| ()) }))
        .connect_lazy_with(options)
}

/// Brings the database up to date over a connection of its own, whose errors say more than a pool's.
async fn prepare(options: &PgConnectOptions) -> Result<String, Fault> {
    let mut db = timeout(ACQUIRE, options.connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    db.execute(SETTINGS).await?;
    migrate(&mut db).await?;
    forget(&mut db).await?;
    let id = sqlx::query("SELECT id FROM identity").fetch_one(&mut db).await?.try_get(0)?;
    db.close().await?;
    Ok(id)
}

/// Carries out what is missing, each migration in a transaction of its own, under a lock of all processes.
async fn migrate(db: &mut PgConnection) -> Result<(), Fault> {
    loop {
        let mut transaction = db.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
        let found = version(&mut transaction).await?;
        if found > KNOWN {
            return Err(StoreError::Newer { found, known: KNOWN }.into());
        }
        let Some(sql) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found)) else {
            return Ok(transaction.commit().await?);
        };
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
        sqlx::query("UPDATE store_version SET version = $1").bind(found + 1).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
}

/// The version of the store; 0 for a database without one, which then has the table that says so.
async fn version(db: &mut PgConnection) -> Result<i64, Fault> {
    let server: i32 =
        sqlx::query("SELECT current_setting('server_version_num')::integer").fetch_one(&mut *db).await?.try_get(0)?;
    if server < OLDEST_SERVER {
        return Err(StoreError::Server(format!("PostgreSQL 13 is needed, the server is {}", server / 10_000)).into());
    }
    let exists: bool =
        sqlx::query("SELECT to_regclass('store_version') IS NOT NULL").fetch_one(&mut *db).await?.try_get(0)?;
    if !exists {
        sqlx::raw_sql("CREATE TABLE store_version (version BIGINT NOT NULL); INSERT INTO store_version VALUES (0)")
            .execute(&mut *db)
            .await?;
    }
    Ok(sqlx::query("SELECT version FROM store_version").fetch_one(db).await?.try_get(0)?)
}
