//! Claiming, starting, renewing, handing back, taking over.

use super::{Bench, Fixture, LEASE, NOW, end, start};
use bytes::Bytes;
use model::{Evidence, TaskKind, TaskState};
use std::collections::HashSet;
use store::{ClaimRequest, NewTask, Next, Start, Store, Token};

pub(crate) async fn a_claim_takes_what_is_due_in_order<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let other = bench.store().lanes(vec![(TaskKind::Push, "other".to_owned())]).await.unwrap()[0];
    let task = |lane, priority, due_at| NewTask { lane, priority, due_at, ..bench.task() };
    let push = bench.push;
    let tasks = vec![
        task(push, 5, NOW - 9),         // 0: third of its lane
        task(push, -1, NOW + 1),        // 1: not due
        task(push, -1, NOW),            // 2: first, with 3
        task(push, -1, NOW),            // 3
        task(push, i64::MAX, NOW - 99), // 4: beyond the limit
        task(other, 0, NOW - 1),        // 5
        task(other, 0, NOW - 2),        // 6
    ];
    let ids: Vec<_> = bench.store().insert(tasks, NOW).await.unwrap().into_iter().flatten().collect();
    let ask = |lanes, now| ClaimRequest { lanes, now, lease_until: NOW + LEASE };
    let claims = bench.store().claim(ask(vec![(other, 10), (push, 3)], NOW)).await.unwrap();
    let got: Vec<_> = claims.iter().map(|claim| claim.token.task).collect();
    assert_eq!(got, [ids[6], ids[5], ids[2], ids[3], ids[0]]);
    for claim in &claims {
        assert_eq!((claim.token.attempt, claim.claims, claim.tries, claim.run), (1, 1, 0, bench.run));
        assert_eq!(bench.row(claim.token.task).await.due_at, NOW + LEASE);
    }
    assert!(bench.store().claim(ask(vec![(other, 10), (push, 0)], NOW)).await.unwrap().is_empty());
    let rest = bench.store().claim(ask(vec![(push, 10)], NOW + 1)).await.unwrap();
    assert_eq!(rest.iter().map(|claim| claim.token.task).collect::<Vec<_>>(), [ids[1], ids[4]]);
    assert!(bench.claim_at(NOW + 10 * LEASE, 9).await.is_empty(), "a claim that ran out is for take-over");
    bench.check_tally().await;
}

pub(crate) async fn racing_claims_share_nothing<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench.store().insert(vec![bench.task(); 50], NOW).await.unwrap();
    let (a, b, c, d) = tokio::join!(bench.claim(20), bench.claim(20), bench.claim(20), bench.claim(20));
    let all: Vec<_> = [a, b, c, d].into_iter().flatten().map(|claim| claim.token.task).collect();
    assert_eq!(all.len(), 50);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 50);
}

pub(crate) async fn an_old_token_can_do_nothing<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let old = bench.claimed().await.token;
    bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap();
    refuses(&bench, old).await;
    let new = bench.claim(1).await.remove(0).token;
    assert_eq!(new, Token { attempt: old.attempt + 1, ..old });
    refuses(&bench, old).await;
    refuses(&bench, Token { attempt: new.attempt + 1, ..new }).await;
    assert!(bench.start(new).await);
    assert!(bench.finish(end(new, Next::Retry(NOW))).await);
    refuses(&bench, new).await;
}

async fn refuses<F: Fixture>(bench: &Bench<F>, token: Token) {
    let before = bench.story(token.task).await;
    assert!(!bench.start(token).await, "start");
    assert_eq!(bench.store().renew(vec![token], NOW + 99).await.unwrap(), [false], "renew");
    bench.store().hand_back(vec![token], NOW + 77).await.unwrap();
    let made = store::Finish { new_tasks: vec![bench.task()], ..end(token, Next::Finished) };
    assert!(!bench.finish(made).await, "finish");
    let after = bench.story(token.task).await;
    assert_eq!(before.row, after.row);
    assert_eq!(before.attempts.len(), after.attempts.len());
    bench.check_tally().await;
}

