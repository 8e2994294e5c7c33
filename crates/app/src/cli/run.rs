//! `tramontane run`: an incoming and all routes on it, to the end.

use super::summary::Summary;
use super::{Context, Ended, Failure, prices, run_at};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::parts;
use crate::print::Printer;
use crate::progress::Progress;
use crate::settings;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::clock::{Clock, SystemClock};
use engine::random::Seeded;
use engine::{Begun, Engine, Parts, RunOptions, Until, WorkEnd, WorkOptions};
use indicatif::{ProgressBar, ProgressStyle};
use model::definition::Span;
use model::{Millis, RunId, TaskState};
use std::sync::Arc;
use std::time::Duration;
use store::{LaneId, Store};
use tokio::sync::watch;

/// Arguments of `tramontane run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane run products --limit 20

What is still open from an earlier run is finished first; then the subscriber goes on from its cursor.")]
pub(crate) struct Run {
    /// Name of an incoming.
    pub(super) name: String,
    /// Takes in at most this many payloads.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
    /// Starts from the beginning instead of the cursor.
    #[arg(long)]
    pub(super) again: bool,
    /// How long to wait for what comes due later, with nothing else to do.
    #[arg(long, default_value = "10m", value_name = "DURATION")]
    pub(super) wait: Span,
}

impl Run {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        if let Some(server) = context.server()? {
            return run_at::run(&server, context, self).await;
        }
        let prices = prices::in_use(&context.data())?;
        let (store, ours) = context.writing_store().await?;
        let options = RunOptions { limit: self.limit, again: self.again, trigger: "cli".to_owned() };
        context.keys.check(store.as_ref()).await.map_err(|problem| Failure::refused(vec![problem]))?;
        let variables = context.environment(&store);
        let job = Job { name: &self.name, options, wait: self.wait, variables, prices };
        let summary = match ours {
            true => job.run(store, &context.printer).await?,
            false => job.watch(store, &context.printer).await?,
        };
        summary.print(&context.printer);
        Ok(summary.exit())
    }
}

/// One run, whoever asks for it.
pub(crate) struct Job<'a> {
    pub(crate) name: &'a str,
    pub(crate) options: RunOptions,
    pub(crate) wait: Span,
    pub(crate) variables: Environment,
    pub(crate) prices: Prices,
}

impl Job<'_> {
    /// Runs to the end, with progress on stderr.
    pub(crate) async fn run(self, store: Arc<dyn Store>, printer: &Printer) -> Result<Summary, Failure> {
        prices::agree(store.as_ref(), &self.prices).await?;
        let (name, options, wait) = (self.name, self.options, self.wait);
        let engine = open(store.clone(), self.variables, self.prices).await?;
        let trouble = |problem| Failure::new(Exit::Trouble, problem);
        let interrupted = engine.take_over().await.map_err(trouble)?;
        if interrupted > 0 {
            printer.say(&format!("{interrupted} tasks were under way when an earlier process ended; they are settled"));
        }
        let begun = begin(&engine, name, options, printer).await?;
        let lanes = lanes_of(&engine, name);
        let began = SystemClock.now();
        let (stop, stopping) = watch::channel(false);
        let options = WorkOptions { lanes: Some(lanes.clone()), until: Until::Idle(wait.0), stop: stopping };
        let end = {
            let work = engine.work(options);
            let bar = Bar::new(printer);
            let shown = bar.follow(store.as_ref(), begun.all());
            tokio::select! {
                end = work => end.map_err(trouble)?,
                never = async { tokio::join!(shown, stop_on_signal(&stop, printer)).1 } => never,
            }
        };
        let seconds = (SystemClock.now() - began) as f64 / 1_000.0;
        summary(store.as_ref(), &engine, &begun, &lanes, end, seconds).await
    }

    /// Begins a run that another process works on, and waits until it is through.
    async fn watch(self, store: Arc<dyn Store>, printer: &Printer) -> Result<Summary, Failure> {
        let (name, options, wait) = (self.name, self.options, self.wait);
        let engine = open(store.clone(), self.variables, self.prices).await?;
        let begun = begin(&engine, name, options, printer).await?;
        printer.say("the engine that holds the data folder works on it; stopping this command does not stop it");
        let lanes = lanes_of(&engine, name);
        let clock = settings::clock_of(&store).await?;
        let began = SystemClock.now();
        let bar = Bar::new(printer);
        let end = tokio::select! {
            end = through(store.as_ref(), clock.as_ref(), &begun, &lanes, wait.0) => end?,
            () = bar.follow(store.as_ref(), begun.all()) => WorkEnd::Stopped,
            () = interrupted() => WorkEnd::Stopped,
        };
        drop(bar);
        let seconds = (SystemClock.now() - began) as f64 / 1_000.0;
        summary(store.as_ref(), &engine, &begun, &lanes, end, seconds).await
    }
}

