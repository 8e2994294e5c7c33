//! `tramontane try`: what a definition does to data, step by step, with nothing kept.

use super::call::read_json;
use super::server::Server;
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
use engine::trace::{Input, MOST, Subject, trace};
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
        let traced = match context.server()? {
            Some(server) => self.trace_at(&server).await?,
            None => self.trace(context).await?,
        };
        if context.printer.json() {
            context.printer.value(&traced);
        } else {
            print(context, &traced);
        }
        let is_bad = all_problems(&traced).iter().any(Problem::is_error);
        Ok(if is_bad { Exit::Failed } else { Exit::Done })
    }

    async fn trace(self, context: &Context) -> Result<Value, Failure> {
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
        Ok(json!(Shown::from(traced)))
    }

    async fn trace_at(self, server: &Server) -> Result<Value, Failure> {
        let kind = match self.kind {
            Tried::Incoming => "incoming",
            Tried::Outgoing => "outgoing",
            Tried::Routes => "routes",
        };
        let mut wish = json!({ "definition": { "kind": kind, "name": self.name }, "limit": self.limit });
        if self.send {
            wish["call"] = json!("send");
        }
        if let Some(text) = &self.sample {
            wish["input"] = json!({ "sample": sample(text)? });
        } else if let Some(task) = self.task {
            wish["input"] = json!({ "task": task });
        }
        server.send("POST", &["test"], Some(&wish)).await
    }

    async fn input(&self, store: &dyn Store) -> Result<Input, Failure> {
        if self.send {
            return Ok(Input::Fetched);
        }
        if let Some(text) = &self.sample {
            return Ok(Input::Sample(sample(text)?));
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

fn sample(text: &str) -> Result<Value, Failure> {
    read_json("--sample", text).map_err(|problem| Failure::refused(vec![problem]))
}

/// What is listed under a name.
fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn problems(of: &Value) -> Vec<Problem> {
    list(of, "problems").filter_map(|problem| serde_json::from_value(problem.clone()).ok()).collect()
}

fn all_problems(traced: &Value) -> Vec<Problem> {
    let parts = list(traced, "steps").chain(list(traced, "requests"));
    parts.chain([traced]).flat_map(problems).collect()
}

/// A line for each step, what came out of it below.
fn print(context: &Context, traced: &Value) {
    let printer = &context.printer;
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    for step in list(traced, "steps") {
        let counts = format!("{} -> {}", step["input"]["count"], step["output"]["count"]);
        let (place, kind, index, micros) =
            (text(step, "place"), text(step, "type"), &step["index"], &step["microseconds"]);
        printer.data(&format!("{place}[{index}]  {kind}  {counts}  {micros} µs"));
        print_payloads(context, &step["output"]);
        problems(step).iter().for_each(|problem| printer.problem(problem));
    }
    for sending in list(traced, "requests") {
        let effect = sending["effect"].as_str().unwrap_or("sends nothing");
        let (place, kind, operation) = (text(sending, "place"), text(sending, "type"), text(sending, "operation"));
        printer.data(&format!("{place}  {kind} {operation}  {effect}"));
        let (call, request) = (&sending["call"], &sending["request"]);
        if !call.is_null() {
            printer.data(&format!("    {} {}", text(call, "method"), text(call, "url")));
        }
        if !request.is_null() {
            printer.data(&format!("    {}", line(request)));
        }
        problems(sending).iter().for_each(|problem| printer.problem(problem));
    }
    for one in list(traced, "written") {
        let value = if one["value"].is_null() { "deleted".to_owned() } else { line(&one["value"]) };
        let (storage, key) = (text(one, "storage"), text(one, "key"));
        printer.data(&format!("storage {storage}  {} = {value}  (not written)", short(&key, WIDTH)));
    }
    problems(traced).iter().for_each(|problem| printer.problem(problem));
    if let Some(left_out) = traced["left_out"].as_u64().filter(|count| *count > 0) {
        printer.say(&format!("{left_out} more payloads were not followed; --limit follows more"));
    }
}

fn print_payloads(context: &Context, payloads: &Value) {
    let shown: Vec<&Value> = list(payloads, "items").collect();
    shown.iter().for_each(|shown| context.printer.data(&format!("    {}", line(shown))));
    let more = payloads["count"].as_u64().unwrap_or_default().saturating_sub(shown.len() as u64);
    if more > 0 {
        context.printer.data(&format!("    … {more} more"));
    }
}

fn line(shown: &Value) -> String {
    let whole = shown.get("value").map(Value::to_string);
    short(&whole.unwrap_or_else(|| shown["beginning"].as_str().unwrap_or_default().to_owned()), WIDTH)
}
