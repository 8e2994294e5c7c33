//! From definitions to flows.

use super::{
    Call, Expect, Feed, Flows, HttpPull, HttpPush, Listener, Proxy, PullFlow, PullSource, PushFlow, PushTarget, Wait,
    Webhook,
};
use crate::decide::Policy;
use crate::definitions::builtin::{AnswersOptions, InlineOptions, PROXY};
use crate::definitions::variables::{Variables, resolve, resolve_secret};
use crate::exchange::{Client, Gate, Keys};
use crate::schedule::Scheduled;
use crate::standing::Standing;
use crate::transformers::{Chain, Condition};
use model::definition::{
    Definitions, HttpClient, HttpPublisherOptions, HttpSubscriberOptions, Incoming, Outgoing, Part, Route, WaitUntil,
};
use model::schema::Checker;
use model::{Problem, Registry, Side, TaskKind};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::LaneId;

/// What flows are made of.
pub struct Parts<'a> {
    /// Revision of the definitions.
    pub revision: i64,
    /// The definitions, checked.
    pub definitions: &'a Definitions,
    /// The parts they choose from.
    pub registry: &'a Registry,
    /// Where `${…}` gets its values.
    pub variables: &'a dyn Variables,
    /// What stands while definitions come and go.
    pub standing: &'a Standing,
    /// Numbers of all lanes.
    pub lanes: &'a HashMap<(TaskKind, String), LaneId>,
}

impl std::fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// Compiles definitions.
///
/// # Errors
/// Everything that is wrong: with checked definitions only what depends on the place where they run (a secret that is
/// not set, a base URI that leads to a private address).
pub fn compile(parts: &Parts<'_>) -> Result<Flows, Vec<Problem>> {
    let mut compiler = Compiler { parts, problems: Vec::new(), clients: BTreeMap::new() };
    compiler.clients();
    let mut pulls = compiler.pulls();
    let mut pushes = compiler.pushes();
    let listeners = compiler.listeners(&pulls);
    if !compiler.problems.is_empty() {
        return Err(compiler.problems);
    }
    let schedules = compiler.schedules()?;
    compiler.calls(&mut pulls, &mut pushes)?;
    let calls =
        parts.lanes.keys().filter(|(kind, name)| *kind == TaskKind::Push && Call::of_lane(name).is_some()).count();
    let clients = compiler.clients;
    let storages = parts.definitions.storages.iter();
    let storages = storages.map(|(name, storage)| (name.clone(), storage.ttl.map(|ttl| ttl.0))).collect();
    let definitions = parts.definitions.clone();
    Ok(Flows { revision: parts.revision, pulls, pushes, listeners, clients, schedules, calls, storages, definitions })
}

pub(super) struct Compiler<'a> {
    pub(super) parts: &'a Parts<'a>,
    problems: Vec<Problem>,
    pub(super) clients: BTreeMap<String, Arc<Client>>,
}

