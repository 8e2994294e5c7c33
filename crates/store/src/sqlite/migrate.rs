//! Brings a store to the version that we know: a copy first, then step by step, each step in a transaction of its own.
//! Cut at any moment, the next opening goes on.

use super::backup;
use super::folder::{APPLICATION, not_a_store, open_file};
use crate::StoreError;
use crate::blobs::private_file;
use crate::crash;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// One for each version of the store, in order.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../migrations/sqlite/0001_first.sql"),
    include_str!("../../migrations/sqlite/0002_unattended.sql"),
    include_str!("../../migrations/sqlite/0003_keep.sql"),
    include_str!("../../migrations/sqlite/0004_engines.sql"),
    include_str!("../../migrations/sqlite/0005_people.sql"),
    include_str!("../../migrations/sqlite/0006_server.sql"),
];
/// The newest version of the store that we know.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// What was done when an older store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Version that was found.
    pub from: i64,
    /// Version that it has now.
    pub to: i64,
    /// The store as it was before.
    pub copy: PathBuf,
}

/// Brings the store in a folder up to date. A new one has version 0, and needs no copy.
pub(super) fn bring_up_to_date(
    db: &mut Connection,
    data: &Path,
    found: Option<i64>,
) -> Result<Option<Upgrade>, StoreError> {
    let from = found.unwrap_or(0);
    if from >= KNOWN {
        return Ok(None);
    }
    let upgrade = match from {
        0 => None,
        _ => Some(Upgrade { from, to: KNOWN, copy: keep_copy(db, data, from)? }),
    };
    for (number, sql) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > from) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", number)?;
        crash::point("in_migration");
        transaction.commit()?;
        crash::point("in_migration");
    }
    Ok(upgrade)
}

/// An empty store of the present version, in memory.
pub(super) fn in_memory() -> Result<Connection, StoreError> {
    let db = Connection::open_in_memory()?;
    MIGRATIONS.iter().try_for_each(|sql| db.execute_batch(sql))?;
    Ok(db)
}

/// Keeps the store as it is as `before-version-N.db`, on disk when it returns. A copy that a cut attempt has left is kept:
/// it may be older than what is there by some migrations, which is all the better.
fn keep_copy(db: &Connection, data: &Path, from: i64) -> Result<PathBuf, StoreError> {
    let copy = data.join(format!("before-version-{KNOWN}.db"));
    if is_copy(db, &copy, from) {
        return Ok(copy);
    }
    let part = backup::beside(&copy, ".part");
    let failed = |error| StoreError::io("cannot keep a copy of the store as", &copy, error);
    let file = private_file(OpenOptions::new().write(true).create(true).truncate(true)).open(&part).map_err(failed)?;
    crash::point("in_migration");
    if let Err(error) = backup::copy_into(db, &part) {
        let _ = fs::remove_file(&part);
        return Err(backup::while_writing(&copy, error));
    }
    crash::point("in_migration");
    file.sync_all().map_err(failed)?;
    fs::rename(&part, &copy).map_err(failed)?;
    File::open(data).and_then(|folder| folder.sync_all()).map_err(failed)?;
    crash::point("in_migration");
    Ok(copy)
}

/// Whether a file is a whole copy of this store, of this or an earlier version, and nothing was done since.
fn is_copy(db: &Connection, copy: &Path, from: i64) -> bool {
    let Ok((kept, Some(version))) = open_file(copy) else { return false };
    let whole = kept.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let same = matches!((progress(db), progress(&kept)), (Ok(now), Ok(then)) if now == then);
    (1..=from).contains(&version) && whole.is_ok_and(|said| said == "ok") && same
}

/// What no store that was worked with has twice: every step of a task and every change of definitions counts one up.
fn progress(db: &Connection) -> rusqlite::Result<(String, [i64; 6])> {
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let id = db.query_row("SELECT id FROM identity", [], |row| row.get(0))?;
    let counts = [
        count("SELECT coalesce(sum(seq), 0) FROM sqlite_sequence")?,
        count("SELECT coalesce(sum(attempt), 0) FROM task")?,
        count("SELECT count(*) FROM attempt_start")?,
        count("SELECT count(*) FROM attempt_end")?,
        count("SELECT coalesce(max(id), 0) FROM decision")?,
        count("SELECT coalesce(max(number), 0) FROM revision")?,
    ];
    Ok((id, counts))
}

/// The version of the store; `None` for an empty file.
pub(super) fn version(db: &Connection, path: &Path) -> Result<Option<i64>, StoreError> {
    let number =
        |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| not_a_store(path, &error));
    let found = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let application = number("PRAGMA application_id")?;
    match (application, found) {
        (APPLICATION, found) if found > KNOWN => Err(StoreError::Newer { found, known: KNOWN }),
        (APPLICATION, found) => Ok(Some(found)),
        (0, 0) if tables == 0 => Ok(None),
        _ => Err(StoreError::NotAStore {
            file: path.to_owned(),
            reason: "it is a database of another program".to_owned(),
        }),
    }
}
