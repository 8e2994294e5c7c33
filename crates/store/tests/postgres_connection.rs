//! What is promised of a store in PostgreSQL beyond the suite: connections that break, servers that crash, several
//! processes at once.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod cluster;

use bytes::Bytes;
use cluster::Cluster;
use cluster::proxy::{Break, Proxy};
use model::{Evidence, RunId, TaskKind, TaskState};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{
    AttemptEnd, Claim, ClaimRequest, Ending, Finish, LaneId, NewRun, NewTask, Next, PostgresStore, Start, Store,
    StoreError, TaskFilter,
};
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000_000;

/// A server with two lanes and a run on it.
struct Bench {
    cluster: Cluster,
    url: String,
    blobs: TempDir,
    store: Arc<PostgresStore>,
    push: LaneId,
    run: RunId,
}

impl Bench {
    /// `None` where there is no server to be had.
    async fn new() -> Option<Self> {
        if !cluster::available() {
            return None;
        }
        let mut cluster = Cluster::start();
        let (url, blobs) = (cluster.empty(), tempfile::tempdir().unwrap());
        let store = Arc::new(PostgresStore::connect(&url, blobs.path()).await.unwrap());
        let names = vec![(TaskKind::Pull, "products".to_owned()), (TaskKind::Push, "describe".to_owned())];
        let lanes = store.lanes(names).await.unwrap();
        let run = NewRun::now(lanes[0], "cli", NOW, Bytes::from_static(b"{}"));
        let (run, _) = store.begin_run(run).await.unwrap();
        Some(Self { cluster, url, blobs, store, push: lanes[1], run })
    }

    async fn connect(&self, url: &str) -> PostgresStore {
        PostgresStore::connect(url, self.blobs.path()).await.unwrap()
    }

    fn task(&self) -> NewTask {
        task(self.push, self.run)
    }

    async fn count(&self, state: Option<TaskState>) -> usize {
        let filter = TaskFilter { state, lane: Some(self.push), limit: 1000, ..TaskFilter::default() };
        self.store.tasks(filter).await.unwrap().len()
    }
}

fn task(lane: LaneId, run: RunId) -> NewTask {
    NewTask {
        lane,
        run,
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

fn ask(lane: LaneId, most: u32) -> ClaimRequest {
    ClaimRequest { lanes: vec![(lane, most)], now: NOW, lease_until: NOW + 60_000 }
}

fn start(claim: &Claim) -> Start {
    Start { token: claim.token, at: NOW, revision: 1, request: None, mark: None }
}

fn end(claim: &Claim) -> Finish {
    let end = AttemptEnd {
        number: claim.token.attempt,
        at: NOW,
        evidence: Evidence::Answered,
        status: Some(200),
        problem: None,
        answer: None,
        headers: None,
        usage: None,
        request: None,
    };
    Finish {
        token: claim.token,
        end,
        next: Next::Finished,
        new_tasks: Vec::new(),
        cursor: None,
        resume: None,
        entries: store::Entries::default(),
    }
}

/// Through the whole life of a task, each commit is cut off in each way, and nothing happens twice or not at all.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_happens_once() {
    let Some(bench) = Bench::new().await else { return };
    let (server, url) = (bench.cluster.folder().to_owned(), bench.url.clone());
    let cluster = Arc::new(Mutex::new(bench.cluster));
    let asked = Arc::clone(&cluster);
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let proxy = Proxy::start(&server, move || asked.lock().unwrap().ask(waiting) != "0");
    let url = url.replace(&server.display().to_string(), &proxy.folder().display().to_string());
    let store = PostgresStore::connect(&url, bench.blobs.path()).await.unwrap();

    for cut in [Break::Before, Break::After, Break::Late] {
        let cut_off = || proxy.plan(cut);
        cut_off();
        let inserted = store.insert(vec![task(bench.push, bench.run); 2], NOW).await.unwrap();
        assert!(proxy.is_done(), "{cut:?}");
        assert_eq!(inserted.iter().flatten().count(), 2, "{cut:?}");
        cut_off();
        let claims = store.claim(ask(bench.push, 9)).await.unwrap();
        let claimed: Vec<_> = claims.iter().map(|claim| Some(claim.token.task)).collect();
        assert_eq!(claimed, inserted, "{cut:?}: no more and no fewer were inserted, and the claims are ours");
        cut_off();
        assert_eq!(store.start(vec![start(&claims[0])]).await.unwrap(), [true], "{cut:?}");
        assert_eq!(
            store.start(vec![start(&claims[0])]).await.unwrap(),
            [false],
            "{cut:?}: another call starts nothing"
        );
        cut_off();
        let tokens = vec![claims[0].token, claims[1].token];
        assert_eq!(store.renew(tokens, NOW + 99).await.unwrap(), [true, true], "{cut:?}");
        cut_off();
        store.hand_back(vec![claims[1].token], NOW).await.unwrap();
        cut_off();
        let made = Finish { new_tasks: vec![task(bench.push, bench.run)], ..end(&claims[0]) };
        assert_eq!(store.finish(vec![made.clone()]).await.unwrap(), [Ending::Kept], "{cut:?}");
        assert!(proxy.is_done(), "{cut:?}");
        assert_eq!(store.finish(vec![made]).await.unwrap(), [Ending::Lost], "{cut:?}: another call ends nothing");
        let rest = store.claim(ask(bench.push, 9)).await.unwrap();
        assert_eq!(rest.len(), 2, "{cut:?}: what was handed back, and what was made");
        store.finish(rest.iter().map(end).collect()).await.unwrap();
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new(), "{cut:?}");
    }
}

