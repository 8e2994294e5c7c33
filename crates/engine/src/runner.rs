//! The engine left alone: works until it is told to stop, takes new definitions up, begins what schedules say.

use crate::alert::Watcher;
use crate::engine::{Engine, Parts};
use crate::flow::{Call, Flows};
use crate::keep::Keeper;
use crate::schedule::Ticker;
use crate::work::{Until, WorkEnd, WorkOptions};
use model::{Millis, Problem, TaskKind};
use std::sync::Arc;
use std::time::Duration;
use store::Lane;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How soon work that ended by itself begins again: the store failed.
const REST: Millis = 1_000;
/// How often a store that others write to is asked for newer definitions, and for claims that ran out.
const LOOK: Millis = 1_000;

/// How it goes, for those who ask from outside.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Whether work goes on.
    pub ready: bool,
    /// What keeps it from working, or newer definitions from being taken up.
    pub problems: Vec<Problem>,
    /// What is running now.
    pub flows: Option<Arc<Flows>>,
}

/// How a runner is told to stop, and where it says how it goes.
#[derive(Debug)]
pub struct RunnerOptions {
    /// Becomes true when it is time to stop.
    pub stop: watch::Receiver<bool>,
    /// How long calls under way are waited for then. What takes longer is left as it stands on disk.
    pub grace: Duration,
    /// How it goes.
    pub status: watch::Sender<Status>,
}

/// Runs everything that is defined.
#[derive(Debug)]
pub struct Runner {
    parts: Parts,
    options: RunnerOptions,
    /// Work under older definitions that ends what it has begun.
    leaving: JoinSet<()>,
}

/// A piece of work under one revision of the definitions.
struct Shift {
    halt: watch::Sender<bool>,
    work: JoinHandle<Result<WorkEnd, Problem>>,
}

/// What was looked at of what others may change: the newest that cannot be run is not tried again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    revision: i64,
    /// How many operations were called.
    calls: usize,
    /// Revision of secrets.
    secrets: i64,
}

/// What made a shift end.
enum Event {
    Stop,
    Definitions,
    Ended(Result<WorkEnd, Problem>),
}

impl Runner {
    /// Nothing is run yet.
    #[must_use]
    pub fn new(parts: Parts, options: RunnerOptions) -> Self {
        Self { parts, options, leaving: JoinSet::new() }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// What keeps the definitions from running at the start. Later, problems are said in the status, and what ran
    /// goes on.
    pub async fn run(self) -> Result<(), Vec<Problem>> {
        let RunnerOptions { stop, grace, status } = &self.options;
        let watcher = Watcher::new(self.parts.clone(), status.subscribe(), stop.clone());
        let (mut watching, grace) = (tokio::spawn(watcher.run()), *grace);
        let ended = self.work().await;
        // What alerts are saying is said to its end, where it was told to stop.
        if ended.is_err() || tokio::time::timeout(grace, &mut watching).await.is_err() {
            watching.abort();
        }
        ended
    }

    async fn work(mut self) -> Result<(), Vec<Problem>> {
        let mut changes = self.parts.standing.changes();
        // Asked for before they are read: what changes meanwhile is read again.
        let secrets = self.secrets().await.unwrap_or(0);
        let mut engine = Arc::new(Engine::open(self.parts.clone()).await?);
        // Ends with this function.
        let mut keeping = JoinSet::new();
        keeping.spawn(Keeper::new(self.parts.store.clone(), self.parts.clock.clone()).run(self.parts.standing.clone()));
        loop {
            if let Err(problem) = engine.take_over().await {
                if self.rest(problem).await {
                    return Ok(());
                }
                continue;
            }
            let mut shift = self.begin(&engine);
            let mut tried = Seen { revision: engine.flows().revision, calls: engine.flows().calls, secrets };
            loop {
                match self.next_event(&engine, &mut shift, &mut changes, &mut tried).await {
                    Event::Stop => {
                        tracing::info!("stopping: nothing new is begun");
                        self.leave(shift);
                        self.end().await;
                        return Ok(());
                    }
                    Event::Ended(ended) => {
                        let reason = "work ended by itself";
                        let problem = ended.err().unwrap_or_else(|| Problem::new("work_ended", reason));
                        if self.rest(problem).await {
                            return Ok(());
                        }
                        // Take-over must not find what older work still holds.
                        while self.leaving.join_next().await.is_some() {}
                        break;
                    }
                    Event::Definitions => match Engine::open(self.parts.clone()).await {
                        Ok(newer) => {
                            engine = Arc::new(newer);
                            let newer = self.begin(&engine);
                            self.leave(std::mem::replace(&mut shift, newer));
                        }
                        Err(problems) => self.say_problems(problems),
                    },
                }
            }
        }
    }

    fn begin(&self, engine: &Arc<Engine>) -> Shift {
        let (halt, stop) = watch::channel(false);
        let working = engine.clone();
        let options = WorkOptions { lanes: None, until: Until::Stopped, stop };
        let work = tokio::spawn(async move { working.work(options).await });
        let flows = Some(engine.flows().clone());
        tracing::info!(revision = engine.flows().revision, "definitions are taken up");
        self.options.status.send_replace(Status { ready: true, problems: Vec::new(), flows });
        Shift { halt, work }
    }

    async fn next_event(
        &self,
        engine: &Engine,
        shift: &mut Shift,
        changes: &mut watch::Receiver<()>,
        tried: &mut Seen,
    ) -> Event {
        let mut stop = self.options.stop.clone();
        let ticker = Ticker::new(self.parts.clone(), engine.flows().clone());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => Event::Stop,
            _ = changes.changed() => Event::Definitions,
            newer = self.newer_definitions(*tried) => {
                *tried = newer;
                Event::Definitions
            }
            ended = &mut shift.work => match ended {
                Ok(ended) => Event::Ended(ended),
                Err(error) => Event::Ended(Err(Problem::new("work_panicked", error.to_string()))),
            },
            () = ticker.run() => Event::Stop,
            () = self.look_after(engine) => Event::Stop,
        }
    }

