//! What people ask.

use super::{Bench, Fixture, NOW, end, new_run, start};
use bytes::Bytes;
use model::{Money, Problem, RunId, TaskId, TaskKind, TaskState, Usage};
use store::{Decision, LaneId, NewTask, Next, Store, TaskFilter, UsageBy, UsageSum};

pub(crate) async fn counts_and_sums_are_kept<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (other_run, _) = bench.store().begin_run(new_run(bench.pull)).await.unwrap();
    for state in TaskState::ALL {
        bench.task_in(state).await;
    }
    let of_both = vec![NewTask { run: other_run, ..bench.task() }, bench.task()];
    bench.store().insert(of_both, NOW).await.unwrap();
    bench.check_tally().await;
    let of = |tallies: Vec<store::Tally>, state| {
        tallies
            .iter()
            .filter(|tally| tally.lane == bench.push && tally.state == state)
            .map(|tally| tally.count)
            .sum::<u64>()
    };
    let all = bench.store().tally(None).await.unwrap();
    assert!(all.iter().all(|tally| tally.run == RunId(0) && tally.count > 0));
    assert!(all.is_sorted_by_key(|tally| (tally.lane, tally.state)));
    assert_eq!(of(all, TaskState::Unknown), 1);
    assert_eq!(of(bench.store().tally(Some(other_run)).await.unwrap(), TaskState::New), 1);
    assert!(bench.store().tally(Some(RunId(99))).await.unwrap().is_empty());

    let usage = |prompt, total| Usage {
        model: Some("m".to_owned()),
        prompt_tokens: prompt,
        total_tokens: total,
        cost: prompt.map(Money),
        ..Usage::default()
    };
    for used in [usage(Some(1), None), usage(Some(2), Some(5)), usage(None, Some(6))] {
        for run in [bench.run, other_run] {
            bench.insert(NewTask { run, priority: -1, ..bench.task() }).await;
            let mut finish = end(bench.claim(1).await.remove(0).token, Next::Finished);
            finish.end.usage = Some(used.clone());
            assert!(bench.finish(finish).await);
        }
    }
    let sum = |calls, unpriced, prompt, total| {
        let (prompt_tokens, cost) = (Some(prompt), Some(Money(prompt)));
        let usage = Usage { prompt_tokens, total_tokens: Some(total), cost, ..Usage::default() };
        UsageSum { name: None, calls, unpriced, usage }
    };
    assert_eq!(bench.store().usage(Some(bench.run)).await.unwrap(), sum(3, 1, 3, 11));
    assert_eq!(bench.store().usage(None).await.unwrap(), sum(6, 2, 6, 22));
    assert_eq!(bench.store().usage(Some(RunId(99))).await.unwrap(), UsageSum::default());

    for _ in 0..2 {
        let mut finish = end(bench.claimed().await.token, Next::Finished);
        finish.end.usage = Some(usage(Some(u64::MAX), Some(1)));
        assert!(bench.finish(finish).await, "a service that claims too much stops nothing");
    }
    assert_eq!(bench.store().usage(None).await.unwrap(), sum(8, 2, i64::MAX.unsigned_abs(), 24));
}

pub(crate) async fn every_count_of_usage_is_kept_and_summed<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let used = |by: u64| Usage {
        model: Some("m".to_owned()),
        prompt_tokens: Some(by),
        cached_tokens: Some(by * 2),
        completion_tokens: Some(by * 3),
        total_tokens: Some(by * 4),
        pages: Some(by * 5),
        audio_seconds: Some(by * 6),
        characters: Some(by * 7),
        cost: Some(Money(by * 8)),
    };
    for by in [1, 10] {
        let claim = bench.claimed().await;
        let mut finish = end(claim.token, Next::Finished);
        finish.end.usage = Some(used(by));
        assert!(bench.finish(finish).await);
        let story = bench.store().task(claim.token.task).await.unwrap().unwrap();
        assert_eq!(story.attempts[0].end.as_ref().unwrap().usage, Some(used(by)));
    }
    let sum = UsageSum { name: None, calls: 2, unpriced: 0, usage: Usage { model: None, ..used(11) } };
    assert_eq!(bench.store().usage(Some(bench.run)).await.unwrap(), sum);
    assert_eq!(bench.store().usage(None).await.unwrap(), sum);
    let by_model = bench.store().usage_by(UsageBy::Model, i64::MIN, i64::MAX).await.unwrap();
    assert_eq!(by_model, [UsageSum { name: Some("m".to_owned()), ..sum }]);
}

