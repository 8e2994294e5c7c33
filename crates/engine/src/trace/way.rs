//! The way that is traced, compiled: as much of it as there is.

use super::Subject;
use super::request::{Connection, HttpTarget, Target};
use crate::definitions::builtin::InlineOptions;
use crate::definitions::variables::{Variables, resolve};
use crate::transformers::{Chain, Condition};
use model::definition::{Definitions, HttpPublisherOptions, HttpSubscriberOptions, Incoming, Outgoing, Part};
use model::http::Preflight;
use model::{Operation, Problem, Registry, Request, Side};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// Transformers after each other, with the place where they stand.
pub(super) struct Stage {
    pub(super) place: String,
    pub(super) kinds: Vec<String>,
    pub(super) chain: Chain,
}

/// Where the data comes from.
pub(super) enum Source {
    Inline(Vec<Value>),
    /// Others send, or a route answers.
    ByItself,
    Driver(Arc<dyn model::driver::Source>),
    Http(Box<HttpSource>),
}

/// A subscriber that asks a service.
pub(super) struct HttpSource {
    pub(super) connection: Connection,
    pub(super) operation: Arc<dyn Operation>,
    pub(super) parameters: Request,
    pub(super) input: Stage,
    pub(super) preflight: Preflight,
    pub(super) split: bool,
    pub(super) page_size: Option<u32>,
    pub(super) stop_when: Option<Condition>,
}

/// What is traced.
pub(super) struct Way {
    /// Place, type and what it is.
    pub(super) source: Option<(String, String, Source)>,
    pub(super) stages: Vec<Stage>,
    /// The outgoing's transformers, and what is behind them.
    pub(super) target: Option<(Stage, Target)>,
}

struct Compiler<'a> {
    registry: &'a Registry,
    variables: &'a dyn Variables,
    definitions: &'a Definitions,
}

impl Way {
    pub(super) fn compile(
        registry: &Registry,
        variables: &dyn Variables,
        definitions: &Definitions,
        subject: Subject,
    ) -> Result<Self, Vec<Problem>> {
        let compiler = Compiler { registry, variables, definitions };
        let absent = |kind: &str, name: &str| {
            vec![Problem::new("reference_unknown", format!("there is no {kind} \"{}\"", name.escape_debug()))]
        };
        let incoming = |name: &str| definitions.incoming.get(name).ok_or_else(|| absent("incoming", name));
        let outgoing = |name: &str| definitions.outgoing.get(name).ok_or_else(|| absent("outgoing", name));
        match subject {
            Subject::Transformers(parts) => {
                Ok(Self { source: None, stages: vec![compiler.stage("transformers", &parts)?], target: None })
            }
            Subject::Incoming(name) => compiler.incoming(&name, incoming(&name)?),
            Subject::Outgoing(name) => {
                let target = Some(compiler.outgoing(&name, outgoing(&name)?)?);
                Ok(Self { source: None, stages: Vec::new(), target })
            }
            Subject::Route(name) => {
                let route = definitions.routes.get(&name).ok_or_else(|| absent("route", &name))?;
                let mut way = compiler.incoming(&route.incoming, incoming(&route.incoming)?)?;
                way.stages.push(compiler.stage(&format!("routes.{name}.transformers"), &route.transformers)?);
                way.target = Some(compiler.outgoing(&route.outgoing, outgoing(&route.outgoing)?)?);
                Ok(way)
            }
        }
    }
}

