//! What an engine needs that is left alone: order keys, runs with keys, schedules, webhooks, limits.

use super::{Bench, Fixture, NOW, end, new_run};
use model::{Money, TaskId, TaskState};
use store::{Attending, Caps, Decision, Draw, NewRun, NewTask, Next, Runs, Settle, Store};

/// Numbers of what can be claimed now.
async fn claimable<F: Fixture>(bench: &Bench<F>) -> Vec<(TaskId, store::Token)> {
    bench.claim(100).await.into_iter().map(|claim| (claim.token.task, claim.token)).collect()
}

fn keyed<F: Fixture>(bench: &Bench<F>, key: &str) -> NewTask {
    NewTask { order_key: Some(key.to_owned()), ..bench.task() }
}

pub(crate) async fn one_task_of_a_key_at_a_time<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let tasks = vec![keyed(&bench, "a"), keyed(&bench, "b"), keyed(&bench, "a"), bench.task(), keyed(&bench, "a")];
    let ids: Vec<TaskId> = bench.store().insert(tasks, NOW).await.unwrap().into_iter().flatten().collect();
    let first = claimable(&bench).await;
    assert_eq!(first.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[0], ids[1], ids[3]]);
    // A retry keeps its place: others of its key wait for its end.
    assert!(bench.start(first[0].1).await);
    assert!(bench.finish(end(first[0].1, Next::Retry(NOW))).await);
    let again = claimable(&bench).await;
    assert_eq!(again.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[0]]);
    assert!(bench.finish(end(again[0].1, Next::Failed)).await);
    let next = claimable(&bench).await;
    assert_eq!(next.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[2]]);
    // What came meanwhile waits behind all of them; one that is cancelled lets the next go.
    let late = bench.insert(keyed(&bench, "a")).await;
    bench.decide(ids[4], Decision::Cancel).await.unwrap();
    assert!(claimable(&bench).await.is_empty());
    assert!(bench.finish(end(next[0].1, Next::Finished)).await);
    assert_eq!(claimable(&bench).await[0].0, late);
    // One that runs again waits for what is open of its key.
    bench.decide(ids[0], Decision::Retry).await.unwrap();
    assert!(claimable(&bench).await.is_empty());
    let bench = bench.kill().await;
    bench.check_tally().await;
}

pub(crate) async fn a_run_is_found_by_its_key<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let of_key = |key: &str| bench.store().run_of_key(key.to_owned());
    assert_eq!(of_key("proxy/1/ann/a").await.unwrap(), None);
    let new = NewRun { key: Some("proxy/1/ann/a".to_owned()), ..new_run(bench.pull) };
    let begun = bench.store().begin_run(new).await.unwrap();
    assert_eq!(of_key("proxy/1/ann/a").await.unwrap(), Some(begun));
    assert_eq!(of_key("proxy/1/ann/A").await.unwrap(), None);
    let bench = bench.kill().await;
    assert_eq!(bench.store().run_of_key("proxy/1/ann/a".to_owned()).await.unwrap(), Some(begun));
}

pub(crate) async fn a_run_with_a_key_begins_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let slot = NOW + 60_000;
    let occurrence = NewRun {
        key: Some(format!("schedule/nightly/{slot}")),
        occurrence: Some(("nightly".to_owned(), slot)),
        ..new_run(bench.pull)
    };
    let line = || vec![("nightly".to_owned(), "0 2 * * * UTC".to_owned())];
    assert_eq!(bench.store().schedules(line(), NOW).await.unwrap()[0].since, NOW);
    let begun = bench.store().begin_runs(vec![occurrence.clone(), occurrence.clone()]).await.unwrap();
    assert!(begun[0].is_some() && begun[1].is_none());
    let bench = bench.kill().await;
    assert_eq!(bench.store().begin_runs(vec![occurrence]).await.unwrap(), [None]);
    assert_eq!(bench.store().schedules(line(), NOW + 1).await.unwrap()[0].since, slot, "seen to with its run");
    let skipped = NewRun { unless_open: true, ..new_run(bench.pull) };
    let (_, task) = bench.store().begin_run(skipped).await.unwrap();
    let row = bench.row(task).await;
    assert_eq!((row.state, row.problem.unwrap().code.as_ref()), (TaskState::Skipped, "overlap"));
    bench.check_tally().await;
}

