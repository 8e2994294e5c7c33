#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::{DAY, Keeper};
use crate::clock::Clock;
use async_trait::async_trait;
use bytes::Bytes;
use model::{Millis, RunId, TaskId, TaskKind, TaskState};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::{
    Access, AuditEntry, DefinitionChange, LaneId, NewRun, NewTask, Revise, Revisions as _, SqliteStore, Store,
    TaskFilter,
};

const NOW: Millis = 1_790_000_000_000;

fn revise(expected: i64, changes: Vec<DefinitionChange>) -> Revise {
    let (who, what) = ("cli".to_owned(), "definitions.apply".to_owned());
    let audit = AuditEntry { id: 0, at: NOW, origin: who.clone(), who, what, subject: String::new(), details: None };
    Revise { expected, changes, why: None, audit }
}

/// A clock that moves on when somebody sleeps, and never by itself.
struct Sleeper(AtomicI64);

#[async_trait]
impl Clock for Sleeper {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
    async fn sleep_until(&self, at: Millis) {
        self.0.fetch_max(at, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

struct Bench {
    store: Arc<SqliteStore>,
    keeper: Keeper,
    lane: LaneId,
    run: RunId,
    folder: tempfile::TempDir,
}

impl Bench {
    /// A store with the route `ask`, which keeps this.
    async fn keeping(keep: serde_json::Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), Access::Engine("a test".to_owned())).unwrap());
        let route = json!({ "incoming": "rows", "outgoing": "ask", "keep": keep });
        let incoming = json!({ "subscriber": { "type": "inline", "rows": [] }, "keep": { "days": 7 } });
        let change = |kind: &str, name: &str, body: serde_json::Value| DefinitionChange {
            kind: kind.to_owned(),
            name: name.to_owned(),
            body: Some(body.to_string()),
        };
        let changes = vec![change("routes", "ask", route), change("incoming", "rows", incoming)];
        store.revise(revise(0, changes)).await.unwrap();
        let names = vec![(TaskKind::Pull, "rows".to_owned()), (TaskKind::Push, "ask".to_owned())];
        let lanes = store.lanes(names).await.unwrap();
        let run = NewRun::now(lanes[0], "cli", NOW, Bytes::from_static(b"{}"));
        let (run, _) = store.begin_run(run).await.unwrap();
        let keeper = Keeper::new(store.clone(), Arc::new(Sleeper(AtomicI64::new(NOW))));
        Self { store, keeper, lane: lanes[1], run, folder }
    }

    /// So many tasks that ended so long ago, with data of so many bytes.
    async fn ended(&self, count: usize, days: i64, bytes: usize) -> Vec<TaskId> {
        let task = NewTask { state: TaskState::Rejected, payload: vec![b'7'; bytes].into(), ..self.task() };
        let ids = self.store.insert(vec![task; count], NOW - days * DAY).await.unwrap();
        ids.into_iter().flatten().collect()
    }

