//! Definitions, compiled: what the engine runs.
//!
//! Everything that can be wrong with a definition is found here or before; at run time only data can be wrong.

mod compile;
mod pull;
mod push;
mod webhook;

pub use compile::{Parts, compile, open_client};
pub(crate) use compile::{expected, nothing_to_wait_for};
pub use pull::{Fed, Feed, HttpPull, Listener, PullFlow, PullSource};
pub(crate) use push::single;
pub use push::{Expect, HttpPush, PushFlow, PushTarget, Refused, Wait};
pub use webhook::{Event, Refusal, Webhook};

use crate::exchange::Client;
use crate::schedule::Scheduled;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::LaneId;

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
    /// The pull flow of an incoming.
    #[must_use]
    pub fn pull_named(&self, incoming: &str) -> Option<&Arc<PullFlow>> {
        self.pulls.values().find(|flow| flow.name == incoming)
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
