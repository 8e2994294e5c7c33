//! Whether it lives, whether it works, and how it goes, in words.

use super::Shared;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::exchange::GateView;
use model::{Millis, Problem, TaskKind, TaskState};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{LaneId, StoreError};
use utoipa::ToSchema;

/// A task that could be begun and waits for longer than this is worth a look.
const LONG_WAIT: Millis = 300_000;
/// HTTP clients and routes that are named at most.
const MOST_NAMED: usize = 50;

/// The process answers. Nothing else is looked at, so that a full disk does not make anybody restart it.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// Definitions are loaded, work goes on, the store answers: 200. Else 503, with problems.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let (ready, mut problems) = {
        let status = shared.status.borrow();
        (status.ready, status.problems.clone())
    };
    let revision = match shared.store.definitions().await {
        Ok((revision, _)) => Some(revision),
        Err(error) => {
            problems.push(error.problem());
            None
        }
    };
    let trouble = shared.standing.trouble();
    let is_ready = ready && revision.is_some() && trouble.is_none();
    problems.extend(trouble);
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if is_ready { "ready" } else { "not ready" };
    (code, Json(json!({ "status": word, "revision": revision, "problems": problems })))
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthCondition)]
pub(super) enum Condition {
    /// As it should be.
    Well,
    /// It works, and somebody should look.
    Troubled,
    /// It does not work.
    Down,
}

/// How one part is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthPart)]
pub(super) struct Part {
    /// `engine`, `store`, `http_client`, `queue`, `route` or `incoming`.
    part: &'static str,
    /// Which one, where there are several.
    name: Option<String>,
    condition: Condition,
    /// In words.
    words: String,
}

/// How it goes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    condition: Condition,
    /// All of it in one sentence.
    sentence: String,
    parts: Vec<Part>,
}

/// Everything that can be said.
pub(super) async fn in_words(shared: &Shared) -> Health {
    let mut parts = known(shared);
    match asked(shared).await {
        Ok(more) => parts.extend(more),
        Err(error) => parts.push(Part::new("store", Condition::Down, format!("the store does not answer: {error}"))),
    }
    let condition = parts.iter().map(|part| part.condition).max().unwrap_or(Condition::Well);
    Health { condition, sentence: sentence(&parts), parts }
}

/// What can be said without asking anybody: for those who listen.
pub(super) fn in_short(shared: &Shared) -> Value {
    let parts = known(shared);
    let condition = parts.iter().map(|part| part.condition).max();
    json!({ "condition": condition, "sentence": sentence(&parts) })
}

impl Part {
    fn new(part: &'static str, condition: Condition, words: impl Into<String>) -> Self {
        Self { part, name: None, condition, words: words.into() }
    }

    fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }
}

fn sentence(parts: &[Part]) -> String {
    let mut wrong: Vec<&Part> = parts.iter().filter(|part| part.condition != Condition::Well).collect();
    wrong.sort_by_key(|part| std::cmp::Reverse(part.condition));
    let Some(first) = wrong.first() else { return "all is well".to_owned() };
    match wrong.len() {
        1 => first.words.clone(),
        count => format!("{} things need somebody to look: {}; …", count, first.words),
    }
}

/// The engine, the store as far as it is known, and HTTP clients.
fn known(shared: &Shared) -> Vec<Part> {
    let mut parts = Vec::new();
    {
        let status = shared.status.borrow();
        let said = |problems: &[Problem]| problems.first().map(ToString::to_string).unwrap_or_default();
        parts.push(match (status.ready, status.problems.is_empty()) {
            (true, true) => Part::new("engine", Condition::Well, "work goes on"),
            (true, false) => {
                let words = format!("newer definitions cannot be run: {}", said(&status.problems));
                Part::new("engine", Condition::Troubled, words)
            }
            (false, true) => Part::new("engine", Condition::Down, "work has not begun, or is being ended"),
            (false, false) => {
                Part::new("engine", Condition::Down, format!("work stands still: {}", said(&status.problems)))
            }
        });
    }
    parts.push(match shared.standing.trouble() {
        None => Part::new("store", Condition::Well, "it can be read and written"),
        Some(problem) => Part::new("store", Condition::Down, format!("the store cannot be written: {problem}")),
    });
    let now = shared.clock.now();
    let clients = shared.standing.clients(now);
    parts.extend(clients.iter().take(MOST_NAMED).map(|(name, view)| client(name, view)));
    parts
}

/// No time stands here: it would be another sentence every second.
fn client(name: &str, view: &GateView) -> Part {
    let (condition, words) = match (view.paused_until.is_some(), view.is_trying) {
        (true, _) => (Condition::Troubled, format!("nothing is sent to the HTTP client \"{name}\" for now")),
        (false, true) => {
            (Condition::Troubled, format!("one call tries whether the HTTP client \"{name}\" answers again"))
        }
        (false, false) => (Condition::Well, "calls are sent".to_owned()),
    };
    Part::new("http_client", condition, words).named(name)
}

/// What waits, and what has failed.
async fn asked(shared: &Shared) -> Result<Vec<Part>, StoreError> {
    let flows = shared.status.borrow().flows.clone();
    let lanes: Vec<LaneId> =
        flows.iter().flat_map(|flows| flows.pulls.keys().chain(flows.pushes.keys())).copied().collect();
    let mut parts = vec![queue(shared.store.next_due(lanes).await?, shared.clock.now())];
    let mut failed: BTreeMap<LaneId, [u64; 2]> = BTreeMap::new();
    for tally in shared.store.tally(None).await? {
        match tally.state {
            TaskState::Failed => failed.entry(tally.lane).or_default()[0] += tally.count,
            TaskState::Unknown => failed.entry(tally.lane).or_default()[1] += tally.count,
            _ => {}
        }
    }
    if failed.is_empty() {
        return Ok(parts);
    }
    let names = shared.store.all_lanes().await?;
    for lane in names.iter().filter(|lane| failed.contains_key(&lane.id)).take(MOST_NAMED) {
        let [failed, unknown] = failed[&lane.id];
        let part = if lane.kind == TaskKind::Push { "route" } else { "incoming" };
        let words = match (failed, unknown) {
            (failed, 0) => format!("{failed} tasks of {part} \"{}\" have failed", lane.name),
            (0, unknown) => format!("the outcome of {unknown} tasks of {part} \"{}\" is unknown", lane.name),
            (failed, unknown) => {
                format!(
                    "{failed} tasks of {part} \"{}\" have failed, and the outcome of {unknown} is unknown",
                    lane.name
                )
            }
        };
        parts.push(Part::new(part, Condition::Troubled, words).named(&lane.name));
    }
    Ok(parts)
}

fn queue(due: Option<Millis>, now: Millis) -> Part {
    match due.map(|due| now - due) {
        None => Part::new("queue", Condition::Well, "nothing waits"),
        Some(late) if late > LONG_WAIT => {
            let words = format!("a task waits for {} minutes that could be begun", late / 60_000);
            Part::new("queue", Condition::Troubled, words)
        }
        Some(late) if late >= 0 => Part::new("queue", Condition::Well, "what waits has its turn"),
        Some(_) => Part::new("queue", Condition::Well, "what waits is not due yet"),
    }
}
