//! Stores that older versions have left are opened, and everything is found again.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use model::{TaskId, TaskState};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use store::blobs::{BlobId, Blobs};
use store::{Access, ClaimRequest, SqliteStore, Store, TaskFilter};

const NOW: i64 = 1_795_000_000_000;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/version-1.db")
}

/// Every row of every table of the first version, in the columns that it had then.
fn rows(database: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let then = Connection::open_with_flags(golden(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let now = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut tables = then
        .prepare(
            "SELECT tables.name, group_concat('\"' || columns.name || '\"', ', ')
             FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' GROUP BY tables.name",
        )
        .unwrap();
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let read = |table: rusqlite::Result<(String, String)>| {
        let (table, columns) = table.unwrap();
        let mut statement = now.prepare(&format!("SELECT {columns} FROM {table} ORDER BY {columns}")).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect()).unwrap();
        (table, rows.collect::<Result<Vec<Vec<Value>>, _>>().unwrap())
    };
    let found: BTreeMap<_, _> = tables.map(read).collect();
    assert!(found.len() > 15 && found["task"].len() == 300);
    found
}

fn version(database: &Path) -> i64 {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// A folder with the golden store in it, and the blobs that it names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(), folder.path().join("tramontane.db")).unwrap();
    let blobs = Blobs::new(folder.path().join("blobs"));
    let db = Connection::open_with_flags(golden(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut ids = db.prepare("SELECT DISTINCT id FROM blob").unwrap();
    for id in ids.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        let id = BlobId::parse(&id.unwrap()).unwrap();
        blobs.put(&id, NOW, &mut format!("\"{id}\"").as_bytes()).unwrap();
    }
    folder
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Access::Engine("a test".to_owned())).unwrap()
}

#[tokio::test]
async fn everything_of_the_first_version_is_found() {
    let folder = folder();
    let before = rows(&golden());
    let store = open(folder.path());
    let upgrade = store.upgrade().unwrap().clone();
    assert_eq!((upgrade.from, upgrade.to), (1, version(&folder.path().join("tramontane.db"))));
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.id(), "0a1b2c3d");
    assert!(rows(&folder.path().join("tramontane.db")) == before, "every row is what it was");
    assert!(rows(&upgrade.copy) == before && version(&upgrade.copy) == 1, "and so is the copy");

    for id in 1..=300 {
        let story = store.task(TaskId(id)).await.unwrap().unwrap();
        assert_eq!(story.row.state, TaskState::from_number(id % 9).unwrap());
        if id % 60 == 1 {
            assert_eq!(story.payload, format!("\"{id:032x}\""));
        }
    }
    for state in TaskState::ALL {
        let filter = TaskFilter { state: Some(state), limit: 1_000, ..TaskFilter::default() };
        let tallied: u64 =
            store.tally(None).await.unwrap().iter().filter(|tally| tally.state == state).map(|tally| tally.count).sum();
        assert_eq!(store.tasks(filter).await.unwrap().len() as u64, tallied);
    }
    assert_eq!(store.definitions().await.unwrap().1.len(), 4);
    assert_eq!(store.currency(None).await.unwrap().as_deref(), Some("EUR"));
    assert!(store.usage(None).await.unwrap().calls > 0);
    drop(store);
    assert!(open(folder.path()).upgrade().is_none(), "once is enough");
}