#[tokio::test]
#[ignore = "takes half a minute"]
async fn a_silent_server_is_given_up_and_asked_again() {
    let Some(bench) = Bench::new().await else { return };
    let server = bench.cluster.folder().to_owned();
    let proxy = Proxy::start(&server, || true);
    let url = bench.url.replace(&server.display().to_string(), &proxy.folder().display().to_string());
    let store = PostgresStore::connect(&url, bench.blobs.path()).await.unwrap();
    proxy.plan(Break::Silent);
    let inserted = store.insert(vec![bench.task(); 2], NOW).await.unwrap();
    assert!(proxy.is_done());
    assert_eq!(inserted.iter().flatten().count(), 2);
    assert_eq!(bench.count(None).await, 2);
}

/// Whoever works goes on when the server is back, without having noticed more than a delay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_server_is_a_delay() {
    let Some(bench) = Bench::new().await else { return };
    work_during(bench, |cluster| {
        for _ in 0..3 {
            cluster.crash();
            cluster.restart();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_an_administrator_ends_are_opened_anew() {
    let Some(bench) = Bench::new().await else { return };
    work_during(bench, |cluster| {
        let end_all =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tramontane'";
        let mut ended = 0;
        for _ in 0..1000 {
            ended += cluster.ask(end_all).parse::<u32>().unwrap();
            if ended >= 20 {
                break;
            }
        }
    })
    .await;
}

/// Two work until the trouble is over, and then everything is as it must be.
async fn work_during(bench: Bench, trouble: impl FnOnce(&mut Cluster) + Send + 'static) {
    let (push, run, mut cluster) = (bench.push, bench.run, bench.cluster);
    let troubled = tokio::task::spawn_blocking(move || {
        trouble(&mut cluster);
        cluster
    });
    let mut rounds = 0;
    while !troubled.is_finished() || rounds == 0 {
        let (one, two) = tokio::join!(work(&bench.store, push, run), work(&bench.store, push, run));
        rounds += one + two;
    }
    let cluster = troubled.await.unwrap();
    assert_eq!(bench.store.check().await.unwrap(), Vec::<String>::new());
    let tally = bench.store.tally(None).await.unwrap();
    let finished = tally.iter().find(|tally| tally.lane == push && tally.state == TaskState::Finished).unwrap();
    assert_eq!(finished.count, 5 * rounds);
    assert!(tally.iter().all(|tally| tally.lane != push || tally.state == TaskState::Finished), "{tally:?}");
    drop(cluster);
}

/// The second process waits until the first gives its connections back.
#[tokio::test]
async fn a_server_without_free_connections_is_waited_for() {
    if !cluster::available() {
        return;
    }
    let mut cluster = Cluster::start();
    let (url, blobs) = (cluster.empty(), tempfile::tempdir().unwrap());
    cluster.ask("CREATE ROLE engine LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA store_1 TO engine");
    let url = url.replace("postgres://postgres@", "postgres://engine@");
    let first = PostgresStore::connect(&url, blobs.path()).await.unwrap();
    assert!(first.all_lanes().await.unwrap().is_empty(), "it keeps the connection that this took");
    let come = async {
        let second = PostgresStore::connect(&url, blobs.path()).await.unwrap();
        second.all_lanes().await.unwrap()
    };
    let go = async {
        while !cluster.log().contains("too many connections") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(first);
    };
    let both = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(come, go) });
    assert!(both.await.unwrap().0.is_empty());
}

/// Five tasks from their insertion to their end. Both who work may get tasks of the other.
async fn work(store: &PostgresStore, push: LaneId, run: RunId) -> u64 {
    let inserted = store.insert(vec![task(push, run); 5], NOW).await.unwrap();
    assert_eq!(inserted.iter().flatten().count(), 5);
    loop {
        let claims = store.claim(ask(push, 5)).await.unwrap();
        if claims.is_empty() {
            let open = store.next_due(vec![push]).await.unwrap();
            match open {
                Some(_) => continue,
                None => return 1,
            }
        }
        let started = store.start(claims.iter().map(start).collect()).await.unwrap();
        assert!(started.iter().all(|started| *started));
        let ended = store.finish(claims.iter().map(end).collect()).await.unwrap();
        assert!(ended.iter().all(|ended| *ended == Ending::Kept));
    }
}

#[tokio::test]
async fn any_number_of_processes_may_come_to_an_empty_database_at_once() {
    if !cluster::available() {
        return;
    }
    let mut cluster = Cluster::start();
    let (url, blobs) = (cluster.empty(), tempfile::tempdir().unwrap());
    let come = || async {
        let store = PostgresStore::connect(&url, blobs.path()).await.unwrap();
        let names = ["a", "b", "c"].map(|name| (TaskKind::Push, name.to_owned()));
        (store.id().to_owned(), store.lanes(names.to_vec()).await.unwrap())
    };
    let (one, two, three, four) = tokio::join!(come(), come(), come(), come());
    assert_eq!(one.0.len(), 8);
    assert!([two, three, four].into_iter().all(|other| other == one));
}

#[tokio::test]
async fn processes_share_tasks_and_never_one_task() {
    let Some(bench) = Bench::new().await else { return };
    let other = bench.connect(&bench.url).await;
    bench.store.insert(vec![bench.task(); 400], NOW).await.unwrap();
    let mut seen = HashSet::new();
    while seen.len() < 400 {
        let (ours, theirs) = tokio::join!(bench.store.claim(ask(bench.push, 30)), other.claim(ask(bench.push, 30)));
        for claim in ours.unwrap().into_iter().chain(theirs.unwrap()) {
            assert!(seen.insert(claim.token.task), "a task was claimed twice");
        }
    }
}

/// START and take-over from another process: who comes first wins, and what was started is never queued again.
#[tokio::test]
async fn what_is_taken_over_while_it_starts_is_started_or_queued_but_not_both() {
    let Some(bench) = Bench::new().await else { return };
    let other = bench.connect(&bench.url).await;
    for round in 0..60 {
        bench.store.insert(vec![bench.task()], NOW).await.unwrap();
        let claim = bench.store.claim(ask(bench.push, 1)).await.unwrap().remove(0);
        let (started, taken) =
            tokio::join!(bench.store.start(vec![start(&claim)]), other.take_over(true, NOW, NOW + 60_000));
        let (started, taken) = (started.unwrap()[0], taken.unwrap());
        let state = bench.store.task(claim.token.task).await.unwrap().unwrap().row.state;
        let expected = if started { TaskState::Processing } else { TaskState::New };
        assert_eq!(state, expected, "round {round}");
        assert!(started || taken.is_empty(), "round {round}");
        let last = match (taken.into_iter().next(), started) {
            (Some(interrupted), _) => interrupted,
            (None, true) => claim,
            (None, false) => bench.store.claim(ask(bench.push, 1)).await.unwrap().remove(0),
        };
        assert_eq!(other.finish(vec![end(&last)]).await.unwrap(), [Ending::Kept], "round {round}");
    }
    assert_eq!(bench.count(Some(TaskState::Finished)).await, 60);
}

#[tokio::test]
async fn an_older_program_refuses_a_newer_database() {
    let Some(bench) = Bench::new().await else { return };
    bench.cluster.ask("UPDATE store_1.store_version SET version = 99");
    let refused = PostgresStore::connect(&bench.url, bench.blobs.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, .. }), "{refused}");
}

