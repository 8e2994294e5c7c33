//! Regular files and folders, and what goes wrong with them.

use super::{not_sent, rejected};
use model::Problem;
use model::driver::Failure;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Opens a regular file for reading.
///
/// # Errors
/// `file_missing`, `file_denied`, `file_not_regular`, `file_unusable`.
pub(super) fn open_to_read(path: &Path) -> Result<File, Failure> {
    open(path, OpenOptions::new().read(true))
}

/// Opens a regular file that exists for reading and appending.
///
/// # Errors
/// As [`open_to_read`].
pub(super) fn open_to_append(path: &Path) -> Result<File, Failure> {
    open(path, OpenOptions::new().read(true).append(true))
}

fn open(path: &Path, how: &OpenOptions) -> Result<File, Failure> {
    // Asked before the file is opened: to open a pipe waits for its other end, to open a device may do something.
    must_be_regular(&fs::metadata(path).map_err(|error| not_sent(explain(path, &error)))?, path)?;
    let file = how.open(path).map_err(|error| not_sent(explain(path, &error)))?;
    must_be_regular(&file.metadata().map_err(|error| not_sent(explain(path, &error)))?, path)?;
    Ok(file)
}

fn must_be_regular(metadata: &Metadata, path: &Path) -> Result<(), Failure> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() { "a folder" } else { "a device, a pipe or a socket" };
    Err(rejected(about(path, Problem::new("file_not_regular", format!("this is {what}, not a file")))))
}

/// Makes an empty file and the folders above it where they are missing, so that they outlast a power cut.
///
/// # Errors
/// `file_denied`, `file_unusable`.
pub(super) fn create_if_missing(path: &Path) -> Result<(), Failure> {
    let create = || -> io::Result<()> {
        let Err(error) = fs::metadata(path) else { return Ok(()) };
        if error.kind() != ErrorKind::NotFound {
            return Err(error);
        }
        let folder = folder_of(path);
        create_folders(folder)?;
        OpenOptions::new().append(true).create(true).open(path)?.sync_all()
    };
    create().map_err(|error| not_sent(explain(path, &error)))
}

/// Makes the folder's list of names durable: without it a new file may be gone after a power cut, synced or not.
///
/// # Errors
/// `file_denied`, `file_unusable`.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), Failure> {
    sync_folder(folder_of(path)).map_err(|error| not_sent(explain(path, &error)))
}

fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    create_folders(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(above),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => Path::new("/"),
    }
}

/// Says what an error of the operating system means for this file.
pub(crate) fn explain(path: &Path, error: &io::Error) -> Problem {
    let problem = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Problem::new("file_missing", "there is no such file")
            .hint("check the path; a relative one begins at the folder of the definitions"),
        ErrorKind::PermissionDenied => {
            Problem::new("file_denied", "the operating system does not let us use this file")
                .hint("give the user that runs tramontane the right to it")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Problem::new("file_disk_full", error.to_string().to_lowercase()).hint("make room; it is tried again")
        }
        _ => Problem::new("file_unusable", error.to_string().to_lowercase()),
    };
    about(path, problem)
}

/// Names the file that a problem is about.
pub(crate) fn about(path: &Path, mut problem: Problem) -> Problem {
    problem.file = Some(path.display().to_string());
    problem
}
