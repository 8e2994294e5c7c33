//! A backup: one file, which is a copy of the database with the blobs and small files that belong to it in tables of its
//! own. It can be made while an engine works.

use super::folder;
use super::queries;
use crate::StoreError;
use crate::blobs::{BlobId, Blobs, make_private_folder, private_file};
use model::{Millis, Problem};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// Bytes of one row of a file.
const PIECE: usize = 1 << 20;
/// How often a backup begins anew because blobs that it needs were deleted meanwhile.
const TRIES: usize = 3;
/// The tables that a backup has and a store has not. The row in `backup` comes last: without it the backup is not whole.
const TABLES: &str = "
    CREATE TABLE backup (at INTEGER NOT NULL, tasks INTEGER NOT NULL, attempts INTEGER NOT NULL,
                         files INTEGER NOT NULL, bytes INTEGER NOT NULL, lost INTEGER NOT NULL) STRICT;
    CREATE TABLE backup_file (id INTEGER PRIMARY KEY, blob TEXT UNIQUE, name TEXT UNIQUE, length INTEGER NOT NULL,
                              at INTEGER NOT NULL) STRICT;
    CREATE TABLE backup_piece (key INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;";

/// What is in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// When it was made.
    pub at: Millis,
    /// Tasks in it.
    pub tasks: u64,
    /// Attempts that were started or ended.
    pub attempts: u64,
    /// Blobs and small files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that tasks name and that the store itself has not got any more.
    pub lost: u64,
}

/// Copies the store in this folder to a new file, with its blobs and these files, named from the folder on. Works beside
/// an engine. Blocks on the disk.
///
/// # Errors
/// [`StoreError::Refused`]: `file_exists`, `backup_overtaken`; and what the disk and the database say. What was written
/// by then is deleted.
pub fn back_up(data: &Path, to: &Path, files: &[PathBuf], now: Millis) -> Result<Backup, StoreError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(exists(to));
    }
    let part = beside(to, ".part");
    let file = private_file(OpenOptions::new().write(true).create(true).truncate(false))
        .open(&part)
        .map_err(|error| StoreError::io("cannot make", &part, error))?;
    if file.try_lock().is_err() {
        return Err(refused("backup_under_way", format!("another backup writes to {}", to.display()), "wait for it"));
    }
    let made = make(data, &part, &file, files, now).and_then(|made| {
        file.sync_all().map_err(|error| StoreError::io("cannot write", &part, error))?;
        publish(&part, to).map(|()| made)
    });
    if made.is_err() {
        let _ = fs::remove_file(&part);
    }
    made.map_err(|error| while_writing(to, error))
}

/// Says which file could not be written, where the database only says that the disk is full.
pub(super) fn while_writing(file: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("cannot write {}: {why}", file.display())),
        error => error,
    }
}

fn make(data: &Path, part: &Path, file: &File, files: &[PathBuf], now: Millis) -> Result<Backup, StoreError> {
    let mut tries = 0;
    loop {
        file.set_len(0).map_err(|error| StoreError::io("cannot write", part, error))?;
        let (live, _) = folder::open_any(data)?;
        copy_into(&live, part)?;
        tries += 1;
        match fill(&live, data, part, files, now) {
            Err(StoreError::Refused(problem)) if problem.code == "backup_overtaken" && tries < TRIES => {}
            made => return made,
        }
    }
}

/// Copies a database as it is at this moment to a file that is empty or not there.
pub(super) fn copy_into(db: &Connection, to: &Path) -> Result<(), StoreError> {
    let name = to.to_str().ok_or_else(|| {
        let reason = format!("{} is not UTF-8", to.display());
        refused("name_not_utf8", reason, "name another file")
    })?;
    db.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

/// Adds blobs and small files to a fresh copy.
fn fill(live: &Connection, data: &Path, part: &Path, files: &[PathBuf], now: Millis) -> Result<Backup, StoreError> {
    let mut db = Connection::open(part)?;
    // Nobody sees the file before it is whole and on disk, so no journal is needed.
    db.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF;")?;
    let transaction = db.transaction()?;
    transaction.execute_batch(TABLES)?;
    let blobs = Blobs::new(data.join("blobs"));
    let mut lost = 0_u64;
    for id in named(&transaction)? {
        match blobs.open(&id) {
            Ok(mut from) => {
                let at = from.metadata().and_then(|data| data.modified()).map_or(now, crate::blobs::millis);
                add(&transaction, Some(id.as_str()), None, at, &mut from)?;
            }
            Err(StoreError::BlobMissing(_)) if is_named(live, &id)? => lost += 1,
            Err(StoreError::BlobMissing(_)) => return Err(overtaken()),
            Err(error) => return Err(error),
        }
    }
    for name in files {
        let path = data.join(name);
        let text = name.to_str().filter(|text| is_inside(text));
        let text = text.ok_or_else(|| refused("name_not_utf8", format!("{} cannot be kept", path.display()), ""))?;
        let mut from = File::open(&path).map_err(|error| StoreError::io("cannot read", &path, error))?;
        add(&transaction, None, Some(text), now, &mut from)?;
    }
    let backup = Backup { lost, ..count(&transaction, now)? };
    transaction.execute(
        "INSERT INTO backup (at, tasks, attempts, files, bytes, lost) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            now,
            integer(backup.tasks),
            integer(backup.attempts),
            integer(backup.files),
            integer(backup.bytes),
            integer(lost)
        ],
    )?;
    transaction.commit()?;
    db.close().map_err(|(_, error)| StoreError::from(error))?;
    Ok(backup)
}

