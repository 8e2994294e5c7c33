//! `/metrics`: what is counted and how it stands, as OpenMetrics text. Names of routes and clients are bounded.

use super::Shared;
use crate::logs::Logs;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use engine::measures::{MOST_NAMES, OTHER};
use model::{Millis, TaskKind, TaskState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashMap;
use std::io::Read as _;
use std::sync::atomic::AtomicU64;
use store::{LaneId, StoreError};

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Seconds of requests.
const REQUESTS: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

type Decimal = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: String,
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPath {
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tasks {
    kind: &'static str,
    name: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClient {
    client: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLevel {
    level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfVersion {
    version: &'static str,
}

/// What is counted of requests.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    answered: Family<Answered, Counter>,
    durations: Family<OfPath, Histogram, fn() -> Histogram>,
    began: Millis,
}

impl Requests {
    pub(crate) fn new(began: Millis) -> Self {
        let durations: Family<OfPath, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(REQUESTS));
        Self { answered: Family::default(), durations, began }
    }
}

/// Counts a request. Its path is that of the route, so that what people ask for makes no new names.
pub(super) async fn count(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => OTHER,
    };
    let began = shared.clock.now();
    let response = next.run(request).await;
    let took = shared.clock.now() - began;
    let requests = &shared.requests;
    requests.durations.get_or_create(&OfPath { path: path.clone() }).observe(seconds(took));
    requests.answered.get_or_create(&Answered { path, method, code: class(response.status()) }).inc();
    response
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// Everything, as text. Where the store does not answer, what it would say is left out.
pub(super) async fn text(shared: &Shared) -> String {
    let mut own = Registry::with_prefix("tramontane");
    shared.standing.measures().register(&mut own);
    own.register("requests", "Requests that were answered, by route", shared.requests.answered.clone());
    let durations = shared.requests.durations.clone();
    own.register_with_unit("request_duration", "How long it took until answers began", Unit::Seconds, durations);
    add_standing(shared, &mut own);
    let answers = add_stored(shared, &mut own).await.is_ok();
    gauge(
        &mut own,
        "store_up",
        "Whether the store answers, and can be written",
        i64::from(answers && shared.standing.trouble().is_none()),
    );
    let mut process = Registry::with_prefix("process");
    add_process(shared, &mut process);
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = encode_registry(&mut text, &own);
    let _ = encode_registry(&mut text, &process);
    let _ = encode_eof(&mut text);
    text
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

fn decimal(registry: &mut Registry, name: &str, help: &str, unit: Unit, value: f64) {
    let gauge = Decimal::default();
    gauge.set(value);
    registry.register_with_unit(name, help, unit, gauge);
}

/// What is known here.
fn add_standing(shared: &Shared, registry: &mut Registry) {
    let build: Family<OfVersion, Gauge> = Family::default();
    build.get_or_create(&OfVersion { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register("build_info", "The version that runs", build);
    let (ready, revision) = {
        let status = shared.status.borrow();
        (status.ready, status.flows.as_ref().map_or(0, |flows| flows.revision))
    };
    gauge(registry, "engine_up", "Whether work goes on", i64::from(ready));
    gauge(registry, "definitions_revision", "The revision of the definitions that are run", revision);
    gauge(registry, "event_listeners", "Who listens to the event stream", whole(shared.hub.listeners()));
    gauge(registry, "connections", "Open connections", whole(shared.room.taken_places()));
    counter(registry, "connections_refused", "Connections that found no place", shared.room.refused());
    add_logs(&shared.logs, registry);
    let [permits, under_way, waiting, paused]: [Family<OfClient, Gauge>; 4] = Default::default();
    for (client, view) in shared.standing.clients(shared.clock.now()).into_iter().take(MOST_NAMES) {
        let of = OfClient { client };
        permits.get_or_create(&of).set(whole(view.permits));
        under_way.get_or_create(&of).set(whole(view.under_way));
        waiting.get_or_create(&of).set(whole(view.waiting));
        paused.get_or_create(&of).set(i64::from(view.paused_until.is_some() || view.is_trying));
    }
    registry.register("client_permits", "Calls that may be under way", permits);
    registry.register("client_calls_under_way", "Calls that are", under_way);
    registry.register("client_routes_waiting", "Routes that wait for a permit", waiting);
    registry.register("client_paused", "Whether nothing is sent for now, or one call tries", paused);
}

fn add_logs(logs: &Logs, registry: &mut Registry) {
    let said: Family<OfLevel, Counter> = Family::default();
    for (level, count) in logs.counts() {
        said.get_or_create(&OfLevel { level }).inc_by(count);
    }
    registry.register("log_records", "What was said in the log", said);
}

/// What the store knows.
async fn add_stored(shared: &Shared, registry: &mut Registry) -> Result<(), StoreError> {
    let lanes: HashMap<LaneId, _> = shared.store.all_lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect();
    let tasks: Family<Tasks, Gauge> = Family::default();
    let mut named: Vec<LaneId> = lanes.keys().copied().collect();
    named.sort_unstable();
    named.truncate(MOST_NAMES);
    let mut open = 0;
    for tally in shared.store.tally(None).await? {
        let lane = lanes.get(&tally.lane).filter(|_| named.binary_search(&tally.lane).is_ok());
        let (kind, name) = match lane {
            Some(lane) if lane.kind == TaskKind::Push => ("route", lane.name.clone()),
            Some(lane) => ("incoming", lane.name.clone()),
            None => (OTHER, OTHER.to_owned()),
        };
        let count = i64::try_from(tally.count).unwrap_or(i64::MAX);
        tasks.get_or_create(&Tasks { kind, name, state: tally.state.as_str() }).inc_by(count);
        open += if tally.state.is_open() && tally.state != TaskState::Processing { count } else { 0 };
    }
    registry.register("tasks", "Tasks in the store, by route or incoming and state", tasks);
    gauge(registry, "queue_tasks", "Tasks that wait to be begun", open);
    let due = shared.store.next_due(lanes.keys().copied().collect()).await?;
    let late = due.map_or(0, |due| (shared.clock.now() - due).max(0));
    let help = "How long the task has waited that could have been begun first";
    decimal(registry, "queue_oldest_age", help, Unit::Seconds, seconds(late));
    Ok(())
}

/// What the system says of this process, under the names that every exporter uses.
fn add_process(shared: &Shared, registry: &mut Registry) {
    decimal(
        registry,
        "start_time",
        "When the process began, since 1970",
        Unit::Seconds,
        seconds(shared.requests.began),
    );
    let held = rest_of_line("/proc/self/status", "VmRSS:")
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    if let Some(kibibytes) = held {
        decimal(registry, "resident_memory", "Memory in use", Unit::Bytes, kibibytes * 1024.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauge(registry, "open_fds", "Open files and sockets", whole(open.count()));
    }
}

/// What stands behind a word at the beginning of a line, in a small file of the system.
fn rest_of_line(path: &str, word: &str) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(64 << 10).read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix(word)).map(str::to_owned)
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of this age")]
fn seconds(millis: Millis) -> f64 {
    millis as f64 / 1_000.0
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
