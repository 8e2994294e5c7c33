//! Parts of a definition: is there such a part at this position, and do its options fit it?
//!
//! Places are relative to the part.

use super::builtin::{
    ANSWERS, AnswersOptions, INLINE, InlineOptions, LONGEST_PROXY_WAIT, NONE, NoneOptions, PROXY, ProxyOptions,
    WEBHOOK, WebhookOptions,
};
use super::node::options_of;
use super::variables;
use crate::flow::{expected, nothing_to_wait_for};
use crate::transformers::Condition;
use model::definition::{HttpPublisherOptions, HttpSubscriberOptions};
use model::http::Preflight;
use model::schema::{self, Checker};
use model::{Component, Connector, Problem, Registry, Request, Side, suggest};
use serde_json::{Map, Value, json};

/// Checks a subscriber. `preflight` is that of its HTTP client.
pub(super) fn subscriber(part: &Value, registry: &Registry, preflight: Preflight) -> Vec<Problem> {
    let Some((kind, options)) = open(part) else { return Vec::new() };
    if let Some(driver) = registry.sources.get(kind) {
        return of_driver(&**driver, &options, |options| driver.source(options).err());
    }
    if let Some(connector) = registry.connectors.get(kind) {
        return http_subscriber(&**connector, &options, registry, preflight);
    }
    match kind {
        INLINE => fits(&schema_of::<InlineOptions>(), &options),
        ANSWERS => fits(&schema_of::<AnswersOptions>(), &options),
        WEBHOOK => webhook(&options),
        PROXY => proxy(&options),
        _ => vec![unknown(kind, "subscriber", &subscribers(registry), &[("publisher", publishers(registry))])],
    }
}

/// Checks a publisher.
pub(super) fn publisher(part: &Value, registry: &Registry) -> Vec<Problem> {
    let Some((kind, options)) = open(part) else { return Vec::new() };
    if let Some(driver) = registry.targets.get(kind) {
        return of_driver(&**driver, &options, |options| driver.target(options).err());
    }
    if let Some(connector) = registry.connectors.get(kind) {
        let (mut problems, _) = http_part::<HttpPublisherOptions>(&**connector, &options, Side::Publisher, registry);
        if problems.is_empty() {
            problems.extend(idle_wait(&**connector, &options));
        }
        problems.extend(within("answer_transformers", transformers(options.get("answer_transformers"), registry)));
        if let Some(schema) = options.get("expect").and_then(|expect| expect.get("schema")) {
            problems.extend(dotted(expected(schema).err().unwrap_or_default()));
        }
        return problems;
    }
    match kind {
        NONE => fits(&schema_of::<NoneOptions>(), &options),
        _ => vec![unknown(kind, "publisher", &publishers(registry), &[("subscriber", subscribers(registry))])],
    }
}

/// Checks a list of transformers; places begin with `[index]`.
pub(super) fn transformers(parts: Option<&Value>, registry: &Registry) -> Vec<Problem> {
    let Some(Value::Array(parts)) = parts else { return Vec::new() };
    let mut problems = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        problems.extend(within(&format!("[{index}]"), transformer(part, registry)));
    }
    problems
}

/// Options of a subscriber that are paths.
pub(super) fn subscriber_paths(registry: &Registry, kind: &str) -> &'static [&'static str] {
    registry.sources.get(kind).map_or(&[], |driver| driver.path_options())
}

/// Options of a publisher that are paths.
pub(super) fn publisher_paths(registry: &Registry, kind: &str) -> &'static [&'static str] {
    registry.targets.get(kind).map_or(&[], |driver| driver.path_options())
}

fn transformer(part: &Value, registry: &Registry) -> Vec<Problem> {
    let Some((kind, options)) = open(part) else { return Vec::new() };
    let Some(transformer) = registry.transformers.get(kind) else {
        let known: Vec<&str> = registry.transformers.keys().copied().collect();
        return vec![unknown(kind, "transformer", &known, &[])];
    };
    let problems = fits(&transformer.schema(), &options);
    if problems.is_empty() { dotted(transformer.compile(&options).err().unwrap_or_default()) } else { problems }
}