impl Compiler<'_> {
    fn clients(&mut self) {
        for (name, definition) in &self.parts.definitions.http_clients {
            let place = format!("http_clients.{name}");
            if let Some(client) = self.keep(
                &place,
                open_client(name, definition, self.parts.variables, self.parts.standing.gate(name))
                    .map_err(|problem| vec![problem]),
            ) {
                self.clients.insert(name.clone(), Arc::new(client));
            }
        }
    }

    fn pulls(&mut self) -> HashMap<LaneId, Arc<PullFlow>> {
        let mut pulls = HashMap::new();
        for (name, incoming) in &self.parts.definitions.incoming {
            let place = format!("incoming.{name}");
            let made = self.pull(name, incoming);
            if let Some(flow) = self.keep(&place, made) {
                pulls.insert(flow.lane, Arc::new(flow));
            }
        }
        pulls
    }

    fn pull(&self, name: &str, incoming: &Incoming) -> Result<PullFlow, Vec<Problem>> {
        let identifier = incoming.identifier.as_deref().map(str::parse).transpose();
        Ok(PullFlow {
            lane: self.lane(TaskKind::Pull, name)?,
            name: name.to_owned(),
            source: self.source(&incoming.subscriber).map_err(|problems| within("subscriber", problems))?,
            chain: self.chain(&incoming.transformers).map_err(|problems| within("transformers", problems))?,
            feeds: self.feeds(name)?,
            retry: incoming.retry,
            // Whoever calls waits.
            real_time: incoming.subscriber.kind == PROXY
                || incoming.subscriber.options.get("real_time") == Some(&Value::Bool(true)),
            identifier: identifier.map_err(|problem: Problem| vec![problem.at("identifier")])?,
        })
    }

    fn feeds(&self, incoming: &str) -> Result<Vec<Feed>, Vec<Problem>> {
        let routes = self.parts.definitions.routes.iter().filter(|(_, route)| route.incoming == incoming);
        routes
            .map(|(name, route)| {
                // A problem here is reported once, by the route itself.
                let chain = self.chain(&route.transformers).map_err(|_| Vec::new())?;
                let order_by = route
                    .order_by
                    .as_deref()
                    .map(str::parse)
                    .transpose()
                    .map_err(|problem: Problem| vec![problem.at(format!("routes.{name}.order_by"))])?;
                let delay = route.delay.map_or(0, |delay| delay.0);
                Ok(Feed { lane: self.lane(TaskKind::Push, name)?, route: name.clone(), chain, order_by, delay })
            })
            .collect()
    }

    fn source(&self, part: &Part) -> Result<PullSource, Vec<Problem>> {
        match part.kind.as_str() {
            "inline" => Ok(PullSource::Inline(read::<InlineOptions>(part)?.payloads)),
            "answers" => Ok(PullSource::Answers),
            "proxy" => Ok(PullSource::Proxy(Proxy::new(&read(part)?))),
            "webhook" => Ok(PullSource::Webhook(Box::new(Webhook::new(&read(part)?, self.parts.variables)))),
            kind => {
                if let Some(driver) = self.parts.registry.sources.get(kind) {
                    let options = self.resolved(part, driver.path_options())?;
                    return Ok(PullSource::Driver(driver.source(&options)?));
                }
                self.http_source(part)
            }
        }
    }

    fn http_source(&self, part: &Part) -> Result<PullSource, Vec<Problem>> {
        let connector = self.parts.registry.connectors.get(part.kind.as_str()).ok_or_else(|| unknown_part(part))?;
        let options: HttpSubscriberOptions = read(part)?;
        let (client, preflight) = self.client(&options.http_client)?;
        Ok(PullSource::Http(Box::new(HttpPull {
            client,
            preflight,
            operation: connector.operation(Side::Subscriber, &value(part))?,
            parameters: options.request_parameters,
            input_chain: self
                .chain(&options.input_transformers)
                .map_err(|problems| within("input_transformers", problems))?,
            split: options.split,
            limit: options.limit,
            page_size: options.page_size,
            stop_when: options
                .stop_when
                .as_deref()
                .map(Condition::compile)
                .transpose()
                .map_err(|problems| within("stop_when", problems))?,
        })))
    }

    fn schedules(&self) -> Result<Vec<Scheduled>, Vec<Problem>> {
        let all = self.parts.definitions.schedules.iter();
        all.map(|(name, schedule)| {
            let lane = self.lane(TaskKind::Pull, &schedule.run)?;
            Scheduled::new(name, schedule, lane).map_err(|problems| within(&format!("schedules.{name}"), problems))
        })
        .collect()
    }

    fn pushes(&mut self) -> HashMap<LaneId, Arc<PushFlow>> {
        let mut pushes = HashMap::new();
        for (name, route) in &self.parts.definitions.routes {
            let made = self.push(name, route);
            if let Some(flow) = self.keep("", made) {
                pushes.insert(flow.lane, Arc::new(flow));
            }
        }
        pushes
    }

    fn push(&self, name: &str, route: &Route) -> Result<PushFlow, Vec<Problem>> {
        self.chain(&route.transformers).map_err(|problems| within(&format!("routes.{name}.transformers"), problems))?;
        let outgoing = self.parts.definitions.outgoing.get(&route.outgoing).ok_or_else(|| {
            let reason = format!("there is no outgoing \"{}\"", route.outgoing);
            vec![Problem::new("reference_unknown", reason).at(format!("routes.{name}.outgoing"))]
        })?;
        let place = format!("outgoing.{}", route.outgoing);
        let (chain, target) = self.outgoing(outgoing).map_err(|problems| within(&place, problems))?;
        Ok(PushFlow {
            lane: self.lane(TaskKind::Push, name)?,
            name: name.to_owned(),
            outgoing: route.outgoing.clone(),
            chain,
            target,
            parallel: route.parallel,
            policy: Policy { retry: route.retry, on_unknown: route.on_unknown },
            priority: route.priority,
            deadline: route.deadline.map(|deadline| deadline.0),
        })
    }

    fn outgoing(&self, outgoing: &Outgoing) -> Result<(Chain, PushTarget), Vec<Problem>> {
        let chain = self.chain(&outgoing.transformers).map_err(|problems| within("transformers", problems))?;
        let target = self.target(&outgoing.publisher).map_err(|problems| within("publisher", problems))?;
        Ok((chain, target))
    }

    fn target(&self, part: &Part) -> Result<PushTarget, Vec<Problem>> {
        if part.kind == "none" {
            return Ok(PushTarget::Nothing);
        }
        if let Some(driver) = self.parts.registry.targets.get(part.kind.as_str()) {
            let options = self.resolved(part, driver.path_options())?;
            return Ok(PushTarget::Driver(driver.target(&options)?));
        }
        let connector = self.parts.registry.connectors.get(part.kind.as_str()).ok_or_else(|| unknown_part(part))?;
        let options: HttpPublisherOptions = read(part)?;
        let (client, preflight) = self.client(&options.http_client)?;
        let operation = connector.operation(Side::Publisher, &value(part))?;
        let wait = match options.wait_until {
            Some(WaitUntil::Done) => {
                let asked = operation.poll().ok_or_else(|| vec![nothing_to_wait_for()])?;
                Some(Wait { operation: asked, poll: options.poll })
            }
            None => None,
        };
        Ok(PushTarget::Http(Box::new(HttpPush {
            client,
            preflight,
            operation,
            wait,
            answer_as: options.answer_as,
            answer_chain: self
                .chain(&options.answer_transformers)
                .map_err(|problems| within("answer_transformers", problems))?,
            expect: options
                .expect
                .map(|expect| expected(&expect.schema))
                .transpose()?
                .map(|checker| Expect { checker }),
            parameters: options.request_parameters,
            input: options.input,
            request_chain: self
                .chain(&options.request_transformers)
                .map_err(|problems| within("request_transformers", problems))?,
        })))
    }

    fn listeners(&mut self, pulls: &HashMap<LaneId, Arc<PullFlow>>) -> HashMap<LaneId, Vec<Arc<Listener>>> {
        let mut listeners: HashMap<LaneId, Vec<Arc<Listener>>> = HashMap::new();
        for (name, incoming) in &self.parts.definitions.incoming {
            if incoming.subscriber.kind != "answers" {
                continue;
            }
            let Some(options) =
                self.keep(&format!("incoming.{name}.subscriber"), read::<AnswersOptions>(&incoming.subscriber))
            else {
                continue;
            };
            let route = self.lane(TaskKind::Push, &options.route);
            let own = self.lane(TaskKind::Pull, name);
            if let (Ok(route), Ok(Some(pull))) = (route, own.map(|own| pulls.get(&own))) {
                listeners.entry(route).or_default().push(Arc::new(Listener { on: options.on, pull: pull.clone() }));
            }
        }
        listeners
    }

    fn client(&self, name: &str) -> Result<(Arc<Client>, model::http::Preflight), Vec<Problem>> {
        match (self.clients.get(name), self.parts.definitions.http_clients.get(name)) {
            (Some(client), Some(definition)) => Ok((client.clone(), definition.preflight)),
            // Its own problem is reported where it is defined.
            (None, Some(_)) => Err(Vec::new()),
            _ => {
                let reason = format!("there is no HTTP client \"{name}\"");
                Err(vec![Problem::new("reference_unknown", reason).at("http_client")])
            }
        }
    }

    pub(super) fn chain(&self, parts: &[Part]) -> Result<Chain, Vec<Problem>> {
        Chain::compile(parts, self.parts.registry)
    }

    pub(super) fn lane(&self, kind: TaskKind, name: &str) -> Result<LaneId, Vec<Problem>> {
        self.parts.lanes.get(&(kind, name.to_owned())).copied().ok_or_else(|| {
            vec![Problem::new("reference_unknown", format!("there is no {} lane \"{name}\"", kind.as_str()))]
        })
    }

    /// A part's options with `${…}` replaced in those that are paths.
    fn resolved(&self, part: &Part, paths: &[&str]) -> Result<Value, Vec<Problem>> {
        let mut options = part.options.clone();
        for name in paths {
            if let Some(Value::String(text)) = options.get_mut(*name) {
                *text = resolve(text, self.parts.variables).map_err(|problem| vec![problem.within(name)])?;
            }
        }
        Ok(Value::Object(options))
    }

    fn keep<T>(&mut self, place: &str, result: Result<T, Vec<Problem>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problems) => {
                let new = within(place, problems).into_iter().filter(|problem| !self.problems.contains(problem));
                let new: Vec<Problem> = new.collect();
                self.problems.extend(new);
                None
            }
        }
    }
}

