//! `tramontane run`: an incoming and all routes on it, to the end.

use super::summary::Summary;
use super::{Context, Ended, Failure, prices};
use crate::exit::Exit;
use crate::parts;
use crate::print::Printer;
use crate::settings::Environment;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::clock::{Clock, SystemClock};
use engine::random::Seeded;
use engine::{Engine, Parts, RunOptions, WorkEnd, WorkOptions};
use indicatif::{ProgressBar, ProgressStyle};
use model::definition::Span;
use model::{RunId, TaskState};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::watch;

/// Arguments of `tramontane run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane run products --limit 20

What is still open from an earlier run is finished first; then the subscriber goes on from its cursor.")]
pub(crate) struct Run {
    /// Name of an incoming.
    name: String,
    /// Takes in at most this many payloads.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Starts from the beginning instead of the cursor.
    #[arg(long)]
    again: bool,
    /// How long to wait for what comes due later, with nothing else to do.
    #[arg(long, default_value = "10m", value_name = "DURATION")]
    wait: Span,
}

impl Run {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let prices = prices::in_use(&context.data())?;
        let store = context.engine_store()?;
        let options = RunOptions { limit: self.limit, again: self.again, trigger: "cli".to_owned() };
        let job = Job { name: &self.name, options, wait: self.wait, variables: Environment::default(), prices };
        let summary = job.run(store, &context.printer).await?;
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
        let clock = Arc::new(SystemClock);
        prices::agree(store.as_ref(), &self.prices).await?;
        let currency = self.prices.currency.clone();
        let engine = Engine::open(Parts {
            store: store.clone(),
            registry: parts::registry(self.prices),
            clock: clock.clone(),
            random: Arc::new(Seeded::from_process()),
            variables: Arc::new(self.variables),
        });
        let engine = engine.await.map_err(Failure::refused)?;
        let trouble = |problem| Failure::new(Exit::Trouble, problem);
        let interrupted = engine.take_over().await.map_err(trouble)?;
        if interrupted > 0 {
            printer.say(&format!("{interrupted} tasks were under way when an earlier process ended; they are settled"));
        }
        let begun = engine.begin(self.name, self.options).await.map_err(|problem| Failure::refused(vec![problem]))?;
        if begun.continued {
            printer.say(&format!("run {} was interrupted while it took data in; it goes on", begun.run));
        }
        let lanes = engine.flows().pull_named(self.name).map(|flow| engine.flows().reachable_from(flow.lane));
        let lanes = lanes.unwrap_or_default();
        let began = clock.now();
        let (stop, stopping) = watch::channel(false);
        let options = WorkOptions { lanes: Some(lanes.clone()), longest_wait: self.wait.0, stop: stopping };
        let end = {
            let work = engine.work(options);
            let progress = Progress::new(store.clone(), begun.all(), printer);
            tokio::select! {
                end = work => end.map_err(trouble)?,
                never = async { tokio::join!(progress.show(), stop_on_signal(&stop, printer)).1 } => never,
            }
        };
        let seconds = (clock.now() - began) as f64 / 1_000.0;
        Summary::collect(store.as_ref(), &engine, &begun, &lanes, end, seconds, currency).await
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
const TICK: Duration = Duration::from_millis(100);

struct Progress {
    store: Arc<dyn Store>,
    runs: Vec<RunId>,
    bar: ProgressBar,
}

impl Progress {
    fn new(store: Arc<dyn Store>, runs: Vec<RunId>, printer: &Printer) -> Self {
        // Hidden by itself where stderr is no terminal.
        let bar = if printer.json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} tasks  {per_sec}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self { store, runs, bar }
    }

    /// Shows progress until it is dropped.
    async fn show(self) {
        loop {
            let mut tally = Vec::new();
            for run in &self.runs {
                tally.extend(self.store.tally(Some(*run)).await.unwrap_or_default());
            }
            let sum = |wanted: &dyn Fn(TaskState) -> bool| -> u64 {
                tally.iter().filter(|tally| wanted(tally.state)).map(|tally| tally.count).sum()
            };
            let bad = sum(&|state| matches!(state, TaskState::Failed | TaskState::Unknown));
            self.bar.set_length(sum(&|_| true));
            self.bar.set_position(sum(&|state| !state.is_open()));
            self.bar.set_message(if bad > 0 { format!("{bad} failed or unknown") } else { String::new() });
            tokio::time::sleep(TICK).await;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
