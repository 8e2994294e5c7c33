//! The way in: source, transformers, the routes that are fed.

use super::{Proxy, Webhook};
use crate::definitions::builtin::On;
use crate::exchange::Client;
use crate::transformers::path::Path;
use crate::transformers::{Chain, Condition};
use model::definition::Retry;
use model::driver::Source;
use model::http::Preflight;
use model::{Millis, Operation, Problem, Request, TaskState, TransformContext};
use serde_json::Value;
use std::sync::Arc;
use store::LaneId;

/// An incoming with the routes on it.
pub struct PullFlow {
    /// Lane of its pull tasks.
    pub lane: LaneId,
    /// Name of the incoming.
    pub name: String,
    /// Where the data comes from.
    pub source: PullSource,
    /// The incoming's transformers.
    pub chain: Chain,
    /// The routes on it.
    pub feeds: Vec<Feed>,
    /// When a pull that failed is tried again.
    pub retry: Retry,
    /// Its tasks come before all that is queued.
    pub real_time: bool,
    /// Where what people call a payload stands in it.
    pub identifier: Option<Path>,
}

/// Letters of what people call a payload at most.
const LONGEST_IDENTIFIER: usize = 200;

/// Where data comes from.
pub enum PullSource {
    /// Payloads that stand in the definition.
    Inline(Vec<Value>),
    /// Answers of a route: nothing to pull, payloads come as tasks.
    Answers,
    /// Others send: nothing to pull, each event comes as a pull task with its payload.
    Webhook(Box<Webhook>),
    /// Others call and wait for the answer: nothing to pull, each call comes as a pull task with its payload.
    Proxy(Proxy),
    /// People call an operation: nothing to pull, each call comes as a pull task with its request.
    Call,
    /// A driver: a file.
    Driver(Arc<dyn Source>),
    /// A call.
    Http(Box<HttpPull>),
}

/// A subscriber of an HTTP-shaped connector.
pub struct HttpPull {
    /// Whom to ask.
    pub client: Arc<Client>,
    /// What to ask.
    pub operation: Arc<dyn Operation>,
    /// The request parameters as defined.
    pub parameters: Request,
    /// Run on the request parameters.
    pub input_chain: Chain,
    /// Whether a list becomes one payload per item.
    pub split: bool,
    /// Takes in at most this many payloads in one run.
    pub limit: Option<u64>,
    /// Items asked for at a time.
    pub page_size: Option<u32>,
    /// Ends the run at the first item for which it holds.
    pub stop_when: Option<Condition>,
    /// How strict preflight is.
    pub preflight: Preflight,
}

/// A route on an incoming: what happens to a payload on its way into the route's lane.
pub struct Feed {
    /// Lane of the route.
    pub lane: LaneId,
    /// Name of the route.
    pub route: String,
    /// The route's transformers.
    pub chain: Chain,
    /// Where the key is that tasks keep their order by.
    pub order_by: Option<Path>,
    /// A task is not begun before so long after it came.
    pub delay: Millis,
}

/// A payload on its way into a lane.
pub struct Fed {
    /// Lane of the route.
    pub lane: LaneId,
    /// The payload.
    pub payload: Value,
    /// Its order key.
    pub order_key: Option<String>,
    /// What people call it.
    pub identifier: Option<String>,
    /// It is not begun before so long from now.
    pub delay: Millis,
}

/// An incoming that listens to the answers of a route.
pub struct Listener {
    /// Which ends it wants.
    pub on: On,
    /// What happens to the answer.
    pub pull: Arc<PullFlow>,
}

impl Listener {
    /// Whether it wants to hear of a task that ended so.
    #[must_use]
    pub fn wants(&self, state: TaskState) -> bool {
        match self.on {
            On::Finished => state == TaskState::Finished,
            On::Failed => state == TaskState::Failed,
            On::Unknown => state == TaskState::Unknown,
            On::All => matches!(state, TaskState::Finished | TaskState::Failed | TaskState::Unknown),
        }
    }
}

