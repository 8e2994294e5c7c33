//! `tramontane run` at a server: it begins there, and is watched from here.

use super::run::{Bar, Run, TICK, interrupted};
use super::server::Server;
use super::summary::Summary;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::progress::{LaneProgress, Progress};
use engine::WorkEnd;
use engine::clock::{Clock as _, SystemClock};
use model::{Millis, RunId};
use serde::Deserialize;
use serde_json::json;

/// A run that a server has begun, or goes on with.
#[derive(Debug, Deserialize)]
struct Begun {
    run: RunId,
    continued: bool,
    /// Runs that were still open.
    open: Vec<RunId>,
}

pub(super) async fn run(server: &Server, context: &Context, wanted: Run) -> Ended {
    let printer = &context.printer;
    let body = json!({ "incoming": wanted.name, "limit": wanted.limit, "again": wanted.again });
    let Begun { run, continued, mut open } = server.send("POST", &["runs"], Some(&body)).await?;
    if continued {
        printer.say(&format!("run {run} was interrupted while it took data in; it goes on"));
    }
    printer.say("the server works on it; stopping this command does not stop it");
    open.retain(|one| *one != run);
    open.push(run);
    let began = SystemClock.now();
    let bar = Bar::new(printer);
    let end = tokio::select! {
        end = through(server, &open, wanted.wait.0, &bar) => end,
        () = interrupted() => Ok(WorkEnd::Stopped),
    };
    drop(bar);
    if !matches!(end, Ok(WorkEnd::Idle | WorkEnd::Waiting(_))) {
        printer.say(&format!("run {run} goes on at {}", server.url()));
    }
    let seconds = (SystemClock.now() - began) as f64 / 1_000.0;
    let all = tokio::select! {
        all = progress(server, &open) => all?,
        () = interrupted() => return Ok(Exit::Stopped),
    };
    let summary = Summary::new(&all, end?, seconds);
    summary.print(printer);
    Ok(summary.exit())
}

async fn progress(server: &Server, runs: &[RunId]) -> Result<Vec<Progress>, Failure> {
    let mut all = Vec::new();
    for run in runs {
        all.push(server.get(&["runs", &run.to_string(), "progress"], &[]).await?);
    }
    Ok(all)
}

/// Returns when the runs have no open task any more, or all that is left comes due later than may be waited for.
async fn through(server: &Server, runs: &[RunId], wait: Millis, bar: &Bar) -> Result<WorkEnd, Failure> {
    loop {
        let all = progress(server, runs).await?;
        let lanes = all.iter().flat_map(|progress| &progress.lanes);
        let counts = lanes.flat_map(|LaneProgress { states, .. }| states.iter().map(|(state, count)| (*state, *count)));
        bar.show(&counts.collect::<Vec<_>>());
        if all.iter().all(|progress| progress.open == 0) {
            return Ok(WorkEnd::Idle);
        }
        let is_busy = all.iter().any(|progress| progress.busy > 0);
        let later = all.last().filter(|last| last.due_in_ms.is_some_and(|due| due > wait));
        let due = later.and_then(|last| last.due_at.as_ref()?.parse::<jiff::Timestamp>().ok());
        if let Some(due) = due.filter(|_| !is_busy) {
            return Ok(WorkEnd::Waiting(due.as_millisecond()));
        }
        tokio::time::sleep(TICK).await;
    }
}