/// Opens the HTTP client of a definition.
///
/// # Errors
/// A secret or variable that is not set, a base URI that is none or is private.
pub fn open_client(
    name: &str,
    definition: &HttpClient,
    variables: &dyn Variables,
    gate: Arc<Gate>,
) -> Result<Client, Problem> {
    let base_uri = resolve(&definition.base_uri, variables).map_err(|problem| problem.within("base_uri"))?;
    let key = |option: &'static str, text: &Option<String>| {
        text.as_deref()
            .map(|text| resolve_secret(text, variables).map_err(|problem| problem.within(option)))
            .transpose()
    };
    let keys = Keys {
        api_key: key("api_key", &definition.api_key)?,
        admin_key: key("admin_key", &definition.admin_key)?,
        user_key: key("user_key", &definition.user_key)?,
    };
    Client::new(name, definition, &base_uri, keys, gate)
}

fn value(part: &Part) -> Value {
    Value::Object(part.options.clone())
}

fn read<T: DeserializeOwned>(part: &Part) -> Result<T, Vec<Problem>> {
    serde_json::from_value(value(part)).map_err(|error| vec![Problem::new("option_wrong", error.to_string())])
}

/// Compiles what an answer is expected to be.
pub(crate) fn expected(schema: &Value) -> Result<Checker, Vec<Problem>> {
    Checker::compile(schema).map_err(|problem| vec![problem.within("expect.schema")])
}

/// `wait_until` on an operation whose answer ends it.
pub(crate) fn nothing_to_wait_for() -> Problem {
    Problem::new("option_misplaced", "the operation starts nothing that could be waited for")
        .at("wait_until")
        .hint("leave it out: its answer is the result")
}

fn unknown_part(part: &Part) -> Vec<Problem> {
    vec![Problem::new("part_unknown", format!("there is no part of type \"{}\"", part.kind)).at("type")]
}

fn within(place: &str, problems: Vec<Problem>) -> Vec<Problem> {
    problems.into_iter().map(|problem| problem.within(place)).collect()
}
