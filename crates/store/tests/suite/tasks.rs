//! Inserting and ending tasks.

use super::{Bench, Fixture, NOW, end};
use bytes::Bytes;
use model::{Evidence, Problem, TaskState, Usage};
use store::{Ending, LaneId, NewTask, Next, Store, TaskFilter};

pub(crate) async fn numbers_are_given_in_order_and_kept<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let ids = bench.store().insert(vec![bench.task(); 5], NOW).await.unwrap();
    assert!(ids.iter().all(Option::is_some));
    assert!(ids.is_sorted());
    let bench = bench.kill().await;
    let next = bench.insert(bench.task()).await;
    assert!(Some(next) > ids[4], "a number is never used twice");
}

pub(crate) async fn a_task_is_born_new_or_ended<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for state in TaskState::ALL {
        let born = bench.store().insert(vec![NewTask { state, ..bench.task() }], NOW).await;
        let allowed = state == TaskState::New || !state.is_open();
        assert_eq!(born.is_ok(), allowed, "{state}");
        let Ok(ids) = born else { continue };
        let row = bench.row(ids[0].unwrap()).await;
        assert_eq!((row.state, row.created_at), (state, NOW));
        assert_eq!(row.finished_at, (!state.is_open()).then_some(NOW));
    }
    let problem = Problem::new("too_large", "the row is too large").at("/name").hint("split it");
    let refused = NewTask { state: TaskState::Rejected, problem: Some(problem.clone()), ..bench.task() };
    let id = bench.insert(refused).await;
    assert_eq!(bench.row(id).await.problem, Some(problem));
    assert_eq!(bench.row(id).await.attempts, 0);
    assert_eq!(bench.claim(100).await.len(), 1, "only the new one can be claimed");
    bench.check_tally().await;
}

pub(crate) async fn a_unique_key_is_used_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keyed = |key: &str| NewTask { unique_key: Some(key.to_owned()), ..bench.task() };
    let ids = bench.store().insert(vec![keyed("a"), keyed("a"), keyed("b"), bench.task()], NOW).await.unwrap();
    assert_eq!(ids.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true]);

    let claim = bench.claim(1).await.remove(0);
    let finish = store::Finish { new_tasks: vec![keyed("b"), keyed("c")], ..end(claim.token, Next::Finished) };
    assert!(bench.finish(finish).await);
    let (one, two, three) = tokio::join!(
        bench.store().insert(vec![keyed("d")], NOW),
        bench.store().insert(vec![keyed("d")], NOW),
        bench.store().insert(vec![keyed("a")], NOW),
    );
    assert_eq!([one, two].into_iter().flat_map(Result::unwrap).flatten().count(), 1, "one of two racing inserts");
    assert_eq!(three.unwrap(), [None], "also after the task with the key ended");
    let filter = TaskFilter { lane: Some(bench.push), limit: 100, ..TaskFilter::default() };
    assert_eq!(bench.store().tasks(filter).await.unwrap().len(), 5);
    bench.check_tally().await;
}

pub(crate) async fn a_run_begins_with_its_pull_task<F: Fixture>() {
    let bench = Bench::<F>::new().await.kill().await;
    let row = bench.row(bench.pull_task).await;
    assert_eq!((row.lane, row.run, row.state, row.due_at), (bench.pull, bench.run, TaskState::New, NOW));
    let runs = bench.store().runs(Some(bench.pull), 10).await.unwrap();
    assert_eq!((runs[0].id, runs[0].trigger.as_str(), runs[0].started_at), (bench.run, "cli", NOW));
    assert!(bench.store().begin_run(super::new_run(LaneId(99))).await.is_err(), "there is no such lane");
    assert_eq!(bench.store().runs(None, 10).await.unwrap(), runs, "and nothing of that run is left");
}

