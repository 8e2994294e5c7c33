//! The files of a folder in the order of their paths, without holding more of them than the names in the open folders.

use super::options::Selection;
use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::vec;

/// Something that the walk came by.
#[derive(Debug)]
pub(super) enum Found {
    /// A file that matches, or a link of such a name.
    File { relative: PathBuf, link: bool },
    /// A sub-folder that could not be listed.
    Unlisted { relative: PathBuf, error: io::Error },
}

impl Found {
    /// The path within the folder.
    pub(super) fn relative(&self) -> &Path {
        match self {
            Self::File { relative, .. } | Self::Unlisted { relative, .. } => relative,
        }
    }
}

/// A path as bytes, so that it can be kept and compared whatever characters are in it.
pub(super) fn key(relative: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = relative.iter().map(|part| part.as_encoded_bytes()).collect();
    parts.join(&b'/')
}

/// The order of the walk: folder by folder, the names in each by their bytes.
fn order(one: &[u8], other: &[u8]) -> Ordering {
    parts(one).cmp(parts(other))
}

fn parts(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|byte| *byte == b'/')
}

/// A walk through a folder.
pub(super) struct Walk<'a> {
    selection: &'a Selection,
    /// Everything up to here is passed over.
    after: Option<&'a [u8]>,
    /// The folders that are open, the outermost first.
    open: Vec<Level>,
}

struct Level {
    relative: PathBuf,
    names: vec::IntoIter<(OsString, FileType)>,
}

impl<'a> Walk<'a> {
    /// Begins behind a path.
    ///
    /// # Errors
    /// The folder's own, from the operating system.
    pub(super) fn begin(selection: &'a Selection, after: Option<&'a [u8]>) -> io::Result<Self> {
        let names = list(&selection.folder)?;
        Ok(Self { selection, after, open: vec![Level { relative: PathBuf::new(), names }] })
    }

    /// Where `key` stands to the place that the walk begins behind; of that place only as many parts count as the key
    /// has, where `folder` is set: what lies in a folder comes behind it.
    fn is_past(&self, key: &[u8], folder: bool) -> bool {
        let Some(after) = self.after else { return false };
        if folder {
            let depth = parts(key).count();
            return parts(key).cmp(parts(after).take(depth)) == Ordering::Less;
        }
        order(key, after) != Ordering::Greater
    }

    /// What comes of a name: `None` where it is passed over or is a folder that was opened.
    fn look(&mut self, relative: PathBuf, name: &OsString, kind: FileType) -> Option<Found> {
        if self.selection.leaves_out(Path::new(name)) || self.is_past(&key(&relative), kind.is_dir()) {
            return None;
        }
        if !kind.is_dir() {
            let meant = (kind.is_file() || kind.is_symlink()) && self.selection.takes(&relative);
            return meant.then(|| Found::File { relative, link: kind.is_symlink() });
        }
        if self.open.len() > self.selection.depth {
            return None;
        }
        match list(&self.selection.folder.join(&relative)) {
            Ok(names) => {
                self.open.push(Level { relative, names });
                None
            }
            // It was said before.
            Err(_) if self.is_past(&key(&relative), false) => None,
            Err(error) => Some(Found::Unlisted { relative, error }),
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while let Some(level) = self.open.last_mut() {
            let Some((name, kind)) = level.names.next() else {
                self.open.pop();
                continue;
            };
            let relative = level.relative.join(&name);
            if let Some(found) = self.look(relative, &name, kind) {
                return Some(found);
            }
        }
        None
    }
}

/// The names in a folder, sorted.
fn list(folder: &Path) -> io::Result<vec::IntoIter<(OsString, FileType)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) => names.push((entry.file_name(), kind)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    names.sort_unstable_by(|one, other| one.0.as_encoded_bytes().cmp(other.0.as_encoded_bytes()));
    Ok(names.into_iter())
}
