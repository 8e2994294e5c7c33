//! Work about many tasks, and what is kept for those who ask for it.

use super::{Bench, Fixture, NOW, decided};
use bytes::Bytes;
use model::{Problem, TaskId, TaskState};
use store::{
    Activities, AuditEntry, AuditFilter, Decision, Holder, KeptAnswer, KeptAnswers, KeyedCall, Known, NewActivity,
    Phase, SavedView, Slice, SliceEnd, Store, Views,
};

fn audit(what: &str) -> AuditEntry {
    AuditEntry {
        id: 0,
        at: NOW,
        who: "anna".to_owned(),
        origin: "10.0.0.1".to_owned(),
        what: what.to_owned(),
        subject: String::new(),
        details: None,
    }
}

fn new(below: i64) -> NewActivity {
    NewActivity {
        kind: "decide".to_owned(),
        who: "anna".to_owned(),
        origin: "10.0.0.1".to_owned(),
        wish: "{\"filter\":\"status:failed\"}".to_owned(),
        below: TaskId(below),
        total: Some(3),
        at: NOW,
    }
}

fn holder(name: &str, now: i64) -> Holder {
    Holder { name: name.to_owned(), until: now + 1_000, now }
}

fn slice(activity: i64, name: &str, tasks: Vec<(TaskId, TaskState)>, below: i64) -> Slice {
    Slice {
        activity,
        holder: holder(name, NOW + 10),
        decided: Some(decided(Decision::Retry)),
        tasks,
        seen: 0,
        below: TaskId(below),
        is_anew: false,
        took: 7,
        end: None,
    }
}

pub(crate) async fn an_activity_comes_on_slice_by_slice<F: Fixture>() {
    let mut bench = Bench::<F>::new().await;
    let mut failed = Vec::new();
    for _ in 0..3 {
        failed.push(bench.task_in(TaskState::Failed).await);
    }
    let finished = bench.task_in(TaskState::Finished).await;
    let id = bench.store().add_activity(new(100), audit("task.bulk")).await.unwrap();
    let held = bench.store().hold_activity(holder("one", NOW), false).await.unwrap().unwrap();
    assert_eq!((held.id, held.phase, held.below, held.total), (id, Phase::Working, TaskId(100), Some(3)));
    assert_eq!(bench.store().hold_activity(holder("two", NOW + 1), false).await.unwrap(), None, "it is held");

    let first = vec![
        (failed[2], TaskState::Failed),
        // Seen as failed, and finished since.
        (finished, TaskState::Failed),
        (TaskId(99), TaskState::Failed),
    ];
    assert!(bench.store().advance_activity(slice(id, "one", first, failed[2].0)).await.unwrap());
    let known = bench.store().activity(id).await.unwrap().unwrap();
    assert_eq!((known.done, known.refused, known.below, known.worked_ms), (1, 2, failed[2], 7));
    let mut codes: Vec<&str> = known.problems.iter().map(|problem| problem.code.as_ref()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["task_changed", "task_not_found"]);
    assert_eq!(bench.row(finished).await.state, TaskState::Finished);
    assert_eq!(bench.row(failed[2]).await.state, TaskState::New);

    bench = bench.kill().await;
    assert_eq!(bench.store().hold_activity(holder("two", NOW + 2), false).await.unwrap(), None, "the dead hold it");
    let late = bench.store().hold_activity(holder("two", NOW + 2_000), false).await.unwrap().unwrap();
    assert_eq!((late.done, late.below), (1, failed[2]));
    let rest = || vec![(failed[1], TaskState::Failed), (failed[0], TaskState::Failed)];
    assert!(!bench.store().advance_activity(slice(id, "one", rest(), 0)).await.unwrap(), "it is no longer theirs");
    assert_eq!(bench.row(failed[1]).await.state, TaskState::Failed);
    let end = SliceEnd { problem: None, result: Some("blob".to_owned()), audit: audit("activity.done") };
    let last = Slice { end: Some(end), ..slice(id, "two", rest(), 0) };
    assert!(bench.store().advance_activity(last.clone()).await.unwrap());
    assert!(!bench.store().advance_activity(last).await.unwrap(), "it has ended");
    let known = bench.store().activity(id).await.unwrap().unwrap();
    assert_eq!((known.phase, known.done, known.result.as_deref()), (Phase::Done, 3, Some("blob")));
    assert_eq!(known.ended_at, Some(NOW + 10));
    assert_eq!(bench.store().hold_activity(holder("two", NOW + 9_000), true).await.unwrap(), None);
    for task in failed {
        assert_eq!(bench.story(task).await.decisions.len(), 1, "each was decided about once");
    }
    let recorded = bench.store().find_audit(AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    let recorded: Vec<(&str, &str)> =
        recorded.iter().map(|entry| (entry.what.as_str(), entry.subject.as_str())).collect();
    assert_eq!(recorded, [("activity.done", ""), ("task.bulk", &*format!("activity {id}"))]);
    bench.check_tally().await;
}

pub(crate) async fn an_activity_is_paused_and_goes_on<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let task = bench.task_in(TaskState::Failed).await;
    let id = bench.store().add_activity(new(100), audit("task.bulk")).await.unwrap();
    let other = bench.store().add_activity(new(100), audit("task.bulk")).await.unwrap();
    let turn = async |id, to| bench.store().turn_activity(id, to, audit("turn")).await.unwrap();
    let hold = async |name: &str, all| {
        let held = bench.store().hold_activity(holder(name, NOW), all).await.unwrap();
        held.map(|activity| activity.id)
    };
    assert_eq!(hold("one", false).await, Some(id), "the oldest comes first");
    assert_eq!(hold("two", false).await, Some(other));
    assert_eq!(hold("three", true).await, Some(id), "who is alone takes what others held");
    assert_eq!((turn(id, Phase::Paused).await, turn(id, Phase::Paused).await), (Some(true), Some(false)));
    let tasks = || vec![(task, TaskState::Failed)];
    assert!(!bench.store().advance_activity(slice(id, "three", tasks(), 0)).await.unwrap());
    assert_eq!(bench.row(task).await.state, TaskState::Failed);
    assert_eq!(turn(id, Phase::Working).await, Some(true));
    assert_eq!(hold("one", false).await, Some(id));
    assert!(bench.store().advance_activity(Slice { seen: 4, ..slice(id, "one", tasks(), 5) }).await.unwrap());
    let anew = Slice { seen: 2, is_anew: true, ..slice(id, "one", Vec::new(), 50) };
    assert!(bench.store().advance_activity(anew).await.unwrap());
    assert_eq!(bench.store().activity(id).await.unwrap().unwrap().done, 2, "it began anew");
    assert_eq!(turn(id, Phase::Cancelled).await, Some(true));
    assert_eq!((turn(id, Phase::Working).await, turn(99, Phase::Paused).await), (Some(false), None));
    let failed = SliceEnd { problem: Some(Problem::new("x", "y")), result: None, audit: audit("activity.failed") };
    assert_eq!(hold("two", false).await, Some(other));
    let last = Slice { end: Some(failed), ..slice(other, "two", Vec::new(), 5) };
    assert!(bench.store().advance_activity(last).await.unwrap());
    let page = bench.store().activities(None, 10).await.unwrap();
    let phases: Vec<(i64, Phase)> = page.iter().map(|activity| (activity.id, activity.phase)).collect();
    assert_eq!(phases, [(other, Phase::Failed), (id, Phase::Cancelled)]);
    assert_eq!(page[0].problem, Some(Problem::new("x", "y")));
    assert_eq!(bench.store().activities(Some(other), 10).await.unwrap().len(), 1);
    assert_eq!(bench.store().activities(None, 1).await.unwrap().len(), 1);
}

