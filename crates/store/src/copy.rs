//! A whole store into another one, of the same database or of the other: `tramontane store copy`.
//!
//! Everything is one transaction of the target: cut at any moment, nothing of it is there. Before it is committed every
//! table is read back, and must be what the source has.

use crate::blobs::{BlobId, Blobs};
use crate::postgres::copy::PostgresSide;
use crate::sqlite::copy::SqliteSide;
use crate::{StoreError, sqlite};
use model::{Millis, Problem};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Rows read and written at a time.
const PAGE: usize = 500;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this data folder.
    Folder(PathBuf),
    /// In the database of this URL, with its blobs in the data folder.
    Server {
        /// `postgres://user:password@host/name`.
        url: String,
        /// The data folder.
        data: PathBuf,
    },
}

impl Place {
    fn data(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Server { data, .. } => data,
        }
    }
}

/// A value of a row. Texts are their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Bytes(Vec<u8>),
}

/// A table, the same in both databases. Taken from what the migrations make, so that none is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// In the order of their names.
    pub(crate) columns: Vec<Column>,
    /// Places of the columns of its key, in the order of the key. Rows are read in this order.
    pub(crate) key: Vec<usize>,
    /// Numbers of its rows are given one after the other, and never again.
    pub(crate) is_numbered: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Whether SQLite keeps it as a text.
    pub(crate) is_text: bool,
}

/// What was copied of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Name of the table.
    pub table: String,
    /// Rows.
    pub rows: u64,
    /// SHA-256 over all of them, in the order of their key; the same in source and target.
    pub sha256: String,
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// By table.
    pub tables: Vec<Copied>,
    /// Blobs that were copied; 0 where both stores have the same folder.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
}

/// One of the two stores.
enum Side {
    Sqlite(SqliteSide),
    Postgres(PostgresSide),
}

impl Side {
    /// Opens a store for copying: nobody else works on it, and it is of the present version.
    async fn open(place: &Place, by: &str, is_target: bool) -> Result<Self, StoreError> {
        match place {
            Place::Folder(folder) => Ok(Self::Sqlite(SqliteSide::open(folder, by, is_target)?)),
            Place::Server { url, .. } => Ok(Self::Postgres(PostgresSide::open(url).await?)),
        }
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(side) => side.begin(),
            Self::Postgres(side) => side.begin().await,
        }
    }

    async fn count(&mut self, table: &Table) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(side) => side.count(table),
            Self::Postgres(side) => side.count(table).await,
        }
    }

    async fn page(&mut self, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Vec<Cell>>, StoreError> {
        match self {
            Self::Sqlite(side) => side.page(table, after, PAGE),
            Self::Postgres(side) => side.page(table, after, PAGE).await,
        }
    }

    async fn clear(&mut self, table: &Table) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(side) => side.clear(table),
            Self::Postgres(side) => side.clear(table).await,
        }
    }

    async fn put(&mut self, table: &Table, rows: Vec<Vec<Cell>>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(side) => side.put(table, &rows),
            Self::Postgres(side) => side.put(table, rows).await,
        }
    }

    async fn last_number(&mut self, table: &Table) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(side) => side.last_number(table),
            Self::Postgres(side) => side.last_number(table).await,
        }
    }

    async fn set_last_number(&mut self, table: &Table, number: i64) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(side) => side.set_last_number(table, number),
            Self::Postgres(side) => side.set_last_number(table, number).await,
        }
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(side) => side.commit(),
            Self::Postgres(side) => side.commit().await,
        }
    }
}

/// How many rows each table of a store has, and how many blobs.
///
/// # Errors
/// What the store says; also where somebody works on it.
pub async fn count(from: &Place, by: &str) -> Result<(Vec<(String, u64)>, u64, u64), StoreError> {
    let mut source = Side::open(from, by, false).await?;
    source.begin().await?;
    let mut counts = Vec::new();
    for table in sqlite::copy::tables()? {
        counts.push((table.name.clone(), source.count(&table).await?));
    }
    let (blobs, bytes) = Blobs::new(from.data().join("blobs")).count()?;
    Ok((counts, blobs, bytes))
}

/// Copies a store into one that is new or empty. `progress` hears of every table, and of every so many rows: its name,
/// rows done, rows in all.
///
/// # Errors
/// [`StoreError::Refused`]: `store_not_empty`, `store_in_use`, `same_store`, `copy_differs`; what the stores say. Nothing
/// is in the target then but blobs, which a second try takes over.
pub async fn copy(
    from: &Place,
    to: &Place,
    by: &str,
    now: Millis,
    mut progress: impl FnMut(&str, u64, u64),
) -> Result<Copy, StoreError> {
    if from == to {
        return Err(refused("same_store", "source and target are the same store".to_owned(), "name another target"));
    }
    let tables = sqlite::copy::tables()?;
    let (mut source, mut target) = (Side::open(from, by, false).await?, Side::open(to, by, true).await?);
    source.begin().await?;
    target.begin().await?;
    empty(&mut target, &tables).await?;
    let (blobs, blob_bytes) = copy_blobs(from.data(), to.data(), now)?;
    let mut copied = Vec::new();
    for table in &tables {
        copied.push(copy_table(&mut source, &mut target, table, &mut progress).await?);
    }
    for (table, copied) in tables.iter().zip(&copied) {
        let there = digest(&mut target, table).await?;
        if there != (copied.rows, copied.sha256.clone()) {
            let reason = format!("table {} of the target is not what was copied", table.name);
            return Err(refused("copy_differs", reason, "nothing was changed; please report this"));
        }
    }
    target.commit().await?;
    Ok(Copy { tables: copied, blobs, blob_bytes })
}

