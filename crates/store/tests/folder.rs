//! What is promised of a data folder with SQLite in it: one engine, private, and clear words about what cannot be used.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::Bytes;
use model::{TaskKind, TaskState};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use store::{Access, LaneId, NewRun, NewTask, SqliteStore, Store, StoreError};

const NOW: i64 = 1_790_000_000_000;

fn engine(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder, Access::Engine("serve since 09:15".to_owned()))
}

fn read(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder, Access::Read)
}

fn database(folder: &Path) -> std::path::PathBuf {
    folder.join("tramontane.db")
}

/// A folder with a store in it that was closed.
async fn used() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = engine(folder.path()).unwrap();
    store.lanes(vec![(TaskKind::Pull, "products".to_owned())]).await.unwrap();
    folder
}

fn task(lane: LaneId, run: model::RunId) -> NewTask {
    NewTask {
        lane,
        run,
        source: None,
        priority: 0,
        due_at: NOW,
        order_key: None,
        unique_key: None,
        identifier: None,
        state: TaskState::New,
        payload: Bytes::from_static(b"{}"),
        problem: None,
    }
}

#[tokio::test]
async fn one_engine_holds_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = engine(folder.path()).unwrap();
    let held = engine(folder.path()).unwrap_err();
    let process = std::process::id();
    assert!(
        matches!(&held, StoreError::Held { by, .. } if *by == format!("process {process}, serve since 09:15")),
        "{held}"
    );
    assert_eq!(held.problem().code, "store_held");
    drop(first);
    SqliteStore::open(folder.path(), Access::Engine("short".to_owned())).unwrap();
    let text = fs::read(folder.path().join("engine.lock")).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        format!("process {process}, short\n"),
        "nothing of a longer text is left"
    );
}

#[tokio::test]
async fn readers_see_what_an_engine_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = engine(folder.path()).unwrap();
    let reader = read(folder.path()).unwrap();
    store.lanes(vec![(TaskKind::Pull, "products".to_owned())]).await.unwrap();
    assert_eq!(reader.all_lanes().await.unwrap().len(), 1);
    let refused = reader.lanes(vec![(TaskKind::Pull, "orders".to_owned())]).await.unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly), "{refused}");
    drop(store);
    assert_eq!(reader.all_lanes().await.unwrap().len(), 1);
    drop(reader);
    assert_eq!(read(folder.path()).unwrap().all_lanes().await.unwrap().len(), 1, "also when nobody has it open");
}

#[test]
fn reading_nothing_says_so_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("data");
    assert!(matches!(read(&missing).unwrap_err(), StoreError::Absent(at) if at == missing));
    assert!(!missing.exists());
    fs::write(database(folder.path()), b"").unwrap();
    assert!(
        matches!(read(folder.path()).unwrap_err(), StoreError::Absent(_)),
        "a file that nothing was written to yet"
    );
}

#[tokio::test]
async fn everything_is_for_the_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("some/data");
    let store = engine(&folder).unwrap();
    store.lanes(vec![(TaskKind::Pull, "products".to_owned())]).await.unwrap();
    store.blob_folder().create(NOW, &mut &b"secret"[..]).unwrap();
    let mut looked_at = 0;
    let mut folders = vec![parent.path().join("some")];
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", entry.path().display());
            looked_at += 1;
        }
    }
    assert_eq!(looked_at, 5, "lock, database, log, index of the log, blob");
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let folder = used().await;
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["blobs", "engine.lock", "tramontane.db"]);
}

#[tokio::test]
async fn many_callers_share_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(engine(folder.path()).unwrap());
    let lane = store.lanes(vec![(TaskKind::Pull, "products".to_owned())]).await.unwrap()[0];
    let run = NewRun::now(lane, "cli", NOW, Bytes::from_static(b"{}"));
    let (run, _) = store.begin_run(run).await.unwrap();
    let before = store.commits();
    let mut inserts = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let store = Arc::clone(&store);
        inserts.spawn(async move { store.insert(vec![task(lane, run)], NOW).await });
    }
    while let Some(inserted) = inserts.join_next().await {
        assert!(inserted.unwrap().unwrap()[0].is_some());
    }
    let commits = store.commits() - before;
    assert!(commits <= 100, "400 inserts took {commits} commits");
    assert_eq!(store.tally(None).await.unwrap()[0].count, 401);
}

