//! Bodies too long for a row.

use super::{Bench, Fixture, LEASE, NOW, end, start};
use bytes::Bytes;
use model::TaskState;
use store::blobs::BlobId;
use store::{LaneId, NewTask, Next, Store, StoreError};

const INLINE: usize = 256 * 1024;

/// A JSON string of this many bytes.
fn text(length: usize, letter: &str) -> Bytes {
    format!("\"{}\"", letter.repeat(length - 2)).into()
}

pub(crate) async fn long_bodies_are_blobs<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (short, long) = (text(INLINE, "a"), text(INLINE + 1, "b"));
    bench.store().insert(vec![NewTask { payload: short.clone(), ..bench.task() }], NOW).await.unwrap();
    assert_eq!(bench.store().blobs().await.unwrap(), (0, 0));
    bench.store().insert(vec![NewTask { payload: long.clone(), ..bench.task() }], NOW).await.unwrap();
    assert_eq!(bench.store().blobs().await.unwrap(), (1, INLINE as u64 + 1));
    let run = store::NewRun { payload: long.clone(), ..super::new_run(bench.pull) };
    let (_, pull) = bench.store().begin_run(run).await.unwrap();
    assert_eq!(bench.story(pull).await.payload, long);

    let claims = bench.claim(2).await;
    assert_eq!((&claims[0].payload, &claims[1].payload), (&short, &long));
    let [request, answer, unsent] = ["r", "s", "u"].map(|letter| text(INLINE + 7, letter));
    let asked = store::Start { request: Some(request.clone()), ..start(claims[1].token) };
    bench.store().start(vec![asked]).await.unwrap();

    let bench = bench.kill().await;
    let taken = bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap().remove(0);
    assert_eq!((&taken.payload, taken.interrupted.as_ref().unwrap().request.as_ref()), (&long, Some(&request)));
    let mut finish = end(taken.token, Next::Finished);
    finish.end.number = claims[1].token.attempt;
    finish.end.answer = Some(answer.clone());
    finish.end.request = Some(unsent.clone());
    finish.new_tasks = vec![NewTask { source: Some(taken.token.task), payload: answer.clone(), ..bench.task() }];
    assert!(bench.finish(finish).await);
    let story = bench.story(taken.token.task).await;
    let ended = story.attempts[0].end.as_ref().unwrap();
    assert_eq!((&story.payload, story.attempts[0].request.as_ref()), (&long, Some(&request)));
    assert_eq!((ended.answer.as_ref(), ended.request.as_ref()), (Some(&answer), Some(&unsent)));
    assert_eq!(bench.story(story.made[0]).await.payload, answer);
    assert_eq!(bench.store().blobs().await.unwrap().0, 6);
}

pub(crate) async fn a_body_like_a_reference_is_no_reference<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let secret = bench.insert(NewTask { payload: text(INLINE + 1, "s"), ..bench.task() }).await;
    for body in ["@", "@00000000000000000000000000000000", "@../../../etc/passwd", "@@"] {
        let id = bench.insert(NewTask { payload: Bytes::from_static(body.as_bytes()), ..bench.task() }).await;
        assert_eq!(bench.story(id).await.payload, body);
    }
    assert_eq!(bench.claim(9).await.len(), 5);
    assert_eq!(bench.story(secret).await.payload.len(), INLINE + 1);
}

