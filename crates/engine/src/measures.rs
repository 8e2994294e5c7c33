//! What is measured while the engine works. Names of routes and clients are bounded, so that what is shown stays small.

use model::{Evidence, Millis, TaskState, Usage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// So many routes, incoming and clients are told apart each; what is beyond counts under [`OTHER`].
pub const MOST_NAMES: usize = 200;
/// The name of what is beyond.
pub const OTHER: &str = "other";

/// Seconds of calls: from a fast embedding to a long chat.
const CALLS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
/// Seconds of commits.
const COMMITS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Ends in one commit.
const SIZES: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndOf {
    kind: &'static str,
    name: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLane {
    kind: &'static str,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClient {
    client: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EvidenceOf {
    client: String,
    evidence: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerOf {
    client: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokensOf {
    client: String,
    kind: &'static str,
}

/// What a call came to.
pub(crate) struct Called<'a> {
    pub(crate) client: &'a str,
    pub(crate) evidence: Evidence,
    pub(crate) status: Option<u16>,
    pub(crate) took: Millis,
    pub(crate) usage: Option<&'a Usage>,
}

/// Everything that the engine counts. Cheap to count in, read when somebody asks.
#[derive(Debug)]
pub struct Measures {
    ended: Family<EndOf, Counter>,
    retried: Family<OfLane, Counter>,
    calls: Family<EvidenceOf, Counter>,
    answers: Family<AnswerOf, Counter>,
    durations: Family<OfClient, Histogram, fn() -> Histogram>,
    tokens: Family<TokensOf, Counter>,
    costs: Family<OfClient, Counter<f64, std::sync::atomic::AtomicU64>>,
    commits: Histogram,
    sizes: Histogram,
    lanes: Names,
    clients: Names,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            ended: Family::default(),
            retried: Family::default(),
            calls: Family::default(),
            answers: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(CALLS)),
            tokens: Family::default(),
            costs: Family::default(),
            commits: Histogram::new(COMMITS),
            sizes: Histogram::new(SIZES),
            lanes: Names::default(),
            clients: Names::default(),
        }
    }
}

impl Measures {
    /// Makes them known under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("tasks_ended", "Tasks that came to an end, by route or incoming", self.ended.clone());
        registry.register("retries", "Attempts after which another was planned", self.retried.clone());
        registry.register("calls", "Calls to remote systems, by what is known of them", self.calls.clone());
        registry.register("answers", "Answers of remote systems, by status", self.answers.clone());
        registry.register_with_unit("call_duration", "How long calls took", Unit::Seconds, self.durations.clone());
        registry.register("usage_tokens", "Tokens that calls used", self.tokens.clone());
        registry.register("cost", "Estimated cost, in the currency of the price book", self.costs.clone());
        registry.register_with_unit(
            "commit_duration",
            "How long ends took to be durable",
            Unit::Seconds,
            self.commits.clone(),
        );
        registry.register("commit_size", "Ends of attempts in one commit", self.sizes.clone());
    }

    /// So many tasks of a lane ended in this state.
    pub(crate) fn ended(&self, kind: &'static str, name: &str, state: TaskState, count: u64) {
        let name = self.lanes.bounded(name);
        self.ended.get_or_create(&EndOf { kind, name, state: state.as_str() }).inc_by(count);
    }

    /// So many attempts of a lane are to be repeated.
    pub(crate) fn retried(&self, kind: &'static str, name: &str, count: u64) {
        let name = self.lanes.bounded(name);
        self.retried.get_or_create(&OfLane { kind, name }).inc_by(count);
    }

    /// A call came to its end.
    pub(crate) fn called(&self, called: &Called<'_>) {
        let client = self.clients.bounded(called.client);
        let evidence = called.evidence.as_str();
        self.calls.get_or_create(&EvidenceOf { client: client.clone(), evidence }).inc();
        if let Some(status) = called.status {
            self.answers.get_or_create(&AnswerOf { client: client.clone(), code: class(status) }).inc();
        }
        self.durations.get_or_create(&OfClient { client: client.clone() }).observe(seconds(called.took));
        let Some(usage) = called.usage else { return };
        for (kind, count) in [("prompt", usage.prompt_tokens), ("completion", usage.completion_tokens)] {
            if let Some(count) = count {
                self.tokens.get_or_create(&TokensOf { client: client.clone(), kind }).inc_by(count);
            }
        }
        if let Some(cost) = usage.cost {
            #[allow(clippy::cast_precision_loss, reason = "an estimate")]
            self.costs.get_or_create(&OfClient { client }).inc_by(cost.0 as f64 / 1e9);
        }
    }

    /// So many ends were committed together, in so long.
    pub(crate) fn committed(&self, count: usize, took: Millis) {
        self.commits.observe(seconds(took));
        #[allow(clippy::cast_precision_loss, reason = "some hundred")]
        self.sizes.observe(count as f64);
    }
}

#[allow(clippy::cast_precision_loss, reason = "a span")]
fn seconds(span: Millis) -> f64 {
    span.max(0) as f64 / 1_000.0
}

/// What a status is counted as: 429 is a thing of its own.
fn class(status: u16) -> &'static str {
    match status {
        429 => "429",
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// The first names that came.
#[derive(Debug, Default)]
struct Names(Mutex<HashSet<String>>);

impl Names {
    fn bounded(&self, name: &str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(name) {
            if known.len() >= MOST_NAMES {
                return OTHER.to_owned();
            }
            known.insert(name.to_owned());
        }
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn names_are_bounded() {
        let measures = Measures::default();
        for number in 0..1_000 {
            measures.ended("push", &format!("route-{number}"), TaskState::Finished, 1);
        }
        let mut registry = Registry::default();
        measures.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("tasks_ended_total{")).collect();
        assert_eq!(lines.len(), MOST_NAMES + 1);
        let other = lines.iter().find(|line| line.contains("\"other\"")).unwrap();
        assert!(other.ends_with(" 800"), "{other}");
    }
}