pub(crate) async fn a_schedule_is_paused_and_begins_anew<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    let known = async |line: &str, now| {
        let line = vec![("s".to_owned(), line.to_owned())];
        store.schedules(line, now).await.unwrap().remove(0)
    };
    assert!(!store.pause_schedule("s".to_owned(), None, NOW).await.unwrap(), "it is not known yet");
    assert_eq!(known("a", NOW).await.since, NOW);
    assert_eq!(known("a", NOW + 5).await.since, NOW);
    assert_eq!(known("b", NOW + 9).await.since, NOW + 9, "another line begins anew");
    let by = (NOW + 10, "ops".to_owned());
    assert!(store.pause_schedule("s".to_owned(), Some(by.clone()), NOW + 10).await.unwrap());
    assert_eq!(known("b", NOW + 11).await.paused, Some(by));
    assert!(store.pause_schedule("s".to_owned(), None, NOW + 20).await.unwrap());
    let after = known("b", NOW + 21).await;
    assert_eq!((after.since, after.paused), (NOW + 20, None));
}

pub(crate) async fn an_address_is_given_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let paths = bench.store().webhook_paths(vec![bench.pull, bench.push]).await.unwrap();
    assert_ne!(paths[0], paths[1]);
    assert!(paths.iter().all(|path| path.len() == 32 && path.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let bench = bench.kill().await;
    assert_eq!(bench.store().webhook_paths(vec![bench.push, bench.pull]).await.unwrap(), [&*paths[1], &*paths[0]]);
}

pub(crate) async fn what_is_drawn_is_remembered<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let caps = Caps { calls_per_day: Some(5), ..Caps::default() };
    let asked = Draw { client: "m".to_owned(), now: NOW, calls: 3, tokens: 1, cost: Money(0), caps };
    assert_eq!(bench.store().draw(asked.clone()).await.unwrap().calls, 3);
    let settled = Settle { client: "m".to_owned(), now: NOW, tokens: 4, cost: 7, tokens_per_minute: None };
    bench.store().settle(settled).await.unwrap();
    let bench = bench.kill().await;
    assert_eq!(bench.store().draw(asked.clone()).await.unwrap().calls, 2);
    let full = bench.store().draw(asked.clone()).await.unwrap();
    assert!(full.calls == 0 && full.day_is_full);
    assert_eq!(bench.store().draw(Draw { client: "other".to_owned(), ..asked.clone() }).await.unwrap().calls, 3);
    assert_eq!(bench.store().draw(Draw { now: full.again_at, ..asked }).await.unwrap().calls, 3);
}

pub(crate) async fn engines_know_of_each_other<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let attend = async |name: &str, heard, now, until| {
        let engine = Attending { name: name.to_owned(), heard, until };
        bench.store().attend(engine, now).await.unwrap()
    };
    let seen = |engines: &[store::Engine]| -> Vec<(String, i64)> {
        assert!(engines.is_sorted_by_key(|engine| engine.number));
        engines.iter().map(|engine| (engine.name.clone(), engine.heard)).collect()
    };
    let first = attend("b", 0, NOW, NOW + 10).await;
    assert_eq!(seen(&first), [("b".to_owned(), 0)]);
    // In the order in which they came, whatever they are called; each keeps its number.
    let both = attend("a", 0, NOW + 1, NOW + 11).await;
    assert_eq!(seen(&both), [("b".to_owned(), 0), ("a".to_owned(), 0)]);
    let heard = attend("b", both[1].number, NOW + 9, NOW + 19).await;
    assert_eq!((heard[0].number, heard[0].heard), (first[0].number, both[1].number));
    // One that says nothing is forgotten, and comes back as the newest.
    assert_eq!(attend("b", 0, NOW + 11, NOW + 21).await.len(), 1);
    let again = attend("a", 0, NOW + 12, NOW + 22).await;
    assert!(again[1].name == "a" && again[1].number > both[1].number);
    // One that leaves is gone at once, also where it was not there.
    assert_eq!(seen(&attend("b", 0, NOW + 13, NOW + 13).await), [("a".to_owned(), 0)]);
    assert_eq!(attend("b", 0, NOW + 13, NOW).await.len(), 1);
}

pub(crate) async fn runs_wait_for_each_other_where_order_counts<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let begin = async |in_order| {
        let run = NewRun { in_order, ..new_run(bench.push) };
        bench.store().begin_run(run).await.unwrap().1
    };
    let (first, loose, second, other) = (begin(true).await, begin(false).await, begin(true).await, begin(false).await);
    let claimed = claimable(&bench).await;
    assert_eq!(claimed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [first, loose, other]);
    assert!(bench.start(claimed[0].1).await);
    assert!(bench.finish(end(claimed[0].1, Next::Finished)).await);
    assert_eq!(claimable(&bench).await[0].0, second);
}