pub(crate) async fn an_attempt_starts_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let token = bench.claimed().await.token;
    assert!(bench.start(token).await);
    let second = Start { at: NOW + 1, ..start(token) };
    assert_eq!(bench.store().start(vec![second]).await.unwrap(), [false]);
    assert_eq!(bench.story(token.task).await.attempts[0].started_at, Some(NOW));
}

pub(crate) async fn a_claim_can_be_renewed<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let token = bench.claimed().await.token;
    assert_eq!(bench.store().renew(vec![token], NOW + 2 * LEASE).await.unwrap(), [true]);
    bench.store().take_over(false, NOW + LEASE, NOW + 3 * LEASE).await.unwrap();
    assert!(bench.start(token).await, "it has not run out yet");
}

pub(crate) async fn what_is_handed_back_was_never_claimed<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for round in 1..=5 {
        if round == 1 {
            bench.insert(bench.task()).await;
        }
        let claim = bench.claim(1).await.remove(0);
        assert_eq!((claim.token.attempt, claim.claims), (round, 1), "the fence goes on, the claim is not counted");
        bench.store().hand_back(vec![claim.token], NOW - 1).await.unwrap();
        let row = bench.row(claim.token.task).await;
        assert_eq!((row.state, row.due_at), (TaskState::New, NOW - 1));
    }
    bench.check_tally().await;
}

pub(crate) async fn a_handed_back_interruption_is_not_forgotten<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let started = bench.claimed().await.token;
    assert!(bench.start(started).await);
    bench.store().hand_back(vec![started], NOW).await.unwrap();
    assert_eq!(bench.row(started.task).await.state, TaskState::Processing, "what was started cannot be handed back");
    let again = bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap().remove(0);
    bench.store().hand_back(vec![again.token], NOW).await.unwrap();
    assert!(bench.claim(1).await.is_empty(), "nobody gets it without being told");
    let again = bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap().remove(0);
    assert_eq!(again.interrupted.unwrap().attempt, started.attempt);
}

pub(crate) async fn the_next_due_time_is_the_earliest<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let next = async |bench: &Bench<F>| bench.store().next_due(vec![bench.push]).await.unwrap();
    assert_eq!(next(&bench).await, None);
    for (priority, due_at) in [(0, NOW + 9), (7, NOW + 5), (i64::MAX, NOW + 7)] {
        bench.insert(NewTask { priority, due_at, ..bench.task() }).await;
    }
    assert_eq!(next(&bench).await, Some(NOW + 5));
    let both = bench.store().next_due(vec![bench.push, bench.pull]).await.unwrap();
    assert_eq!(both, Some(NOW), "the pull task is due");
    assert_eq!(bench.store().next_due(vec![]).await.unwrap(), None);
    let claim = bench.claim_at(NOW + 5, 1).await.remove(0);
    assert_eq!(next(&bench).await, Some(NOW + 7));
    assert!(bench.finish(end(claim.token, Next::Waiting(NOW + 1))).await);
    assert_eq!(next(&bench).await, Some(NOW + 1));
}

pub(crate) async fn take_over_leaves_running_claims_alone<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let token = bench.claimed().await.token;
    let taken = bench.store().take_over(false, NOW + LEASE - 1, NOW + 2 * LEASE).await.unwrap();
    assert!(taken.is_empty());
    assert!(bench.start(token).await);
    let taken = bench.store().take_over(false, NOW + LEASE, NOW + 2 * LEASE).await.unwrap();
    assert_eq!(taken.len(), 1);
    let new = taken[0].token;
    assert!(!bench.finish(end(token, Next::Finished)).await);
    assert!(bench.finish(end(new, Next::Finished)).await);
}

