//! The suite on SQLite, and what is promised of a data folder.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod suite;

use std::fs;
use std::path::Path;
use store::{Access, SqliteStore};
use suite::Fixture;
use tempfile::TempDir;

struct Folder {
    store: SqliteStore,
    folder: TempDir,
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Access::Engine("the suite".to_owned())).unwrap()
}

impl Fixture for Folder {
    type Store = SqliteStore;
    const HISTORIES: u32 = 48;

    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: open(folder.path()), folder }
    }

    fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// A copy of the files while they are open is what a killed process leaves: database and log, nothing put in order.
    async fn kill(self) -> Self {
        let left = tempfile::tempdir().unwrap();
        copy(self.folder.path(), left.path());
        drop(self);
        Self { store: open(left.path()), folder: left }
    }

    fn lose_blobs(&self) {
        fs::remove_dir_all(self.folder.path().join("blobs")).unwrap();
    }

    fn run(&self, sql: &str) -> Result<(), String> {
        let db = rusqlite::Connection::open(self.folder.path().join("tramontane.db")).unwrap();
        db.execute_batch(sql).map_err(|error| error.to_string())
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), &to).unwrap();
            let at = entry.metadata().unwrap().modified().unwrap();
            fs::File::options().write(true).open(&to).unwrap().set_modified(at).unwrap();
        }
    }
}

on!(Folder);