pub(crate) async fn an_end_leads_where_it_says<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    // Where it leads, when it is due, and with how many tries behind it it is claimed again.
    let cases = [
        (Next::Finished, TaskState::Finished, NOW, None),
        (Next::Failed, TaskState::Failed, NOW, None),
        (Next::Unknown, TaskState::Unknown, NOW, None),
        (Next::Skipped, TaskState::Skipped, NOW, None),
        (Next::Retry(NOW + 10), TaskState::Retry, NOW + 10, Some(2)),
        (Next::Again(NOW + 20), TaskState::New, NOW + 20, Some(0)),
        (Next::Waiting(NOW + 30), TaskState::Waiting, NOW + 30, Some(0)),
    ];
    for (next, state, due_at, tries) in cases {
        let first = bench.claimed().await;
        assert!(bench.finish(end(first.token, Next::Retry(NOW))).await);
        let second = bench.claim(1).await.remove(0);
        assert_eq!((second.tries, second.claims), (1, 1));
        assert_eq!(second.token.attempt, first.token.attempt + 1);
        assert!(bench.finish(end(second.token, next)).await);
        let row = bench.row(first.token.task).await;
        assert_eq!((row.state, row.due_at), (state, due_at), "{next:?}");
        assert_eq!(row.finished_at, (!state.is_open()).then_some(NOW), "{next:?}");
        assert_eq!(row.attempts, 2);
        let third = bench.claim_at(NOW + 30, 1).await;
        assert_eq!(third.first().map(|claim| (claim.tries, claim.claims)), tries.map(|tries| (tries, 1)), "{next:?}");
    }
    bench.check_tally().await;
}

pub(crate) async fn the_end_carries_everything_or_nothing<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let claim = bench.claimed().await;
    let good = NewTask { source: Some(claim.token.task), ..bench.task() };
    let nowhere = NewTask { lane: LaneId(99), ..bench.task() };
    let usage = Usage { total_tokens: Some(7), ..Usage::default() };
    let mut finish = store::Finish {
        new_tasks: vec![good.clone(), nowhere],
        cursor: Some((bench.pull, Some(Bytes::from_static(b"42")))),
        resume: Some(Bytes::from_static(b"here")),
        ..end(claim.token, Next::Finished)
    };
    finish.end.usage = Some(usage.clone());
    assert!(bench.store().finish(vec![finish.clone()]).await.is_err());
    let mut of_future = end(claim.token, Next::Finished);
    of_future.end.number += 1;
    assert!(bench.store().finish(vec![of_future]).await.is_err(), "there was no such attempt");
    let story = bench.story(claim.token.task).await;
    assert_eq!(story.row.state, TaskState::Processing);
    assert!(story.attempts.is_empty() && story.made.is_empty() && story.resume.is_none());
    assert_eq!(bench.store().cursor(bench.pull).await.unwrap(), None);
    assert_eq!(bench.store().usage(None).await.unwrap().usage, Usage::default());
    bench.check_tally().await;

    finish.new_tasks = vec![good.clone(), good];
    assert!(bench.finish(finish).await);
    let bench = bench.kill().await;
    let story = bench.story(claim.token.task).await;
    assert_eq!(story.row.state, TaskState::Finished);
    assert_eq!((story.attempts.len(), story.made.len(), story.resume.as_deref()), (1, 2, Some(&b"here"[..])));
    assert_eq!(bench.store().cursor(bench.pull).await.unwrap().as_deref(), Some(&b"42"[..]));
    assert_eq!(bench.store().usage(Some(bench.run)).await.unwrap().usage, usage);
    assert_eq!(bench.row(story.made[0]).await.source, Some(claim.token.task));
    bench.check_tally().await;
}

