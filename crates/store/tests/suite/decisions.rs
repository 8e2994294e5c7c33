//! What people decide.

use super::{Bench, Fixture, NOW, decided, end};
use bytes::Bytes;
use model::{TaskId, TaskState};
use store::{Decided, Decision, Next, Store};

pub(crate) async fn each_decision_fits_some_states<F: Fixture>() {
    use TaskState::{Failed, Finished, New, Rejected, Retry, Skipped, Unknown, Waiting};
    let table: [(Decision, TaskState, &[TaskState]); 6] = [
        (Decision::Retry, New, &[Finished, Failed, Skipped, Rejected, Unknown]),
        (Decision::ResolveFinished, Finished, &[Unknown]),
        (Decision::ResolveFailed, Failed, &[Unknown]),
        (Decision::ResolveResend, New, &[Unknown]),
        (Decision::Cancel, Skipped, &[New, Retry, Waiting]),
        (Decision::Skip, Skipped, &[New, Retry, Waiting, Failed, Rejected, Unknown]),
    ];
    let bench = Bench::<F>::new().await;
    for (decision, to, fits) in table {
        for from in TaskState::ALL {
            let id = bench.task_in(from).await;
            let before = bench.row(id).await;
            let result = bench.decide(id, decision).await;
            let row = bench.row(id).await;
            assert_eq!(result.is_ok(), fits.contains(&from), "{decision:?} of {from}");
            if let Err(problem) = result {
                assert_eq!(row, before, "{decision:?} of {from}");
                assert_eq!(problem.code, "decision_misfit");
                assert_eq!(problem.place, format!("task {id}"));
                assert!(problem.reason.contains(&format!("it is `{from}`")), "{}", problem.reason);
                assert!(bench.story(id).await.decisions.is_empty());
            } else {
                assert_eq!((row.state, row.due_at), (to, NOW + 5), "{decision:?} of {from}");
                assert_eq!(row.finished_at, (!to.is_open()).then_some(NOW + 5));
            }
            drain(&bench).await;
        }
    }
    bench.check_tally().await;
}

/// Ends whatever can be claimed, so that the next case claims its own task.
async fn drain<F: Fixture>(bench: &Bench<F>) {
    for claim in bench.claim_at(NOW + 100, 100).await {
        assert!(bench.finish(end(claim.token, Next::Finished)).await);
    }
}

pub(crate) async fn a_decision_is_recorded<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (good, processing) = (bench.task_in(TaskState::Unknown).await, bench.task_in(TaskState::Processing).await);
    let ids = vec![processing, TaskId(9999), good];
    let results = bench.store().decide(ids, decided(Decision::ResolveResend)).await.unwrap();
    let codes: Vec<_> =
        results.iter().map(|result| result.as_ref().err().map(|problem| problem.code.as_ref())).collect();
    assert_eq!(codes, [Some("decision_misfit"), Some("task_not_found"), None], "each by itself");
    bench.claim_at(NOW + 5, 1).await;
    let bench = bench.kill().await;
    let decisions = bench.story(good).await.decisions;
    assert_eq!(decisions.len(), 1);
    let found = &decisions[0];
    assert_eq!((found.decision, found.by.as_str(), found.at), (Decision::ResolveResend, "cli", NOW + 5));
    assert_eq!(found.why.as_deref(), Some("because"));
}

pub(crate) async fn a_finished_task_run_again_begins_anew<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for (next, kept) in [(Next::Finished, false), (Next::Failed, true), (Next::Unknown, true)] {
        let first = bench.claimed().await;
        assert!(bench.finish(end(first.token, Next::Retry(NOW))).await);
        let second = bench.claim(1).await.remove(0);
        let resume = Some(Bytes::from_static(b"page 9"));
        assert!(bench.finish(store::Finish { resume, ..end(second.token, next) }).await);
        bench.decide(first.token.task, Decision::Retry).await.unwrap();
        let third = bench.claim_at(NOW + 5, 1).await.remove(0);
        assert_eq!((third.tries, third.claims, third.resume.is_some()), (0, 1, kept), "{next:?}");
        assert!(third.interrupted.is_none());
    }
}

pub(crate) async fn an_edit_keeps_what_was_before<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let long = Bytes::from(format!("\"{}\"", "x".repeat(400_000)));
    let first = bench.claimed().await;
    let task = first.token.task;
    let mut failed = end(first.token, Next::Failed);
    failed.resume = Some(Bytes::from_static(b"\"waiting\""));
    assert!(bench.finish(failed).await);
    // Through a short and a long text and back, each kept with its decision.
    let texts = [long.clone(), Bytes::from_static(b"{\"fixed\":true}")];
    let mut before = first.payload.clone();
    for text in texts {
        let edit = Decided { payload: Some(text.clone()), ..decided(Decision::Retry) };
        assert_eq!(bench.store().decide(vec![task], edit).await.unwrap(), [Ok(())]);
        let story = bench.story(task).await;
        assert_eq!((&story.payload, &story.resume), (&text, &None));
        assert_eq!(story.decisions.last().unwrap().before.as_ref(), Some(&before));
        let claim = bench.claim_at(NOW + 5, 1).await.remove(0);
        assert_eq!(claim.payload, text, "the next attempt gets it");
        assert!(bench.finish(end(claim.token, Next::Failed)).await);
        before = text;
    }
    assert_eq!(bench.store().decide(vec![task], decided(Decision::Retry)).await.unwrap(), [Ok(())]);
    assert_eq!(bench.story(task).await.decisions.last().unwrap().before, None, "no edit");
    bench.check_tally().await;
}