/// Puts a backup into a folder that is empty or not there. Blocks on the disk.
///
/// # Errors
/// [`StoreError::Refused`]: `folder_not_empty`, `not_a_backup`, `backup_broken`; [`StoreError::Newer`]; and what the disk
/// and the database say. What was written by then is left, and is no store.
pub fn restore(from: &Path, data: &Path) -> Result<Backup, StoreError> {
    let promised = look_at(from)?;
    let empty = match fs::read_dir(data) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(StoreError::io("cannot look into", data, error)),
    };
    if !empty {
        let hint = "name a new folder; what a restore that was cut short has left can be deleted";
        return Err(refused("folder_not_empty", format!("{} is not empty", data.display()), hint));
    }
    let _lock = folder::hold(data, "restoring a backup")?;
    let part = data.join("restore.part");
    copy_file(from, &part).map_err(|error| StoreError::io("cannot copy the backup to", &part, error))?;
    let db = Connection::open(&part)?;
    db.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF;")?;
    let found = unpack(&db, data, promised.at)?;
    if (Backup { lost: promised.lost, ..found }) != promised {
        return Err(broken(from, &format!("it has {found:?} and should have {promised:?}")));
    }
    db.execute_batch("DROP TABLE backup_piece; DROP TABLE backup_file; DROP TABLE backup;")?;
    while super::prune::give_back(&db, 64 << 20)? > 0 {}
    if let Some(finding) = queries::check(&db)?.first() {
        return Err(broken(from, finding));
    }
    db.close().map_err(|(_, error)| StoreError::from(error))?;
    File::open(&part).and_then(|file| file.sync_all()).map_err(|error| StoreError::io("cannot write", &part, error))?;
    publish(&part, &folder::database(data))?;
    Ok(promised)
}

/// Reads what a file says of itself.
fn look_at(from: &Path) -> Result<Backup, StoreError> {
    File::open(from).map_err(|error| StoreError::io("cannot read", from, error))?;
    let no_backup = |reason: String| refused("not_a_backup", reason, "tramontane backup makes one");
    let other = |error: StoreError| match error {
        StoreError::Newer { .. } | StoreError::Io { .. } => error,
        error => no_backup(error.to_string()),
    };
    let (db, _) = folder::open_file(from).map_err(other)?;
    let read = |row: &rusqlite::Row<'_>| {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let [tasks, attempts, files, bytes, lost] = [count(1)?, count(2)?, count(3)?, count(4)?, count(5)?];
        Ok(Backup { at: row.get(0)?, tasks, attempts, files, bytes, lost })
    };
    let found = db.query_row("SELECT at, tasks, attempts, files, bytes, lost FROM backup", [], read).optional();
    match found {
        Ok(Some(backup)) => Ok(backup),
        _ => Err(no_backup(format!("{} is no whole backup", from.display()))),
    }
}

/// Writes the blobs and files of a backup into the folder; counts everything.
fn unpack(db: &Connection, data: &Path, at: Millis) -> Result<Backup, StoreError> {
    let blobs = Blobs::new(data.join("blobs"));
    make_private_folder(&data.join("blobs")).map_err(|error| StoreError::io("cannot make", data, error))?;
    let mut statement = db.prepare("SELECT id, blob, name, length, at FROM backup_file ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (blob, name): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
        let mut pieces = Pieces::new(db, row.get(0)?);
        let written = match (blob.as_deref().and_then(BlobId::parse), name.filter(|name| is_inside(name))) {
            (Some(id), None) => blobs.put(&id, row.get(4)?, &mut pieces)?,
            (None, Some(name)) => {
                let path = data.join(name);
                write_new(&path, &mut pieces).map_err(|error| StoreError::io("cannot write", &path, error))?
            }
            _ => return Err(broken(data, "it has a file without a name that can be used")),
        };
        if written != row.get::<_, i64>(3)?.unsigned_abs() {
            return Err(broken(data, "a file in it is not whole"));
        }
    }
    count(db, at)
}

/// Counts what is in a copy with its files.
fn count(db: &Connection, at: Millis) -> Result<Backup, StoreError> {
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    Ok(Backup {
        at,
        tasks: number("SELECT count(*) FROM task")?,
        attempts: number("SELECT (SELECT count(*) FROM attempt_start) + (SELECT count(*) FROM attempt_end)")?,
        files: number("SELECT count(*) FROM backup_file")?,
        bytes: number("SELECT coalesce(sum(length), 0) FROM backup_file")?,
        lost: 0,
    })
}