pub(crate) async fn a_lost_item_does_not_spoil_its_batch<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench.store().insert(vec![bench.task(); 3], NOW).await.unwrap();
    let claims = bench.claim(3).await;
    bench.store().hand_back(vec![claims[1].token], NOW).await.unwrap();
    let starts = claims.iter().map(|claim| super::start(claim.token)).collect();
    assert_eq!(bench.store().start(starts).await.unwrap(), [true, false, true]);
    let tokens = claims.iter().map(|claim| claim.token).collect();
    assert_eq!(bench.store().renew(tokens, NOW + 1).await.unwrap(), [true, false, true]);
    let made = NewTask { source: Some(claims[1].token.task), ..bench.task() };
    let ends = claims.iter().map(|claim| store::Finish {
        new_tasks: vec![made.clone()],
        cursor: (claim.token == claims[1].token).then(|| (bench.pull, Some(Bytes::from_static(b"lost")))),
        ..end(claim.token, Next::Finished)
    });
    assert_eq!(bench.store().finish(ends.collect()).await.unwrap(), [Ending::Kept, Ending::Lost, Ending::Kept]);
    let story = bench.story(claims[1].token.task).await;
    assert_eq!((story.row.state, story.attempts.len()), (TaskState::New, 0), "nothing of the lost one was written");
    assert_eq!(story.made.len(), 2, "and its task was not made");
    assert_eq!(bench.store().cursor(bench.pull).await.unwrap(), None);
}

pub(crate) async fn the_place_to_go_on_is_kept_until_replaced<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let mut claim = bench.claimed().await;
    let ends = [
        (Some("page 2"), Next::Again(NOW), Some("page 2")),
        (None, Next::Retry(NOW), Some("page 2")),
        (Some("page 3"), Next::Waiting(NOW), Some("page 3")),
        (None, Next::Again(NOW), Some("page 3")),
    ];
    for (resume, next, expected) in ends {
        let resume = resume.map(|text| Bytes::from_static(text.as_bytes()));
        assert!(bench.finish(store::Finish { resume, ..end(claim.token, next) }).await);
        claim = bench.claim(1).await.remove(0);
        assert_eq!(claim.resume.as_deref(), expected.map(str::as_bytes));
    }
}

pub(crate) async fn bodies_come_back_as_given<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let payload = Bytes::from("{\"naïve\": \"\\u0000 ☕\"}");
    let id = bench.insert(NewTask { payload: payload.clone(), ..bench.task() }).await;
    let claim = bench.claim(1).await.remove(0);
    assert_eq!(claim.payload, payload);
    let request = Bytes::from_static(b"{\"path\":{}}");
    let started = store::Start {
        request: Some(request.clone()),
        mark: Some(Bytes::from_static(&[0, 255])),
        ..super::start(claim.token)
    };
    bench.store().start(vec![started]).await.unwrap();
    let mut finish = end(claim.token, Next::Failed);
    finish.end.evidence = Evidence::Refused { after_ms: Some(1500) };
    finish.end.status = Some(429);
    finish.end.problem = Some(Problem::new("refused", "not now").at("/x").hint("wait").warning());
    finish.end.answer = Some(Bytes::from_static(b"[1]"));
    finish.end.headers = Some(Bytes::from_static(b"{\"a\":\"b\"}"));
    finish.end.usage = Some(Usage { model: Some("m".to_owned()), prompt_tokens: Some(0), ..Usage::default() });
    assert!(bench.finish(finish.clone()).await);

    let story = bench.kill().await.story(id).await;
    let attempt = &story.attempts[0];
    let found = attempt.end.as_ref().unwrap();
    assert_eq!(story.payload, payload);
    assert_eq!((attempt.started_at, attempt.revision, attempt.request.as_ref()), (Some(NOW), Some(1), Some(&request)));
    assert_eq!(attempt.mark.as_deref(), Some(&[0, 255][..]));
    assert_eq!((found.evidence, found.status, &found.problem), (finish.end.evidence, Some(429), &finish.end.problem));
    assert_eq!(
        (&found.answer, &found.headers, &found.usage),
        (&finish.end.answer, &finish.end.headers, &finish.end.usage)
    );
    assert_eq!(story.row.problem, finish.end.problem);
}