/// The one table that a fresh store has a row in.
const IDENTITY: &str = "identity";

async fn empty(target: &mut Side, tables: &[Table]) -> Result<(), StoreError> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| table.name != IDENTITY) {
        let count = target.count(table).await?;
        if count > 0 {
            found.push(format!("{count} in {}", table.name));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let reason = format!("the target is not empty: it has rows, {}", found.join(", "));
    Err(refused("store_not_empty", reason, "name a new folder, or an empty database"))
}

async fn copy_table(
    source: &mut Side,
    target: &mut Side,
    table: &Table,
    progress: &mut impl FnMut(&str, u64, u64),
) -> Result<Copied, StoreError> {
    let total = source.count(table).await?;
    if table.name == IDENTITY {
        target.clear(table).await?;
    }
    let (mut hash, mut rows, mut after) = (Sha256::new(), 0, None);
    progress(&table.name, 0, total);
    loop {
        let page = source.page(table, after.as_deref()).await?;
        page.iter().for_each(|row| feed(&mut hash, row));
        rows += page.len() as u64;
        let is_last = page.len() < PAGE;
        after = page.last().map(|row| key(table, row));
        if !page.is_empty() {
            target.put(table, page).await?;
            progress(&table.name, rows, total);
        }
        if is_last {
            break;
        }
    }
    if table.is_numbered {
        let number = source.last_number(table).await?;
        target.set_last_number(table, number).await?;
    }
    Ok(Copied { table: table.name.clone(), rows, sha256: hex(hash) })
}

/// Rows and SHA-256 of a table.
async fn digest(side: &mut Side, table: &Table) -> Result<(u64, String), StoreError> {
    let (mut hash, mut rows, mut after) = (Sha256::new(), 0, None);
    loop {
        let page = side.page(table, after.as_deref()).await?;
        page.iter().for_each(|row| feed(&mut hash, row));
        rows += page.len() as u64;
        after = page.last().map(|row| key(table, row));
        if page.len() < PAGE {
            return Ok((rows, hex(hash)));
        }
    }
}

fn key(table: &Table, row: &[Cell]) -> Vec<Cell> {
    table.key.iter().map(|place| row[*place].clone()).collect()
}

/// Each value with its kind and length, so that none can stand for another.
fn feed(hash: &mut Sha256, row: &[Cell]) {
    for cell in row {
        match cell {
            Cell::Null => hash.update([0]),
            Cell::Integer(number) => {
                hash.update([1]);
                hash.update(number.to_be_bytes());
            }
            Cell::Bytes(bytes) => {
                hash.update([2]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
        }
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Copies the blobs of one folder into another, and reads each back; how many, and their bytes.
fn copy_blobs(from: &Path, to: &Path, now: Millis) -> Result<(u64, u64), StoreError> {
    let same = from == to || matches!((from.canonicalize(), to.canonicalize()), (Ok(from), Ok(to)) if from == to);
    if same {
        return Ok((0, 0));
    }
    let (source, target) = (Blobs::new(from.join("blobs")), Blobs::new(to.join("blobs")));
    let (mut count, mut bytes) = (0, 0);
    // All there are: none is younger than the end of time.
    for id in source.older_than(Millis::MAX)? {
        // One that is there was copied by a try that was cut; one that is not whole is replaced.
        if target.open(&id).is_ok() && hash_of(&target, &id)? != hash_of(&source, &id)? {
            target.delete(&id)?;
        }
        if target.open(&id).is_err() {
            let mut file = source.open(&id)?;
            let at = file.metadata().and_then(|data| data.modified()).map_or(now, crate::blobs::millis);
            target.put(&id, at, &mut file)?;
        }
        let (written, read) = (hash_of(&target, &id)?, hash_of(&source, &id)?);
        if written != read {
            let reason = format!("blob {id} is not what was copied");
            return Err(refused("copy_differs", reason, "check the disk of the target"));
        }
        count += 1;
        bytes += read.1;
    }
    Ok((count, bytes))
}

fn hash_of(blobs: &Blobs, id: &BlobId) -> Result<(String, u64), StoreError> {
    let mut file = blobs.open(id)?;
    let (mut hash, mut length, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece).map_err(|error| StoreError::BlobMissing(format!("{id}: {error}")))?;
        if read == 0 {
            return Ok((hex(hash), length));
        }
        hash.update(&piece[..read]);
        length += read as u64;
    }
}

pub(crate) fn refused(code: &'static str, reason: String, hint: &str) -> StoreError {
    StoreError::Refused(Problem::new(code, reason).hint(hint))
}
