//! Runs: what each trigger of an incoming did.

use super::super::Shared;
use super::actor::Actor;
use super::problem::Refused;
use super::tasks::{lane_named, lanes, wrong};
use crate::print::time;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use engine::{Engine, RunOptions};
use model::{Problem, TaskKind};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What may be asked of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    incoming: Option<String>,
    limit: Option<u32>,
}

/// The latest runs, newest first, with how many tasks of each are in which state.
pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let Query(asked) = asked?;
    let limit = asked.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(wrong("limit is 1 to 100"));
    }
    let lanes = lanes(&shared).await?;
    let lane = asked.incoming.map(|name| lane_named(&lanes, TaskKind::Pull, &name)).transpose()?;
    let mut items = Vec::new();
    for run in shared.store.runs(lane, limit).await? {
        let mut states = Map::new();
        for tally in shared.store.tally(Some(run.id)).await? {
            let count = states.get(tally.state.as_str()).and_then(Value::as_u64).unwrap_or(0) + tally.count;
            states.insert(tally.state.as_str().to_owned(), json!(count));
        }
        items.push(json!({
            "id": run.id,
            "incoming": lanes.get(&run.lane).map(|lane| &lane.name),
            "trigger": run.trigger,
            "started_at": time(run.started_at),
            "tasks": states,
        }));
    }
    Ok(Json(json!({ "items": items })))
}

/// A run that is wished for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    incoming: String,
    /// Takes in at most this many payloads.
    limit: Option<u64>,
    /// Starts from the beginning instead of the cursor.
    #[serde(default)]
    again: bool,
}

/// Begins a run, or goes on with one that was interrupted while it took data in. The serving engine works on it.
pub(super) async fn begin(
    State(shared): State<Shared>,
    Extension(actor): Extension<Actor>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let Json(Wish { incoming, limit, again }) = wish?;
    let engine = Engine::open(shared.parts.clone()).await.map_err(not_runnable)?;
    let options = RunOptions { limit, again, trigger: format!("api {}", actor.name) };
    let begun = engine.begin(&incoming, options).await.map_err(|problem| {
        let status = if problem.code == "incoming_unknown" { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
        Refused::new(status, problem)
    })?;
    shared.store.record(vec![actor.did("run.begin", format!("{incoming} {}", begun.run), shared.clock.now())]).await?;
    shared.standing.call();
    Ok((StatusCode::ACCEPTED, Json(json!({ "run": begun.run, "continued": begun.continued }))))
}

/// The definitions cannot be run as they are: the first reason, and how many there are.
fn not_runnable(problems: Vec<Problem>) -> Refused {
    let count = problems.len();
    let first = problems.into_iter().next();
    let mut problem = first.unwrap_or_else(|| Problem::new("definitions_wrong", "the definitions cannot be run"));
    if count > 1 {
        problem.reason = format!("{} (and {} more problems)", problem.reason, count - 1);
    }
    Refused::new(StatusCode::CONFLICT, problem)
}