fn webhook(options: &Value) -> Vec<Problem> {
    let mut problems = fits(&schema_of::<WebhookOptions>(), options);
    let has = |member: &str| options.get(member).is_some_and(|value| !value.is_null());
    if !has("signing_secret") && !has("token") {
        let problem = Problem::new("webhook_open", "anybody who learns its address could send to it");
        problems.push(problem.hint("give it a signing_secret or a token: ${secret:NAME}"));
    }
    for member in ["signature_header", "id_header"] {
        let name = options.get(member).and_then(Value::as_str);
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
        };
        if name.is_some_and(|name| !is_name(name)) {
            problems.push(Problem::new("header_wrong", "this is no name of a header").at(member));
        }
    }
    problems
}

fn proxy(options: &Value) -> Vec<Problem> {
    let mut problems = fits(&schema_of::<ProxyOptions>(), options);
    if problems.is_empty() {
        match serde_json::from_value::<ProxyOptions>(options.clone()) {
            Ok(read) if (1..=LONGEST_PROXY_WAIT.0).contains(&read.timeout.0) => {}
            Ok(_) => problems.push(
                Problem::new("wrong_option", format!("a caller waits {LONGEST_PROXY_WAIT} at most")).at("timeout"),
            ),
            Err(error) => problems.push(Problem::new("span_wrong", error.to_string()).at("timeout")),
        }
    }
    problems
}

fn of_driver(
    driver: &(impl Component + ?Sized),
    options: &Value,
    open: impl FnOnce(&Value) -> Option<Vec<Problem>>,
) -> Vec<Problem> {
    let mut problems = fits(&driver.schema(), options);
    if problems.is_empty() {
        problems = dotted(driver.validate(options));
    }
    let is_open = |name: &&str| options.get(name).and_then(Value::as_str).is_some_and(variables::has_references);
    // What a path will be is known at use alone.
    if !problems.is_empty() || driver.path_options().iter().any(is_open) {
        return problems;
    }
    dotted(open(options).unwrap_or_default())
}

fn http_subscriber(
    connector: &dyn Connector,
    options: &Value,
    registry: &Registry,
    preflight: Preflight,
) -> Vec<Problem> {
    let (mut problems, request) = http_part::<HttpSubscriberOptions>(connector, options, Side::Subscriber, registry);
    if let Some(Err(wrong)) = options.get("stop_when").and_then(Value::as_str).map(Condition::compile) {
        problems.extend(within("stop_when", wrong));
    }
    let Some(request) = request.filter(|_| !problems.iter().any(Problem::is_error)) else { return problems };
    problems.extend(misplaced(connector, options));
    // Without input transformers the request is known now, so what preflight would say is known too.
    let is_fixed = options.get("input_transformers").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if is_fixed && let Ok(operation) = connector.operation(Side::Subscriber, options) {
        let found = match operation.prepare(&request, preflight) {
            Ok(prepared) => prepared.warnings.into_iter().map(Problem::warning).collect(),
            Err(problems) => problems,
        };
        problems.extend(within("request_parameters", dotted(found)));
    }
    problems
}

/// Options that say how a list is walked, where there is none.
fn misplaced(connector: &dyn Connector, options: &Value) -> Option<Problem> {
    let operation = connector.operation(Side::Subscriber, options).ok()?;
    let paged = operation.sized(Request::default(), 1).is_some();
    let problem = Problem::new("option_misplaced", "the operation has no pages").at("page_size");
    (options.get("page_size").is_some() && !paged).then(|| problem.hint("leave it out: the answer comes at once"))
}

/// `wait_until` where there is nothing to wait for.
fn idle_wait(connector: &dyn Connector, options: &Value) -> Option<Problem> {
    options.get("wait_until").filter(|wait| !wait.is_null())?;
    let operation = connector.operation(Side::Publisher, options).ok()?;
    operation.poll().is_none().then(nothing_to_wait_for)
}

