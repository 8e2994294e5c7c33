//! The publisher: batches of lines, each there whole or not at all.
//!
//! Before a batch the file's length is kept with START (`mark`). Whatever then cuts the delivery, the file can be told
//! apart: what lies behind that length is either a beginning of our own lines, which is cut off, or it is not ours, and
//! then nothing is touched.

use super::cursor::fingerprint;
use super::disk::{about, create_if_missing, explain, open_to_append, sync_folder_of};
use super::{blocking, not_sent};
use async_trait::async_trait;
use model::driver::{Failure, Recovery, Target};
use model::{Effect, Evidence, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines that are written and synced together. A sync costs as much as thousands of lines.
const BATCH: usize = 2_000;

/// A file, ready to be appended to.
#[derive(Debug)]
pub(super) struct FileTarget {
    path: Arc<Path>,
    /// Held while the file is worked on: the caller may go away, the thread that writes does not.
    work: Arc<Mutex<()>>,
}

/// The file before a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    length: u64,
    /// Fingerprint of what lay before the length.
    seen: String,
}

impl FileTarget {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: path.into(), work: Arc::default() }
    }

    /// Works on the file, alone among the calls to this target.
    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (path, alone) = (Arc::clone(&self.path), Arc::clone(&self.work));
        blocking(move || {
            let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
            work(&path)
        })
        .await
    }
}

#[async_trait]
impl Target for FileTarget {
    fn effect(&self) -> Effect {
        // Never repeated blindly: after a cut, `recover` says whether it may be.
        Effect::Create
    }

    fn exclusive_key(&self) -> Option<String> {
        Some(canonical(&self.path).display().to_string())
    }

    fn batch_limit(&self) -> usize {
        BATCH
    }

    async fn mark(&self) -> Result<Value, Failure> {
        self.alone(mark).await.map(|mark| serde_json::json!(mark))
    }

    async fn deliver(&self, mark: &Value, batch: &[Value]) -> Result<(), Failure> {
        let (mark, lines) = (read_mark(mark).map_err(not_sent)?, lines(batch).map_err(not_sent)?);
        self.alone(move |path| {
            let file = open_to_append(path)?;
            deliver(path, &file, &file, &mark, &lines)
        })
        .await
    }

    async fn recover(&self, mark: &Value, batch: &[Value]) -> Recovery {
        let read = read_mark(mark).and_then(|mark| lines(batch).map(|lines| (mark, lines)));
        let (mark, lines) = match read {
            Ok(read) => read,
            Err(problem) => return Recovery::Unknown(problem),
        };
        let undone = self.alone(move |path| {
            let file = open_to_append(path)?;
            undo(path, &file, &mark, &lines).map_err(unknown)
        });
        undone.await.map_or_else(|failure| Recovery::Unknown(failure.problem), |()| Recovery::Undone)
    }
}

fn unknown(problem: Problem) -> Failure {
    Failure { evidence: Evidence::Unknown, problem }
}

fn read_mark(mark: &Value) -> Result<Mark, Problem> {
    Mark::deserialize(mark).map_err(|error| Problem::new("mark_wrong", format!("this is no mark of a file: {error}")))
}

/// The batch as it stands in the file.
fn lines(batch: &[Value]) -> Result<Vec<u8>, Problem> {
    let mut lines = Vec::new();
    for payload in batch {
        serde_json::to_writer(&mut lines, payload)
            .map_err(|error| Problem::new("payload_unwritable", error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn mark(path: &Path) -> Result<Mark, Failure> {
    create_if_missing(path)?;
    let file = open_to_append(path)?;
    let (length, seen, whole) = look(&file).map_err(|error| not_sent(explain(path, &error)))?;
    if length == 0 {
        // Also for a file that was there: it may have been made by a run that was cut before this step.
        sync_folder_of(path)?;
    }
    if !whole {
        return Err(not_sent(about(
            path,
            Problem::new("file_torn", "the last line of the file has no line break: another program's line was cut")
                .hint("finish the line or take it out"),
        )));
    }
    let seen = seen.ok_or_else(|| not_sent(changed(path, "the file became shorter while it was looked at")))?;
    Ok(Mark { length, seen })
}

/// The file's length, its fingerprint (`None` where it becomes shorter meanwhile), and whether its last line is whole.
fn look(mut file: &File) -> io::Result<(u64, Option<String>, bool)> {
    let length = file.metadata()?.len();
    let seen = fingerprint(file, length)?;
    let mut last = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(1)))?;
    file.take(1).read_to_end(&mut last)?;
    Ok((length, seen, last.is_empty() || last == b"\n"))
}

/// Writes the lines behind the mark and makes them durable. `sink` is the file itself but for tests.
fn deliver(path: &Path, file: &File, mut sink: impl Write, mark: &Mark, lines: &[u8]) -> Result<(), Failure> {
    let length = |file: &File| file.metadata().map(|metadata| metadata.len());
    let before = length(file).map_err(|error| not_sent(explain(path, &error)))?;
    if before != mark.length {
        let reason = format!("the file has {before} bytes, it had {} when the batch was begun", mark.length);
        return Err(not_sent(changed(path, reason)));
    }
    let written = sink.write_all(lines).and_then(|()| file.sync_data()).and_then(|()| length(file));
    let problem = match written {
        Ok(after) if after == mark.length + lines.len() as u64 => return Ok(()),
        Ok(_) => changed(path, "another program wrote to the file at the same time"),
        Err(error) => explain(path, &error),
    };
    match undo(path, file, mark, lines) {
        Ok(()) => Err(not_sent(problem)),
        Err(stays) => Err(unknown(Problem { reason: format!("{}; {}", problem.reason, stays.reason), ..problem })),
    }
}

/// Cuts off what there is of the lines behind the mark, and only that.
///
/// # Errors
/// `file_changed` where the file is not the one of the mark with a beginning of these lines behind it: then it is left
/// as it is. `file_unusable` where the disk fails.
fn undo(path: &Path, mut file: &File, mark: &Mark, lines: &[u8]) -> Result<(), Problem> {
    let explain = |error: io::Error| explain(path, &error);
    match fingerprint(file, mark.length).map_err(explain)? {
        Some(seen) if seen == mark.seen => {}
        Some(_) => return Err(changed(path, "what lay in the file before the batch is not what lies there now")),
        None => {
            return Err(changed(path, format!("the file is shorter than the {} bytes before the batch", mark.length)));
        }
    }
    file.seek(SeekFrom::Start(mark.length)).map_err(explain)?;
    let mut tail = Vec::new();
    file.take(lines.len() as u64 + 1).read_to_end(&mut tail).map_err(explain)?;
    if !lines.starts_with(&tail) {
        return Err(changed(path, format!("what lies behind byte {} of the file is not of this batch", mark.length)));
    }
    if !tail.is_empty() {
        file.set_len(mark.length).map_err(explain)?;
    }
    // Also where nothing is to be cut: the next batch must not depend on a cut that a power failure takes back.
    file.sync_all().map_err(explain)
}

fn changed(path: &Path, reason: impl Into<String>) -> Problem {
    about(path, Problem::new("file_changed", reason))
        .hint("let no other program write to this file; look at its end before the tasks are resolved")
}

/// The one name of a file that may not be there yet: links in its folders are followed.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(known) = fs::canonicalize(path) {
        return known;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => canonical(folder).join(name),
        _ => absolute,
    }
}

#[cfg(test)]
mod tests;