pub(crate) async fn what_nothing_refers_to_is_swept<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let long = |letter| text(INLINE + 1, letter);
    let kept = NewTask { payload: long("k"), ..bench.task() };
    let nowhere = NewTask { lane: LaneId(99), payload: long("n"), ..bench.task() };
    let id = bench.insert(kept.clone()).await;
    assert!(bench.store().insert(vec![kept, nowhere], NOW + 10).await.is_err(), "fails with both its blobs written");
    let claim = bench.claim(1).await.remove(0);
    let mut finish = end(claim.token, Next::Finished);
    finish.end.answer = Some(long("a"));
    finish.end.request = Some(long("r"));
    let asked = store::Start { request: Some(long("q")), ..start(claim.token) };
    bench.store().start(vec![asked]).await.unwrap();
    assert!(bench.finish(finish.clone()).await);
    assert!(!bench.finish(finish).await, "a lost end leaves two blobs");

    assert_eq!(bench.store().blobs().await.unwrap().0, 8);
    assert_eq!(bench.store().sweep_blobs(NOW).await.unwrap(), 0, "all of them are too young");
    assert_eq!(bench.store().sweep_blobs(NOW + 10).await.unwrap(), 2, "the lost end's");
    assert_eq!(bench.store().sweep_blobs(NOW + 11).await.unwrap(), 2, "the failed insert's");
    assert_eq!(bench.store().sweep_blobs(NOW + 99).await.unwrap(), 0);
    assert_eq!(bench.store().blobs().await.unwrap().0, 4);
    let story = bench.kill().await.story(id).await;
    assert_eq!((story.payload, story.attempts[0].request.clone()), (long("k"), Some(long("q"))));
}

pub(crate) async fn a_task_without_its_blob_stops_alone<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let long = text(INLINE + 1, "l");
    let queued = bench.insert(NewTask { payload: long.clone(), ..bench.task() }).await;
    let other = bench.insert(NewTask { due_at: NOW + 1, ..bench.task() }).await;
    let started = bench.insert(NewTask { priority: -1, payload: long, ..bench.task() }).await;
    let claim = bench.claim(1).await.remove(0);
    assert_eq!(claim.token.task, started);
    assert!(bench.start(claim.token).await);

    bench.fixture.lose_blobs();
    let claims = bench.claim_at(NOW + 1, 10).await;
    assert_eq!(claims.iter().map(|claim| claim.token.task).collect::<Vec<_>>(), [other]);
    let taken = bench.store().take_over(true, NOW + 2, NOW + LEASE).await.unwrap();
    assert!(taken.is_empty());
    let error = bench.store().task(queued).await.unwrap_err();
    assert!(matches!(error, StoreError::BlobMissing(_)), "{error}");
    let filter = |state| store::TaskFilter { state: Some(state), limit: 10, ..Default::default() };
    for (state, id) in [(TaskState::Failed, queued), (TaskState::Unknown, started)] {
        let rows = bench.store().tasks(filter(state)).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [id], "{state}");
        assert_eq!(rows[0].problem.as_ref().unwrap().code, "blob_missing");
    }
    bench.check_tally().await;
}

/// Files that payloads and answers name are kept as long as the tasks, wherever the text that names them is kept.
pub(crate) async fn named_files_are_kept<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let file = || bench.store().blob_folder().create(NOW, &mut &b"content"[..]).unwrap().0;
    let (short, long, answered, lost) = (file(), file(), file(), file());
    let names = |id: &BlobId, more: usize| {
        Bytes::from(format!("{{\"file\":{{\"$blob\":\"{id}\",\"size\":7}},\"more\":\"{}\"}}", "x".repeat(more)))
    };
    bench.insert(NewTask { payload: names(&short, 0), ..bench.task() }).await;
    bench.insert(NewTask { payload: names(&long, INLINE), ..bench.task() }).await;
    let claims = bench.claim(2).await;
    assert_eq!(claims[1].payload, names(&long, INLINE), "the names beside a reference are no part of the body");
    let mut finish = end(claims[0].token, Next::Finished);
    finish.end.answer = Some(names(&answered, 0));
    assert!(bench.finish(finish).await);
    assert_eq!(bench.store().sweep_blobs(NOW + 99).await.unwrap(), 1);
    let left = |id: &BlobId| bench.store().blob_folder().open(id).is_ok();
    assert!(left(&short) && left(&long) && left(&answered) && !left(&lost));
}
