//! One file: what it is, whether it may be taken in, and its content on the way into the keeper.

use super::cursor::{Mark, Version, mark};
use super::options::Selection;
use super::walk::Found;
use crate::file::disk::{about, explain};
use jiff::Timestamp;
use model::driver::{Keep, Kept};
use model::{Problem, media_type};
use serde_json::{Map, Value, json};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// A file that can be opened.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The path within the folder, its names parted by `/`.
    name: String,
    /// Where the file is; behind a link, where that leads.
    path: PathBuf,
    relative: PathBuf,
    state: State,
    /// The mark of this version.
    pub(super) mark: Mark,
}

/// Which file it is, and in what state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    version: Version,
    /// Device and number, where the system has them: another file of the same name is another file.
    #[cfg(unix)]
    identity: (u64, u64),
}

/// Why something is not taken in.
#[derive(Debug)]
pub(super) enum Omitted {
    /// Until somebody puts it right. The mark stands for having said so.
    Wrong(Mark, Problem),
    /// For now, or as it should be.
    Passing(Problem),
    /// Nothing keeps a file any more; all of it stops.
    Keeper(Problem),
}

/// Looks at what the walk came by. `None`: not a file after all, which is nobody's mistake.
pub(super) fn look(selection: &Selection, found: &Found) -> Option<Result<Candidate, Omitted>> {
    let (relative, link) = match found {
        Found::File { relative, link } => (relative, *link),
        Found::Unlisted { relative, error } => {
            return Some(Err(refused(&selection.folder.join(relative), relative, None, error)));
        }
    };
    let shown = selection.folder.join(relative);
    let Some(name) = name(relative) else {
        let reason = format!("the name is not UTF-8, and a payload cannot hold it: {relative:?}");
        let problem = Problem::new("name_not_utf8", reason).hint("rename the file");
        return Some(Err(Omitted::Wrong(mark(relative, None, "name_not_utf8"), about(&shown, problem))));
    };
    let path = match if link { behind(selection, &shown) } else { Ok(shown.clone()) } {
        Ok(path) => path,
        Err(problem) => return Some(Err(Omitted::Passing(about(&shown, problem)))),
    };
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(Err(refused(&shown, relative, None, &error))),
    };
    if !metadata.is_file() {
        return None;
    }
    let state = State::of(&metadata);
    if state.version.size > selection.max_bytes {
        let reason = format!("the file has {} bytes, and `max_bytes` is {}", state.version.size, selection.max_bytes);
        let told = mark(relative, Some(state.version), "file_too_large");
        return Some(Err(Omitted::Wrong(told, about(&shown, Problem::new("file_too_large", reason)))));
    }
    let mark = mark(relative, Some(state.version), "");
    Some(Ok(Candidate { name, path, relative: relative.clone(), state, mark }))
}

/// Where a link leads, if that is within the folder.
fn behind(selection: &Selection, link: &Path) -> Result<PathBuf, Problem> {
    let found = fs::canonicalize(&selection.folder).and_then(|folder| Ok((folder, fs::canonicalize(link)?)));
    match found {
        Ok((folder, path)) if path.starts_with(&folder) => Ok(path),
        Ok(_) => Err(Problem::new("link_not_followed", "the link leads out of the folder").warning()),
        Err(error) => {
            let reason = format!("the link cannot be followed: {}", error.to_string().to_lowercase());
            Err(Problem::new("link_not_followed", reason).warning())
        }
    }
}

/// The path as a payload has it.
fn name(relative: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = relative.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/"))
}

/// What an error of the operating system makes of a file.
fn refused(shown: &Path, relative: &Path, version: Option<Version>, error: &io::Error) -> Omitted {
    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
        return changing(shown, "it is gone");
    }
    let problem = explain(shown, error);
    Omitted::Wrong(mark(relative, version, &problem.code), problem)
}

fn changing(shown: &Path, what: &str) -> Omitted {
    let problem = Problem::new("file_changing", format!("{what}; what is there then is taken in by the next run"));
    Omitted::Passing(about(shown, problem.warning()))
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |nanos| -nanos),
        });
        Self {
            version: Version { size: metadata.len(), modified },
            #[cfg(unix)]
            identity: {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
        }
    }
}

impl Candidate {
    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        self.state.version.size
    }

    /// Brings the file into the keeper, and gives the payload that names it.
    pub(super) fn take(&self, keep: &Arc<dyn Keep>) -> Result<Value, Omitted> {
        let file = File::open(&self.path).map_err(|error| self.refused(&error))?;
        if !self.is_as_it_was(file.metadata()) {
            return Err(changing(&self.path, "it changed before it was read"));
        }
        // One byte more shows a file that grows, and nothing that grows without end is read to its end.
        let mut content = Content { file: file.take(self.size().saturating_add(1)), error: None };
        let kept = keep.keep(&mut content);
        let kept = match (kept, content.error.take()) {
            (Err(_), Some(error)) => return Err(self.refused(&error)),
            (Err(problem), None) => return Err(Omitted::Keeper(problem)),
            (Ok(kept), _) => kept,
        };
        let file = content.file.into_inner();
        let whole = kept.size == self.size() && self.is_as_it_was(file.metadata());
        if !whole || !self.is_as_it_was(fs::symlink_metadata(&self.path)) {
            keep.discard(&kept);
            return Err(changing(&self.path, "it changed while it was read"));
        }
        Ok(self.payload(&kept))
    }

    fn is_as_it_was(&self, metadata: io::Result<Metadata>) -> bool {
        metadata.is_ok_and(|metadata| metadata.is_file() && State::of(&metadata) == self.state)
    }

    fn refused(&self, error: &io::Error) -> Omitted {
        refused(&self.path, &self.relative, Some(self.state.version), error)
    }

    fn payload(&self, kept: &Kept) -> Value {
        let modified = Timestamp::from_nanosecond(self.state.version.modified).ok();
        let members = [
            ("name", json!(self.name)),
            ("size", json!(kept.size)),
            // A time that no calendar has is left out.
            ("modified", modified.map_or(Value::Null, |time| json!(time.to_string()))),
            ("media_type", json!(media_type::of(&self.name))),
            ("sha256", json!(kept.sha256)),
            ("$blob", json!(kept.id)),
        ];
        let members = members.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }
}

/// A file's content. Tells an error of the file from one of the keeper.
struct Content {
    file: io::Take<File>,
    error: Option<io::Error>,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            // An interrupted read is tried again by whoever reads.
            if error.kind() != ErrorKind::Interrupted {
                self.error = Some(error);
            }
            told
        })
    }
}