/// Adds a file, piece by piece.
fn add(
    db: &Connection,
    blob: Option<&str>,
    name: Option<&str>,
    at: Millis,
    from: &mut dyn Read,
) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO backup_file (blob, name, length, at) VALUES (?1, ?2, 0, ?3)")?
        .execute(params![blob, name, at])?;
    let id = db.last_insert_rowid();
    let mut piece = Vec::with_capacity(PIECE);
    let mut length = 0_i64;
    for number in 0_i64.. {
        piece.clear();
        let read = from.take(PIECE as u64).read_to_end(&mut piece);
        let read =
            read.map_err(|error| StoreError::Io { what: "cannot read a file of the backup".to_owned(), error })?;
        if read == 0 {
            break;
        }
        db.prepare_cached("INSERT INTO backup_piece (key, bytes) VALUES (?1, ?2)")?
            .execute(params![id << PIECE_BITS | number, piece])?;
        length += i64::try_from(read).unwrap_or(i64::MAX);
    }
    db.prepare_cached("UPDATE backup_file SET length = ?2 WHERE id = ?1")?.execute([id, length])?;
    Ok(())
}

/// Bits of a piece's key that its number has: 2^24 pieces are 16 TiB.
const PIECE_BITS: u32 = 24;

/// Reads the pieces of a file one after the other.
struct Pieces<'a> {
    db: &'a Connection,
    key: i64,
    piece: Vec<u8>,
    read: usize,
}

impl<'a> Pieces<'a> {
    fn new(db: &'a Connection, file: i64) -> Self {
        Self { db, key: file << PIECE_BITS, piece: Vec::new(), read: 0 }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            let next = self
                .db
                .prepare_cached("SELECT bytes FROM backup_piece WHERE key = ?1")
                .and_then(|mut sql| sql.query_row([self.key], |row| row.get(0)).optional())
                .map_err(io::Error::other)?;
            let Some(piece) = next else { return Ok(0) };
            (self.piece, self.read) = (piece, 0);
            self.key += 1;
        }
        let read = (&self.piece[self.read..]).read(to)?;
        self.read += read;
        Ok(read)
    }
}

/// Every blob that tasks name.
pub(super) fn named(db: &Connection) -> Result<Vec<BlobId>, StoreError> {
    let mut statement = db.prepare("SELECT DISTINCT id FROM blob ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok(BlobId::parse(row.get_ref(0)?.as_str()?)))?;
    let ids: Vec<Option<BlobId>> = rows.collect::<Result<_, _>>()?;
    Ok(ids.into_iter().flatten().collect())
}

pub(super) fn is_named(db: &Connection, id: &BlobId) -> Result<bool, StoreError> {
    Ok(db.prepare_cached("SELECT 1 FROM blob WHERE id = ?1")?.exists([id.as_str()])?)
}

/// Whether a name leads to a file within the folder, and none of the store's own.
fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
    normal && !name.is_empty() && !["tramontane", "blobs", "engine", "restore"].iter().any(|own| name.starts_with(own))
}

/// A file's name with something added.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

/// Gives a finished file its name, never another file's, and makes that last.
pub(super) fn publish(part: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("cannot make", to, error);
    match fs::hard_link(part, to) {
        Ok(()) => fs::remove_file(part).map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(to)),
        // No links on this file system.
        Err(_) if fs::symlink_metadata(to).is_ok() => return Err(exists(to)),
        Err(_) => fs::rename(part, to).map_err(failed)?,
    }
    match to.parent().filter(|parent| *parent != Path::new("")) {
        Some(parent) => File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed),
        None => File::open(".").and_then(|folder| folder.sync_all()).map_err(failed),
    }
}

fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    write_new(to, &mut File::open(from)?)
}

fn write_new(path: &Path, from: &mut dyn Read) -> io::Result<u64> {
    if let Some(folder) = path.parent() {
        make_private_folder(folder)?;
    }
    let mut file = private_file(OpenOptions::new().write(true).create_new(true)).open(path)?;
    let length = io::copy(from, &mut file)?;
    file.sync_all()?;
    Ok(length)
}

/// A count as the database holds it.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn refused(code: &'static str, reason: String, hint: &str) -> StoreError {
    StoreError::Refused(Problem::new(code, reason).hint(hint))
}

fn exists(path: &Path) -> StoreError {
    refused("file_exists", format!("{} is there already", path.display()), "name another file")
}

fn overtaken() -> StoreError {
    let reason = "files of old tasks were deleted while the backup was made".to_owned();
    refused("backup_overtaken", reason, "try again")
}

fn broken(file: &Path, finding: &str) -> StoreError {
    let reason = format!("{}: the backup is broken: {finding}", file.display());
    refused("backup_broken", reason, "use another backup, and delete what this one has left in the folder")
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