impl Compiler<'_> {
    fn stage(&self, place: &str, parts: &[Part]) -> Result<Stage, Vec<Problem>> {
        let kinds = parts.iter().map(|part| part.kind.clone()).collect();
        let chain = Chain::compile(parts, self.registry).map_err(|problems| within(place, problems))?;
        Ok(Stage { place: place.to_owned(), kinds, chain })
    }

    fn incoming(&self, name: &str, incoming: &Incoming) -> Result<Way, Vec<Problem>> {
        let place = format!("incoming.{name}.subscriber");
        let part = &incoming.subscriber;
        let source = self.source(&place, part).map_err(|problems| within(&place, problems))?;
        let stage = self.stage(&format!("incoming.{name}.transformers"), &incoming.transformers)?;
        Ok(Way { source: Some((place, part.kind.clone(), source)), stages: vec![stage], target: None })
    }

    fn source(&self, place: &str, part: &Part) -> Result<Source, Vec<Problem>> {
        match part.kind.as_str() {
            "inline" => return Ok(Source::Inline(read::<InlineOptions>(part)?.payloads)),
            "answers" | "webhook" => return Ok(Source::ByItself),
            _ => {}
        }
        if let Some(driver) = self.registry.sources.get(part.kind.as_str()) {
            return Ok(Source::Driver(driver.source(&self.resolved(part, driver.path_options())?)?));
        }
        let options: HttpSubscriberOptions = read(part)?;
        let (connection, preflight) = self.connection(&options.http_client)?;
        let condition = options.stop_when.as_deref().map(Condition::compile).transpose();
        Ok(Source::Http(Box::new(HttpSource {
            connection,
            operation: self.operation(Side::Subscriber, part)?,
            parameters: options.request_parameters,
            input: self.stage(&format!("{place}.input_transformers"), &options.input_transformers)?,
            preflight,
            split: options.split,
            page_size: options.page_size,
            stop_when: condition.map_err(|problems| within("stop_when", problems))?,
        })))
    }

    fn outgoing(&self, name: &str, outgoing: &Outgoing) -> Result<(Stage, Target), Vec<Problem>> {
        let stage = self.stage(&format!("outgoing.{name}.transformers"), &outgoing.transformers)?;
        let place = format!("outgoing.{name}.publisher");
        let part = &outgoing.publisher;
        let target = self.target(&place, part).map_err(|problems| within(&place, problems))?;
        Ok((stage, target))
    }

    fn target(&self, place: &str, part: &Part) -> Result<Target, Vec<Problem>> {
        let (place, kind) = (place.to_owned(), part.kind.clone());
        if kind == "none" {
            return Ok(Target { place, kind, effect: None, http: None });
        }
        if let Some(driver) = self.registry.targets.get(kind.as_str()) {
            let target = driver.target(&self.resolved(part, driver.path_options())?)?;
            return Ok(Target { place, kind, effect: Some(target.effect()), http: None });
        }
        let options: HttpPublisherOptions = read(part)?;
        let (connection, preflight) = self.connection(&options.http_client)?;
        let http = HttpTarget {
            connection,
            operation: self.operation(Side::Publisher, part)?,
            parameters: options.request_parameters,
            input: options.input,
            request: self.stage(&format!("{place}.request_transformers"), &options.request_transformers)?,
            preflight,
        };
        Ok(Target { place, kind, effect: None, http: Some(Box::new(http)) })
    }

    fn operation(&self, side: Side, part: &Part) -> Result<Arc<dyn Operation>, Vec<Problem>> {
        let unknown = || vec![Problem::new("part_unknown", format!("there is no part of type \"{}\"", part.kind))];
        let connector = self.registry.connectors.get(part.kind.as_str()).ok_or_else(unknown)?;
        connector.operation(side, &Value::Object(part.options.clone()))
    }

    /// Needs no key: what is only shown can be shown without.
    fn connection(&self, name: &str) -> Result<(Connection, Preflight), Vec<Problem>> {
        let absent =
            || Problem::new("reference_unknown", format!("there is no HTTP client \"{name}\"")).at("http_client");
        let client = self.definitions.http_clients.get(name).ok_or_else(|| vec![absent()])?;
        let base = resolve(&client.base_uri, self.variables).unwrap_or_else(|_| client.base_uri.clone());
        let base = base.trim_end_matches('/').to_owned();
        Ok((Connection { name: name.to_owned(), base, key_styles: client.key_styles }, client.preflight))
    }

    /// A part's options with `${…}` replaced in those that are paths.
    fn resolved(&self, part: &Part, paths: &[&str]) -> Result<Value, Vec<Problem>> {
        let mut options = part.options.clone();
        for name in paths {
            if let Some(Value::String(text)) = options.get_mut(*name) {
                *text = resolve(text, self.variables).map_err(|problem| vec![problem.within(name)])?;
            }
        }
        Ok(Value::Object(options))
    }
}

fn read<T: DeserializeOwned>(part: &Part) -> Result<T, Vec<Problem>> {
    serde_json::from_value(Value::Object(part.options.clone()))
        .map_err(|error| vec![Problem::new("option_wrong", error.to_string())])
}

fn within(place: &str, problems: Vec<Problem>) -> Vec<Problem> {
    problems.into_iter().map(|problem| problem.within(place)).collect()
}