    fn task(&self) -> NewTask {
        NewTask {
            lane: self.lane,
            run: self.run,
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

    async fn left(&self) -> Vec<TaskId> {
        let filter = TaskFilter { lane: Some(self.lane), limit: 1_000, ..TaskFilter::default() };
        let mut left: Vec<TaskId> = self.store.tasks(filter).await.unwrap().iter().map(|row| row.id).collect();
        left.sort();
        left
    }
}

#[tokio::test]
async fn days_are_counted_from_the_end() {
    let bench = Bench::keeping(json!({ "days": 10 })).await;
    bench.ended(3, 10, 1).await;
    let young = bench.ended(3, 9, 1).await;
    let open = bench.store.insert(vec![bench.task()], NOW - 99 * DAY).await.unwrap();
    bench.keeper.prune().await.unwrap();
    assert_eq!(bench.left().await, young.into_iter().chain(open.into_iter().flatten()).collect::<Vec<_>>());
}

#[tokio::test]
async fn so_many_tasks_are_kept_the_newest() {
    let bench = Bench::keeping(json!({ "tasks": 250 })).await;
    let all = bench.ended(1_500, 1, 1).await;
    let foreseen = bench.keeper.foresee().await.unwrap();
    assert_eq!(bench.left().await.len(), 1_000, "a page; looking changes nothing");
    let pruned = bench.keeper.prune().await.unwrap();
    assert_eq!((foreseen.len(), foreseen[0].tasks, foreseen[0].bytes), (1, 1_250, 1_250));
    assert_eq!(pruned.lanes, foreseen);
    assert_eq!(bench.left().await, all[1_250..]);
    assert!(bench.keeper.prune().await.unwrap().lanes.is_empty(), "nothing is left to delete");
    assert_eq!(bench.store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn so_many_bytes_are_kept_and_the_file_shrinks() {
    let bench = Bench::keeping(json!({ "bytes": 100_000 })).await;
    let all = bench.ended(400, 1, 20_000).await;
    let pruned = bench.keeper.prune().await.unwrap();
    assert_eq!(bench.left().await, all[395..]);
    assert!(pruned.given_back > 7_000_000, "{pruned:?}");
    let database = bench.folder.path().join("tramontane.db");
    let (store, keeper) = (bench.store, bench.keeper);
    drop((store, keeper));
    let size = std::fs::metadata(database).unwrap().len();
    assert!(size < 600_000, "{size} bytes are left");
}

#[tokio::test]
async fn a_lane_that_is_no_longer_defined_keeps_ninety_days() {
    let bench = Bench::keeping(json!({ "days": 1 })).await;
    let lanes = bench.store.lanes(vec![(TaskKind::Push, "gone".to_owned())]).await.unwrap();
    for days in [91, 89] {
        let born = NewTask { lane: lanes[0], state: TaskState::Rejected, ..bench.task() };
        bench.store.insert(vec![born], NOW - days * DAY).await.unwrap();
    }
    let pruned = bench.keeper.prune().await.unwrap();
    assert_eq!((pruned.lanes[0].name.as_str(), pruned.lanes[0].tasks), ("gone", 1));
}

#[tokio::test]
async fn an_incoming_keeps_its_pulls_as_it_says() {
    let bench = Bench::keeping(json!({})).await;
    let lane = bench.store.lanes(vec![(TaskKind::Pull, "rows".to_owned())]).await.unwrap()[0];
    for days in [8, 6] {
        let born = NewTask { lane, state: TaskState::Rejected, ..bench.task() };
        bench.store.insert(vec![born], NOW - days * DAY).await.unwrap();
    }
    let pruned = bench.keeper.prune().await.unwrap();
    assert_eq!((pruned.lanes[0].name.as_str(), pruned.lanes[0].tasks), ("rows", 1));
}

#[tokio::test]
async fn blobs_go_when_their_tasks_are_gone() {
    let bench = Bench::keeping(json!({ "days": 2 })).await;
    bench.ended(2, 3, 300_000).await;
    bench.ended(1, 1, 300_000).await;
    assert_eq!(bench.keeper.foresee().await.unwrap()[0].bytes / 2, 300_033, "the blob, and its name in the row");
    assert_eq!(bench.keeper.prune().await.unwrap().blobs, 2);
    assert_eq!(bench.store.blobs().await.unwrap().0, 1);
}

#[tokio::test]
async fn definitions_that_cannot_be_read_delete_nothing() {
    let bench = Bench::keeping(json!({ "days": 1 })).await;
    bench.ended(3, 9, 1).await;
    let broken = DefinitionChange { kind: "routes".to_owned(), name: "ask".to_owned(), body: Some("7".to_owned()) };
    bench.store.revise(revise(1, vec![broken])).await.unwrap();
    assert!(bench.keeper.prune().await.is_err());
    assert_eq!(bench.left().await.len(), 3);
}

/// Prints how long slices take: `cargo nextest run -p engine --release --run-ignored all --no-capture slices`.
#[tokio::test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]
async fn how_long_slices_take() {
    let bench = Bench::keeping(json!({})).await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.extend(bench.ended(1_000, 1, 2_048).await);
    }
    for size in [100, 250, 500] {
        let mut times: Vec<f64> = Vec::new();
        for slice in ids.split_off(ids.len() - 30_000).chunks(size) {
            let began = std::time::Instant::now();
            bench.store.delete_ended(slice.to_vec()).await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        println!("{size} tasks: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(50), at(99), at(100));
    }
    let (mut longest, mut steps) = (0.0_f64, 0);
    loop {
        let began = std::time::Instant::now();
        if bench.store.give_back(u64::from(super::BYTES.size)).await.unwrap() == 0 {
            break;
        }
        longest = longest.max(began.elapsed().as_secs_f64() * 1_000.0);
        steps += 1;
    }
    println!("giving back: {steps} steps, longest {longest:.1} ms");
}

/// Prints what intake feels of a large deletion, and what is left of the file. Run as the other one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]
async fn how_long_intake_waits_meanwhile() {
    let bench = Bench::keeping(json!({ "tasks": 50_000 })).await;
    for _ in 0..300 {
        bench.ended(1_000, 1, 2_048).await;
    }
    let size = || std::fs::metadata(bench.folder.path().join("tramontane.db")).unwrap().len() >> 20;
    println!("before: {} MiB", size());
    let keeper = Keeper::new(bench.store.clone(), Arc::new(crate::clock::SystemClock));
    for when in ["alone", "while old tasks are deleted"] {
        let began = std::time::Instant::now();
        let pruning = tokio::spawn({
            let keeper = Keeper::new(bench.store.clone(), Arc::new(crate::clock::SystemClock));
            let alone = when == "alone";
            async move {
                match alone {
                    true => tokio::time::sleep(std::time::Duration::from_secs(5)).await,
                    false => drop(keeper.prune().await.unwrap()),
                }
            }
        });
        let mut times: Vec<f64> = Vec::new();
        while !pruning.is_finished() {
            let began = std::time::Instant::now();
            bench.store.insert(vec![bench.task()], NOW).await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        let (inserts, seconds) = (times.len(), began.elapsed().as_secs());
        println!(
            "{when}, {inserts} inserts in {seconds} s: p50 {:.1}, p99 {:.1}, longest {:.1} ms",
            at(50),
            at(99),
            at(100)
        );
    }
    assert!(keeper.foresee().await.unwrap().is_empty());
    println!("after: {} MiB", size());
}
