//! Retention: what has ended is looked through, and deleted whole.

use super::{Bench, Fixture, LEASE, NOW, decided, end, new_run, start};
use bytes::Bytes;
use model::{Problem, TaskId, TaskState, Usage};
use store::{Decided, Decision, NewTask, Next, Store};

const LONG: usize = 256 * 1024 + 1;

fn long(letter: &str) -> Bytes {
    format!("\"{}\"", letter.repeat(LONG - 2)).into()
}

async fn all_ended<F: Fixture>(bench: &Bench<F>) -> Vec<TaskId> {
    bench.store().ended(None, 1_000).await.unwrap().iter().map(|task| task.id).collect()
}

pub(crate) async fn ended_tasks_are_looked_through_newest_first<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let mut expected = Vec::new();
    for state in TaskState::ALL {
        let id = bench.task_in(state).await;
        if !state.is_open() && state != TaskState::Unknown {
            expected.insert(0, (id, state));
        }
    }
    let first = bench.store().ended(None, 2).await.unwrap();
    let rest = bench.store().ended(Some(first[1].id), 1_000).await.unwrap();
    let found: Vec<_> = first.iter().chain(&rest).map(|task| (task.id, task.state)).collect();
    assert_eq!(found, expected);
    assert!(first.iter().chain(&rest).all(|task| task.lane == bench.push && task.finished_at == NOW));
    assert!(bench.store().ended(Some(TaskId(1)), 10).await.unwrap().is_empty());
}

pub(crate) async fn sizes_are_those_of_bodies_and_blobs<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let small = NewTask { state: TaskState::Rejected, payload: Bytes::from_static(b"\"12345\""), ..bench.task() };
    bench.insert(small).await;
    bench.insert(NewTask { payload: long("p"), ..bench.task() }).await;
    let claim = bench.claim(1).await.remove(0);
    let asked = store::Start { request: Some(Bytes::from_static(b"\"ask\"")), ..start(claim.token) };
    bench.store().start(vec![asked]).await.unwrap();
    let mut finish = end(claim.token, Next::Finished);
    finish.end.answer = Some(long("a"));
    assert!(bench.finish(finish).await);
    let sizes: Vec<u64> = bench.store().ended(None, 10).await.unwrap().iter().map(|task| task.bytes).collect();
    // A reference may count beside the blob that it names.
    let least = 2 * LONG as u64 + 5;
    assert!((least..least + 200).contains(&sizes[0]), "{sizes:?}");
    assert_eq!(sizes[1], 7);
}

pub(crate) async fn what_is_deleted_is_gone_whole<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let born = NewTask { state: TaskState::Rejected, problem: Some(Problem::new("odd", "odd")), ..bench.task() };
    let rejected = bench.insert(born).await;
    let key = || Some("once".to_owned());
    let made = bench.insert(NewTask { payload: long("p"), unique_key: key(), ..bench.task() }).await;
    let claim = bench.claim(1).await.remove(0);
    let asked = store::Start { request: Some(long("q")), ..start(claim.token) };
    bench.store().start(vec![asked]).await.unwrap();
    let mut finish = end(claim.token, Next::Failed);
    finish.end.answer = Some(long("a"));
    finish.end.usage = Some(Usage { total_tokens: Some(7), ..Usage::default() });
    finish.resume = Some(Bytes::from_static(b"page 2"));
    assert!(bench.finish(finish).await);
    let edit = Decided { payload: Some(Bytes::from_static(b"{}")), ..decided(Decision::Retry) };
    bench.store().decide(vec![made], edit).await.unwrap().remove(0).unwrap();
    bench.decide(made, Decision::Cancel).await.unwrap();
    let kept = bench.insert(NewTask { payload: long("k"), ..bench.task() }).await;
    assert_eq!(bench.store().blobs().await.unwrap().0, 4);

    let before = bench.store().usage(None).await.unwrap();
    assert_eq!(bench.store().delete_ended(vec![made, rejected, TaskId(999)]).await.unwrap(), [true, true, false]);
    assert_eq!(bench.store().delete_ended(vec![made]).await.unwrap(), [false], "it is gone");
    bench.check_tally().await;
    assert!(bench.store().task(made).await.unwrap().is_none());
    assert_eq!(bench.store().sweep_blobs(NOW + 99).await.unwrap(), 3);
    assert_eq!(bench.store().blobs().await.unwrap().0, 1);
    assert_eq!(bench.store().usage(None).await.unwrap(), before, "what was used stays in the sum of all runs");

    let bench = bench.kill().await;
    assert_eq!(bench.story(kept).await.payload, long("k"));
    assert!(bench.store().task(rejected).await.unwrap().is_none());
    let again = bench.insert(NewTask { unique_key: key(), ..bench.task() }).await;
    assert!(again > kept, "numbers are never given twice");
    assert!(bench.story(again).await.decisions.is_empty());
    assert_eq!(bench.store().check().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn open_and_unknown_tasks_are_never_deleted<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (mut ids, mut ended) = (Vec::new(), Vec::new());
    for state in TaskState::ALL {
        ids.push(bench.task_in(state).await);
        ended.push(!state.is_open() && state != TaskState::Unknown);
    }
    assert_eq!(bench.store().delete_ended(ids.clone()).await.unwrap(), ended);
    bench.check_tally().await;
    for (id, gone) in ids.into_iter().zip(ended) {
        assert_eq!(bench.store().task(id).await.unwrap().is_none(), gone);
    }
    assert!(all_ended(&bench).await.is_empty());
    let nowhere = NewTask { lane: store::LaneId(99), ..bench.task() };
    assert!(bench.store().insert(vec![nowhere], NOW).await.is_err(), "references are looked after as before");
}

pub(crate) async fn a_run_goes_with_its_last_task<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench.task_in(TaskState::Finished).await;
    let (other, pull) = bench.store().begin_run(new_run(bench.pull)).await.unwrap();
    bench.decide(bench.pull_task, Decision::Cancel).await.unwrap();
    bench.decide(pull, Decision::Cancel).await.unwrap();
    assert_eq!(bench.store().delete_ended(vec![bench.pull_task, pull]).await.unwrap(), [true, true]);
    let runs: Vec<_> = bench.store().runs(None, 10).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(runs, [bench.run], "the other one, {other}, had nothing but its pull task");
    assert!(bench.store().tally(Some(other)).await.unwrap().is_empty());
    let rest = all_ended(&bench).await;
    assert_eq!(bench.store().delete_ended(rest).await.unwrap(), [true]);
    assert!(bench.store().runs(None, 10).await.unwrap().is_empty());
    assert!(bench.store().tally(None).await.unwrap().is_empty());
    let (next, _) = bench.store().begin_run(new_run(bench.pull)).await.unwrap();
    assert!(next > other, "numbers are never given twice");
    assert!(bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap().is_empty());
}

pub(crate) async fn expired_entries_can_be_deleted<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    assert_eq!(bench.store().delete_expired(NOW, 500).await.unwrap(), 0, "there are none");
}