async fn open(store: Arc<dyn Store>, variables: Environment, prices: Prices) -> Result<Engine, Failure> {
    let clock = settings::clock_of(&store).await?;
    let parts = Parts {
        store,
        registry: parts::registry(prices),
        clock,
        random: Arc::new(Seeded::from_process()),
        variables: Arc::new(variables),
        standing: Arc::default(),
    };
    Engine::open(parts).await.map_err(Failure::refused)
}

async fn begin(engine: &Engine, name: &str, options: RunOptions, printer: &Printer) -> Result<Begun, Failure> {
    let begun = engine.begin(name, options).await.map_err(|problem| Failure::refused(vec![problem]))?;
    if begun.continued {
        printer.say(&format!("run {} was interrupted while it took data in; it goes on", begun.run));
    }
    Ok(begun)
}

async fn summary(
    store: &dyn Store,
    engine: &Engine,
    begun: &Begun,
    lanes: &[LaneId],
    end: WorkEnd,
    seconds: f64,
) -> Result<Summary, Failure> {
    let mut all = Vec::new();
    for run in begun.all() {
        all.push(Progress::of(store, engine.flows(), run, lanes, SystemClock.now()).await?);
    }
    Ok(Summary::new(&all, end, seconds))
}

fn lanes_of(engine: &Engine, name: &str) -> Vec<LaneId> {
    let lanes = engine.flows().pull_named(name).map(|flow| engine.flows().reachable_from(flow.lane));
    lanes.unwrap_or_default()
}

/// Returns when the runs have no open task any more, or all that is left comes due later than may be waited for.
async fn through(
    store: &dyn Store,
    clock: &dyn Clock,
    begun: &Begun,
    lanes: &[LaneId],
    wait: Millis,
) -> Result<WorkEnd, Failure> {
    let began = clock.now();
    loop {
        let mut open = 0;
        let mut busy = 0;
        for run in begun.all() {
            for tally in store.tally(Some(run)).await?.iter().filter(|tally| tally.state.is_open()) {
                open += tally.count;
                busy += if tally.state == TaskState::Processing { tally.count } else { 0 };
            }
        }
        if open == 0 {
            return Ok(WorkEnd::Idle);
        }
        let now = clock.now();
        if busy == 0
            && let Some(due) = store.next_due(lanes.to_vec()).await?.filter(|due| *due > began.max(now) + wait)
        {
            return Ok(WorkEnd::Waiting(due));
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Tells the work to stop at the first signal; a second one ends the process as usual.
async fn stop_on_signal(stop: &watch::Sender<bool>, printer: &Printer) -> WorkEnd {
    interrupted().await;
    printer.say("stopping: calls under way are awaited, nothing new is sent (once more to stop at once)");
    stop.send_replace(true);
    interrupted().await;
    WorkEnd::Stopped
}

/// Returns at SIGINT or SIGTERM.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// How often the bar moves.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A bar on stderr. Hidden by itself where that is no terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(printer: &Printer) -> Self {
        let bar = if printer.json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} tasks  {per_sec}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows how many tasks are in which state.
    pub(super) fn show(&self, counts: &[(TaskState, u64)]) {
        let sum = |wanted: &dyn Fn(TaskState) -> bool| -> u64 {
            counts.iter().filter(|(state, _)| wanted(*state)).map(|(_, count)| count).sum()
        };
        let bad = sum(&|state| matches!(state, TaskState::Failed | TaskState::Unknown));
        self.0.set_length(sum(&|_| true));
        self.0.set_position(sum(&|state| !state.is_open()));
        self.0.set_message(if bad > 0 { format!("{bad} failed or unknown") } else { String::new() });
    }

    /// Shows how runs come on, until it is dropped.
    async fn follow(&self, store: &dyn Store, runs: Vec<RunId>) {
        loop {
            let mut counts = Vec::new();
            for run in &runs {
                let tally = store.tally(Some(*run)).await.unwrap_or_default();
                counts.extend(tally.into_iter().map(|tally| (tally.state, tally.count)));
            }
            self.show(&counts);
            tokio::time::sleep(TICK).await;
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