#[test]
fn files_that_are_no_store_are_refused() {
    let other_program = "it is a database of another program";
    let spoilt = [
        ("", "file is not a database"),
        ("CREATE TABLE t (x)", other_program),
        ("PRAGMA user_version = 1", other_program),
        ("PRAGMA application_id = 7", other_program),
    ];
    for (sql, reason) in spoilt {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path());
        match sql {
            "" => fs::write(&path, "name,price\n".repeat(1000)).unwrap(),
            sql => Connection::open(&path).unwrap().execute_batch(sql).unwrap(),
        }
        let before = fs::read(&path).unwrap();
        for error in [engine(folder.path()).unwrap_err(), read(folder.path()).unwrap_err()] {
            assert!(matches!(&error, StoreError::NotAStore { .. }), "{error:?}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(fs::read(&path).unwrap() == before, "it was left as it is");
    }
}

#[tokio::test]
async fn other_versions_are_refused_by_number() {
    let folder = used().await;
    let set = |version: i64| {
        Connection::open(database(folder.path())).unwrap().pragma_update(None, "user_version", version).unwrap()
    };
    set(99);
    for error in [engine(folder.path()).unwrap_err(), read(folder.path()).unwrap_err()] {
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
        let reason = error.problem().reason;
        assert!(reason.starts_with("the store has version 99, this program knows versions up to "), "{reason}");
    }
    set(0);
    assert!(matches!(read(folder.path()).unwrap_err(), StoreError::Older { found: 0, .. }));
}

#[tokio::test]
async fn a_damaged_file_is_found_out() {
    let folder = used().await;
    let path = database(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    // The page of the table `lane` and its neighbours, not the first, which says what the file is.
    bytes[4096..16 * 4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let found = match read(folder.path()) {
        Ok(store) => store.check().await.map(|findings| findings.join("; ")),
        Err(error) => Err(error),
    };
    assert!(found.as_ref().map_or(true, |findings| !findings.is_empty()), "{found:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    for place in [file.join("data"), file.clone()] {
        let error = engine(&place).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
        assert!(error.to_string().contains(&place.display().to_string()), "{error}");
        assert!(error.problem().hint.is_some());
    }
    let data = folder.path().join("data");
    fs::create_dir_all(database(&data)).unwrap();
    let error = engine(&data).unwrap_err();
    assert!(error.to_string().contains("tramontane.db"), "{error}");
}

#[tokio::test]
async fn deleted_space_and_expired_entries_go_back_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = engine(folder.path()).unwrap();
    let lane = store.lanes(vec![(TaskKind::Pull, "products".to_owned())]).await.unwrap()[0];
    let (run, _) = store.begin_run(NewRun::now(lane, "cli", NOW, Bytes::from_static(b"{}"))).await.unwrap();
    let born = NewTask { state: TaskState::Rejected, payload: vec![b'7'; 20_000].into(), ..task(lane, run) };
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.extend(store.insert(vec![born.clone(); 100], NOW).await.unwrap().into_iter().flatten());
    }
    drop(store);
    let entries = "INSERT INTO entry (storage, key, value, version, at, expires_at)
                   VALUES ('s', 'old', '1', 1, 0, 10), ('s', 'older', '1', 1, 0, 9), ('s', 'young', '1', 1, 0, 11),
                          ('s', 'eternal', '1', 1, 0, NULL)";
    Connection::open(database(folder.path())).unwrap().execute_batch(entries).unwrap();
    let full = fs::metadata(database(folder.path())).unwrap().len();
    let store = engine(folder.path()).unwrap();
    assert_eq!(store.delete_ended(ids.clone()).await.unwrap(), vec![true; 300]);
    let first = store.give_back(1 << 20).await.unwrap();
    assert!(first > 0 && first <= 1 << 20, "{first} bytes in the first step");
    while store.give_back(1 << 20).await.unwrap() > 0 {}
    assert_eq!(store.delete_expired(10, 1).await.unwrap(), 1);
    assert_eq!(store.delete_expired(10, 9).await.unwrap(), 1);
    assert_eq!(store.delete_expired(10, 9).await.unwrap(), 0);
    drop(store);
    let left = fs::metadata(database(folder.path())).unwrap().len();
    assert!(left * 10 < full, "{left} of {full} bytes are left");
}
