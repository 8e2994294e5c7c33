//! Durable rows per second of the store alone:
//! `cargo run --release -p store --example throughput [ROWS] [WORKERS] [DATABASE]`. The database is the URL of an empty
//! one of PostgreSQL; without it, a new SQLite file is used.
//!
//! A row is what "row -> model -> file" costs: a task that is inserted, claimed, started and finished with an answer, from
//! which a second task is made, which is claimed, started and finished too. Payloads, the first one's request and its
//! answer have 300 bytes each. Batches of 500, every commit synced.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures time and says so")]

use bytes::Bytes;
use model::{Evidence, Money, RunId, TaskKind, TaskState, Usage};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use store::{
    Access, AttemptEnd, Claim, ClaimRequest, Finish, LaneId, NewRun, NewTask, Next, PostgresStore, SqliteStore, Start,
    Store, StoreError,
};

const BATCH: u32 = 500;
const NOW: i64 = 1_790_000_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let workers: u32 = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    match arguments.next() {
        Some(url) => {
            let store = Arc::new(PostgresStore::connect(&url, folder.path()).await?);
            measure(Arc::clone(&store) as Arc<dyn Store>, rows, workers).await?;
            println!("  {} commits", store.commits());
        }
        None => {
            let store = Arc::new(SqliteStore::open(folder.path(), Access::Engine("throughput".to_owned()))?);
            measure(Arc::clone(&store) as Arc<dyn Store>, rows, workers).await?;
            println!("  {} commits", store.commits());
        }
    }
    Ok(())
}

async fn measure(store: Arc<dyn Store>, rows: u64, workers: u32) -> Result<(), Box<dyn std::error::Error>> {
    let lanes = store
        .lanes(vec![
            (TaskKind::Pull, "products".to_owned()),
            (TaskKind::Push, "describe".to_owned()),
            (TaskKind::Push, "save".to_owned()),
        ])
        .await?;
    let (describe, save) = (lanes[1], lanes[2]);
    let run = NewRun::now(lanes[0], "cli", NOW, Bytes::from_static(b"{}"));
    let (run, _) = store.begin_run(run).await?;

    let begun = Instant::now();
    let left = Arc::new(AtomicU64::new(rows));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..workers {
        let (store, left) = (Arc::clone(&store), Arc::clone(&left));
        all.spawn(async move { work(&*store, run, describe, save, &left).await });
    }
    while let Some(one) = all.join_next().await {
        one??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{rows} rows in {seconds:.2} s: {:.0} rows/s", rows as f64 / seconds);
    for tally in store.tally(Some(run)).await? {
        println!("  lane {} {}: {}", tally.lane.0, tally.state, tally.count);
    }
    Ok(())
}

async fn work(
    store: &dyn Store,
    run: RunId,
    describe: LaneId,
    save: LaneId,
    left: &AtomicU64,
) -> Result<(), StoreError> {
    let take = |left: u64| Some(left.saturating_sub(u64::from(BATCH)));
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok_and(|left| left > 0) {
        store.insert((0..BATCH).map(|_| task(describe, run, None)).collect(), NOW).await?;
        carry_out(store, describe, Some(&text()), |claim| vec![task(save, run, Some(claim))]).await?;
        carry_out(store, save, None, |_| Vec::new()).await?;
    }
    Ok(())
}

async fn carry_out(
    store: &dyn Store,
    lane: LaneId,
    body: Option<&Bytes>,
    make: impl Fn(&Claim) -> Vec<NewTask>,
) -> Result<(), StoreError> {
    let request = ClaimRequest { lanes: vec![(lane, BATCH)], now: NOW, lease_until: NOW + 60_000 };
    let claims = store.claim(request).await?;
    let starts = claims.iter().map(|claim| Start {
        token: claim.token,
        at: NOW,
        revision: 1,
        request: body.cloned(),
        mark: None,
    });
    store.start(starts.collect()).await?;
    let ends = claims.iter().map(|claim| Finish {
        token: claim.token,
        end: AttemptEnd {
            number: claim.token.attempt,
            at: NOW,
            evidence: Evidence::Answered,
            status: Some(200),
            problem: None,
            answer: body.cloned(),
            headers: None,
            usage: Some(Usage {
                prompt_tokens: Some(20),
                completion_tokens: Some(40),
                total_tokens: Some(60),
                cost: Some(Money(27_000)),
                ..Usage::default()
            }),
            request: None,
        },
        next: Next::Finished,
        new_tasks: make(claim),
        cursor: None,
        resume: None,
        entries: store::Entries::default(),
    });
    store.finish(ends.collect()).await?;
    Ok(())
}

fn task(lane: LaneId, run: RunId, source: Option<&Claim>) -> NewTask {
    NewTask {
        lane,
        run,
        source: source.map(|claim| claim.token.task),
        priority: 0,
        due_at: NOW,
        order_key: None,
        unique_key: None,
        identifier: None,
        state: TaskState::New,
        payload: text(),
        problem: None,
    }
}

fn text() -> Bytes {
    format!("\"{}\"", "x".repeat(298)).into()
}