pub(crate) async fn the_first_currency_stays<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let asked = async |first: Option<&str>| bench.store().currency(first.map(str::to_owned)).await.unwrap();
    assert_eq!(asked(None).await, None);
    for first in [Some("USD"), Some("EUR"), None] {
        assert_eq!(asked(first).await.as_deref(), Some("USD"));
    }
}

pub(crate) async fn lists_are_pages_newest_first<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (other_run, _) = bench.store().begin_run(new_run(bench.pull)).await.unwrap();
    for _ in 0..3 {
        for state in TaskState::ALL {
            bench.task_in(state).await;
        }
        bench.insert(NewTask { run: other_run, state: TaskState::Failed, ..bench.task() }).await;
    }
    let list = async |filter: TaskFilter| {
        bench.store().tasks(TaskFilter { limit: filter.limit.max(1), ..filter }).await.unwrap()
    };
    let all = list(TaskFilter { limit: 5000, ..TaskFilter::default() }).await;
    assert_eq!(all.len(), 2 + 3 * 10);
    assert!(all.is_sorted_by(|a, b| a.id > b.id));

    let states = std::iter::once(None).chain(TaskState::ALL.map(Some));
    let lanes = [None, Some(bench.push), Some(bench.pull), Some(LaneId(99))];
    let runs = [None, Some(bench.run), Some(other_run)];
    for state in states {
        for (lane, run) in lanes.iter().flat_map(|lane| runs.map(|run| (*lane, run))) {
            let expected = all.iter().filter(|row| {
                state.is_none_or(|state| state == row.state)
                    && lane.is_none_or(|lane| lane == row.lane)
                    && run.is_none_or(|run| run == row.run)
            });
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = list(TaskFilter { state, lane, run, before, limit: 2 }).await;
                let Some(last) = page.last() else { break };
                before = Some(last.id);
                found.extend(page);
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{state:?} {lane:?} {run:?}");
        }
    }
    let many = vec![bench.task(); 1100];
    bench.store().insert(many, NOW).await.unwrap();
    assert_eq!(list(TaskFilter { limit: 5000, ..TaskFilter::default() }).await.len(), 1000);
    assert!(bench.store().tasks(TaskFilter::default()).await.unwrap().is_empty(), "at most none is none");
}

