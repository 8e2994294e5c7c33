//! Entries of storages: what tasks read, and write with their end, and what people look at.

use bytes::Bytes;
use model::{EntryKey, Millis};
use serde::{Deserialize, Serialize};

/// An entry as it stands. One that has expired does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// JSON text.
    pub value: Bytes,
    /// When it was last written.
    pub at: Millis,
    /// When it is forgotten.
    pub expires_at: Option<Millis>,
    /// How often it was written.
    pub version: i64,
}

/// What is written to an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryWrite {
    /// Which.
    pub of: EntryKey,
    /// JSON text; `None` deletes it.
    pub value: Option<Bytes>,
    /// When it is forgotten; `None`: never.
    pub expires_at: Option<Millis>,
}

/// What a task read of storages, and writes to them with its end.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// The time of both: what had expired by then was not read.
    pub at: Millis,
    /// What was read: the value, or that there was none. Where it is another by the time of the commit, the end is
    /// [`Ending::Overtaken`].
    pub read: Vec<(EntryKey, Option<Bytes>)>,
    /// What is written.
    pub written: Vec<EntryWrite>,
}

impl Entries {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read.is_empty() && self.written.is_empty()
    }

    /// Names of the storages that it touches.
    pub fn storages(&self) -> impl Iterator<Item = &str> {
        let read = self.read.iter().map(|(key, _)| key);
        read.chain(self.written.iter().map(|written| &written.of)).map(|key| key.storage.as_str())
    }
}

/// What became of an end that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is on disk.
    Kept,
    /// The claim was lost: nothing was written.
    Lost,
    /// What it read of storages is no longer so: nothing was written, and the claim still holds.
    Overtaken,
}

/// Which entries of a storage to list, by key.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Name of the storage's definition.
    pub storage: String,
    /// Only those with this text in key or value, to the letter.
    pub text: Option<String>,
    /// Only keys after this one: the next page.
    pub after: Option<String>,
    /// At most this many, 1,000 a call.
    pub limit: u32,
}
