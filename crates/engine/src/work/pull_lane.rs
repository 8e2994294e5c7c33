//! Pull tasks: one page at a time, its tasks and the cursor in one commit.

use super::admission::{Admitted, admit, day_is_full, report};
use super::conclude::{fed, plain_end};
use super::dispatch::Shared;
use super::file::name_file;
use super::http_lane::{answered_end, joined, unkept, used};
use super::keep::{AnswerFiles, BlobKeeper, in_one, left_out};
use super::settle::{Concluded, Outcome};
use super::storages::with_storages;
use crate::decide::{Case, LONGEST_WAIT, Policy, decide};
use crate::exchange::Exchanged;
use crate::flow::{Flows, HttpPull, PullFlow, PullSource};
use crate::transformers::Condition;
use bytes::Bytes;
use model::definition::OnUnknown;
use model::driver::Source;
use model::{Effect, Evidence, Millis, Problem, Request, TransformContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use store::{AttemptEnd, Claim, Entries, Finish, LaneId, Next, Start, StoreError};
use tokio::sync::mpsc;

/// Most payloads of one page: one commit.
const PAGE: usize = 1_000;

pub(super) struct PullLane {
    shared: Arc<Shared>,
    flow: Arc<PullFlow>,
}

/// What a pull task is asked to do.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// At most this many payloads.
    limit: Option<u64>,
    /// This payload instead of a pull: one whose transformers failed before.
    #[serde(default, deserialize_with = "present")]
    payload: Option<Value>,
    /// Feeds this route alone with it.
    route: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Where a pull left off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Left {
    /// Payloads taken in so far.
    taken: u64,
    /// Pages read so far.
    #[serde(default)]
    pages: u32,
    /// The request of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Request>,
}

/// What one step of a pull brought.
#[derive(Clone)]
pub(super) struct Step {
    end: AttemptEnd,
    payloads: Vec<Value>,
    /// They feed this route alone.
    only: Option<String>,
    /// What was left out, each a failed task.
    left_out: Vec<Problem>,
    /// Cursor to be set with the page.
    cursor: Option<(LaneId, Option<Bytes>)>,
    /// Where to go on; `None` at the end.
    left: Option<Left>,
    /// Not before this time.
    wait_until: Option<Millis>,
}

/// A step that brought nothing.
struct Stopped {
    end: Box<AttemptEnd>,
    effect: Effect,
    final_problem: bool,
}

impl PullLane {
    pub(super) fn new(shared: Arc<Shared>, flow: Arc<PullFlow>) -> Self {
        Self { shared, flow }
    }

    pub(super) async fn run(self, mut inbox: mpsc::UnboundedReceiver<Vec<Claim>>) {
        let lane = Arc::new(self);
        while let Some(claims) = inbox.recv().await {
            for claim in claims {
                let lane = lane.clone();
                tokio::spawn(async move { lane.work(claim).await });
            }
        }
    }

    async fn work(self: Arc<Self>, claim: Claim) {
        if self.shared.stopping() {
            return self.shared.hand_back(self.flow.lane, vec![claim.token]).await;
        }
        let step = match self.step(&claim).await {
            Ok(Some(step)) => Ok(step),
            Ok(None) => return,
            Err(stopped) => Err(stopped),
        };
        let (lane, shared, flow) = (self.flow.lane, self.shared.clone(), self.flow.clone());
        let outcome = match step {
            Ok(step) if flow.uses_storages() => Ok(Outcome::Page(flow, Box::new((claim, step)))),
            Ok(step) => {
                tokio::task::spawn_blocking(move || {
                    let mut context = TransformContext::at(shared.now());
                    let finish = taken_in(&shared.flows, &flow, &claim, step, &mut context);
                    Outcome::Whole(Box::new(Concluded { lane, run: claim.run, finish }))
                })
                .await
            }
            Err(stopped) => {
                let finish = self.stopped(&claim, stopped);
                Ok(Outcome::Whole(Box::new(Concluded { lane, run: claim.run, finish })))
            }
        };
        match outcome {
            Ok(outcome) => drop(self.shared.outcomes.send(outcome)),
            Err(error) => tracing::error!(%error, incoming = self.flow.name, "taking a page in panicked"),
        }
    }

    /// One step; `None` where the claim was lost or the store failed.
    async fn step(&self, claim: &Claim) -> Result<Option<Step>, Stopped> {
        let ask: Ask = match serde_json::from_slice(&claim.payload) {
            Ok(ask) => ask,
            Err(error) => {
                let problem = Problem::new("payload_broken", format!("the pull's parameters are unreadable: {error}"));
                return Err(self.refused(claim, problem));
            }
        };
        let left: Left = claim.resume.as_deref().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
        let own = if let PullSource::Http(pull) = &self.flow.source { pull.limit } else { None };
        let limit = ask.limit.into_iter().chain(own).min();
        let room = limit.map(|limit| limit.saturating_sub(left.taken));
        if let Some(payload) = ask.payload {
            return Ok(Some(Step { only: ask.route, ..self.whole(claim, vec![payload]) }));
        }
        if room == Some(0) {
            return Ok(Some(self.whole(claim, Vec::new())));
        }
        match &self.flow.source {
            PullSource::Inline(payloads) => {
                let most = room.map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
                Ok(Some(self.whole(claim, payloads.iter().take(most).cloned().collect())))
            }
            PullSource::Answers | PullSource::Webhook(_) | PullSource::Proxy(_) | PullSource::Call => {
                let problem =
                    Problem::new("incoming_not_runnable", "there is nothing to pull: its data comes by itself");
                Err(self.refused(claim, problem))
            }
            PullSource::Driver(source) => self.page_of_driver(claim, source.as_ref(), left, room).await.map(Some),
            PullSource::Http(pull) => self.page_of_call(claim, pull, left, room).await,
        }
    }

    async fn page_of_driver(
        &self,
        claim: &Claim,
        source: &dyn Source,
        left: Left,
        room: Option<u64>,
    ) -> Result<Step, Stopped> {
        let cursor = self.cursor(claim).await?;
        let limit = room.map_or(PAGE, |room| usize::try_from(room).unwrap_or(PAGE).min(PAGE));
        let keep = BlobKeeper::of(&self.shared);
        let page = source.pull(cursor.as_ref(), limit, &keep).await.map_err(|failure| Stopped {
            end: Box::new(plain_end(claim.token.attempt, self.shared.now(), failure.evidence, Some(failure.problem))),
            effect: Effect::Read,
            final_problem: false,
        })?;
        let taken = left.taken + page.payloads.len() as u64;
        let more = page.more && room.is_none_or(|room| room > page.payloads.len() as u64);
        let (left_out, warnings): (Vec<_>, Vec<_>) = page.problems.into_iter().partition(Problem::is_error);
        let warned = in_one(warnings);
        Ok(Step {
            end: plain_end(claim.token.attempt, self.shared.now(), Evidence::Answered, warned),
            payloads: page.payloads,
            only: None,
            left_out,
            cursor: page.cursor.map(|cursor| (self.flow.lane, Some(Bytes::from(cursor.to_string())))),
            left: more.then_some(Left { taken, pages: left.pages + 1, request: None }),
            wait_until: None,
        })
    }

    /// Where the incoming stands.
    async fn cursor(&self, claim: &Claim) -> Result<Option<Value>, Stopped> {
        let stored = self.shared.parts.store.cursor(self.flow.lane).await;
        let stored = stored.map_err(|error| self.unavailable(claim, error))?;
        Ok(stored.as_deref().and_then(|text| serde_json::from_slice(text).ok()))
    }

    async fn page_of_call(
        &self,
        claim: &Claim,
        pull: &HttpPull,
        left: Left,
        room: Option<u64>,
    ) -> Result<Option<Step>, Stopped> {
        let request = match left.request.clone() {
            Some(request) => request,
            None => match self.first_request(pull).await.map_err(|error| self.unavailable(claim, error))? {
                Ok(Some(request)) => match self.cursor(claim).await? {
                    Some(cursor) => pull.operation.resume(request, &cursor),
                    None => request,
                },
                Ok(None) => return Ok(Some(self.whole(claim, Vec::new()))),
                Err(problem) => return Err(self.refused(claim, problem)),
            },
        };
        let mut prepared = pull.operation.prepare(&request, pull.preflight).map_err(|problems| {
            let mut stopped = self.refused(claim, joined(problems));
            stopped.end.request = serde_json::to_vec(&request).ok().map(Bytes::from);
            stopped
        })?;
        if let (Some(until), Some(size)) = (&mut prepared.http.until, pull.page_size) {
            until.events = size;
        }
        let leave = match admit(&self.shared, &pull.client, 0, 1).await {
            Admitted::Calls(mut leaves) => leaves.pop(),
            Admitted::Full(until) => return Ok(Some(self.wait_for_day(claim, pull, until))),
            Admitted::Stop => None,
        };
        let Some(leave) = leave else {
            self.shared.hand_back(self.flow.lane, vec![claim.token]).await;
            return Ok(None);
        };
        let start = Start {
            token: claim.token,
            at: self.shared.now(),
            revision: self.shared.flows.revision,
            request: serde_json::to_vec(&request).ok().map(Bytes::from),
            mark: None,
        };
        match self.shared.insist_with(vec![start], |starts| self.shared.parts.store.start(starts)).await {
            Ok(held) if held == [true] => {}
            Ok(_) => {
                self.shared.release(self.flow.lane, 1);
                return Ok(None);
            }
            Err(error) => {
                self.shared.signals.fail(error);
                return Ok(None);
            }
        }
        crate::crash::point("after_start");
        let id = format!("{}-{}-{}", self.shared.parts.store.id(), claim.token.task, claim.token.attempt);
        let began = self.shared.now();
        let exchanged = pull
            .client
            .exchange(&prepared.http, pull.operation.credential(), Some(&id), &AnswerFiles::of(&self.shared))
            .await;
        let read = self.read_page(claim, pull, &request, exchanged, &left, room);
        let end = match &read {
            Ok(step) => &step.end,
            Err(stopped) => stopped.end.as_ref(),
        };
        let until = match end.evidence {
            Evidence::Refused { after_ms } => after_ms.map(|after| end.at + after.min(LONGEST_WAIT)),
            _ => None,
        };
        report(&self.shared, &pull.client, leave, end, until, began).await;
        read.map(Some)
    }

    fn read_page(
        &self,
        claim: &Claim,
        pull: &HttpPull,
        request: &Request,
        exchanged: Exchanged,
        left: &Left,
        room: Option<u64>,
    ) -> Result<Step, Stopped> {
        let now = self.shared.now();
        let effect = pull.operation.effect(request);
        let answer = match exchanged.ended_by(pull.operation.as_ref()) {
            Exchanged::Answer(answer) => answer,
            Exchanged::Lost { evidence, problem, part } => {
                let mut end = plain_end(claim.token.attempt, now, evidence, Some(problem));
                end.status = part.map(|part| part.status);
                return Err(Stopped { end: Box::new(end), effect, final_problem: false });
            }
            Exchanged::Unkept { error, head } => {
                let end = Box::new(unkept(&self.shared, claim, error, &head));
                return Err(Stopped { end, effect, final_problem: false });
            }
        };
        let mut reading = pull.operation.read(&answer);
        name_file(&answer, &mut reading);
        let mut end = answered_end(claim.token.attempt, now, &answer, &reading);
        end.usage = used(&pull.client, pull.operation.as_ref(), request, &end, &reading.answer);
        let bad = reading.problem.as_ref().is_some_and(Problem::is_error);
        if bad || reading.evidence != Evidence::Answered {
            let final_problem = reading.permanent || reading.evidence == Evidence::Answered;
            return Err(Stopped { end: Box::new(end), effect, final_problem });
        }
        let items = if pull.split { pull.operation.items(&reading.answer) } else { None };
        let mut cursor = None;
        let mut next =
            items.is_some().then(|| pull.operation.next_page(request, &reading.answer, left.pages)).flatten();
        let mut payloads = items.unwrap_or_else(|| vec![reading.answer]);
        if let Some(stop_when) = &pull.stop_when
            && let Some(first) = first_that(stop_when, &payloads, now).map_err(|problem| Stopped {
                end: Box::new(AttemptEnd { problem: Some(problem.within("stop_when")), ..end.clone() }),
                effect,
                final_problem: true,
            })?
        {
            payloads.truncate(first);
            next = None;
        }
        if let Some(room) = room {
            payloads.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        if let Some(last) = payloads.last().filter(|_| pull.split) {
            cursor = pull.operation.cursor(last).map(|cursor| (self.flow.lane, Some(Bytes::from(cursor.to_string()))));
        }
        let taken = left.taken + payloads.len() as u64;
        let full = room.is_some_and(|room| payloads.len() as u64 >= room);
        let left = next.filter(|_| !full).map(|request| Left { taken, pages: left.pages + 1, request: Some(request) });
        Ok(Step { end, payloads, only: None, left_out: Vec::new(), cursor, left, wait_until: None })
    }

    /// A step that needs nothing from outside and leaves nothing to do.
    fn whole(&self, claim: &Claim, payloads: Vec<Value>) -> Step {
        let end = plain_end(claim.token.attempt, self.shared.now(), Evidence::Answered, None);
        Step { end, payloads, only: None, left_out: Vec::new(), cursor: None, left: None, wait_until: None }
    }

    /// The pull waits until the day's limit begins anew, and says so.
    fn wait_for_day(&self, claim: &Claim, pull: &HttpPull, until: Millis) -> Step {
        let problem = Some(day_is_full(&pull.client));
        let end = plain_end(claim.token.attempt, self.shared.now(), Evidence::NotSent, problem);
        let left = claim.resume.as_deref().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
        Step {
            end,
            payloads: Vec::new(),
            only: None,
            left_out: Vec::new(),
            cursor: None,
            left: Some(left),
            wait_until: Some(until),
        }
    }

    /// A pull that cannot be made at all.
    fn refused(&self, claim: &Claim, problem: Problem) -> Stopped {
        let end = plain_end(claim.token.attempt, self.shared.now(), Evidence::NotSent, Some(problem));
        Stopped { end: Box::new(end), effect: Effect::Read, final_problem: true }
    }

    /// The store does not answer: nothing goes on.
    fn unavailable(&self, claim: &Claim, error: StoreError) -> Stopped {
        let problem = error.problem();
        self.shared.signals.fail(error);
        self.refused(claim, problem)
    }

    fn stopped(&self, claim: &Claim, stopped: Stopped) -> Finish {
        let policy = Policy { retry: self.flow.retry, on_unknown: OnUnknown::Hold };
        let Stopped { end, effect, final_problem } = stopped;
        let case = Case { effect, evidence: end.evidence, final_problem, tries: claim.tries };
        let now = self.shared.now();
        let next = decide(case, &policy, now, self.shared.parts.random.fraction());
        Finish {
            token: claim.token,
            end: *end,
            next,
            new_tasks: Vec::new(),
            cursor: None,
            resume: claim.resume.clone(),
            entries: Entries::default(),
        }
    }

    /// The request to begin with.
    async fn first_request(&self, pull: &HttpPull) -> Result<Result<Option<Request>, Problem>, StoreError> {
        let now = self.shared.now();
        if !pull.input_chain.uses_storages() {
            return Ok(pull.first_request(&self.flow.name, &mut TransformContext::at(now)));
        }
        let flow = self.flow.clone();
        let made = with_storages(&self.shared, now, move |context| match &flow.source {
            PullSource::Http(pull) => pull.first_request(&flow.name, context),
            _ => Ok(None),
        });
        made.await
    }
}

/// Where the first item is for which a condition holds.
fn first_that(condition: &Condition, items: &[Value], now: Millis) -> Result<Option<usize>, Problem> {
    for (index, item) in items.iter().enumerate() {
        if condition.holds(item, now)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// A page with everything that follows from it: the end of the attempt, the tasks, the cursor.
pub(super) fn taken_in(
    flows: &Flows,
    flow: &PullFlow,
    claim: &Claim,
    step: Step,
    context: &mut TransformContext,
) -> Finish {
    let now = context.now;
    let Step { end, payloads, only, left_out: problems, cursor, left, wait_until } = step;
    let mut new_tasks = Vec::with_capacity(payloads.len() + problems.len());
    for payload in payloads {
        new_tasks.extend(fed(flow, payload, only.as_deref(), claim, context));
    }
    new_tasks.extend(problems.into_iter().map(|problem| left_out(flow.lane, problem, claim, now)));
    let resume = left.as_ref().and_then(|left| serde_json::to_vec(left).ok()).map(Bytes::from);
    let next = match (wait_until, &left) {
        (Some(until), _) => Next::Waiting(until),
        (None, Some(_)) => Next::Again(now),
        (None, None) => Next::Finished,
    };
    Finish { token: claim.token, end, next, new_tasks, cursor, resume, entries: flows.entries(context) }
}
