//! The way out: transformers, publisher.

use crate::decide::Policy;
use crate::exchange::Client;
use crate::transformers::Chain;
use model::definition::{AnswerAs, Poll, Span};
use model::driver::Target;
use model::http::Preflight;
use model::request::Input;
use model::schema::Checker;
use model::{Millis, Operation, Prepared, Problem, Request, TransformContext};
use serde_json::Value;
use std::sync::Arc;
use store::{LaneId, Next};

/// A route's way out.
pub struct PushFlow {
    /// Lane of its push tasks.
    pub lane: LaneId,
    /// Name of the route.
    pub name: String,
    /// Name of the outgoing.
    pub outgoing: String,
    /// The outgoing's transformers.
    pub chain: Chain,
    /// Where the data goes.
    pub target: PushTarget,
    /// How many may be under way.
    pub parallel: u32,
    /// What happens after an attempt.
    pub policy: Policy,
    /// Where routes compete for a client, smaller comes first.
    pub priority: i32,
    /// A task that is not finished so long after it came fails.
    pub deadline: Option<Millis>,
}

/// Where data goes.
pub enum PushTarget {
    /// Nowhere: the task is finished when it is transformed.
    Nothing,
    /// To a driver: a file.
    Driver(Arc<dyn Target>),
    /// Into a call.
    Http(Box<HttpPush>),
}

/// A publisher of an HTTP-shaped connector.
pub struct HttpPush {
    /// Whom to ask.
    pub client: Arc<Client>,
    /// What to ask.
    pub operation: Arc<dyn Operation>,
    /// The base of every request.
    pub parameters: Request,
    /// What the data is taken for.
    pub input: Input,
    /// Run on the whole request.
    pub request_chain: Chain,
    /// How strict preflight is.
    pub preflight: Preflight,
    /// What an answer that is a file is taken for.
    pub answer_as: AnswerAs,
    /// Run on the answer.
    pub answer_chain: Chain,
    /// What the answer must be after that.
    pub expect: Option<Expect>,
    /// The work that the operation starts is waited for.
    pub wait: Option<Wait>,
}

/// What an answer must be.
pub struct Expect {
    /// The schema, compiled.
    pub checker: Checker,
}

/// How work is waited for.
pub struct Wait {
    /// What tells how it stands.
    pub operation: Arc<dyn Operation>,
    /// How often to ask.
    pub poll: Poll,
}

impl PushFlow {
    /// Whether what runs before a call looks anything up in storages.
    #[must_use]
    pub fn looks_up(&self) -> bool {
        let request_chain = match &self.target {
            PushTarget::Http(push) => Some(&push.request_chain),
            PushTarget::Driver(_) | PushTarget::Nothing => None,
        };
        self.chain.uses_storages() || request_chain.is_some_and(Chain::uses_storages)
    }

    /// Runs the outgoing's transformers: none where they drop the payload.
    ///
    /// # Errors
    /// A transformer's problem, or `outgoing_fan_out`: a task is one delivery, so it has one payload.
    pub fn transform(&self, payload: Value, context: &mut TransformContext) -> Result<Option<Value>, Problem> {
        let place = || format!("outgoing.{}.transformers", self.outgoing);
        single(&self.chain, payload, context, place)
    }
}

impl PushFlow {
    /// Why a task that came at this time is not begun any more.
    #[must_use]
    pub fn too_late(&self, came: Millis, now: Millis) -> Option<Problem> {
        let deadline = self.deadline.filter(|deadline| now - came > *deadline)?;
        let reason = format!("it came {} ago, and its route's deadline is {}", Span(now - came), Span(deadline));
        Some(Problem::new("deadline_passed", reason).at(format!("routes.{}.deadline", self.name)))
    }

    /// Gives up where the next attempt would come after the deadline.
    pub fn keep_deadline(&self, came: Millis, next: &mut Next, problem: &mut Option<Problem>) {
        let late = |at: Millis| self.deadline.is_some_and(|deadline| at - came > deadline);
        if matches!(next, Next::Retry(at) | Next::Waiting(at) if late(*at)) {
            *next = Next::Failed;
            let hint = format!("it was given up: another attempt would come after the deadline of {}", self.name);
            *problem = problem.take().map(|problem| problem.hint(hint));
        }
    }
}

impl HttpPush {
    /// Builds the request of one payload and checks it. Nothing is sent. `mark` tells it from all others, where it can be
    /// found by a mark.
    ///
    /// # Errors
    /// Everything that preflight refuses; `Ok(None)` where the request transformers drop the request.
    pub fn prepare(
        &self,
        data: Value,
        outgoing: &str,
        mark: &str,
        context: &mut TransformContext,
    ) -> Result<Option<(Request, Prepared)>, Refused> {
        let early = |problem| Refused { request: None, problems: vec![problem] };
        let mut request = self.parameters.clone();
        match self.input {
            Input::Payload => request.payload = Some(data),
            Input::Request => request.lay_over(data).map_err(early)?,
        }
        if !self.request_chain.is_empty() {
            let place = || format!("outgoing.{outgoing}.publisher.request_transformers");
            let Some(changed) = single(&self.request_chain, request.into_value(), context, place).map_err(early)?
            else {
                return Ok(None);
            };
            request = Request::from_value(changed).map_err(|problem| early(problem.within(&place())))?;
        }
        self.operation.mark(&mut request, mark);
        match self.operation.prepare(&request, self.preflight) {
            Ok(prepared) => Ok(Some((request, prepared))),
            Err(problems) => Err(Refused { request: Some(Box::new(request)), problems }),
        }
    }
}

/// A request that is not sent.
pub struct Refused {
    /// As far as it was built.
    pub request: Option<Box<Request>>,
    /// Why.
    pub problems: Vec<Problem>,
}

/// Runs transformers where one payload must stay at most one.
pub(crate) fn single(
    chain: &Chain,
    payload: Value,
    context: &mut TransformContext,
    place: impl Fn() -> String,
) -> Result<Option<Value>, Problem> {
    if chain.is_empty() {
        return Ok(Some(payload));
    }
    let mut out = chain.apply(payload, context).map_err(|problem| problem.within(&place()))?;
    if out.len() > 1 {
        let reason = format!("the transformers made {} payloads of one, here there can be one", out.len());
        return Err(Problem::new("outgoing_fan_out", reason)
            .at(place())
            .hint("split on the incoming or the route, where each payload becomes a task of its own"));
    }
    Ok(out.pop())
}

impl super::HttpPull {
    /// The request to begin with: the parameters after the input transformers.
    ///
    /// # Errors
    /// A transformer's problem, or parameters that are no request any more; `Ok(None)` where they drop it.
    pub fn first_request(&self, incoming: &str, context: &mut TransformContext) -> Result<Option<Request>, Problem> {
        let request = if self.input_chain.is_empty() {
            Some(self.parameters.clone())
        } else {
            let place = || format!("incoming.{incoming}.subscriber.input_transformers");
            let changed = single(&self.input_chain, self.parameters.clone().into_value(), context, place)?;
            changed.map(|value| Request::from_value(value).map_err(|problem| problem.within(&place()))).transpose()?
        };
        Ok(match (request, self.page_size) {
            (Some(request), Some(size)) => self.operation.sized(request.clone(), size).or(Some(request)),
            (request, _) => request,
        })
    }
}