#[tokio::test]
async fn a_question_that_is_dropped_leaves_no_transaction_open() {
    let Some(bench) = Bench::new().await else { return };
    for step in 0..40 {
        let asked = bench.store.next_due(vec![bench.push]);
        let _ = tokio::time::timeout(Duration::from_micros(step * 50), asked).await;
        assert_eq!(bench.store.insert(vec![bench.task()], NOW).await.unwrap().len(), 1, "step {step}");
    }
    assert_eq!(bench.count(None).await, 40);
}

#[tokio::test]
async fn writes_are_remembered_for_a_while() {
    let Some(bench) = Bench::new().await else { return };
    let remembered = || bench.cluster.ask("SELECT count(*) FROM store_1.written").parse::<u32>().unwrap();
    let before = remembered();
    assert!(before > 0);
    bench.cluster.ask("INSERT INTO store_1.written (call, at) VALUES (1, 0)");
    bench.connect(&bench.url).await;
    assert_eq!(remembered(), before, "the old one is gone");
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let blobs = tempfile::tempdir().unwrap();
    let unread = PostgresStore::connect("postgres://u:geheim@host:port/database", blobs.path()).await.unwrap_err();
    assert!(!format!("{unread} {unread:?}").contains("geheim"), "{unread}");
    let Some(bench) = Bench::new().await else { return };
    let with_password = |url: &str| url.replace("postgres://postgres@", "postgres://postgres:geheim@");
    let nowhere = with_password(&bench.url).replace("/postgres?", "/nowhere?");
    let refused = PostgresStore::connect(&nowhere, blobs.path()).await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("geheim"), "{refused}");
    let shown = format!("{:?}", bench.connect(&with_password(&bench.url)).await);
    assert!(!shown.contains("geheim"), "{shown}");
}

