//! Calls that people make by themselves: one operation of an HTTP client, asked as a task like any other.
//!
//! Each operation that was ever asked so has a lane of its own for each HTTP client, named by both. What comes is a
//! request, on its way in as on its way out.

use super::compile::Compiler;
use super::{Feed, HttpPush, PullFlow, PullSource, PushFlow, PushTarget};
use crate::decide::Policy;
use model::definition::{AnswerAs, OnUnknown, PARALLEL, Retry};
use model::request::Input;
use model::{Problem, Request, Side, TaskKind};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use store::LaneId;

/// Somebody waits for the answer: it comes before what routes send through the same HTTP client.
const PRIORITY: i32 = -1_000;

/// What is asked of whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Name of the HTTP client.
    pub http_client: String,
    /// HTTP method of the operation.
    pub method: String,
    /// Its title.
    pub entity: String,
}

impl Call {
    /// The name of its lanes: `mistral POST Chat Completion`. No definition has such a name, for it has spaces.
    #[must_use]
    pub fn lane(&self) -> String {
        format!("{} {} {}", self.http_client, self.method, self.entity)
    }

    /// Reads the name of a lane; `None` for that of a definition.
    #[must_use]
    pub fn of_lane(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, ' ').map(str::to_owned);
        Some(Self { http_client: parts.next()?, method: parts.next()?, entity: parts.next()? })
    }
}

impl Compiler<'_> {
    /// Adds the flows of all calls that have lanes. One whose HTTP client or operation is gone is left out: its tasks
    /// stay as they are.
    pub(super) fn calls(
        &self,
        pulls: &mut HashMap<LaneId, Arc<PullFlow>>,
        pushes: &mut HashMap<LaneId, Arc<PushFlow>>,
    ) -> Result<(), Vec<Problem>> {
        for ((kind, name), lane) in self.parts.lanes {
            let (TaskKind::Push, Some(call)) = (kind, Call::of_lane(name)) else { continue };
            let Some(target) = self.call_target(&call) else { continue };
            let own = self.lane(TaskKind::Pull, name)?;
            let none = || self.chain(&[]);
            let feed = Feed { lane: *lane, route: name.clone(), chain: none()?, order_by: None, delay: 0 };
            let pull = PullFlow {
                lane: own,
                name: name.clone(),
                source: PullSource::Call,
                chain: none()?,
                feeds: vec![feed],
                retry: Retry::default(),
                real_time: true,
                identifier: None,
            };
            let push = PushFlow {
                lane: *lane,
                name: name.clone(),
                outgoing: name.clone(),
                chain: none()?,
                target: PushTarget::Http(Box::new(target)),
                parallel: PARALLEL,
                policy: Policy { retry: Retry::default(), on_unknown: OnUnknown::Hold },
                priority: PRIORITY,
                deadline: None,
            };
            pulls.insert(own, Arc::new(pull));
            pushes.insert(*lane, Arc::new(push));
        }
        Ok(())
    }

    fn call_target(&self, call: &Call) -> Option<HttpPush> {
        let definition = self.parts.definitions.http_clients.get(&call.http_client)?;
        let connector = self.parts.registry.connectors.get(definition.prototype.as_str())?;
        let options = json!({ "method": call.method, "entity": call.entity });
        Some(HttpPush {
            client: self.clients.get(&call.http_client)?.clone(),
            operation: connector.operation(Side::Publisher, &options).ok()?,
            parameters: Request::default(),
            input: Input::Request,
            request_chain: self.chain(&[]).ok()?,
            preflight: definition.preflight,
            answer_as: AnswerAs::File,
            answer_chain: self.chain(&[]).ok()?,
            expect: None,
            wait: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_lane_says_what_is_asked_of_whom() {
        let call =
            Call { http_client: "mistral".to_owned(), method: "POST".to_owned(), entity: "Chat Completion".to_owned() };
        assert_eq!(call.lane(), "mistral POST Chat Completion");
        assert_eq!(Call::of_lane(&call.lane()), Some(call));
        for name in ["describe", "a.b-c_d", "one two", ""] {
            assert_eq!(Call::of_lane(name), None, "{name}");
        }
    }
}
