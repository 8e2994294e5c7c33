#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::*;
use crate::{Access, NewRun, NewTask, SqliteStore, Store};
use bytes::Bytes;
use model::{TaskId, TaskKind, TaskState};

const NOW: Millis = 1_790_000_000_000;
const LONG: usize = 3_000_000;

/// A store with two ended tasks whose payloads are blobs of several pieces.
async fn with_blobs(folder: &Path) -> (SqliteStore, Vec<TaskId>) {
    let store = SqliteStore::open(folder, Access::Engine("a test".to_owned())).unwrap();
    let lane = store.lanes(vec![(TaskKind::Pull, "rows".to_owned())]).await.unwrap()[0];
    let (run, _) = store.begin_run(NewRun::now(lane, "cli", NOW, Bytes::from_static(b"{}"))).await.unwrap();
    let task = |digit| NewTask {
        lane,
        run,
        source: None,
        priority: 0,
        due_at: NOW,
        order_key: None,
        unique_key: None,
        identifier: None,
        state: TaskState::Rejected,
        payload: vec![digit; LONG].into(),
        problem: None,
    };
    let ids = store.insert(vec![task(b'7'), task(b'8')], NOW).await.unwrap();
    (store, ids.into_iter().flatten().collect())
}

#[tokio::test]
async fn blobs_come_back_with_their_age() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file, back) = ["data", "file", "back"].map(|name| folder.path().join(name)).into();
    let (store, ids) = with_blobs(&data).await;
    let made = back_up(&data, &file, &[], NOW).unwrap();
    assert_eq!((made.tasks, made.files, made.bytes, made.lost), (3, 2, 2 * LONG as u64, 0));
    assert_eq!(restore(&file, &back).unwrap(), made);
    let restored = SqliteStore::open(&back, Access::Engine("a test".to_owned())).unwrap();
    assert_eq!(restored.id(), store.id());
    for (id, digit) in ids.iter().zip([b'7', b'8']) {
        assert_eq!(restored.task(*id).await.unwrap().unwrap().payload, vec![digit; LONG]);
    }
    assert_eq!(restored.blob_folder().older_than(NOW).unwrap().len(), 0);
    assert_eq!(restored.blob_folder().older_than(NOW + 1).unwrap().len(), 2);
    drop(restored);
    let mut left: Vec<_> = fs::read_dir(&back).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["blobs", "engine.lock", "tramontane.db"]);
    let size = fs::metadata(folder::database(&back)).unwrap().len();
    assert!(size < 500_000, "{size} bytes: what only the backup needs is gone");
}

#[tokio::test]
async fn a_blob_that_is_lost_is_counted_and_one_that_was_deleted_meanwhile_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (data, part) = (folder.path().join("data"), folder.path().join("part"));
    let (store, ids) = with_blobs(&data).await;
    let (live, _) = folder::open_any(&data).unwrap();
    let lost = named(&live).unwrap().remove(0);
    store.blob_folder().delete(&lost).unwrap();
    copy_into(&live, &part).unwrap();
    let made = fill(&live, &data, &part, &[], NOW).unwrap();
    assert_eq!((made.files, made.lost), (1, 1));

    fs::remove_file(&part).unwrap();
    copy_into(&live, &part).unwrap();
    store.delete_ended(ids).await.unwrap();
    store.sweep_blobs(NOW + 1).await.unwrap();
    let Err(StoreError::Refused(problem)) = fill(&live, &data, &part, &[], NOW) else { unreachable!() };
    assert_eq!(problem.code, "backup_overtaken");
    let made = back_up(&data, &folder.path().join("file"), &[], NOW).unwrap();
    assert_eq!((made.tasks, made.files, made.lost), (1, 0, 0), "from the beginning it is whole");
}