pub(crate) async fn take_over_returns_what_was_started<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let source = bench.insert(bench.task()).await;
    let from = NewTask { source: Some(source), payload: Bytes::from_static(b"[1]"), ..bench.task() };
    bench.store().insert(vec![from], NOW).await.unwrap();
    let claims = bench.claim(2).await;
    let (unstarted, started) = (claims[0].token, claims[1].token);
    let request = Bytes::from_static(b"{\"path\":{}}");
    let mark = Bytes::from_static(b"length 12");
    let asked = Start { request: Some(request.clone()), mark: Some(mark.clone()), ..start(started) };
    assert_eq!(bench.store().start(vec![asked]).await.unwrap(), [true]);

    let mut bench = bench;
    for round in 1..=4 {
        bench = bench.kill().await;
        let taken = bench.store().take_over(true, NOW + round, NOW + LEASE).await.unwrap();
        assert_eq!(taken.len(), 1);
        let claim = &taken[0];
        assert_eq!(claim.token, Token { attempt: started.attempt + u32::try_from(round).unwrap(), ..started });
        assert_eq!(i64::from(claim.claims), round + 1);
        assert_eq!((claim.source, claim.payload.as_ref()), (Some(source), &b"[1]"[..]));
        let interrupted = claim.interrupted.clone().unwrap();
        assert_eq!((interrupted.attempt, interrupted.started_at), (started.attempt, NOW));
        assert_eq!((interrupted.request.as_ref(), interrupted.mark.as_ref()), (Some(&request), Some(&mark)));
        if round == 1 {
            let row = bench.row(unstarted.task).await;
            assert_eq!((row.state, row.due_at), (TaskState::New, NOW + 1));
        }
        if round == 4 {
            let mut finish = end(claim.token, Next::Retry(NOW));
            finish.end.number = interrupted.attempt;
            finish.end.evidence = Evidence::Unknown;
            assert!(bench.finish(finish).await);
        }
    }
    let attempts = bench.story(started.task).await.attempts;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].end.as_ref().unwrap().evidence, Evidence::Unknown);
    assert_eq!(bench.claim_at(NOW + 1, 9).await.len(), 1, "one that came to no end before is claimed alone");
    assert_eq!(bench.claim_at(NOW + 1, 9).await.len(), 1);
    assert!(bench.store().take_over(true, NOW, NOW).await.unwrap().is_empty(), "the interruption has an end now");
    bench.check_tally().await;
}

pub(crate) async fn the_latest_attempt_is_the_one_that_was_cut<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let first = bench.claimed().await.token;
    assert!(bench.start(first).await);
    assert!(bench.finish(end(first, Next::Retry(NOW))).await);
    let second = bench.claim(1).await.remove(0).token;
    assert!(bench.start(second).await);
    let bench = bench.kill().await;
    let third = bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap().remove(0);
    assert_eq!(third.interrupted.unwrap().attempt, second.attempt);
}

pub(crate) async fn three_claims_without_an_end_park_a_task<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let id = bench.insert(bench.task()).await;
    for round in 1..=3 {
        let claim = bench.claim(1).await.remove(0);
        assert_eq!(claim.claims, round);
        assert!(bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap().is_empty());
    }
    let row = bench.row(id).await;
    assert_eq!((row.state, row.finished_at), (TaskState::Failed, Some(NOW)));
    assert_eq!(row.problem.unwrap().code, "claimed_too_often");
    assert!(bench.claim(1).await.is_empty());
    bench.check_tally().await;
    bench.decide(id, store::Decision::Retry).await.unwrap();
    assert_eq!(bench.claim_at(NOW + 5, 1).await[0].claims, 1, "a person may try again, and the count begins anew");
}

pub(crate) async fn an_end_counts_claims_anew<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench.insert(bench.task()).await;
    for _ in 0..3 {
        for round in 1..=2 {
            assert_eq!(bench.claim(1).await.remove(0).claims, round);
            bench.store().take_over(true, NOW, NOW + LEASE).await.unwrap();
        }
        let claim = bench.claim(1).await.remove(0);
        assert!(bench.finish(end(claim.token, Next::Again(NOW))).await);
    }
}
