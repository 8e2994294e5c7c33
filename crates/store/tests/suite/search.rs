//! Looking through many tasks.

use super::{Bench, Fixture, NOW, end, new_run, start};
use bytes::Bytes;
use model::{Evidence, Money, Problem, RunId, TaskId, TaskKind, TaskState, Usage};
use store::{
    Body, BodyOf, BucketsBy, Compare, Condition, Decision, LaneId, NewTask, Next, Search, Searching, Store, SuggestOf,
    Test,
};

/// Tasks of every kind, by what is asked of them below.
struct Many<F> {
    bench: Bench<F>,
    other_run: RunId,
    other_lane: LaneId,
}

fn one(test: Test) -> Condition {
    Condition { is_not: false, any: vec![test] }
}

fn none(test: Test) -> Condition {
    Condition { is_not: true, any: vec![test] }
}

fn any(any: Vec<Test>) -> Condition {
    Condition { is_not: false, any }
}

fn search(all: Vec<Condition>) -> Search {
    Search { all, limit: 1_000, ..Search::default() }
}

/// An attempt of the next task that ended so.
async fn ended<F: Fixture>(bench: &Bench<F>, task: NewTask, what: Ended) -> TaskId {
    let id = bench.store().insert(vec![NewTask { priority: -1, ..task }], what.at).await.unwrap()[0].unwrap();
    let claim = bench.claim_at(NOW + 10_000_000, 1).await.remove(0);
    assert_eq!(claim.token.task, id);
    bench.store().start(vec![store::Start { at: what.at, ..start(claim.token) }]).await.unwrap();
    let mut finish = end(claim.token, what.next);
    finish.end.at = what.at + what.took;
    finish.end.status = what.status;
    finish.end.problem = what.code.map(|code| Problem::new(code, "it was \"so\""));
    finish.end.evidence = Evidence::Answered;
    finish.end.answer = Some(Bytes::from_static(b"{\"said\":\"gr\xc3\xbcezi\"}"));
    finish.end.usage = what.usage;
    assert!(bench.finish(finish).await);
    id
}

struct Ended {
    at: i64,
    took: i64,
    next: Next,
    status: Option<u16>,
    code: Option<&'static str>,
    usage: Option<Usage>,
}

fn usage(model: &str, tokens: u64, cost: Option<u64>) -> Option<Usage> {
    Some(Usage { model: Some(model.to_owned()), total_tokens: Some(tokens), cost: cost.map(Money), ..Usage::default() })
}

