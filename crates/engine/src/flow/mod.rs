//! Definitions, compiled: what the engine runs.
//!
//! Everything that can be wrong with a definition is found here or before; at run time only data can be wrong.

mod call;
mod compile;
mod proxy;
mod pull;
mod push;
mod webhook;

pub use call::Call;
pub use compile::{Parts, compile, open_client};
pub(crate) use compile::{expected, nothing_to_wait_for};
pub use proxy::Proxy;
pub use pull::{Fed, Feed, HttpPull, Listener, PullFlow, PullSource};
pub(crate) use push::single;
pub use push::{Expect, HttpPush, PushFlow, PushTarget, Refused, Wait};
pub(crate) use webhook::sign;
pub use webhook::{Event, Refusal, Webhook};

use crate::exchange::Client;
use crate::schedule::Scheduled;
use model::definition::Definitions;
use model::{EntryKey, Millis, TransformContext};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::{Entries, EntryWrite, LaneId};

/// All flows of one revision of the definitions.
#[derive(Default)]
pub struct Flows {
    /// The revision they were compiled from; attempts record it.
    pub revision: i64,
    /// By lane of the incoming.
    pub pulls: HashMap<LaneId, Arc<PullFlow>>,
    /// By lane of the route.
    pub pushes: HashMap<LaneId, Arc<PushFlow>>,
    /// Who listens to the answers of a route, by lane of that route.
    pub listeners: HashMap<LaneId, Vec<Arc<Listener>>>,
    /// HTTP clients by name.
    pub clients: BTreeMap<String, Arc<Client>>,
    /// What runs by itself.
    pub schedules: Vec<Scheduled>,
    /// How many operations were ever called by themselves, each with lanes of its own.
    pub calls: usize,
    /// How long storages keep their entries, by name; `None`: for ever.
    pub storages: BTreeMap<String, Option<Millis>>,
    /// What all of this was compiled from.
    pub definitions: Definitions,
}

impl std::fmt::Debug for Flows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flows")
            .field("revision", &self.revision)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

impl Flows {
    /// Whether nothing may be sent for this lane here: other engines have all that its HTTP client may have under way.
    pub(crate) fn is_shut(&self, lane: LaneId) -> bool {
        let pushed = self.pushes.get(&lane).and_then(|flow| match &flow.target {
            PushTarget::Http(push) => Some(&push.client),
            PushTarget::Driver(_) | PushTarget::Nothing => None,
        });
        let pulled = || match &self.pulls.get(&lane)?.source {
            PullSource::Http(pull) => Some(&pull.client),
            _ => None,
        };
        pushed.or_else(pulled).is_some_and(|client| client.gate().is_shut())
    }

    /// The pull flow of an incoming.
    #[must_use]
    pub fn pull_named(&self, incoming: &str) -> Option<&Arc<PullFlow>> {
        self.pulls.values().find(|flow| flow.name == incoming)
    }

    /// Whether the end of a task in this lane reads or writes storages.
    #[must_use]
    pub fn ends_with_storages(&self, lane: LaneId) -> bool {
        if let Some(pull) = self.pulls.get(&lane) {
            return pull.uses_storages();
        }
        let answer = self.pushes.get(&lane).is_some_and(|push| match &push.target {
            PushTarget::Http(http) => http.answer_chain.uses_storages(),
            PushTarget::Driver(_) | PushTarget::Nothing => false,
        });
        answer || self.listeners.get(&lane).into_iter().flatten().any(|listener| listener.pull.uses_storages())
    }

    /// What transformers did with storages, as it goes into the end of their task.
    pub(crate) fn entries(&self, context: &mut TransformContext) -> Entries {
        let (read, written) = context.storages.take();
        let expires_at = |of: &EntryKey| Some(context.now + (*self.storages.get(&of.storage)?)?);
        let written = written.into_iter().map(|(of, value)| EntryWrite { expires_at: expires_at(&of), of, value });
        Entries { at: context.now, read: read.into_iter().collect(), written: written.collect() }
    }

    /// The lanes that an incoming's data passes: itself, the routes on it, those that listen to their answers, and so
    /// on.
    #[must_use]
    pub fn reachable_from(&self, incoming: LaneId) -> Vec<LaneId> {
        let mut found = vec![incoming];
        let mut next = 0;
        while let Some(lane) = found.get(next).copied() {
            next += 1;
            let fed = self.pulls.get(&lane).into_iter().flat_map(|pull| pull.feeds.iter().map(|feed| feed.lane));
            let heard = self.listeners.get(&lane).into_iter().flatten().map(|listener| listener.pull.lane);
            let new: Vec<LaneId> = fed.chain(heard).filter(|lane| !found.contains(lane)).collect();
            for lane in new {
                if !found.contains(&lane) {
                    found.push(lane);
                }
            }
        }
        found
    }
}
