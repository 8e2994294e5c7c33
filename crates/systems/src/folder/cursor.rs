//! What was taken in before, and where the walk stands.

use super::walk::key;
use crate::file::rejected;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use model::Problem;
use model::driver::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::Path;

/// Beyond this many marks, those of files that are gone are forgotten, the oldest first. Until then a folder may lose
/// its files for a while (a network share that is not there), and none of them is taken in twice.
const MOST_MARKS: usize = 200_000;

/// Stands for one version of one file, or for a problem with it: the beginning of a SHA-256. Among a million marks, a
/// new one is taken for an old one with a likelihood of 1 to 18 million million.
pub(super) type Mark = u64;

/// What tells one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Bytes.
    pub(super) size: u64,
    /// Nanoseconds since 1970, as exact as the file system has them.
    pub(super) modified: i128,
}

/// The mark of a version, or of the problem with this code that it had.
pub(super) fn mark(relative: &Path, version: Option<Version>, code: &str) -> Mark {
    let path = key(relative);
    let mut hash = Sha256::new();
    hash.update((path.len() as u64).to_le_bytes());
    hash.update(path);
    if let Some(version) = version {
        hash.update(version.size.to_le_bytes());
        hash.update(version.modified.to_le_bytes());
    }
    hash.update(code);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    Mark::from_le_bytes(first)
}

/// The cursor as it is kept.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The marks, eight bytes each, the oldest first, in Base64: 1.1 MB for 100,000 files.
    seen: String,
    /// The path that the walk goes on behind, in Base64; nothing where it begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// The cursor, open.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    order: Vec<Mark>,
    seen: HashSet<Mark>,
    /// The path that the walk goes on behind.
    pub(super) after: Option<Vec<u8>>,
}

impl Cursor {
    /// Opens what was kept.
    ///
    /// # Errors
    /// `cursor_wrong`.
    pub(super) fn open(kept: Option<&Value>) -> Result<Self, Failure> {
        let Some(kept) = kept else { return Ok(Self::default()) };
        let wrong = || rejected(Problem::new("cursor_wrong", "the cursor is not one of a folder"));
        let kept = Kept::deserialize(kept).map_err(|_| wrong())?;
        let bytes = STANDARD_NO_PAD.decode(kept.seen).map_err(|_| wrong())?;
        let (marks, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(wrong());
        }
        let order: Vec<Mark> = marks.iter().map(|mark| Mark::from_le_bytes(*mark)).collect();
        let after = kept.after.map(|after| STANDARD_NO_PAD.decode(after)).transpose().map_err(|_| wrong())?;
        Ok(Self { seen: order.iter().copied().collect(), order, after })
    }

    /// What is kept.
    pub(super) fn keep(&self) -> Value {
        let bytes: Vec<u8> = self.order.iter().flat_map(|mark| mark.to_le_bytes()).collect();
        let after = self.after.as_ref().map(|after| STANDARD_NO_PAD.encode(after));
        json!(Kept { seen: STANDARD_NO_PAD.encode(bytes), after })
    }

    pub(super) fn has(&self, mark: Mark) -> bool {
        self.seen.contains(&mark)
    }

    /// Remembers a mark; `false` where it was there.
    pub(super) fn add(&mut self, mark: Mark) -> bool {
        let new = self.seen.insert(mark);
        if new {
            self.order.push(mark);
        }
        new
    }

    /// Whether something is to be forgotten.
    pub(super) fn is_full(&self) -> bool {
        self.order.len() > MOST_MARKS
    }

    /// Forgets marks that are not among those of the files that are there, the oldest first, as far as needed.
    pub(super) fn forget(&mut self, there: &HashSet<Mark>) {
        let mut surplus = self.order.len().saturating_sub(MOST_MARKS);
        let seen = &mut self.seen;
        self.order.retain(|mark| {
            let stays = surplus == 0 || there.contains(mark);
            if !stays {
                surplus -= 1;
                seen.remove(mark);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_files_that_are_gone_are_forgotten_the_oldest_first() {
        let mut cursor = Cursor::default();
        let extra = 5;
        for mark in 0..(MOST_MARKS + extra) as Mark {
            assert!(cursor.add(mark));
        }
        assert!(cursor.is_full());
        cursor.forget(&HashSet::from([0, 2]));
        assert!(!cursor.is_full());
        let gone: Vec<Mark> = (0..10).filter(|mark| !cursor.has(*mark)).collect();
        assert_eq!(gone, [1, 3, 4, 5, 6]);
        let kept = Cursor::open(Some(&cursor.keep())).unwrap();
        assert_eq!((kept.order, kept.seen), (cursor.order, cursor.seen));
    }

    #[test]
    fn a_cursor_of_100_000_files_is_a_little_more_than_a_megabyte() {
        let mut cursor = Cursor::default();
        for mark in 0..100_000 {
            cursor.add(mark);
        }
        assert!(cursor.keep().to_string().len() < 1_100_000);
    }
}
