//! The data folder: who may use it, and how its database is opened.

use super::migrate::{self, KNOWN, Upgrade, version};
use crate::StoreError;
use crate::blobs::{make_private_folder, private_file};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Versions below have a bug that can spoil a database used by two connections.
const OLDEST_SQLITE: i32 = 3_051_003;
/// `TrMn`: tells our files from other SQLite databases.
pub(super) const APPLICATION: i64 = 0x5472_4d6e;
/// How long to wait for a stranger who writes to the file (a shell, a backup).
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the database is.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("tramontane.db")
}

/// Makes the folder where it is missing, and holds it until the file is dropped.
pub(super) fn hold(folder: &Path, by: &str) -> Result<File, StoreError> {
    make_private_folder(folder).map_err(|error| StoreError::io("cannot make the data folder", folder, error))?;
    let path = folder.join("engine.lock");
    let failed = |error| StoreError::io("cannot lock", &path, error);
    let mut lock = private_file(OpenOptions::new().read(true).write(true).create(true)).open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Held { folder: folder.to_owned(), by: read_holder(&lock) });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    lock.set_len(0).map_err(failed)?;
    writeln!(lock, "process {}, {by}", std::process::id()).map_err(failed)?;
    Ok(lock)
}

/// What the holder wrote, as far as it came.
pub(super) fn read_holder(lock: &File) -> String {
    let mut text = String::new();
    match lock.take(1024).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

/// Opens the connection that writes, makes the database where it is missing and brings it up to date.
pub(super) fn open_writer(folder: &Path) -> Result<(Connection, Option<Upgrade>), StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::Database(format!("SQLite {} is too old", rusqlite::version())));
    }
    let path = database(folder);
    private_file(OpenOptions::new().read(true).write(true).create(true))
        .open(&path)
        .map_err(|error| StoreError::io("cannot open", &path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(&path, flags).map_err(|error| not_a_store(&path, &error))?;
    db.busy_timeout(PATIENCE)?;
    let found = version(&db, &path)?;
    prepare_writer(&db).map_err(|error| not_a_store(&path, &error))?;
    let upgrade = migrate::bring_up_to_date(&mut db, folder, found)?;
    Ok((db, upgrade))
}

/// Opens a connection that only reads.
pub(super) fn open_reader(folder: &Path) -> Result<Connection, StoreError> {
    match open_any(folder)? {
        (_, found) if found < KNOWN => Err(StoreError::Older { found, known: KNOWN }),
        (db, _) => Ok(db),
    }
}

/// The same for a store of this or an older version; tells which.
pub(super) fn open_any(folder: &Path) -> Result<(Connection, i64), StoreError> {
    let path = database(folder);
    if !path.exists() {
        return Err(StoreError::Absent(folder.to_owned()));
    }
    match open_file(&path)? {
        (_, None) => Err(StoreError::Absent(folder.to_owned())),
        (db, Some(found)) => Ok((db, found)),
    }
}

/// Opens a file with a store in it for reading; tells its version, `None` for an empty file.
pub(super) fn open_file(path: &Path) -> Result<(Connection, Option<i64>), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| not_a_store(path, &error))?;
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch("PRAGMA trusted_schema = OFF").map_err(|error| not_a_store(path, &error))?;
    let found = version(&db, path)?;
    Ok((db, found))
}

fn prepare_writer(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(128);
    // Else statements over an index with a condition are planned anew for each value.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // `auto_vacuum` counts only before the first table; space is given back in small steps, never by a long rewrite.
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA trusted_schema = OFF;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -16000;",
    )?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // FULL: a commit that was answered survives a power cut. A larger log is copied into the file less often, and
    // pages that many commits touched are then copied once.
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;")
}

/// SQLite's codes for a file that it cannot make sense of get a name of their own; the rest is a database error.
pub(super) fn not_a_store(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(NotADatabase | DatabaseCorrupt) => {
            StoreError::NotAStore { file: path.to_owned(), reason: error.to_string() }
        }
        Some(DatabaseBusy | DiskFull | SystemIoFailure) => {
            StoreError::Unavailable(format!("{}: {error}", path.display()))
        }
        _ => StoreError::Database(format!("{}: {error}", path.display())),
    }
}