pub(crate) async fn views_are_kept_by_their_owners<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let view = |owner: &str, name: &str, filter: &str| SavedView {
        owner: owner.to_owned(),
        name: name.to_owned(),
        filter: filter.to_owned(),
        at: NOW,
    };
    let all = [view("anna", "mine", "a"), view("", "ours", "b"), view("ben", "his", "c"), view("anna", "mine", "d")];
    for view in all {
        assert!(bench.store().write_view(view, audit("view.write")).await.unwrap());
    }
    let of = async |owner: &str| bench.store().views(owner.to_owned()).await.unwrap();
    assert_eq!(of("anna").await, [view("anna", "mine", "d"), view("", "ours", "b")]);
    let delete = async |owner: &str, name: &str| {
        bench.store().delete_view(owner.to_owned(), name.to_owned(), audit("view.delete")).await.unwrap()
    };
    assert!(delete("anna", "mine").await && !delete("anna", "mine").await && !delete("anna", "his").await);
    assert_eq!(of("anna").await.len(), 1);
    let recorded = bench.store().find_audit(AuditFilter { limit: 100, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(recorded.len(), 5);
    for number in 0..500 {
        bench.store().write_view(view("carl", &format!("{number}"), "x"), audit("view.write")).await.unwrap();
    }
    assert!(!bench.store().write_view(view("carl", "more", "x"), audit("view.write")).await.unwrap());
    assert!(bench.store().write_view(view("carl", "1", "y"), audit("view.write")).await.unwrap());
}

pub(crate) async fn a_call_with_a_key_is_carried_out_once<F: Fixture>() {
    let mut bench = Bench::<F>::new().await;
    let call = |key: u8, asked: u8, at| KeyedCall { key: [key; 32], asked: [asked; 32], who: "anna".to_owned(), at };
    let take = async |bench: &Bench<F>, call| bench.store().take_key(call).await.unwrap();
    assert_eq!(take(&bench, call(1, 1, NOW)).await, Known::New);
    assert_eq!(take(&bench, call(1, 1, NOW)).await, Known::UnderWay);
    assert_eq!(take(&bench, call(1, 2, NOW)).await, Known::Other);
    let answer = KeptAnswer {
        status: 202,
        content_type: Some("application/json".to_owned()),
        body: Some(Bytes::from_static(b"{}")),
    };
    bench.store().keep_answer([1; 32], answer.clone()).await.unwrap();
    bench = bench.kill().await;
    assert_eq!(take(&bench, call(1, 1, NOW + 86_399_999)).await, Known::Answered(answer));
    bench.store().free_key([1; 32]).await.unwrap();
    assert_eq!(take(&bench, call(1, 2, NOW)).await, Known::Other, "an answer stays");
    assert_eq!(take(&bench, call(2, 1, NOW)).await, Known::New);
    bench.store().free_key([2; 32]).await.unwrap();
    assert_eq!(take(&bench, call(2, 2, NOW)).await, Known::New, "what came to nothing can be asked again");
    let without = KeptAnswer { status: 201, content_type: None, body: None };
    bench.store().keep_answer([2; 32], without.clone()).await.unwrap();
    assert_eq!(take(&bench, call(2, 2, NOW)).await, Known::Answered(without));
    assert_eq!(take(&bench, call(1, 2, NOW + 86_400_000)).await, Known::New, "after a day it is forgotten");
}
