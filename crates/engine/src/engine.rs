//! The engine: definitions compiled, a store to work on, and what moves the tasks.

use crate::clock::Clock;
use crate::definitions::variables::{Variables, WithDeclared};
use crate::definitions::{from_stored, used_secrets};
use crate::flow::{self, Call, Flows, PullSource};
use crate::random::Random;
use crate::schedule::Ticker;
use crate::standing::Standing;
use crate::work::{self, Work, WorkEnd, WorkOptions};
use bytes::Bytes;
use model::{Problem, Registry, RunId, TaskKind, suggest};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use store::{LaneId, NewRun, Store};

/// What an engine is made of.
#[derive(Clone)]
pub struct Parts {
    /// Where everything durable is.
    pub store: Arc<dyn Store>,
    /// The parts that definitions choose from.
    pub registry: Registry,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Where `${…}` gets its values.
    pub variables: Arc<dyn Variables>,
    /// What stands while definitions come and go.
    pub standing: Arc<Standing>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// An engine on one store, with the definitions that were current when it was opened.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    flows: Arc<Flows>,
}

/// How an incoming is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Takes in at most this many payloads.
    pub limit: Option<u64>,
    /// Starts from the beginning instead of the cursor.
    pub again: bool,
    /// Who or what triggers it: `cli`.
    pub trigger: String,
}

/// A run that was begun, or found open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its number.
    pub run: RunId,
    /// Runs that were still open on the lanes of this one; they are finished first.
    pub open: Vec<RunId>,
    /// Whether `run` is one of those: it was interrupted while it took data in, and goes on.
    pub continued: bool,
}

impl Begun {
    /// This run and those that were still open, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<RunId> {
        let mut all = self.open.clone();
        all.retain(|run| *run != self.run);
        all.push(self.run);
        all
    }
}

impl Engine {
    /// Opens an engine: reads and compiles the definitions.
    ///
    /// # Errors
    /// Everything that keeps the definitions from running here: a secret that is not set, a private address, ….
    pub async fn open(parts: Parts) -> Result<Self, Vec<Problem>> {
        let one = |error: store::StoreError| vec![error.problem()];
        let (revision, stored) = parts.store.definitions().await.map_err(one)?;
        let declared = parts.store.declared().await.map_err(one)?;
        let definitions = from_stored(&stored)?;
        parts.variables.refresh(&used_secrets(&stored).into_keys().collect()).await?;
        let pulls = definitions.incoming.keys().map(|name| (TaskKind::Pull, name.clone()));
        let pushes = definitions.routes.keys().map(|name| (TaskKind::Push, name.clone()));
        let lanes = parts.store.all_lanes().await.map_err(one)?;
        let calls = lanes.into_iter().map(|lane| lane.name).filter(|name| Call::of_lane(name).is_some());
        let calls: BTreeSet<String> = calls.collect();
        let calls = calls.iter().flat_map(|name| [(TaskKind::Pull, name.clone()), (TaskKind::Push, name.clone())]);
        let names: Vec<(TaskKind, String)> = pulls.chain(pushes).chain(calls).collect();
        let numbers = parts.store.lanes(names.clone()).await.map_err(one)?;
        let lanes: HashMap<(TaskKind, String), LaneId> = names.into_iter().zip(numbers).collect();
        let flows = flow::compile(&flow::Parts {
            revision,
            definitions: &definitions,
            registry: &parts.registry,
            variables: &WithDeclared { declared: &declared, otherwise: parts.variables.as_ref() },
            standing: &parts.standing,
            lanes: &lanes,
        })?;
        Ok(Self { parts, flows: Arc::new(flows) })
    }

    /// What it runs.
    #[must_use]
    pub fn flows(&self) -> &Arc<Flows> {
        &self.flows
    }

