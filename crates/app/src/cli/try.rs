//! `tramontane try`: what a definition does to data, step by step, with nothing kept.

use super::call::read_json;
use super::{Context, Ended, Failure, prices};
use crate::exit::Exit;
use crate::parts;
use crate::print::short;
use crate::server::Trace as Shown;
use crate::settings;
use clap::{Args, ValueEnum};
use engine::definitions::variables::Variables as _;
use engine::definitions::{from_stored, used_secrets};
use engine::random::Seeded;
use engine::trace::{Input, MOST, Payloads, Sending, Step, Subject, Trace, trace};
use engine::{Parts, Standing};
use model::{Problem, TaskId, TaskKind};
use serde_json::{Value, json};
use std::sync::Arc;
use store::Store;

/// How much of a payload is shown in a line, in letters.
const WIDTH: usize = 100;

/// Arguments of `tramontane try`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane try routes describe --sample '{\"name\": \"chair\"}'
          tramontane try outgoing describe --task 4711
          tramontane try incoming models --send --limit 3

Transformers run as in a real run. Storages are read and not written to, and nothing is sent but, with --send,
the call of a subscriber that only reads.")]
pub(crate) struct Try {
    /// What is tried.
    #[arg(value_enum)]
    kind: Tried,
    /// Its name.
    name: String,
    /// A payload.
    #[arg(long, value_name = "JSON|@FILE", conflicts_with_all = ["task", "send"])]
    sample: Option<String>,
    /// The payload of this task.
    #[arg(long, value_name = "ID", conflicts_with = "send")]
    task: Option<i64>,
    /// Takes what the subscriber gets: its first page is read, and not kept.
    #[arg(long)]
    send: bool,
    /// Follows at most this many payloads.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=MOST as u64))]
    limit: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tried {
    /// A subscriber and the transformers behind it.
    Incoming,
    /// Transformers and the request that comes of them.
    Outgoing,
    /// All the way from an incoming to what would be sent.
    Routes,
}

impl Try {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let prices = prices::in_use(&context.data())?;
        let store = context.read_store().await?;
        let (_, stored) = store.definitions().await?;
        let definitions = from_stored(&stored).map_err(Failure::refused)?;
        let variables = context.environment(&store);
        variables.refresh(&used_secrets(&stored).into_keys().collect()).await.map_err(Failure::refused)?;
        let input = self.input(store.as_ref()).await?;
        let subject = match self.kind {
            Tried::Incoming => Subject::Incoming(self.name),
            Tried::Outgoing => Subject::Outgoing(self.name),
            Tried::Routes => Subject::Route(self.name),
        };
        let parts = Parts {
            clock: settings::clock_of(&store).await?,
            store,
            registry: parts::registry(prices),
            random: Arc::new(Seeded::from_process()),
            variables: Arc::new(variables),
            standing: Arc::new(Standing::default()),
        };
        let most = usize::try_from(self.limit).unwrap_or(MOST);
        let traced = trace(&parts, &definitions, subject, input, most).await.map_err(Failure::refused)?;
        let failed = traced.problems().any(|problem| problem.is_error());
        if context.printer.json() {
            context.printer.value(&json!(Shown::from(traced)));
        } else {
            print(context, &traced);
        }
        Ok(if failed { Exit::Failed } else { Exit::Done })
    }

    async fn input(&self, store: &dyn Store) -> Result<Input, Failure> {
        if self.send {
            return Ok(Input::Fetched);
        }
        if let Some(text) = &self.sample {
            let sample = read_json("--sample", text).map_err(|problem| Failure::refused(vec![problem]))?;
            return Ok(Input::Sample(sample));
        }
        let Some(id) = self.task else { return Ok(Input::Nothing) };
        let refused = |code, reason: String| Failure::refused(vec![Problem::new(code, reason)]);
        let story = store.task(TaskId(id)).await?;
        let story = story.ok_or_else(|| refused("task_unknown", format!("there is no task {id}")))?;
        let lanes = store.all_lanes().await?;
        let is_push = lanes.iter().any(|lane| lane.id == story.row.lane && lane.kind == TaskKind::Push);
        let payload: Value = serde_json::from_slice(&story.payload).unwrap_or_default();
        if is_push {
            return Ok(Input::Queued(payload));
        }
        let data = payload.get("payload").cloned().map(Input::Sample);
        data.ok_or_else(|| refused("task_has_no_data", format!("task {id} takes data in and has none of its own")))
    }
}

/// A line for each step, what came out of it below.
fn print(context: &Context, traced: &Trace) {
    let printer = &context.printer;
    for Step { place, index, kind, input, output, problems, micros } in &traced.steps {
        let counts = format!("{} -> {}", input.count, output.count);
        printer.data(&format!("{place}[{index}]  {kind}  {counts}  {micros} µs"));
        print_payloads(context, output);
        printer.problems(problems);
    }
    for Sending { place, kind, operation, effect, request, sent, problems } in &traced.requests {
        let effect = effect.map_or("sends nothing", model::Effect::as_str);
        printer.data(&format!("{place}  {kind} {}  {effect}", operation.as_deref().unwrap_or_default()));
        if let Some(sent) = sent {
            printer.data(&format!("    {} {}", sent.method, sent.url));
        }
        if let Some(request) = request {
            printer.data(&format!("    {}", line(request)));
        }
        printer.problems(problems);
    }
    for one in &traced.written {
        let value = one.value.as_ref().map_or_else(|| "deleted".to_owned(), line);
        printer.data(&format!("storage {}  {} = {value}  (not written)", one.storage, short(&one.key, WIDTH)));
    }
    printer.problems(&traced.problems);
    if traced.left_out > 0 {
        printer.say(&format!("{} more payloads were not followed; --limit follows more", traced.left_out));
    }
}

fn print_payloads(context: &Context, payloads: &Payloads) {
    for shown in &payloads.items {
        context.printer.data(&format!("    {}", line(shown)));
    }
    if payloads.count > payloads.items.len() {
        context.printer.data(&format!("    … {} more", payloads.count - payloads.items.len()));
    }
}

fn line(shown: &engine::trace::Shown) -> String {
    let text = shown.value.as_ref().map(Value::to_string).or_else(|| shown.beginning.clone()).unwrap_or_default();
    short(&text, WIDTH)
}
