//! Data on its way, watched.

use super::show::{Shown, room};
use super::way::{Stage, Way};
use super::{Step, Timer, Trace, Written};
use crate::transformers::Watch;
use model::{Problem, TransformContext};
use serde_json::Value;

/// Entries that are shown of those that would be written.
const MOST_WRITTEN: usize = 100;

/// Where the data goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// Where a subscriber's data does.
    Source,
    /// Where a route's tasks do.
    Target,
}

/// What was seen so far.
pub(super) struct Running<'a> {
    clock: Timer<'a>,
    pub(super) steps: Vec<Step>,
    pub(super) problems: Vec<Problem>,
    /// What may still be shown, in bytes.
    pub(super) room: usize,
}

/// Looks on at one stage.
struct Watching<'a, 'b> {
    running: &'a mut Running<'b>,
    /// Where the steps of the stage begin.
    first: usize,
    /// The step that goes on, and since when.
    going_on: Option<(usize, i64)>,
}

impl Watch for Watching<'_, '_> {
    fn before(&mut self, at: usize, payloads: &[Value]) {
        let Running { steps, room, clock, .. } = &mut *self.running;
        if let Some(step) = steps.get_mut(self.first + at) {
            step.input.add(payloads, room);
        }
        self.going_on = Some((at, clock.micros()));
    }

    fn after(&mut self, at: usize, payloads: &[Value]) {
        self.end();
        let Running { steps, room, .. } = &mut *self.running;
        if let Some(step) = steps.get_mut(self.first + at) {
            step.output.add(payloads, room);
        }
    }
}

impl Watching<'_, '_> {
    /// The step that goes on ends, well or not.
    fn end(&mut self) -> Option<&mut Step> {
        let (at, since) = self.going_on.take()?;
        let took = (self.running.clock.micros() - since).max(0);
        let step = self.running.steps.get_mut(self.first + at)?;
        step.micros += took;
        Some(step)
    }
}

impl<'a> Running<'a> {
    pub(super) fn new(clock: Timer<'a>) -> Self {
        Self { clock, steps: Vec::new(), problems: Vec::new(), room: room() }
    }

    /// What one payload becomes in a stage; `None` where a transformer fails, which is then said.
    fn stage(&mut self, stage: &Stage, payload: Value, context: &mut TransformContext) -> Option<Vec<Value>> {
        let first = self.steps_of(stage);
        let mut watching = Watching { running: self, first, going_on: None };
        match stage.chain.apply_watched(payload, context, &mut watching) {
            Ok(made) => Some(made),
            Err(problem) => {
                let problem = problem.within(&stage.place);
                match watching.end() {
                    Some(step) => step.problems.push(problem),
                    None => self.problems.push(problem),
                }
                None
            }
        }
    }

    /// As [`Running::stage`] where there can be one at most.
    pub(super) fn single(&mut self, stage: &Stage, payload: Value, context: &mut TransformContext) -> Option<Value> {
        let mut made = self.stage(stage, payload, context)?;
        if made.len() > 1 {
            let reason = format!("the transformers made {} payloads of one, here there can be one", made.len());
            let hint = "split on the incoming or the route, where each payload becomes a task of its own";
            self.problems.push(Problem::new("outgoing_fan_out", reason).at(&stage.place).hint(hint));
            return None;
        }
        let only = made.pop();
        if only.is_none() {
            let problem = Problem::new("dropped", "the transformers dropped the payload").at(&stage.place);
            self.problems.push(problem.warning());
        }
        only
    }

    /// Where the steps of a stage are; they are added when it is first come to.
    fn steps_of(&mut self, stage: &Stage) -> usize {
        if let Some(first) = self.steps.iter().position(|step| step.place == stage.place) {
            return first;
        }
        let first = self.steps.len();
        self.steps.extend(stage.kinds.iter().enumerate().map(|(at, kind)| Step::new(&stage.place, at, kind)));
        first
    }
}

/// Follows payloads from where they go in to what would be sent.
pub(super) fn run(
    way: &Way,
    payloads: &[Value],
    begins: Begins,
    most: usize,
    clock: Timer<'_>,
    context: &mut TransformContext,
) -> Trace {
    let mut running = Running::new(clock);
    let mut arrived = Vec::new();
    let stages: &[Stage] = if begins == Begins::Source || way.target.is_none() { &way.stages } else { &[] };
    // Every step is shown, also one that nothing comes to.
    let target = way.target.iter();
    let beyond =
        target.flat_map(|(stage, target)| std::iter::once(stage).chain(target.http.iter().map(|http| &http.request)));
    for stage in stages.iter().chain(beyond) {
        running.steps_of(stage);
    }
    for payload in payloads.iter().take(most) {
        let mark = context.storages.mark();
        match passed(stages, payload.clone(), &mut running, context) {
            Some(made) => arrived.extend(made),
            None => context.storages.back_to(mark),
        }
    }
    let mut trace = Trace { left_out: payloads.len().saturating_sub(most), ..Trace::default() };
    if let Some((stage, target)) = &way.target {
        trace.left_out += arrived.len().saturating_sub(most);
        for payload in arrived.into_iter().take(most) {
            let Some(data) = running.single(stage, payload, context) else { continue };
            trace.requests.extend(target.sending(data, &mut running, context));
        }
    }
    written(&mut running, context, &mut trace);
    (trace.steps, trace.problems) = (running.steps, running.problems);
    trace
}

/// What one payload becomes; `None` where something fails: then nothing of it goes anywhere.
fn passed(
    stages: &[Stage],
    payload: Value,
    running: &mut Running<'_>,
    context: &mut TransformContext,
) -> Option<Vec<Value>> {
    let mut payloads = vec![payload];
    for stage in stages {
        let mut made = Vec::new();
        for payload in payloads {
            made.extend(running.stage(stage, payload, context)?);
        }
        payloads = made;
    }
    Some(payloads)
}

/// What would be written to storages, taken out of the context.
fn written(running: &mut Running<'_>, context: &mut TransformContext, trace: &mut Trace) {
    let (read, written) = context.storages.take();
    trace.reads_storages = !read.is_empty();
    let shown = written.into_iter().take(MOST_WRITTEN).map(|(of, value)| {
        let value: Option<Value> = value.map(|text| serde_json::from_slice(&text).unwrap_or_default());
        let value = value.as_ref().map(|value| Shown::of(value, &mut running.room));
        Written { storage: of.storage, key: of.key, value }
    });
    trace.written = shown.collect();
}
