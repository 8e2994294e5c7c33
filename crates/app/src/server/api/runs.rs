//! Runs: what each trigger of an incoming did.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Items};
use super::tasks::{lane_named, lanes, limited};
use crate::print::time;
use crate::progress::Progress;
use crate::story::Lanes;
use axum::extract::State;
use axum::http::StatusCode;
use engine::{Engine, RunOptions};
use model::{Problem, RunId, TaskKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only of this incoming.
    incoming: Option<String>,
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// What one trigger of an incoming did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Run {
    #[schema(value_type = i64)]
    id: RunId,
    incoming: Option<String>,
    /// Who or what began it.
    trigger: String,
    #[schema(schema_with = schema::time)]
    started_at: String,
    /// How many of its tasks are in which state.
    tasks: BTreeMap<&'static str, u64>,
}

/// The latest runs, newest first, with how many tasks of each are in which state.
#[utoipa::path(get, path = "/runs", tag = "runs", params(Asked), responses((status = 200, body = Items<Run>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Json<Items<Run>>, Refused> {
    let limit = limited(asked.limit, 20, 100)?;
    let lanes = lanes(&shared).await?;
    let lane = asked.incoming.map(|name| lane_named(&lanes, TaskKind::Pull, &name)).transpose()?;
    let mut items = Vec::new();
    for run in shared.store.runs(lane, limit).await? {
        items.push(shown(&shared, run, &lanes).await?);
    }
    Ok(Json(Items { items }))
}

/// One run, with how many of its tasks are in which state.
#[utoipa::path(
    get, path = "/runs/{id}", tag = "runs", params(("id" = i64, Path)), responses((status = 200, body = Run))
)]
pub(super) async fn show(State(shared): State<Shared>, Path(id): Path<i64>) -> Result<Json<Run>, Refused> {
    let Some(run) = shared.store.run(RunId(id)).await? else { return Err(unknown(id)) };
    Ok(Json(shown(&shared, run, &lanes(&shared).await?).await?))
}

async fn shown(shared: &Shared, run: store::Run, lanes: &Lanes) -> Result<Run, Refused> {
    let mut tasks = BTreeMap::new();
    for tally in shared.store.tally(Some(run.id)).await? {
        *tasks.entry(tally.state.as_str()).or_default() += tally.count;
    }
    Ok(Run {
        id: run.id,
        incoming: lanes.get(&run.lane).map(|lane| lane.name.clone()),
        trigger: run.trigger,
        started_at: time(run.started_at),
        tasks,
    })
}

pub(super) fn unknown(id: i64) -> Refused {
    Refused::not_found("run_unknown", format!("there is no run {id}"))
}

/// A run that is wished for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    incoming: String,
    /// Takes in at most this many payloads.
    limit: Option<u64>,
    /// Starts from the beginning instead of the cursor.
    #[serde(default)]
    again: bool,
}

/// A run that was begun, or goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Begun {
    #[schema(value_type = i64)]
    run: RunId,
    /// Whether it was interrupted while it took data in, and goes on.
    continued: bool,
    /// Runs of this incoming that were still open; they are finished first.
    #[schema(value_type = Vec<i64>)]
    open: Vec<RunId>,
}

/// Begins a run, or goes on with one that was interrupted while it took data in. The serving engine works on it.
#[utoipa::path(post, path = "/runs", tag = "runs", request_body = NewRun, responses((status = 202, body = Begun)))]
pub(super) async fn begin(
    State(shared): State<Shared>,
    actor: Actor,
    Json(NewRun { incoming, limit, again }): Json<NewRun>,
) -> Result<(StatusCode, Json<Begun>), Refused> {
    let engine = Engine::open(shared.parts.clone()).await.map_err(not_runnable)?;
    let options = RunOptions { limit, again, trigger: format!("api {}", actor.name) };
    let begun = engine.begin(&incoming, options).await.map_err(|problem| {
        let status = if problem.code == "incoming_unknown" { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
        Refused::new(status, problem)
    })?;
    shared.store.record(vec![actor.did("run.begin", format!("{incoming} {}", begun.run), shared.clock.now())]).await?;
    shared.standing.call_for(&[]);
    Ok((StatusCode::ACCEPTED, Json(Begun { run: begun.run, continued: begun.continued, open: begun.open })))
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

/// How far a run has come, lane by lane, with what it used.
#[utoipa::path(
    get, path = "/runs/{id}/progress", tag = "runs", params(("id" = i64, Path)),
    responses((status = 200, body = Progress))
)]
pub(super) async fn progress(State(shared): State<Shared>, Path(id): Path<i64>) -> Result<Json<Progress>, Refused> {
    let store = shared.store.as_ref();
    let run = store.run(RunId(id)).await?.ok_or_else(|| unknown(id))?;
    let flows = shared.status.borrow().flows.clone().unwrap_or_default();
    let lanes = flows.reachable_from(run.lane);
    Ok(Json(Progress::of(store, &flows, run.id, &lanes, shared.clock.now()).await?))
}