pub(crate) async fn a_story_tells_everything<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let id = bench.insert(NewTask { source: Some(bench.pull_task), ..bench.task() }).await;
    // First attempt: refused before it was sent, so it has a request and no start.
    let first = bench.claim(1).await.remove(0);
    let mut refused = end(first.token, Next::Failed);
    refused.end.evidence = model::Evidence::NotSent;
    refused.end.status = None;
    refused.end.request = Some(Bytes::from_static(b"{\"wrong\":1}"));
    refused.end.problem = Some(Problem::new("preflight", "there is no field `wrong`"));
    assert!(bench.finish(refused).await);
    bench.decide(id, Decision::Retry).await.unwrap();
    // Second: started and ended well. Third: started and never ended.
    let second = bench.claim_at(NOW + 5, 1).await.remove(0);
    assert!(bench.start(second.token).await);
    let made = NewTask { source: Some(id), ..bench.task() };
    assert!(bench.finish(store::Finish { new_tasks: vec![made], ..end(second.token, Next::Again(NOW - 1)) }).await);
    let third = bench.claim(1).await.remove(0);
    assert_eq!(bench.store().start(vec![store::Start { revision: 7, ..start(third.token) }]).await.unwrap(), [true]);

    let story = bench.story(id).await;
    assert_eq!((story.row.source, story.row.attempts), (Some(bench.pull_task), 3));
    assert_eq!(story.row.problem.unwrap().code, "preflight", "the last attempt that had one");
    let [one, two, three] = &story.attempts[..] else { panic!("{:?}", story.attempts) };
    assert_eq!((one.number, two.number, three.number), (1, 2, 3));
    assert_eq!((one.started_at, one.revision, one.request.as_deref()), (None, None, Some(&b"{\"wrong\":1}"[..])));
    assert_eq!((two.started_at, two.end.as_ref().map(|end| end.status)), (Some(NOW), Some(Some(200))));
    assert_eq!((three.revision, three.end.is_some()), (Some(7), false));
    assert_eq!((story.made.len(), story.decisions.len()), (1, 1));
    assert_eq!(bench.story(bench.pull_task).await.made, [id]);
    assert!(bench.store().task(TaskId(9999)).await.unwrap().is_none());
}

pub(crate) async fn runs_are_open_until_their_last_task<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let other = bench.store().lanes(vec![(TaskKind::Pull, "orders".to_owned())]).await.unwrap()[0];
    let (of_other, _) = bench.store().begin_run(new_run(other)).await.unwrap();
    let (newest, _) = bench.store().begin_run(new_run(bench.pull)).await.unwrap();
    let open = async |lane| bench.store().open_runs(lane).await.unwrap();
    assert_eq!(open(None).await, [bench.run, of_other, newest]);
    assert_eq!(open(Some(bench.pull)).await, [bench.run, newest]);
    let runs = bench.store().runs(Some(bench.pull), 10).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [newest, bench.run]);
    assert_eq!(bench.store().runs(None, 2).await.unwrap().len(), 2);

    // The pull task of the first run makes a push task and ends; the run stays open until that one ended.
    let ask = |lane| store::ClaimRequest { lanes: vec![(lane, 1)], now: NOW, lease_until: NOW + 1 };
    let pull = bench.store().claim(ask(bench.pull)).await.unwrap().remove(0);
    assert!(bench.finish(store::Finish { new_tasks: vec![bench.task()], ..end(pull.token, Next::Finished) }).await);
    assert_eq!(open(Some(bench.pull)).await, [bench.run, newest]);
    let push = bench.claim(1).await.remove(0);
    assert_eq!(open(Some(bench.pull)).await, [bench.run, newest], "what is processed is open");
    assert!(bench.finish(end(push.token, Next::Failed)).await);
    assert_eq!(open(Some(bench.pull)).await, [newest]);
    assert!(open(Some(LaneId(99))).await.is_empty());
}

pub(crate) async fn lanes_keep_their_numbers<F: Fixture>() {
    let fixture = F::fresh().await;
    let name = |kind, name: &str| (kind, name.to_owned());
    let asked = vec![name(TaskKind::Push, "a"), name(TaskKind::Pull, "a"), name(TaskKind::Push, "a")];
    let lanes = fixture.store().lanes(asked).await.unwrap();
    assert_eq!(lanes[0], lanes[2]);
    assert_ne!(lanes[0], lanes[1]);
    let fixture = fixture.kill().await;
    let again = fixture.store().lanes(vec![name(TaskKind::Push, "b"), name(TaskKind::Pull, "a")]).await.unwrap();
    assert_eq!(again[1], lanes[1]);
    let all = fixture.store().all_lanes().await.unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.iter().any(|lane| lane.id == lanes[1] && lane.kind == TaskKind::Pull && lane.name == "a"));
    assert!(all.iter().any(|lane| lane.id == again[0] && lane.kind == TaskKind::Push && lane.name == "b"));
}

