//! Tasks: lists, stories, decisions.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Page};
use crate::story::{Lanes, TaskStory, TaskSummary};
use axum::extract::State;
use axum::http::StatusCode;
use model::{Problem, TaskId, TaskKind, TaskState};
use serde::Deserialize;
use store::{Decided, Decision, LaneId, TaskFilter};
use utoipa::{IntoParams, ToSchema};

/// Tasks of a page where nobody says how many, and at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    #[param(schema_with = schema::task_state)]
    state: Option<TaskState>,
    route: Option<String>,
    incoming: Option<String>,
    run: Option<i64>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// One page of tasks, newest first, without their data.
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(Asked), responses((status = 200, body = Page<TaskSummary>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<TaskSummary>>, Refused> {
    let lanes = lanes(&shared).await?;
    let lane = match (&asked.route, &asked.incoming) {
        (Some(_), Some(_)) => return Err(wrong("route and incoming exclude each other")),
        (Some(route), None) => Some(lane_named(&lanes, TaskKind::Push, route)?),
        (None, Some(incoming)) => Some(lane_named(&lanes, TaskKind::Pull, incoming)?),
        (None, None) => None,
    };
    let limit = limited(asked.limit, PAGE, LARGEST_PAGE)?;
    let (run, before) = (asked.run.map(model::RunId), asked.cursor.map(TaskId));
    let page = shared.store.tasks(TaskFilter { state: asked.state, lane, run, before, limit }).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|row| row.id.to_string())).flatten();
    Ok(Json(Page { items: page.iter().map(|row| TaskSummary::of(row, &lanes)).collect(), next }))
}

/// Everything about one task. Its data, requests and answers only for those who may see them; that they did is recorded.
#[utoipa::path(
    get, path = "/tasks/{id}", tag = "tasks", params(("id" = i64, Path)), responses((status = 200, body = TaskStory))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<Json<TaskStory>, Refused> {
    let Some(story) = shared.store.task(TaskId(id)).await? else { return Err(unknown(id)) };
    let shown = TaskStory::of(&story, &lanes(&shared).await?).for_one_who(actor.sees_payloads);
    if actor.sees_payloads {
        shared.store.record(vec![actor.did("task.see_payload", id.to_string(), shared.clock.now())]).await?;
    }
    Ok(Json(shown))
}

/// A decision about a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    #[schema(schema_with = schema::decision)]
    decision: Decision,
    /// Why, in their words.
    #[schema(max_length = 1000)]
    why: Option<String>,
}

/// Carries out a decision about a task.
#[utoipa::path(
    post, path = "/tasks/{id}/decisions", tag = "tasks", params(("id" = i64, Path)), request_body = Wish,
    responses((status = 200, body = TaskSummary))
)]
pub(super) async fn decide(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
    Json(wish): Json<Wish>,
) -> Result<Json<TaskSummary>, Refused> {
    if wish.why.as_ref().is_some_and(|why| why.len() > 1_000) {
        return Err(wrong("why has at most 1,000 bytes"));
    }
    let now = shared.clock.now();
    let decided = Decided::new(wish.decision, &actor.name, wish.why, now);
    match shared.store.decide(vec![TaskId(id)], decided).await?.pop() {
        Some(Ok(())) => {}
        Some(Err(problem)) if problem.code == "task_not_found" => return Err(unknown(id)),
        Some(Err(problem)) => return Err(Refused::new(StatusCode::CONFLICT, problem)),
        None => return Err(unknown(id)),
    }
    shared.store.record(vec![actor.did(&format!("task.{}", wish.decision.as_str()), id.to_string(), now)]).await?;
    shared.standing.call_for(&[TaskId(id)]);
    let Some(story) = shared.store.task(TaskId(id)).await? else { return Err(unknown(id)) };
    Ok(Json(TaskSummary::of(&story.row, &lanes(&shared).await?)))
}

pub(super) async fn lanes(shared: &Shared) -> Result<Lanes, Refused> {
    Ok(shared.store.all_lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect())
}

pub(super) fn lane_named(lanes: &Lanes, kind: TaskKind, name: &str) -> Result<LaneId, Refused> {
    let found = lanes.values().find(|lane| lane.kind == kind && lane.name == name);
    let what = if kind == TaskKind::Push { "route" } else { "incoming" };
    found.map(|lane| lane.id).ok_or_else(|| wrong(format!("there is no {what} of this name")))
}

fn unknown(id: i64) -> Refused {
    Refused::not_found("task_unknown", format!("there is no task {id}"))
}

pub(super) fn wrong(reason: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, Problem::new("query_wrong", reason))
}

/// How many are wished for on a page.
pub(super) fn limited(limit: Option<u32>, unsaid: u32, most: u32) -> Result<u32, Refused> {
    let limit = limit.unwrap_or(unsaid);
    if (1..=most).contains(&limit) { Ok(limit) } else { Err(wrong(format!("limit is 1 to {most}"))) }
}
