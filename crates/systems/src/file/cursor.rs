//! Where a subscriber goes on, and how it knows that the file is still the same.

use super::{not_sent, rejected};
use crate::file::disk::{about, explain};
use model::Problem;
use model::driver::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the file's beginning, and of what lies before a place, is looked at to know the file again.
const LOOK: u64 = 4096;

/// A place between two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Bytes before it.
    pub(super) offset: u64,
    /// Its line, counted from 1.
    pub(super) line: u64,
    /// Rows taken before it.
    pub(super) row: u64,
}

impl Position {
    /// The beginning of a file.
    pub(super) const START: Self = Self { offset: 0, line: 1, row: 0 };
}

/// A position as it is kept between two pulls.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    offset: u64,
    line: u64,
    row: u64,
    /// Fingerprint of what lay before the offset.
    seen: String,
}

/// Reads a cursor and checks that the file before it is the file that was read.
///
/// # Errors
/// `cursor_wrong` where it is no cursor of ours, `file_changed` where the file is another, `file_unusable`.
pub(super) fn resume(cursor: Option<&Value>, file: &mut File, path: &Path) -> Result<Position, Failure> {
    let Some(cursor) = cursor else { return Ok(Position::START) };
    let cursor = Cursor::deserialize(cursor).map_err(|error| {
        rejected(about(path, Problem::new("cursor_wrong", format!("this is no cursor of a file: {error}"))))
    })?;
    let seen = fingerprint(file, cursor.offset).map_err(|error| not_sent(explain(path, &error)))?;
    let reason = match seen {
        Some(seen) if seen == cursor.seen => {
            return Ok(Position { offset: cursor.offset, line: cursor.line, row: cursor.row });
        }
        Some(_) => format!("what was read up to line {} is not what stands there now", cursor.line),
        None => format!("the file is shorter than the {} bytes that were read of it", cursor.offset),
    };
    Err(rejected(changed(path, reason)))
}

/// Checks that a last line without a line break, taken as it was, has not become longer.
///
/// # Errors
/// `file_changed`, `file_unusable`.
pub(super) fn check_line_break(at: Position, file: &mut File, path: &Path) -> Result<(), Failure> {
    let Some(before) = at.offset.checked_sub(1) else { return Ok(()) };
    let mut around = Vec::new();
    let read = file.seek(SeekFrom::Start(before)).and_then(|_| file.take(2).read_to_end(&mut around));
    read.map_err(|error| not_sent(explain(path, &error)))?;
    if around.len() < 2 || around.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Ok(());
    }
    Err(rejected(changed(path, format!("line {} was read as the last one and went on afterwards", at.line))))
}

/// Makes the cursor of a position.
///
/// # Errors
/// `file_changed` where the file has become shorter meanwhile, `file_unusable`.
pub(super) fn keep(at: Position, file: &mut File, path: &Path) -> Result<Value, Failure> {
    let seen = fingerprint(file, at.offset).map_err(|error| not_sent(explain(path, &error)))?.ok_or_else(|| {
        rejected(changed(path, format!("the file became shorter than {} bytes while it was read", at.offset)))
    })?;
    Ok(serde_json::json!({"offset": at.offset, "line": at.line, "row": at.row, "seen": seen}))
}

/// The problem of a file that is not the one that was read.
pub(super) fn changed(path: &Path, reason: String) -> Problem {
    about(path, Problem::new("file_changed", reason))
        .hint("the file was replaced or shortened; run with `--again` to read it from the beginning")
}

/// A hash over the file's beginning and over what lies before the offset, as far as `LOOK` each; `None` where the
/// file ends before the offset. Contents tell what times and inode numbers do not: a copy is the same file.
pub(super) fn fingerprint(mut file: &File, offset: u64) -> io::Result<Option<String>> {
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(LOOK as usize);
    let length = offset.min(LOOK);
    for start in [0, offset - length] {
        bytes.clear();
        file.seek(SeekFrom::Start(start))?;
        file.take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Ok(None);
        }
        hash.update(&bytes);
    }
    let digest = hash.finalize();
    Ok(Some(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()))
}