pub(crate) async fn cursors_are_set_and_cleared<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    assert_eq!(store.cursor(bench.pull).await.unwrap(), None);
    for value in ["a", "b"] {
        store.set_cursor(bench.pull, Some(Bytes::from_static(value.as_bytes())), NOW).await.unwrap();
        assert_eq!(store.cursor(bench.pull).await.unwrap().as_deref(), Some(value.as_bytes()));
    }
    assert_eq!(store.cursor(bench.push).await.unwrap(), None);
    store.set_cursor(bench.pull, None, NOW).await.unwrap();
    assert_eq!(store.cursor(bench.pull).await.unwrap(), None);
    store.set_cursor(bench.pull, Some(Bytes::from_static(b"c")), NOW).await.unwrap();
    let claim = bench.claimed().await;
    assert!(bench.finish(store::Finish { cursor: Some((bench.pull, None)), ..end(claim.token, Next::Finished) }).await);
    assert_eq!(store.cursor(bench.pull).await.unwrap(), None);
}

pub(crate) async fn nothing_is_found_in_an_empty_store<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    assert!(store.tasks(TaskFilter { limit: 10, ..TaskFilter::default() }).await.unwrap().is_empty());
    assert!(store.tally(None).await.unwrap().is_empty());
    assert!(store.all_lanes().await.unwrap().is_empty());
    assert!(store.take_over(true, NOW, NOW).await.unwrap().is_empty());
    assert!(store.insert(vec![], NOW).await.unwrap().is_empty());
    assert_eq!(store.blobs().await.unwrap(), (0, 0));
    assert_eq!(store.sweep_blobs(NOW).await.unwrap(), 0);
    assert!(store.check().await.unwrap().is_empty());
}

pub(crate) async fn usage_is_summed_by_what_is_asked<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let day = 86_400_000;
    let used = |model: Option<&str>, tokens: Option<u64>| Usage {
        model: model.map(str::to_owned),
        total_tokens: tokens,
        ..Usage::default()
    };
    let ends = [
        (NOW, Some(used(Some("small"), Some(3)))),
        (NOW, Some(used(Some("large"), Some(5)))),
        (NOW + day, Some(used(Some("small"), None))),
        (NOW + day, Some(used(None, Some(u64::MAX)))),
        (NOW + day, None),
    ];
    for (at, usage) in ends {
        let claim = bench.claimed().await;
        let mut finish = end(claim.token, Next::Finished);
        (finish.end.at, finish.end.usage) = (at, usage);
        assert!(bench.finish(finish).await);
    }
    let sums = async |by, since, until| -> Vec<(Option<String>, u64, Option<u64>)> {
        let sums = bench.store().usage_by(by, since, until).await.unwrap();
        sums.into_iter().map(|sum| (sum.name, sum.calls, sum.usage.total_tokens)).collect()
    };
    let most = i64::MAX.unsigned_abs();
    let name = |text: &str| Some(text.to_owned());
    let (all, none) = ((i64::MIN, i64::MAX), (NOW + 9 * day, i64::MAX));
    assert_eq!(
        sums(UsageBy::Model, all.0, all.1).await,
        [(None, 1, Some(most)), (name("large"), 1, Some(5)), (name("small"), 2, Some(3))]
    );
    assert_eq!(
        sums(UsageBy::Model, all.0, NOW + day).await,
        [(name("large"), 1, Some(5)), (name("small"), 1, Some(3))]
    );
    assert_eq!(
        sums(UsageBy::Route, NOW, NOW + 1).await.iter().map(|sum| (sum.1, sum.2)).collect::<Vec<_>>(),
        [(2, Some(8))]
    );
    let days = sums(UsageBy::Day, all.0, all.1).await;
    assert_eq!(days.iter().map(|sum| sum.1).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(days[0].0.as_ref().map(String::len), Some(10));
    assert_eq!(sums(UsageBy::Day, none.0, none.1).await, []);
}