async fn many<F: Fixture>() -> Many<F> {
    let bench = Bench::<F>::new().await;
    let other_lane = bench.store().lanes(vec![(TaskKind::Push, "save".to_owned())]).await.unwrap()[0];
    let (other_run, _) = bench.store().begin_run(new_run(bench.pull)).await.unwrap();
    let fine = || Ended { at: NOW, took: 20, next: Next::Finished, status: Some(200), code: None, usage: None };
    let data = |text: &'static str| NewTask { payload: Bytes::from_static(text.as_bytes()), ..bench.task() };
    // 3: finished, cheap.
    ended(
        &bench,
        data(r#"{"order":{"id":1234},"tags":["a","b"]}"#),
        Ended { usage: usage("small", 10, Some(5)), ..fine() },
    )
    .await;
    // 4: finished, dear and slow.
    ended(
        &bench,
        data(r#"{"order":{"id":"1234"}}"#),
        Ended { took: 9_000, usage: usage("large", 90, Some(5_000)), ..fine() },
    )
    .await;
    // 5: failed with 429, later.
    let limited =
        Ended { at: NOW + 1_000, next: Next::Failed, status: Some(429), code: Some("rate_limited"), ..fine() };
    ended(&bench, data(r#"{"order":{"id":77}}"#), limited).await;
    // 6: unknown, in another run.
    let cut = Ended { at: NOW + 2_000, next: Next::Unknown, status: None, code: Some("interrupted"), ..fine() };
    ended(&bench, NewTask { run: other_run, source: Some(TaskId(3)), ..data("{}") }, cut).await;
    // 7: born failed; 8: new in another lane; 9: in retry.
    let problem = Some(Problem::new("rate_limited_not", "at intake"));
    bench.insert(NewTask { state: TaskState::Failed, problem, ..bench.task() }).await;
    bench.insert(NewTask { lane: other_lane, payload: Bytes::from_static(b"\"a word\""), ..bench.task() }).await;
    let again = Ended {
        at: NOW + 3_000,
        next: Next::Retry(NOW + 99_000_000),
        status: Some(503),
        code: Some("refused"),
        ..fine()
    };
    ended(&bench, bench.task(), again).await;
    Many { bench, other_run, other_lane }
}

pub(crate) async fn every_test_finds_what_it_asks<F: Fixture>() {
    use Compare::{AtLeast, AtMost, Equal, Less, More};
    use TaskState::{Failed, Finished, New, Retry, Unknown};
    let Many { bench, other_run, other_lane } = many::<F>().await;
    let (pull, push) = (bench.pull, bench.push);
    let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let data = |names: &[&str], text: &str| Test::Data(path(names), text.to_owned());
    let text = |text: &str| Test::Text(text.to_owned());
    let code = |code: &str| Test::Code(code.to_owned());
    let model = |model: &str| Test::Model(model.to_owned());
    let cases: Vec<(Vec<Condition>, Vec<i64>)> = vec![
        (vec![], vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (vec![one(Test::State(Finished))], vec![4, 3]),
        (vec![one(Test::State(New))], vec![8, 2, 1]),
        (vec![any(vec![Test::State(Failed), Test::State(Unknown)])], vec![7, 6, 5]),
        (vec![any(vec![Test::State(New), Test::State(Retry), Test::State(Unknown)])], vec![9, 8, 6, 2, 1]),
        (vec![none(Test::State(Finished)), one(Test::Lane(push))], vec![9, 7, 6, 5]),
        (vec![any(vec![Test::State(Failed)]), none(Test::State(Failed))], vec![]),
        (vec![one(Test::Lane(pull))], vec![2, 1]),
        (vec![any(vec![Test::Lane(pull), Test::Lane(other_lane)])], vec![8, 2, 1]),
        (vec![any(vec![])], vec![]),
        (vec![Condition { is_not: true, any: vec![] }, one(Test::State(Finished))], vec![4, 3]),
        (vec![one(Test::Run(other_run))], vec![6, 2]),
        (vec![one(Test::Run(RunId(99)))], vec![]),
        (vec![one(Test::Id(TaskId(5)))], vec![5]),
        (vec![any(vec![Test::Id(TaskId(5)), Test::Id(TaskId(3)), Test::Id(TaskId(99))])], vec![5, 3]),
        (vec![any((4..5_000).map(|id| Test::Id(TaskId(id))).collect()), one(Test::State(Failed))], vec![7, 5]),
        (vec![any((1..5_000).map(|id| Test::Lane(LaneId(id))).collect()), one(Test::State(Unknown))], vec![6]),
        (vec![one(Test::Id(TaskId(5))), one(Test::State(Finished))], vec![]),
        (vec![none(Test::Id(TaskId(5))), one(Test::State(Failed))], vec![7]),
        (vec![one(Test::Source(TaskId(3)))], vec![6]),
        (vec![one(code("rate_limited"))], vec![5]),
        (vec![one(code("rate"))], vec![]),
        (vec![any(vec![code("rate_limited_not"), code("refused")])], vec![9, 7]),
        (vec![none(code("rate_limited")), one(Test::State(Failed))], vec![7]),
        (vec![one(Test::Status(429))], vec![5]),
        (vec![one(Test::Status(200)), one(Test::Lane(push))], vec![4, 3]),
        (vec![one(model("large"))], vec![4]),
        (vec![one(Test::Cost(More, 5))], vec![4]),
        (vec![one(Test::Cost(AtLeast, 5))], vec![4, 3]),
        (vec![none(Test::Cost(AtLeast, 5)), one(Test::Run(other_run))], vec![6, 2]),
        (vec![one(Test::Duration(More, 1_000))], vec![4]),
        (vec![one(Test::Attempts(Equal, 0))], vec![8, 7, 2, 1]),
        (vec![one(Test::Attempts(Less, 1)), one(Test::Lane(push))], vec![7]),
        (vec![one(Test::Created(AtLeast, NOW + 1_000))], vec![9, 6, 5]),
        (vec![one(Test::Finished(AtMost, NOW + 20))], vec![7, 3]),
        (vec![one(data(&["order", "id"], "1234"))], vec![4, 3]),
        (vec![one(data(&["tags", "1"], "b"))], vec![3]),
        (vec![one(data(&["order"], "{}"))], vec![]),
        (vec![none(data(&["order", "id"], "1234")), one(Test::State(Failed))], vec![7, 5]),
        (vec![one(text("a word"))], vec![8]),
        (vec![one(text("gr\u{fc}ezi"))], vec![9, 6, 5, 4, 3]),
        (vec![one(text("it was \"so\""))], vec![9, 6, 5]),
        (vec![one(text("at intake"))], vec![7]),
        (vec![one(text("' OR 1=1 --"))], vec![]),
        (
            vec![
                any(vec![Test::State(Finished), Test::State(Failed)]),
                one(Test::Lane(push)),
                one(model("large")),
                one(Test::Cost(More, 100)),
            ],
            vec![4],
        ),
    ];
    for (all, expected) in cases {
        let found = bench.store().search(search(all.clone())).await.unwrap();
        let ids: Vec<i64> = found.tasks.iter().map(|task| task.row.id.0).collect();
        assert_eq!((ids, found.next), (expected.clone(), None), "{all:?}");
        let count = bench.store().count(search(all.clone())).await.unwrap();
        assert_eq!((count.count, count.is_capped), (expected.len() as u64, false), "{all:?}");
    }
    let found = bench.store().search(search(vec![one(Test::Id(TaskId(4)))])).await.unwrap().tasks.remove(0);
    assert_eq!(found.row, bench.row(TaskId(4)).await);
    assert_eq!((found.model.as_deref(), found.tokens, found.cost), (Some("large"), Some(90), Some(5_000)));
    assert_eq!((found.duration_ms, found.identifier), (Some(9_000), None));
}

pub(crate) async fn a_task_is_found_by_what_people_call_it<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let called = |name: &str| NewTask { identifier: Some(name.to_owned()), ..bench.task() };
    let mut ids = Vec::new();
    for name in ["4711", "4711\0", "4711", "grüezi'; --"] {
        ids.push(bench.insert(called(name)).await);
    }
    let found = async |name: &str| {
        let found = bench.store().search(search(vec![one(Test::Identifier(name.to_owned()))])).await.unwrap();
        found.tasks.into_iter().map(|task| (task.row.id, task.identifier)).collect::<Vec<_>>()
    };
    let named = |id, name: &str| (id, Some(name.to_owned()));
    assert_eq!(found("4711").await, [named(ids[2], "4711"), named(ids[0], "4711")]);
    assert_eq!(found("4711\0").await, [named(ids[1], "4711\0")]);
    assert_eq!(found("grüezi'; --").await, [named(ids[3], "grüezi'; --")]);
    assert_eq!(found("47").await, []);
    bench.store().decide(vec![ids[0]], super::decided(Decision::Cancel)).await.unwrap();
    assert_eq!(bench.store().delete_ended(vec![ids[0]]).await.unwrap(), [true]);
    assert_eq!(found("4711").await, [named(ids[2], "4711")]);
}

pub(crate) async fn a_search_is_walked_page_by_page<F: Fixture>() {
    let Many { bench, .. } = many::<F>().await;
    for all in [vec![], vec![any(TaskState::ALL.map(Test::State).to_vec())], vec![one(Test::Lane(bench.push))]] {
        let whole = bench.store().search(search(all.clone())).await.unwrap().tasks;
        for limit in [1, 2, 5] {
            let (mut walked, mut before) = (Vec::new(), None);
            loop {
                let page = Search { limit, before, ..search(all.clone()) };
                let found = bench.store().search(page).await.unwrap();
                assert!(found.tasks.len() <= limit as usize);
                walked.extend(found.tasks);
                match found.next {
                    Some(next) => before = Some(next),
                    None => break,
                }
            }
            assert_eq!(walked, whole, "pages of {limit}");
        }
    }
}

pub(crate) async fn times_bound_a_search<F: Fixture>() {
    let Many { bench, .. } = many::<F>().await;
    let cases = [
        (Some(NOW + 1_000), None, vec![9, 6, 5]),
        (None, Some(NOW + 1_000), vec![8, 7, 4, 3, 2, 1]),
        (Some(NOW + 1_000), Some(NOW + 2_000), vec![5]),
        (Some(NOW + 90_000_000), None, vec![]),
        (None, Some(NOW - 90_000_000), vec![]),
    ];
    for (since, until, expected) in cases {
        let asked = Search { since, until, ..search(vec![]) };
        let found = bench.store().search(asked.clone()).await.unwrap();
        let ids: Vec<i64> = found.tasks.iter().map(|task| task.row.id.0).collect();
        assert_eq!(ids, expected, "{since:?} {until:?}");
        assert_eq!(bench.store().count(asked).await.unwrap().count, expected.len() as u64);
    }
}

pub(crate) async fn a_histogram_counts_by_time_and_state<F: Fixture>() {
    use TaskState::{Failed, Finished, New, Retry, Unknown};
    let Many { bench, .. } = many::<F>().await;
    let asked = |all| Search { since: Some(NOW), until: Some(NOW + 4_000), ..search(all) };
    let drawn = bench.store().histogram(asked(vec![]), 1_000).await.unwrap();
    let expected = vec![(0, New, 3), (0, Finished, 2), (0, Failed, 1), (1, Failed, 1), (2, Unknown, 1), (3, Retry, 1)];
    assert_eq!((drawn.counts, drawn.scanned_until), (expected, None));
    let drawn = bench.store().histogram(asked(vec![one(Test::Code("rate_limited".to_owned()))]), 2_000).await.unwrap();
    assert_eq!(drawn.counts, [(0, Failed, 1)]);
}

pub(crate) async fn bodies_are_fetched_one_by_one<F: Fixture>() {
    let Many { bench, .. } = many::<F>().await;
    let body = async |task, of| bench.store().body(TaskId(task), of).await.unwrap();
    let text = |text: &'static str| Some(Body::Text(Bytes::from_static(text.as_bytes())));
    assert_eq!(body(5, BodyOf::Payload).await, text(r#"{"order":{"id":77}}"#));
    assert_eq!(body(5, BodyOf::Request(1)).await, text(r#"{"order":{"id":77}}"#), "it sent its data as it is");
    assert_eq!(body(5, BodyOf::Answer(1)).await, text("{\"said\":\"grüezi\"}"));
    for of in [BodyOf::Request(2), BodyOf::Answer(2)] {
        assert_eq!(body(5, of).await, None);
    }
    assert_eq!(body(99, BodyOf::Payload).await, None);
    let long = Bytes::from(format!("\"{}\"", "x".repeat(300_000)));
    let task = bench.insert(NewTask { payload: long.clone(), ..bench.task() }).await;
    let Some(Body::Blob(id, length)) = body(task.0, BodyOf::Payload).await else { panic!("a long body is a blob") };
    assert_eq!((length, bench.store().blob_folder().read(&id).unwrap()), (long.len() as u64, long));
    assert!(bench.store().names_blob(task, id.clone()).await.unwrap());
    assert!(!bench.store().names_blob(TaskId(1), id).await.unwrap());
}

pub(crate) async fn values_are_suggested_and_usage_stands_in_buckets<F: Fixture>() {
    let Many { bench, .. } = many::<F>().await;
    let suggested = async |of, text: &str| {
        let found = bench.store().suggest(of, text.to_owned()).await.unwrap();
        found.into_iter().map(|one| (one.value, one.count)).collect::<Vec<_>>()
    };
    let pairs =
        |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>();
    assert_eq!(suggested(SuggestOf::Code, "").await, pairs(&[("interrupted", 1), ("rate_limited", 1), ("refused", 1)]));
    assert_eq!(suggested(SuggestOf::Code, "rate").await, pairs(&[("rate_limited", 1)]));
    assert_eq!(suggested(SuggestOf::Model(0), "").await, pairs(&[("large", 1), ("small", 1)]));
    assert_eq!(suggested(SuggestOf::Model(i64::MAX / 2), "").await, []);
    assert_eq!(suggested(SuggestOf::Model(0), "%").await, []);

    let hour = NOW / 3_600_000;
    let later = Ended {
        at: NOW + 7_200_000,
        took: 1,
        next: Next::Finished,
        status: None,
        code: None,
        usage: usage("small", 1, None),
    };
    ended(&bench, bench.task(), later).await;
    let buckets = async |by, hours| {
        let found = bench.store().usage_buckets(by, hour, hour + 4, hours).await.unwrap();
        let row =
            |one: store::UsageBucket| (one.bucket, one.sum.name, one.sum.calls, one.sum.unpriced, one.sum.usage.cost);
        found.into_iter().map(row).collect::<Vec<_>>()
    };
    let small = || Some("small".to_owned());
    assert_eq!(buckets(BucketsBy::All, 1).await, [(0, None, 2, 0, Some(Money(5_005))), (2, None, 1, 1, None)]);
    assert_eq!(
        buckets(BucketsBy::Model, 4).await,
        [(0, Some("large".to_owned()), 1, 0, Some(Money(5_000))), (0, small(), 2, 1, Some(Money(5)))]
    );
    assert_eq!(buckets(BucketsBy::Lane, 2).await[0].1.as_deref(), Some("describe"));
    bench.store().delete_ended(vec![TaskId(3), TaskId(4)]).await.unwrap();
    assert_eq!(buckets(BucketsBy::All, 4).await[0].2, 3, "what was used stays used");

    let run = bench.store().run(bench.run).await.unwrap().unwrap();
    assert_eq!((run.id, run.lane, run.trigger.as_str()), (bench.run, bench.pull, "cli"));
    assert_eq!(bench.store().run(RunId(99)).await.unwrap(), None);
    assert!(bench.store().next_number().await.unwrap() > TaskId(9));
    bench.decide(TaskId(6), Decision::ResolveFailed).await.unwrap();
}