    /// Returns when others have applied newer definitions or set other secrets than these, or called an operation that was
    /// never called before. Where only this process writes, never.
    async fn newer_definitions(&self, than: Seen) -> Seen {
        loop {
            self.pause(LOOK).await;
            if self.parts.store.is_shared()
                && let Ok((revision, _)) = self.parts.store.definitions().await
                && let Ok(lanes) = self.parts.store.all_lanes().await
                && let Some(secrets) = self.secrets().await
            {
                let is_call = |lane: &&Lane| lane.kind == TaskKind::Push && Call::of_lane(&lane.name).is_some();
                let found = Seen { revision, calls: lanes.iter().filter(is_call).count(), secrets };
                if found != than {
                    return found;
                }
            }
        }
    }

    /// The revision of secrets; `None` where the store does not say.
    async fn secrets(&self) -> Option<i64> {
        self.parts.store.sealing().await.ok().map(|sealing| sealing.map_or(0, |sealing| sealing.revision))
    }

    /// Settles what engines on other machines left behind, for ever.
    async fn look_after(&self, engine: &Engine) {
        loop {
            self.pause(LOOK).await;
            if self.parts.store.is_shared()
                && let Err(error) = engine.take_over().await
            {
                tracing::warn!(%error, "claims that ran out could not be looked for");
            }
        }
    }

    async fn pause(&self, span: Millis) {
        self.parts.clock.sleep_until(self.parts.clock.now() + span).await;
    }

    /// Says what is wrong and waits a moment; true where it was told to stop meanwhile.
    async fn rest(&self, problem: Problem) -> bool {
        tracing::error!(%problem, "work stands still; trying again");
        self.options.status.send_modify(|status| (status.ready, status.problems) = (false, vec![problem]));
        let mut stop = self.options.stop.clone();
        tokio::select! {
            () = self.pause(REST) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        }
    }

    fn say_problems(&self, problems: Vec<Problem>) {
        for problem in &problems {
            tracing::error!(%problem, "the definitions cannot be run");
        }
        self.options.status.send_modify(|status| status.problems = problems);
    }

    /// Lets a shift end what it has begun; nothing new is begun.
    fn leave(&mut self, shift: Shift) {
        shift.halt.send_replace(true);
        self.leaving.spawn(async move {
            // Kept until its work is over: a dropped sender would not stop anything, but say nothing either.
            let _halt = shift.halt;
            match shift.work.await {
                Ok(Ok(_)) => {}
                Ok(Err(problem)) => tracing::error!(%problem, "the end of some calls is not on disk"),
                Err(error) => tracing::error!(%error, "work panicked"),
            }
        });
    }

    /// Waits until everything under way has ended, for as long as allowed.
    async fn end(&mut self) {
        self.options.status.send_modify(|status| status.ready = false);
        let all = async { while self.leaving.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.grace, all).await.is_err() {
            tracing::warn!("some calls took longer than was waited for; the next start says which");
            self.leaving.shutdown().await;
        }
    }
}