    /// Begins a run of an incoming, or goes on with one that was interrupted while it took data in.
    ///
    /// # Errors
    /// `incoming_unknown`, `incoming_not_runnable` (it listens to a route), `run_open` (`again` while one is open), or
    /// what the store says.
    pub async fn begin(&self, incoming: &str, options: RunOptions) -> Result<Begun, Problem> {
        let flow = self.flows.pull_named(incoming).ok_or_else(|| self.unknown_incoming(incoming))?;
        match flow.source {
            PullSource::Answers => {
                let reason = format!("{incoming} listens to the answers of a route");
                let problem = Problem::new("incoming_not_runnable", reason);
                return Err(problem.hint("run the incoming that feeds that route"));
            }
            PullSource::Webhook(_) => {
                let problem = Problem::new("incoming_not_runnable", format!("others send to {incoming}"));
                return Err(problem.hint("tramontane serve takes in what they send; tramontane webhooks shows where"));
            }
            PullSource::Proxy(_) | PullSource::Call => {
                let problem = Problem::new("incoming_not_runnable", format!("others call {incoming}"));
                return Err(problem.hint("POST /api/v1/proxy/ROUTE calls a route of it"));
            }
            _ => {}
        }
        let store = &self.parts.store;
        let open = store.open_runs(Some(flow.lane)).await.map_err(|error| error.problem())?;
        for run in &open {
            let pulling = store.tally(Some(*run)).await.map_err(|error| error.problem())?;
            let pulling =
                pulling.iter().any(|tally| tally.lane == flow.lane && tally.state.is_open() && tally.count > 0);
            if !pulling {
                continue;
            }
            if options.again {
                return Err(Problem::new(
                    "run_open",
                    format!("run {run} of {incoming} has not taken in everything yet"),
                )
                .hint("run it without --again first, or cancel its pull task"));
            }
            return Ok(Begun { run: *run, open: open.clone(), continued: true });
        }
        let now = self.parts.clock.now();
        if options.again {
            store.set_cursor(flow.lane, None, now).await.map_err(|error| error.problem())?;
        }
        let payload = match options.limit {
            Some(limit) => json!({ "limit": limit }),
            None => json!({}),
        };
        let run = NewRun::now(flow.lane, &options.trigger, now, Bytes::from(payload.to_string()));
        let (run, _) = store.begin_run(run).await.map_err(|error| error.problem())?;
        tracing::info!(run = run.0, incoming, trigger = options.trigger, "a run begins");
        Ok(Begun { run, open, continued: false })
    }

    /// Works until nothing is left to do in these lanes, or what is left has to wait longer than allowed, or `stop`
    /// becomes true.
    ///
    /// # Errors
    /// What the store says: then nothing more is claimed, and what was under way is left as it stands on disk.
    pub async fn work(&self, options: WorkOptions) -> Result<WorkEnd, Problem> {
        Work::new(self.parts.clone(), self.flows.clone(), options).run().await
    }

    /// Begins the runs of schedules that are due.
    ///
    /// # Errors
    /// What the store says.
    pub async fn tick(&self) -> Result<(), Problem> {
        let ticker = Ticker::new(self.parts.clone(), self.flows.clone());
        ticker.tick(self.parts.clock.now()).await.map(|_| ()).map_err(|error| error.problem())
    }

    /// Settles what an earlier process left behind: claims that it can no longer end. To be called once, before
    /// [`Engine::work`], by the one engine of a store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn take_over(&self) -> Result<usize, Problem> {
        work::take_over(&self.parts, &self.flows).await
    }

    fn unknown_incoming(&self, name: &str) -> Problem {
        let named = self.flows.pulls.values().filter(|flow| !matches!(flow.source, PullSource::Call));
        let mut known: Vec<&str> = named.map(|flow| flow.name.as_str()).collect();
        known.sort_unstable();
        let problem = Problem::new("incoming_unknown", format!("there is no incoming \"{name}\""));
        match suggest::hint(name, known.iter().copied()) {
            Some(hint) => problem.hint(hint),
            None => problem.hint("apply a folder of definitions first"),
        }
    }
}
