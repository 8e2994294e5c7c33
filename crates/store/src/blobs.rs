//! Files beside the database for large payloads.
//!
//! A blob is written once, synced with its folder, and only then named in the database. So whatever the database names
//! is there; what a crash leaves behind is a file that nothing names, which [`Blobs::older_than`] finds.

use crate::StoreError;
use bytes::Bytes;
use model::Millis;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Name of a blob: 128 random bits as 32 lower-case hex digits. Nothing else can be one, so no path comes from data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(String);

impl BlobId {
    /// Reads an id that comes from outside.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The 32 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn random() -> io::Result<Self> {
        let mut bits = [0_u8; 16];
        getrandom::fill(&mut bits).map_err(io::Error::other)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits))))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A folder of blobs. All calls block on the disk.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// The blobs in this folder; it is made with the first blob.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a blob from a reader, without holding it whole, and returns its id and length once it is on disk. Its
    /// age counts from `at`.
    ///
    /// # Errors
    /// The reader's and the disk's. What was written by then is deleted, or left to the sweep.
    pub fn create(&self, at: Millis, from: &mut dyn Read) -> Result<(BlobId, u64), StoreError> {
        let id = BlobId::random().map_err(|error| StoreError::io("cannot name a blob in", &self.folder, error))?;
        let path = self.path(&id);
        let length = self.write(&path, at, from).map_err(|error| {
            let _ = fs::remove_file(&path);
            StoreError::io("cannot write blob", &path, error)
        })?;
        Ok((id, length))
    }

    /// Writes a blob under an id that it had elsewhere, and returns its length once it is on disk.
    ///
    /// # Errors
    /// The reader's and the disk's; also where there is such a blob.
    pub fn put(&self, id: &BlobId, at: Millis, from: &mut dyn Read) -> Result<u64, StoreError> {
        let path = self.path(id);
        self.write(&path, at, from).map_err(|error| StoreError::io("cannot write blob", &path, error))
    }

    fn write(&self, path: &Path, at: Millis, from: &mut dyn Read) -> io::Result<u64> {
        let shard = path.parent().unwrap_or(&self.folder);
        make_private_folder(shard)?;
        let mut file = private_file(OpenOptions::new().write(true).create_new(true)).open(path)?;
        let length = io::copy(from, &mut file)?;
        file.flush()?;
        file.set_modified(system_time(at))?;
        file.sync_all()?;
        File::open(shard)?.sync_all()?;
        // The shard may be another thread's, which has made and not yet synced it.
        File::open(&self.folder)?.sync_all()?;
        Ok(length)
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// [`StoreError::BlobMissing`], or the disk's.
    pub fn open(&self, id: &BlobId) -> Result<File, StoreError> {
        let path = self.path(id);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::BlobMissing(id.to_string()),
            _ => StoreError::io("cannot read blob", &path, error),
        })
    }

    /// Reads a blob whole.
    ///
    /// # Errors
    /// As [`Blobs::open`].
    pub fn read(&self, id: &BlobId) -> Result<Bytes, StoreError> {
        let mut bytes = Vec::new();
        self.open(id)?
            .read_to_end(&mut bytes)
            .map_err(|error| StoreError::io("cannot read blob", &self.path(id), error))?;
        Ok(bytes.into())
    }

    /// Deletes a blob; `false` where it is not there.
    ///
    /// # Errors
    /// The disk's.
    pub fn delete(&self, id: &BlobId) -> Result<bool, StoreError> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("cannot delete blob", &path, error)),
        }
    }

    /// How long a blob is, in bytes; `None` where it is not there.
    ///
    /// # Errors
    /// The disk's.
    pub fn length(&self, id: &BlobId) -> Result<Option<u64>, StoreError> {
        let path = self.path(id);
        match fs::metadata(&path) {
            Ok(data) => Ok(Some(data.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("cannot look at blob", &path, error)),
        }
    }

    /// How many blobs there are, and their bytes.
    ///
    /// # Errors
    /// The disk's.
    pub fn count(&self) -> Result<(u64, u64), StoreError> {
        let (mut blobs, mut bytes) = (0, 0);
        self.each(|_, data| {
            blobs += 1;
            bytes += data.len();
        })?;
        Ok((blobs, bytes))
    }

    /// Blobs whose age counts from a time before this one.
    ///
    /// # Errors
    /// The disk's.
    pub fn older_than(&self, before: Millis) -> Result<Vec<BlobId>, StoreError> {
        let before = system_time(before);
        let mut found = Vec::new();
        self.each(|id, data| {
            if data.modified().is_ok_and(|at| at < before) {
                found.push(id);
            }
        })?;
        Ok(found)
    }

    /// Visits every blob; files that are none are passed over.
    fn each(&self, mut visit: impl FnMut(BlobId, &fs::Metadata)) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("cannot list", &self.folder, error);
        for shard in entries(&self.folder).map_err(failed)? {
            if !shard.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            for entry in entries(&shard.path()).map_err(failed)? {
                let Some(id) = entry.file_name().to_str().and_then(BlobId::parse) else { continue };
                match entry.metadata() {
                    Ok(data) => visit(id, &data),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Ok(())
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.folder.join(&id.0[..2]).join(&id.0)
    }
}

/// What is in a folder; nothing where it does not exist.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Makes a folder that only its owner can enter, durably, with its parents; leaves an existing one as it is.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    match folder.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Has files be made so that only their owner can read them.
pub(crate) fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A file's time as we count.
pub(crate) fn millis(at: SystemTime) -> Millis {
    let count = |span: Duration| Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX);
    at.duration_since(SystemTime::UNIX_EPOCH).map_or_else(|error| -count(error.duration()), count)
}

fn system_time(at: Millis) -> SystemTime {
    let distance = Duration::from_millis(at.unsigned_abs());
    let time = if at < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}
