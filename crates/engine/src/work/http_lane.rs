//! Push tasks that become HTTP calls (or, with publisher `none`, nothing).
//!
//! Claims are transformed and checked ahead; as permits come free, START of as many tasks is committed and their bytes
//! leave. A permit is given back when the answer is in, not when it is committed.

use super::admission::{Admitted, Leave, admit, day_is_full, report, still_open};
use super::answered::{self, Kept};
use super::conclude::{Ended, end_state, plain_end};
use super::dispatch::Shared;
use super::file::{name_file, read_lines};
use super::keep::AnswerFiles;
use super::settle::Outcome;
use super::storages::with_storages;
use super::wait::{self, Waiting};
use super::{look, repeat};
use crate::crash;
use crate::decide::{Case, LONGEST_WAIT, decide};
use crate::exchange::{Client, Exchanged, redact_headers};
use crate::flow::{HttpPush, PushFlow, PushTarget};
use crate::overheard::Reader;
use crate::spans::Attempted;
use bytes::Bytes;
use model::definition::AnswerAs;
use model::{
    Effect, Evidence, HttpAnswer, Millis, Operation, Prepared, Problem, Reading, Request, TransformContext, Usage,
};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use store::{AttemptEnd, Claim, Next, Start, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

pub(super) struct HttpLane {
    shared: Arc<Shared>,
    flow: Arc<PushFlow>,
}

/// A task that passed preflight.
struct Ready {
    claim: Claim,
    request: Request,
    recorded: Bytes,
    prepared: Prepared,
    /// It asks about a call that was made before.
    question: Option<Question>,
}

/// What a task asks about a call that was made before.
enum Question {
    /// How the work stands that it started.
    Progress(Box<Waiting>),
    /// Whether what it would have made is there; its answer was lost.
    Look,
}

/// What was asked, for its answer.
struct Asked {
    claim: Claim,
    request: Request,
    question: Option<Question>,
    /// When its bytes began to leave.
    began: Millis,
    /// What preflight noticed and let pass.
    noticed: Vec<Problem>,
}

/// What preparing one claim came to.
enum Prepares {
    Ready(Box<Ready>),
    Ended(Box<Ended>),
}

/// Its HTTP client's leave, and the route's own permit.
type Permits = (Leave, OwnedSemaphorePermit);

impl HttpLane {
    pub(super) fn new(shared: Arc<Shared>, flow: Arc<PushFlow>) -> Self {
        Self { shared, flow }
    }

    pub(super) async fn run(self, mut inbox: mpsc::UnboundedReceiver<Vec<Claim>>) {
        let lane = Arc::new(self);
        let (ready, waiting) = mpsc::unbounded_channel();
        let sender = tokio::spawn(lane.clone().send_all(waiting));
        while let Some(claims) = inbox.recv().await {
            for one in lane.prepare_all(claims).await {
                match one {
                    Prepares::Ready(one) => drop(ready.send(*one)),
                    Prepares::Ended(ended) => drop(lane.shared.outcomes.send(Outcome::Push(ended))),
                }
            }
        }
        drop(ready);
        sender.abort();
    }

    /// Prepares claims off the async threads.
    async fn prepare_all(&self, claims: Vec<Claim>) -> Vec<Prepares> {
        let (flow, now, store) = (self.flow.clone(), self.shared.now(), self.shared.parts.store.id().to_owned());
        if !flow.looks_up() {
            let prepared = tokio::task::spawn_blocking(move || {
                let mut context = TransformContext::at(now);
                claims.into_iter().map(|claim| prepare(&flow, &store, claim, &mut context)).collect()
            });
            return prepared.await.unwrap_or_default();
        }
        let prepared = with_storages(&self.shared, now, move |context| {
            claims.iter().map(|claim| prepare(&flow, &store, claim.clone(), context)).collect()
        });
        prepared.await.unwrap_or_else(|error| {
            self.shared.signals.fail(error);
            Vec::new()
        })
    }

    /// Sends what is ready as it gets leave.
    async fn send_all(self: Arc<Self>, mut waiting: mpsc::UnboundedReceiver<Ready>) {
        let PushTarget::Http(push) = &self.flow.target else { return };
        let own = Arc::new(Semaphore::new(self.flow.parallel as usize));
        let mut ready: VecDeque<Ready> = VecDeque::new();
        loop {
            if ready.is_empty() {
                let Some(first) = waiting.recv().await else { return };
                ready.push_back(first);
            }
            let Ok(permit) = own.clone().acquire_owned().await else { return };
            let mut permits = vec![permit];
            while let Ok(permit) = own.clone().try_acquire_owned() {
                if ready.len() <= permits.len() {
                    let Ok(next) = waiting.try_recv() else { break };
                    ready.push_back(next);
                }
                permits.push(permit);
            }
            if self.shared.stopping() {
                self.give_back(&mut ready).await;
                continue;
            }
            let admitted = admit(&self.shared, &push.client, self.flow.priority, permits.len()).await;
            let leaves = match admitted {
                Admitted::Calls(leaves) => leaves,
                Admitted::Full(until) => {
                    ready.extend(std::iter::from_fn(|| waiting.try_recv().ok()));
                    ready.drain(..).for_each(|ready| self.wait_for_day(ready, &push.client, until));
                    continue;
                }
                Admitted::Stop => {
                    self.give_back(&mut ready).await;
                    continue;
                }
            };
            let batch = leaves.into_iter().zip(permits).map_while(|permits| Some((ready.pop_front()?, permits)));
            tokio::spawn(self.clone().start(batch.collect()));
        }
    }

    /// The task waits until the day's limit begins anew, and says so.
    fn wait_for_day(&self, ready: Ready, client: &Client, until: Millis) {
        let Ready { claim, request, .. } = ready;
        let problem = Some(day_is_full(client));
        let mut end = plain_end(claim.token.attempt, self.shared.now(), Evidence::NotSent, problem);
        let mut next = Next::Waiting(until);
        self.flow.keep_deadline(claim.created_at, &mut next, &mut end.problem);
        let ended = Ended { claim, request: Some(request), answer: Value::Null, end, next, resume: None };
        let _ = self.shared.outcomes.send(Outcome::Push(Box::new(ended)));
    }

    async fn give_back(&self, ready: &mut VecDeque<Ready>) {
        let tokens = ready.drain(..).map(|ready| ready.claim.token).collect();
        self.shared.hand_back(self.flow.lane, tokens).await;
    }

    /// Commits START of a batch, then lets the bytes leave.
    async fn start(self: Arc<Self>, batch: Vec<(Ready, Permits)>) {
        let (at, revision) = (self.shared.now(), self.shared.flows.revision);
        let starts = batch.iter().map(|(ready, _)| Start {
            token: ready.claim.token,
            at,
            revision,
            request: Some(ready.recorded.clone()),
            mark: None,
        });
        let starts: Vec<Start> = starts.collect();
        let held = match self.shared.insist_with(starts, |starts| self.shared.parts.store.start(starts)).await {
            Ok(held) => held,
            Err(error) => return self.shared.signals.fail(error),
        };
        crash::point("after_start");
        for ((ready, permits), held) in batch.into_iter().zip(held) {
            if held {
                tokio::spawn(self.clone().exchange(ready, permits));
            } else {
                // Another engine took the task over: it is theirs now.
                self.shared.let_go(std::iter::once(ready.claim.token));
                self.shared.release(self.flow.lane, 1);
            }
        }
    }

    async fn exchange(self: Arc<Self>, ready: Ready, permits: Permits) {
        let PushTarget::Http(push) = &self.flow.target else { return };
        let Ready { claim, request, mut prepared, question, .. } = ready;
        let noticed = std::mem::take(&mut prepared.warnings);
        // Lines are read where they can be told apart: in memory.
        prepared.http.keep &= push.answer_as != AnswerAs::Lines;
        let asked = match &question {
            Some(Question::Progress(_)) => wait::asked(push).ok(),
            Some(Question::Look) => push.operation.find(),
            None => None,
        };
        let operation = asked.as_ref().unwrap_or(&push.operation);
        let id = format!("{}-{}-{}", self.shared.parts.store.id(), claim.token.task, claim.token.attempt);
        let (leave, own) = permits;
        let files = AnswerFiles::of(&self.shared);
        let is_open = still_open(&self.shared, &push.client, leave.is_probe).await;
        let began = self.shared.now();
        let exchanged = if is_open {
            let task = claim.token.task;
            let mut aloud = Reader::new(self.shared.parts.standing.overheard(), task, operation.as_ref());
            let hear = &mut |piece: &[u8]| aloud.hear(piece);
            push.client.exchange_heard(&prepared.http, operation.credential(), Some(&id), &files, hear).await
        } else {
            let reason = "it was time to stop before the service let calls through again";
            Exchanged::Lost { evidence: Evidence::NotSent, problem: Problem::new("stopped", reason), part: None }
        };
        let ended = if let Some(Question::Look) = question {
            look::judge(&self.shared, &self.flow, push, claim, exchanged)
        } else {
            let asked = Asked { claim, request, question, began, noticed };
            self.judge(push, operation.as_ref(), asked, exchanged)
        };
        self.tell_span(push, operation.as_ref(), &ended, began);
        let until = match (ended.end.evidence, ended.next) {
            (Evidence::Refused { .. }, Next::Retry(at)) => Some(at),
            (Evidence::Refused { after_ms }, _) => after_ms.map(|after| self.shared.now() + after.min(LONGEST_WAIT)),
            _ => None,
        };
        drop(own);
        if is_open {
            report(&self.shared, &push.client, leave, &ended.end, until, began).await;
        }
        let _ = self.shared.outcomes.send(Outcome::Push(Box::new(ended)));
    }

    /// Tells who draws them of an attempt that made a call.
    fn tell_span(&self, push: &HttpPush, operation: &dyn Operation, ended: &Ended, began: Millis) {
        let Ended { claim, end, next, .. } = ended;
        self.shared.parts.standing.spans().tell(|| Attempted {
            task: claim.token.task,
            run: claim.run,
            kind: "route",
            name: self.flow.name.clone(),
            client: push.client.name().to_owned(),
            operation: operation.signature(),
            attempt: claim.token.attempt,
            created_at: claim.created_at,
            times: (began, end.at),
            evidence: end.evidence,
            status: end.status,
            code: end.problem.as_ref().filter(|problem| problem.is_error()).map(|problem| problem.code.to_string()),
            state: end_state(*next),
        });
    }

    fn judge(&self, push: &HttpPush, operation: &dyn Operation, asked: Asked, exchanged: Exchanged) -> Ended {
        let Asked { claim, request, question, began, noticed } = asked;
        let waiting = match question {
            Some(Question::Progress(waiting)) => Some(*waiting),
            Some(Question::Look) | None => None,
        };
        let now = self.shared.now();
        let effect = operation.effect(&request);
        let repeated = repeat::may_have_worked(&claim);
        let (mut end, answer, final_problem) = match exchanged.ended_by(operation) {
            Exchanged::Answer(answer) => {
                let (mut end, answer, bad) = self.read_answer(push, operation, &claim, &answer, repeated);
                end.usage = used(&push.client, operation, &request, &end, &answer);
                (end, answer, bad)
            }
            Exchanged::Lost { evidence, problem, part } => {
                let mut end = plain_end(claim.token.attempt, now, evidence, Some(problem));
                if let Some(part) = part {
                    end.status = Some(part.status);
                    end.headers = Some(redact_headers(&part.headers));
                    end.answer = (!part.body.is_empty()).then(|| operation.read_part(&part).to_string().into());
                }
                (end, Value::Null, false)
            }
            Exchanged::Unkept { error, head } => (unkept(&self.shared, &claim, error, &head), Value::Null, false),
        };
        let case = Case { effect, evidence: end.evidence, final_problem, tries: claim.tries };
        let mut next = decide(case, &self.flow.policy, now, self.shared.parts.random.fraction());
        // A report names the request that started the work, not the question how it stands.
        let started = match &waiting {
            Some(waiting) => waiting.started.clone(),
            None => request,
        };
        let mut resume = wait::gone(waiting.as_ref(), &mut end).then_some(wait::FORGET);
        if waiting.is_none() {
            resume = repeat::remember(effect, end.evidence);
        }
        if next == Next::Finished
            && let Some(turn) = wait::turn(push, waiting, &started, &answer, &mut end, now)
        {
            (next, resume) = (turn.next, turn.resume);
        }
        self.flow.keep_deadline(claim.created_at, &mut next, &mut end.problem);
        // Beyond any deadline: whether it happened is to be known.
        if effect == Effect::Findable
            && matches!(end.evidence, Evidence::Unknown | Evidence::ErrorAnswer)
            && let Some(turn) = look::begin(push, &claim, &started, (began, now), &mut end)
        {
            (next, resume) = (turn.next, turn.resume);
        }
        if end.evidence == Evidence::Answered && end.problem.is_none() && !noticed.is_empty() {
            end.problem = Some(drift(&noticed));
        }
        if end.evidence == Evidence::Unknown && next == Next::Unknown {
            end.problem = end.problem.map(|problem| problem.hint(UNKNOWN_HINT));
        }
        Ended { claim, request: Some(started), answer, end, next, resume }
    }

    fn read_answer(
        &self,
        push: &HttpPush,
        operation: &dyn Operation,
        claim: &Claim,
        answer: &HttpAnswer,
        repeated: bool,
    ) -> (AttemptEnd, Value, bool) {
        let mut reading = operation.read(answer);
        if repeated && answer.status == 404 && operation.signature().starts_with("DELETE ") {
            // An earlier delete may have worked; the wish is fulfilled either way. Where none can have, 404 is a mistake.
            reading.evidence = Evidence::Answered;
            reading.problem =
                Some(Problem::new("already_gone", "it was already gone when the delete was repeated").warning());
        }
        if push.answer_as == AnswerAs::Lines {
            read_lines(answer, &mut reading);
        }
        name_file(answer, &mut reading);
        let end = answered_end(claim.token.attempt, self.shared.now(), answer, &reading);
        let bad = reading.problem.as_ref().is_some_and(Problem::is_error) && reading.evidence == Evidence::Answered;
        (end, reading.answer, bad || reading.permanent)
    }
}

/// What a person can do about a task at `unknown`.
pub(super) const UNKNOWN_HINT: &str =
    "the call may have worked; look at the far side, then: tramontane tasks resolve ID --as finished|failed|resend";

/// Transforms, builds and checks one claim. Nothing is sent.
fn prepare(flow: &PushFlow, store: &str, claim: Claim, context: &mut TransformContext) -> Prepares {
    let now = context.now;
    let ended = |claim: Claim, request: Option<Request>, problem: Option<Problem>, next| {
        let mut end = plain_end(claim.token.attempt, now, Evidence::NotSent, problem);
        end.request = request.clone().map(|request| request.into_value().to_string().into());
        Prepares::Ended(Box::new(Ended { claim, request, answer: Value::Null, end, next, resume: None }))
    };
    if let (PushTarget::Http(push), Some(look)) = (&flow.target, look::looking(&claim)) {
        return match look::question(push, &look) {
            Ok(prepared) => {
                let recorded = serde_json::to_vec(&look.request).unwrap_or_default().into();
                let question = Some(Question::Look);
                Prepares::Ready(Box::new(Ready { claim, request: look.request, recorded, prepared, question }))
            }
            Err(problems) => ended(claim, Some(look.started), Some(joined(problems)), Next::Unknown),
        };
    }
    if let Some(problem) = flow.too_late(claim.created_at, now) {
        return ended(claim, None, Some(problem), Next::Failed);
    }
    if let (PushTarget::Http(push), Some(waiting)) = (&flow.target, wait::waiting(&claim)) {
        return match wait::question(push, &waiting) {
            Ok(prepared) => {
                let request = waiting.request.clone();
                let question = Some(Question::Progress(Box::new(waiting)));
                let recorded = serde_json::to_vec(&request).unwrap_or_default().into();
                Prepares::Ready(Box::new(Ready { claim, request, recorded, prepared, question }))
            }
            Err(problems) => ended(claim, Some(waiting.started), Some(joined(problems)), Next::Failed),
        };
    }
    if let Some(kept) = answered::kept(&claim) {
        return Prepares::Ended(Box::new(used_again(claim, kept, now)));
    }
    let payload = match serde_json::from_slice(&claim.payload) {
        Ok(payload) => payload,
        Err(error) => {
            let problem = Problem::new("payload_broken", format!("the stored payload is no JSON: {error}"));
            return ended(claim, None, Some(problem), Next::Failed);
        }
    };
    crash::poison(&claim.payload);
    let data = match flow.transform(payload, context) {
        Ok(Some(data)) => data,
        Ok(None) => return ended(claim, None, Some(dropped()), Next::Skipped),
        Err(problem) => return ended(claim, None, Some(problem), Next::Failed),
    };
    let PushTarget::Http(push) = &flow.target else {
        let mut end = plain_end(claim.token.attempt, now, Evidence::Answered, None);
        end.answer = Some(data.to_string().into());
        return Prepares::Ended(Box::new(Ended {
            claim,
            request: None,
            answer: data,
            end,
            next: Next::Finished,
            resume: None,
        }));
    };
    match push.prepare(data, &flow.outgoing, &format!("{store}-{}", claim.token.task), context) {
        Ok(Some((request, prepared))) => {
            for warning in &prepared.warnings {
                tracing::debug!(task = claim.token.task.0, %warning, "preflight");
            }
            let recorded = serde_json::to_vec(&request).unwrap_or_default().into();
            Prepares::Ready(Box::new(Ready { claim, request, recorded, prepared, question: None }))
        }
        Ok(None) => ended(claim, None, Some(dropped()), Next::Skipped),
        Err(refused) => {
            ended(claim, refused.request.map(|request| *request), Some(joined(refused.problems)), Next::Failed)
        }
    }
}

/// The end of an attempt that uses the answer of an earlier one: nothing is sent.
fn used_again(claim: Claim, kept: Kept, now: Millis) -> Ended {
    let reason = format!("the kept answer of attempt {} was used; nothing was sent", kept.from_attempt);
    let problem = Problem::new("from_answer", reason).warning();
    let end = plain_end(claim.token.attempt, now, Evidence::Answered, Some(problem));
    let (next, resume) = (Next::Finished, Some(wait::FORGET));
    Ended { claim, request: kept.request, answer: kept.answer, end, next, resume }
}

/// The catalogue said no and the service said yes: the catalogue is behind, or stricter than the service.
fn drift(noticed: &[Problem]) -> Problem {
    let noticed: Vec<String> = noticed.iter().map(ToString::to_string).collect();
    let reason = format!("the service took what preflight warned of: {}", noticed.join("; "));
    Problem::new("drift", reason).warning()
}

fn dropped() -> Problem {
    Problem::new("dropped", "the transformers dropped the payload").warning()
}

/// One problem that says all of them: a task has one.
pub(super) fn joined(problems: Vec<Problem>) -> Problem {
    let mut problems = problems.into_iter().filter(Problem::is_error);
    let mut first = problems.next().unwrap_or_else(|| Problem::new("refused", "the request was refused"));
    let others: Vec<String> = problems.map(|problem| problem.to_string()).collect();
    if !others.is_empty() {
        first.reason = format!("{}; also: {}", first.reason, others.join("; "));
    }
    first
}

/// The record of a complete answer.
pub(super) fn answered_end(number: u32, now: Millis, answer: &HttpAnswer, reading: &Reading) -> AttemptEnd {
    // JSON is kept as it came; anything else as a JSON text.
    let kept = match &reading.answer {
        Value::Null if answer.body.is_empty() => None,
        Value::String(_) | Value::Null => Some(Bytes::from(reading.answer.to_string())),
        _ if reading.folded => Some(Bytes::from(reading.answer.to_string())),
        _ => Some(answer.body.clone()),
    };
    AttemptEnd {
        number,
        at: now,
        evidence: reading.evidence,
        status: Some(answer.status),
        problem: reading.problem.clone(),
        answer: kept,
        headers: Some(redact_headers(&answer.headers)),
        usage: None,
        request: None,
    }
}

/// The end of a call whose answer could not be kept. Nothing more is sent; whether to ask again is for a person to say.
pub(super) fn unkept(shared: &Shared, claim: &Claim, error: StoreError, head: &HttpAnswer) -> AttemptEnd {
    let mut end = plain_end(claim.token.attempt, shared.now(), Evidence::Unknown, Some(error.problem()));
    (end.status, end.headers) = (Some(head.status), Some(redact_headers(&head.headers)));
    shared.signals.fail(error);
    end
}

/// What a call used, where it was answered.
pub(super) fn used(
    client: &Client,
    operation: &dyn Operation,
    request: &Request,
    end: &AttemptEnd,
    answer: &Value,
) -> Option<Usage> {
    (end.evidence == Evidence::Answered).then(|| operation.usage(request, answer, client.base())).flatten()
}
