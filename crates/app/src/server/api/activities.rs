//! Activities: work about many tasks that goes on by itself.

use super::super::Shared;
use super::actor::Actor;
use super::bodies;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Page};
use super::tasks::limited;
use crate::activities::{Wish, file_name};
use crate::print::time;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::Problem;
use serde::{Deserialize, Serialize};
use store::Phase;
use store::blobs::BlobId;
use utoipa::{IntoParams, ToSchema};

/// Tasks that must be done before their rate says something.
const ENOUGH: u64 = 50;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// Work about many tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Activity {
    id: i64,
    /// `decide` or `export`.
    kind: String,
    #[schema(schema_with = schema::phase)]
    phase: Phase,
    /// Whose it is.
    who: String,
    /// The decision that is carried out.
    #[schema(schema_with = schema::decision_or_null)]
    decision: Option<store::Decision>,
    why: Option<String>,
    /// The filter that chose the tasks.
    filter: Option<String>,
    /// Tasks that were seen to.
    done: u64,
    /// Of so many; `null` where they were too many to count.
    of: Option<u64>,
    /// Tasks that it did not fit.
    refused: u64,
    /// Why, of the first few.
    #[schema(value_type = Vec<schema::Finding>)]
    problems: Vec<Problem>,
    /// Why it failed as a whole.
    #[schema(value_type = Option<schema::Finding>)]
    problem: Option<Problem>,
    /// Tasks in a second of work, once that says something.
    rate_per_s: Option<f64>,
    #[schema(schema_with = schema::time)]
    created_at: String,
    /// When it last came on.
    #[schema(schema_with = schema::time)]
    changed_at: String,
    #[schema(schema_with = schema::time_or_null)]
    ended_at: Option<String>,
    /// Whether there is something to fetch.
    has_result: bool,
}

impl Activity {
    pub(crate) fn of(known: store::Activity) -> Self {
        let wish: Wish = serde_json::from_str(&known.wish).unwrap_or_default();
        let seen = known.done + known.refused;
        let rate = (seen >= ENOUGH && known.worked_ms > 0).then(|| seen as f64 * 1_000.0 / known.worked_ms as f64);
        Self {
            id: known.id,
            kind: known.kind,
            phase: known.phase,
            who: known.who,
            decision: wish.decision,
            why: wish.why,
            filter: wish.filter,
            done: known.done,
            of: known.total,
            refused: known.refused,
            problems: known.problems,
            problem: known.problem,
            rate_per_s: rate.map(|rate| (rate * 10.0).round() / 10.0),
            created_at: time(known.created_at),
            changed_at: time(known.changed_at),
            ended_at: known.ended_at.map(time),
            has_result: known.result.is_some(),
        }
    }
}

/// One page of activities, newest first.
#[utoipa::path(
    get, path = "/activities", tag = "activities", params(Asked), responses((status = 200, body = Page<Activity>))
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(Asked { limit, cursor }): Query<Asked>,
) -> Result<Json<Page<Activity>>, Refused> {
    let limit = limited(limit, 100, 1_000)?;
    let page = shared.store.activities(cursor, limit).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|last| last.id.to_string())).flatten();
    Ok(Json(Page { items: page.into_iter().map(Activity::of).collect(), next }))
}

/// One activity.
#[utoipa::path(
    get, path = "/activities/{id}", tag = "activities", params(("id" = i64, Path)),
    responses((status = 200, body = Activity))
)]
pub(super) async fn show(State(shared): State<Shared>, Path(id): Path<i64>) -> Result<Json<Activity>, Refused> {
    Ok(Json(one(&shared, id).await?))
}

pub(super) async fn one(shared: &Shared, id: i64) -> Result<Activity, Refused> {
    shared.store.activity(id).await?.map(Activity::of).ok_or_else(|| unknown(id))
}

/// Keeps an activity from going on.
#[utoipa::path(
    post, path = "/activities/{id}/pause", tag = "activities", params(("id" = i64, Path)),
    responses((status = 200, body = Activity))
)]
pub(super) async fn pause(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<Json<Activity>, Refused> {
    turn(&shared, &actor, id, Phase::Paused).await
}

/// Lets an activity go on where it was.
#[utoipa::path(
    post, path = "/activities/{id}/resume", tag = "activities", params(("id" = i64, Path)),
    responses((status = 200, body = Activity))
)]
pub(super) async fn resume(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<Json<Activity>, Refused> {
    turn(&shared, &actor, id, Phase::Working).await
}

/// Stops an activity. What it has done stays done.
#[utoipa::path(
    post, path = "/activities/{id}/cancel", tag = "activities", params(("id" = i64, Path)),
    responses((status = 200, body = Activity))
)]
pub(super) async fn cancel(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<Json<Activity>, Refused> {
    turn(&shared, &actor, id, Phase::Cancelled).await
}

async fn turn(shared: &Shared, actor: &Actor, id: i64, to: Phase) -> Result<Json<Activity>, Refused> {
    let what = match to {
        Phase::Paused => "activity.pause",
        Phase::Working => "activity.resume",
        _ => "activity.cancel",
    };
    let audit = actor.did(what, format!("activity {id}"), shared.clock.now());
    match shared.store.turn_activity(id, to, audit).await? {
        None => Err(unknown(id)),
        Some(true) => {
            shared.standing.call();
            Ok(Json(one(shared, id).await?))
        }
        Some(false) => {
            let known = one(shared, id).await?;
            let reason = format!("activity {id} is {}", known.phase.as_str());
            Err(Refused::new(StatusCode::CONFLICT, Problem::new("activity_misfit", reason)))
        }
    }
}

/// What an export has written, for those who may see payloads.
#[utoipa::path(
    get, path = "/activities/{id}/result", tag = "activities", params(("id" = i64, Path), bodies::Asked),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206, content_type = "application/octet-stream"))
)]
pub(super) async fn result(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
    Query(asked): Query<bodies::Asked>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    actor.may_see(&shared, "activity.see_result", &format!("activity {id}")).await?;
    let known = shared.store.activity(id).await?.ok_or_else(|| unknown(id))?;
    let none = || {
        let problem =
            Problem::new("result_unknown", "there is nothing to fetch: it has not ended, or that is a day ago");
        Refused::new(StatusCode::NOT_FOUND, problem)
    };
    let blob = known.result.as_deref().and_then(BlobId::parse).ok_or_else(none)?;
    let length = shared.store.blob_folder().length(&blob)?.ok_or_else(none)?;
    let name = file_name(id, known.created_at);
    bodies::send(&shared, store::Body::Blob(blob, length), &name, asked.whole, &headers).await
}

fn unknown(id: i64) -> Refused {
    Refused::not_found("activity_unknown", format!("there is no activity {id}"))
}
