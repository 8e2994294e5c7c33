//! What definitions do to data, step by step: for people who build them.
//!
//! Transformers run as they do in a real run, with the same bounds. Storages are read; what would be written to them is
//! shown and thrown away. Nothing is stored, and nothing is sent but a call that only reads, where that is asked for.

mod fetch;
mod request;
mod run;
mod show;
mod way;

pub use request::{Sending, Sent};
pub use show::{Payloads, SHOWN, Shown};

use crate::clock::Clock;
use crate::definitions::variables::{Variables, WithDeclared};
use crate::engine::Parts;
use crate::work::storages::known;
use model::definition::{Definitions, Part};
use model::{Problem, TransformContext};
use run::Begins;
use serde_json::Value;
use std::sync::Arc;
use way::{Source, Way};

/// The most payloads that are followed.
pub const MOST: usize = 100;

/// What is traced.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Transformers by themselves.
    Transformers(Vec<Part>),
    /// An incoming: its subscriber, and the transformers behind it.
    Incoming(String),
    /// An outgoing: its transformers, and the request that comes of them.
    Outgoing(String),
    /// A route: its incoming, its transformers, its outgoing.
    Route(String),
}

/// What goes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// Nothing but what stands in the definition: the subscriber's request is shown, and the payloads of `inline`.
    Nothing,
    /// What the subscriber gets: one page from the beginning, no cursor kept.
    Fetched,
    /// This, in the place of what a subscriber gets or an outgoing takes.
    Sample(Value),
    /// The payload of a route's task: it begins at the outgoing.
    Queued(Value),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Every step, in order.
    pub steps: Vec<Step>,
    /// What the subscriber asks for, or what would be published, one for each payload that came so far.
    pub requests: Vec<Sending>,
    /// What would be written to storages.
    pub written: Vec<Written>,
    /// What is wrong with no step by itself.
    pub problems: Vec<Problem>,
    /// Payloads that are not followed to the end: more came than was asked for.
    pub left_out: usize,
    /// Whether anything of it may come from storages.
    pub reads_storages: bool,
}

/// One step: a subscriber, a transformer.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands: `incoming.rows.transformers`.
    pub place: String,
    /// Its place in that list.
    pub index: usize,
    /// Its `type`.
    pub kind: String,
    /// What came in.
    pub input: Payloads,
    /// What came out.
    pub output: Payloads,
    /// What went wrong in it.
    pub problems: Vec<Problem>,
    /// How long it took, in microseconds.
    pub micros: i64,
}

/// An entry of a storage that would be written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The storage.
    pub storage: String,
    /// The key.
    pub key: String,
    /// The value; `None`: the entry would be deleted.
    pub value: Option<Shown>,
}

/// Traces what becomes of some data.
///
/// # Errors
/// What keeps the definitions from running here; `input_missing`, where there is nothing to trace; what the store says.
/// What the data does wrong is in the trace.
pub async fn trace(
    parts: &Parts,
    definitions: &Definitions,
    subject: Subject,
    input: Input,
    most: usize,
) -> Result<Trace, Vec<Problem>> {
    let most = most.clamp(1, MOST);
    let declared = parts.store.declared().await.map_err(|error| vec![error.problem()])?;
    let variables = WithDeclared { declared: &declared, otherwise: parts.variables.as_ref() };
    let way = Arc::new(Way::compile(&parts.registry, &variables, definitions, subject)?);
    let mut traced = Trace::default();
    let (payloads, begins) = match input {
        Input::Sample(payload) => (vec![payload], if way.source.is_some() { Begins::Source } else { Begins::Target }),
        Input::Queued(payload) => (vec![payload], Begins::Target),
        input => {
            let is_fetched = matches!(input, Input::Fetched);
            let asking = Asking { parts, variables: &variables, definitions, most };
            (asking.subscribed(&way, is_fetched, &mut traced).await?, Begins::Source)
        }
    };
    let (followed, clock) = (way.clone(), parts.clock.clone());
    let run =
        move |context: &mut TransformContext| run::run(&followed, &payloads, begins, most, clock.as_ref(), context);
    let mut run = with_storages(parts, run).await?;
    run.steps.splice(..0, traced.steps);
    run.requests.splice(..0, traced.requests);
    run.problems.splice(..0, traced.problems);
    run.reads_storages |= traced.reads_storages;
    Ok(run)
}

/// What a subscriber is asked with.
struct Asking<'a> {
    parts: &'a Parts,
    variables: &'a dyn Variables,
    definitions: &'a Definitions,
    most: usize,
}

impl Asking<'_> {
    /// What the subscriber would ask for, and what it gets where that is wanted.
    async fn subscribed(
        &self,
        way: &Arc<Way>,
        is_fetched: bool,
        traced: &mut Trace,
    ) -> Result<Vec<Value>, Vec<Problem>> {
        let missing = |reason: &str| vec![Problem::new("input_missing", reason).hint("give a sample, or a task")];
        let Some((place, kind, source)) = &way.source else { return Err(missing("there is nothing to begin with")) };
        let mut began = self.parts.clock.micros();
        let got = match source {
            Source::Inline(payloads) => Ok(payloads.clone()),
            Source::ByItself => return Err(missing("its data comes by itself")),
            Source::Driver(source) if is_fetched => fetch::from_driver(source.as_ref(), self.most).await,
            Source::Driver(_) => return Ok(Vec::new()),
            Source::Http(http) => {
                let (asked, clock) = (way.clone(), self.parts.clock.clone());
                let ask = move |context: &mut TransformContext| asked.ask(clock.as_ref(), context);
                let asked = with_storages(self.parts, ask).await?;
                traced.steps.extend(asked.steps);
                traced.requests.extend(asked.sending);
                traced.reads_storages |= asked.reads_storages;
                let Some((request, prepared)) = asked.prepared.filter(|_| is_fetched) else { return Ok(Vec::new()) };
                began = self.parts.clock.micros();
                fetch::from_service(self, http, request, prepared).await
            }
        };
        let mut step = Step::new(place, 0, kind);
        step.micros = (self.parts.clock.micros() - began).max(0);
        let payloads = got.unwrap_or_else(|problem| {
            step.problems.push(problem.within(place));
            Vec::new()
        });
        step.output.add(&payloads, &mut show::room());
        traced.steps.push(step);
        Ok(payloads)
    }
}

/// Runs transformers until everything that they read of storages is known.
async fn with_storages<T: Send + 'static>(
    parts: &Parts,
    work: impl Fn(&mut TransformContext) -> T + Send + Sync + 'static,
) -> Result<T, Vec<Problem>> {
    let now = parts.clock.now();
    known(now, work, |keys| parts.store.entries(keys, now)).await.map_err(|error| vec![error.problem()])
}

impl Trace {
    /// Everything that went wrong, and what was noticed.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let of_steps = self.steps.iter().flat_map(|step| &step.problems);
        let of_requests = self.requests.iter().flat_map(|request| &request.problems);
        of_steps.chain(of_requests).chain(&self.problems)
    }
}

impl Step {
    fn new(place: &str, index: usize, kind: &str) -> Self {
        let (input, output) = (Payloads::default(), Payloads::default());
        Self { place: place.to_owned(), index, kind: kind.to_owned(), input, output, problems: Vec::new(), micros: 0 }
    }
}

/// A clock that transformers are timed by.
type Timer<'a> = &'a dyn Clock;