impl PullFlow {
    /// Whether its transformers, or those of the routes on it, read or write storages.
    #[must_use]
    pub fn uses_storages(&self) -> bool {
        self.chain.uses_storages() || self.feeds.iter().any(|feed| feed.chain.uses_storages())
    }

    /// Whether what comes has to be taken in one after the other: a route keeps an order, or what is remembered of one
    /// payload counts for the next.
    #[must_use]
    pub fn keeps_order(&self) -> bool {
        self.uses_storages() || self.feeds.iter().any(|feed| feed.order_by.is_some())
    }

    /// Whether anything changes payloads on their way.
    #[must_use]
    pub fn has_transformers(&self) -> bool {
        !self.chain.is_empty() || self.feeds.iter().any(|feed| !feed.chain.is_empty())
    }

    /// Whether its data comes by itself, so that there is nothing to pull.
    #[must_use]
    pub fn is_fed(&self) -> bool {
        matches!(self.source, PullSource::Answers | PullSource::Webhook(_) | PullSource::Proxy(_) | PullSource::Call)
    }

    /// Sends one payload through the incoming's and every route's transformers: which payloads go into which lane. With
    /// `only` through those of one route: somebody waits for one answer, so one payload may come of it.
    ///
    /// # Errors
    /// The first problem; then nothing of this payload goes anywhere.
    pub fn feed(
        &self,
        payload: Value,
        only: Option<&str>,
        context: &mut TransformContext,
    ) -> Result<Vec<Fed>, Problem> {
        let taken = self
            .chain
            .apply(payload, context)
            .map_err(|problem| problem.within(&format!("incoming.{}.transformers", self.name)))?;
        let mut out = Vec::with_capacity(taken.len() * self.feeds.len());
        if let Some(route) = only {
            return self.feed_one(taken, route, context);
        }
        for payload in taken {
            let Some((last, others)) = self.feeds.split_last() else { continue };
            let identifier = self.identifier_of(&payload);
            for feed in others {
                feed.apply(payload.clone(), identifier.as_deref(), context, &mut out)?;
            }
            last.apply(payload, identifier.as_deref(), context, &mut out)?;
        }
        Ok(out)
    }
}

impl PullFlow {
    /// What people call a payload, cut where it is long.
    fn identifier_of(&self, payload: &Value) -> Option<String> {
        let found = self.identifier.as_ref()?.find(payload).filter(|found| !found.is_null())?;
        Some(key_text(found).chars().take(LONGEST_IDENTIFIER).collect())
    }

    fn feed_one(&self, taken: Vec<Value>, route: &str, context: &mut TransformContext) -> Result<Vec<Fed>, Problem> {
        let feed = self.feeds.iter().find(|feed| feed.route == route).ok_or_else(|| {
            Problem::new("reference_unknown", format!("there is no route \"{route}\" on {}", self.name))
        })?;
        let mut out = Vec::new();
        for payload in taken {
            let identifier = self.identifier_of(&payload);
            feed.apply(payload, identifier.as_deref(), context, &mut out)?;
        }
        if out.len() > 1 {
            let reason =
                format!("the transformers made {} payloads of one, and somebody waits for one answer", out.len());
            return Err(Problem::new("proxy_fan_out", reason).at(format!("routes.{route}")));
        }
        Ok(out)
    }
}

/// A value as a key: a text as it is, anything else as JSON.
fn key_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Feed {
    fn apply(
        &self,
        payload: Value,
        identifier: Option<&str>,
        context: &mut TransformContext,
        out: &mut Vec<Fed>,
    ) -> Result<(), Problem> {
        let payloads = self.chain.apply(payload, context).map_err(|problem| problem.within("route transformers"))?;
        out.extend(payloads.into_iter().map(|payload| Fed {
            lane: self.lane,
            order_key: self.order_by.as_ref().and_then(|path| path.find(&payload)).map(key_text),
            identifier: identifier.map(str::to_owned),
            delay: self.delay,
            payload,
        }));
        Ok(())
    }
}