/// A service may name any model, and a key of data may be long or hold any character.
#[tokio::test]
async fn no_text_of_data_stops_a_task() {
    let Some(bench) = Bench::new().await else { return };
    let odd = "\0ä".repeat(20_000);
    let keyed = NewTask { unique_key: Some(odd.clone()), order_key: Some(odd.clone()), ..bench.task() };
    let inserted = bench.store.insert(vec![keyed.clone(), keyed], NOW).await.unwrap();
    assert_eq!(inserted.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    let claim = bench.store.claim(ask(bench.push, 1)).await.unwrap().remove(0);
    let mut finish = end(&claim);
    finish.end.answer = Some(Bytes::from_static(b"\"cut \0 \xff"));
    finish.end.usage = Some(model::Usage { model: Some(odd.clone()), ..model::Usage::default() });
    finish.end.problem = Some(model::Problem::new("odd", odd.clone()));
    assert_eq!(bench.store.finish(vec![finish.clone()]).await.unwrap(), [Ending::Kept]);
    let story = bench.store.task(claim.token.task).await.unwrap().unwrap();
    let ended = story.attempts[0].end.as_ref().unwrap();
    assert_eq!(
        (&ended.answer, &ended.usage, &ended.problem),
        (&finish.end.answer, &finish.end.usage, &finish.end.problem)
    );
}
