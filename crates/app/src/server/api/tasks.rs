//! Tasks: lists, stories, decisions.

use super::super::Shared;
use super::actor::Actor;
use super::problem::Refused;
use crate::story::{Lanes, row_value, story_value};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::{Problem, TaskId, TaskKind, TaskState};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Decided, Decision, LaneId, TaskFilter};

/// Tasks of a page where nobody says how many, and at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;

/// What may be asked of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    state: Option<TaskState>,
    route: Option<String>,
    incoming: Option<String>,
    run: Option<i64>,
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// One page of tasks, newest first, without their data.
pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let Query(asked) = asked?;
    let lanes = lanes(&shared).await?;
    let lane = match (&asked.route, &asked.incoming) {
        (Some(_), Some(_)) => return Err(wrong("route and incoming exclude each other")),
        (Some(route), None) => Some(lane_named(&lanes, TaskKind::Push, route)?),
        (None, Some(incoming)) => Some(lane_named(&lanes, TaskKind::Pull, incoming)?),
        (None, None) => None,
    };
    let limit = asked.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(wrong(format!("limit is 1 to {LARGEST_PAGE}")));
    }
    let (run, before) = (asked.run.map(model::RunId), asked.cursor.map(TaskId));
    let page = shared.store.tasks(TaskFilter { state: asked.state, lane, run, before, limit }).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|row| row.id.to_string())).flatten();
    let items: Vec<Value> = page.iter().map(|row| row_value(row, &lanes)).collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

/// Everything about one task. Its data, requests and answers only for those who may see them; that they did is recorded.
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Json<Value>, Refused> {
    let Path(id) = id?;
    let Some(story) = shared.store.task(TaskId(id)).await? else { return Err(unknown(id)) };
    let mut value = story_value(&story, &lanes(&shared).await?);
    value["payloads_hidden"] = json!(!actor.sees_payloads);
    if actor.sees_payloads {
        shared.store.record(vec![actor.did("task.see_payload", id.to_string(), shared.clock.now())]).await?;
    } else {
        hide(&mut value);
    }
    Ok(Json(value))
}

/// Takes out of a story what is not for everybody.
fn hide(story: &mut Value) {
    let hidden = |part: &mut Value, names: &[&str]| {
        for name in names {
            if let Some(value) = part.get_mut(*name) {
                *value = Value::Null;
            }
        }
    };
    for attempt in story["attempts"].as_array_mut().into_iter().flatten() {
        hidden(attempt, &["request", "answer", "headers"]);
        // A service quotes what it was sent in what it says is wrong.
        if let Some(problem) = attempt.get_mut("problem").filter(|problem| problem.is_object()) {
            hidden(problem, &["reason"]);
        }
    }
    for decision in story["decisions"].as_array_mut().into_iter().flatten() {
        hidden(decision, &["payload_before"]);
    }
    if let Some(problem) = story.get_mut("problem").filter(|problem| problem.is_object()) {
        hidden(problem, &["reason"]);
    }
    hidden(story, &["payload"]);
}

/// A decision about a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    decision: Decision,
    /// Why, in their words.
    why: Option<String>,
}

/// Carries a decision out.
pub(super) async fn decide(
    State(shared): State<Shared>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<i64>, PathRejection>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let (Path(id), Json(wish)) = (id?, wish?);
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
    shared.standing.call();
    let Some(story) = shared.store.task(TaskId(id)).await? else { return Err(unknown(id)) };
    Ok(Json(row_value(&story.row, &lanes(&shared).await?)))
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