/// What both sides of an HTTP-shaped connector have: schema, request parameters, transformers, operation. Gives the
/// request parameters where they are a request.
fn http_part<T: schemars::JsonSchema>(
    connector: &dyn Connector,
    options: &Value,
    side: Side,
    registry: &Registry,
) -> (Vec<Problem>, Option<Request>) {
    let mut problems = fits(&joined(schema_of::<T>(), connector.schema()), options);
    // Each step may rely on what the one before found right; warnings stop none.
    if problems.is_empty() {
        problems = dotted(connector.validate(options));
    }
    if !problems.iter().any(Problem::is_error) {
        problems.extend(dotted(connector.operation(side, options).err().unwrap_or_default()));
    }
    let chain = match side {
        Side::Subscriber => "input_transformers",
        Side::Publisher => "request_transformers",
    };
    problems.extend(within(chain, transformers(options.get(chain), registry)));
    let parameters = options.get("request_parameters").cloned().unwrap_or_else(|| json!({}));
    if !parameters.is_object() {
        return (problems, None);
    }
    match Request::from_value(parameters) {
        Ok(request) => (problems, Some(request)),
        Err(problem) => {
            let problem = problem.hint("request parameters have path, query, payload and header");
            problems.extend(within("request_parameters", dotted(vec![problem])));
            (problems, None)
        }
    }
}

/// The options that every HTTP-shaped part has and those of the connector, as one closed schema.
fn joined(mut every: Value, own: Value) -> Value {
    let Value::Object(own) = own else { return every };
    for (key, value) in own {
        match (every.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (Some(Value::Array(there)), Value::Array(more)) => {
                let new: Vec<Value> = more.into_iter().filter(|value| !there.contains(value)).collect();
                there.extend(new);
            }
            (Some(_), _) => {}
            (None, value) => every[key] = value,
        }
    }
    every["additionalProperties"] = Value::Bool(false);
    every
}

/// The name and the options of a part; `None` where it has none, which the shape of the definition reports.
fn open(part: &Value) -> Option<(&str, Value)> {
    let members: &Map<String, Value> = part.as_object()?;
    Some((members.get("type")?.as_str()?, options_of(members)))
}

fn fits(schema: &Value, options: &Value) -> Vec<Problem> {
    match Checker::compile(schema) {
        Ok(checker) => dotted(checker.problems(options)),
        Err(problem) => vec![problem],
    }
}

fn schema_of<T: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Parts give places as JSON pointers or dotted: from here on all are dotted.
pub(super) fn dotted(mut problems: Vec<Problem>) -> Vec<Problem> {
    for problem in problems.iter_mut().filter(|problem| problem.place.starts_with('/')) {
        problem.place = schema::dotted(&problem.place);
    }
    problems
}

pub(super) fn within(place: &str, problems: Vec<Problem>) -> Vec<Problem> {
    problems.into_iter().map(|problem| problem.within(place)).collect()
}

fn subscribers(registry: &Registry) -> Vec<&'static str> {
    let own = [INLINE, ANSWERS, WEBHOOK, PROXY].into_iter();
    own.chain(registry.sources.keys().copied()).chain(registry.connectors.keys().copied()).collect()
}

fn publishers(registry: &Registry) -> Vec<&'static str> {
    [NONE].into_iter().chain(registry.targets.keys().copied()).chain(registry.connectors.keys().copied()).collect()
}

fn unknown(kind: &str, position: &str, known: &[&str], elsewhere: &[(&str, Vec<&str>)]) -> Problem {
    if let Some((other, _)) = elsewhere.iter().find(|(_, kinds)| kinds.contains(&kind)) {
        let reason = format!("\"{kind}\" is a {other}, not a {position}");
        return Problem::new("part_unknown", reason).at("type").hint(format!("known are: {}", known.join(", ")));
    }
    let problem = Problem::new("part_unknown", format!("there is no {position} of type \"{kind}\"")).at("type");
    match suggest::hint(kind, known.iter().copied()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