#[tokio::test]
async fn an_upgraded_store_goes_on_in_order() {
    let folder = folder();
    let store = open(folder.path());
    let taken = store.take_over(true, NOW, NOW + 60_000).await.unwrap();
    assert!(!taken.is_empty() && taken.iter().all(|claim| claim.interrupted.is_some()));
    let lanes = store.all_lanes().await.unwrap().iter().map(|lane| (lane.id, 1_000)).collect();
    let request = ClaimRequest { lanes, now: 9_100_000_000_000_000, lease_until: i64::MAX };
    store.claim(request).await.unwrap();
    let processing = TaskFilter { state: Some(TaskState::Processing), limit: 1_000, ..TaskFilter::default() };
    let begun = store.tasks(processing).await.unwrap();
    let keys: BTreeMap<i64, (Value, Value)> = rows(&golden())["task"]
        .iter()
        .filter(|row| row[10] != Value::Null)
        .map(|row| match row[0] {
            Value::Integer(id) => (id, (row[1].clone(), row[10].clone())),
            _ => unreachable!(),
        })
        .collect();
    let mut of_a_key: Vec<_> = begun.iter().filter_map(|task| keys.get(&task.id.0)).collect();
    let all = of_a_key.len();
    of_a_key.sort_by_key(|key| format!("{key:?}"));
    of_a_key.dedup();
    assert!(all > 3);
    // What an older program had already begun side by side ends side by side.
    assert!(all - of_a_key.len() <= taken.len(), "{all} were begun, of {} keys", of_a_key.len());
    let ended: Vec<TaskId> = store.ended(None, 1_000).await.unwrap().iter().map(|task| task.id).collect();
    assert_eq!(store.delete_ended(ended.clone()).await.unwrap(), vec![true; ended.len()]);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_copy_is_used_again_only_where_it_is_whole_and_of_today() {
    let before = rows(&golden());
    let copy = |folder: &tempfile::TempDir| {
        let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        kept.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("before-version-"))
            .collect::<Vec<_>>()
    };
    let first = folder();
    drop(open(first.path()));
    let kept = copy(&first).remove(0);
    let name = kept.file_name().unwrap();
    let torn: Vec<u8> = fs::read(&kept).unwrap().into_iter().take(20_000).collect();
    for (content, is_used) in [(fs::read(&kept).unwrap(), true), (torn, false), (b"no database".to_vec(), false)] {
        let folder = folder();
        fs::write(folder.path().join(name), &content).unwrap();
        let at = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(at).unwrap();
        fs::write(folder.path().join("before-version-6.db.part"), b"half").unwrap();
        drop(open(folder.path()));
        let kept = folder.path().join(name);
        assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap() == at, is_used);
        assert!(rows(&kept) == before);
    }
    // Worked with since: the copy of then is not the store of now.
    let folder = folder();
    fs::copy(&kept, folder.path().join(name)).unwrap();
    let db = Connection::open(folder.path().join("tramontane.db")).unwrap();
    db.execute("UPDATE task SET attempt = attempt + 1 WHERE id = 21", []).unwrap();
    drop(db);
    let now = rows(&folder.path().join("tramontane.db"));
    drop(open(folder.path()));
    assert!(rows(&folder.path().join(name)) == now);
}

#[test]
fn a_store_whose_copy_cannot_be_made_is_left_as_it_is() {
    let folder = folder();
    fs::create_dir(folder.path().join("before-version-6.db.part")).unwrap();
    let error = SqliteStore::open(folder.path(), Access::Engine("a test".to_owned())).unwrap_err();
    assert!(error.to_string().contains("before-version-6.db"), "{error}");
    assert_eq!(version(&folder.path().join("tramontane.db")), 1);
    assert!(rows(&folder.path().join("tramontane.db")) == rows(&golden()));
}

/// Makes the golden store. To be run once for each version, with the program of that version.
#[test]
#[ignore = "it is made"]
fn how_it_was_made() {
    let _ = fs::remove_file(golden());
    let db = Connection::open(golden()).unwrap();
    db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA foreign_keys = ON;").unwrap();
    db.execute_batch(include_str!("../migrations/sqlite/0001_first.sql")).unwrap();
    db.execute_batch("PRAGMA application_id = 0x54724d6e; PRAGMA user_version = 1;").unwrap();
    db.execute_batch(include_str!("golden/version-1.sql")).unwrap();
    // Without the log, so that looking at it makes no files beside it.
    db.execute_batch("VACUUM").unwrap();
}
