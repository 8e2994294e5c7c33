//! Tasks: lists, stories, decisions.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, instant};
use crate::filter::{self, Names};
use crate::print::time;
use crate::story::{Attempt, FoundTask, Lanes, TaskStory, TaskSummary};
use axum::extract::State;
use axum::http::StatusCode;
use model::{Millis, Problem, TaskId, TaskKind, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use store::{Compare, Condition, Decided, Decision, LaneId, Search, Test};
use utoipa::{IntoParams, ToSchema};

/// Tasks of a page where nobody says how many, and at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;
/// Bars of a histogram where nobody says how many, and at most.
const BARS: u32 = 60;
const MOST_BARS: u32 = 300;
/// A histogram shows this last span where nobody says which: a day.
const SHOWN: Millis = 86_400_000;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Which tasks: `status:failed route:describe -code:timeout cost:>0.01`.
    filter: Option<String>,
    /// Accepted from this time on, RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Accepted before this time.
    #[param(format = DateTime)]
    until: Option<String>,
    #[param(schema_with = schema::task_state)]
    state: Option<TaskState>,
    route: Option<String>,
    incoming: Option<String>,
    run: Option<i64>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<i64>,
    /// Whether all are counted, up to 10,000 where that is not known at once.
    count: Option<bool>,
}

/// One page of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tasks {
    items: Vec<FoundTask>,
    /// What to give as `cursor` for the next page; `null` at the end. A page may be short, or empty, before the end: what
    /// is looked at for one page is bounded.
    next: Option<String>,
    /// Down to this time everything was looked at; `null`: all of it.
    #[schema(schema_with = schema::time_or_null)]
    scanned_until: Option<String>,
    /// How many there are, where that was asked.
    count: Option<u64>,
    /// There may be more than `count`.
    count_is_capped: Option<bool>,
    /// Of all costs.
    currency: Option<String>,
}

/// One page of tasks, newest first, without their data.
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(Asked), responses((status = 200, body = Tasks)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    actor: Actor,
    Query(asked): Query<Asked>,
) -> Result<Json<Tasks>, Refused> {
    let limit = limited(asked.limit, PAGE, LARGEST_PAGE)?;
    let times = [instant(asked.since)?, instant(asked.until)?];
    let (mut search, names) = searched(&shared, &actor, asked.filter.as_deref(), times).await?;
    let mut add = |test| search.all.push(Condition { is_not: false, any: vec![test] });
    match (&asked.route, &asked.incoming) {
        (Some(_), Some(_)) => return Err(wrong("route and incoming exclude each other")),
        (Some(route), None) => add(Test::Lane(lane_named(names.lanes(), TaskKind::Push, route)?)),
        (None, Some(incoming)) => add(Test::Lane(lane_named(names.lanes(), TaskKind::Pull, incoming)?)),
        (None, None) => {}
    }
    asked.state.into_iter().for_each(|state| add(Test::State(state)));
    asked.run.into_iter().for_each(|run| add(Test::Run(model::RunId(run))));
    let count = match asked.count {
        Some(true) => Some(shared.store.count(search.clone()).await?),
        _ => None,
    };
    let found = shared.store.search(Search { before: asked.cursor.map(TaskId), limit, ..search }).await?;
    let shown = |task| FoundTask::of(task, names.lanes()).for_one_who(actor.sees_payloads);
    Ok(Json(Tasks {
        items: found.tasks.iter().map(shown).collect(),
        next: found.next.map(|next| next.to_string()),
        scanned_until: found.scanned_until.map(time),
        count: count.map(|count| count.count),
        count_is_capped: count.map(|count| count.is_capped),
        currency: shared.store.currency(None).await?,
    }))
}

/// The search that a filter means. Who looks into data must be allowed to see it, and that they do is recorded.
pub(super) async fn searched(
    shared: &Shared,
    actor: &Actor,
    text: Option<&str>,
    times: [Option<Millis>; 2],
) -> Result<(Search, Names), Refused> {
    let text = text.unwrap_or_default();
    let refused = |problem| Refused::new(StatusCode::BAD_REQUEST, problem);
    let parsed = filter::parse(text).map_err(refused)?;
    let names = Names::of(shared.store.as_ref(), &parsed).await?;
    let wanted = filter::resolve(&parsed, &names, times, shared.clock.now()).map_err(refused)?;
    if wanted.looks_into_data {
        actor.may_see(shared, "task.search_payloads", text).await?;
    }
    Ok((wanted.search, names))
}

/// What may be asked of the histogram.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Drawn {
    /// Which tasks.
    filter: Option<String>,
    /// From this time on, RFC 3339; a day before `until`, where it is not said.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this time; now, where it is not said.
    #[param(format = DateTime)]
    until: Option<String>,
    #[param(minimum = 1, maximum = 300, default = 60)]
    buckets: Option<u32>,
}

/// Tasks by time and state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Histogram {
    #[schema(schema_with = schema::time)]
    since: String,
    #[schema(schema_with = schema::time)]
    until: String,
    width_ms: i64,
    /// Those that have any.
    items: Vec<Bar>,
    /// Not all of the time was looked at: only so far back.
    #[schema(schema_with = schema::time_or_null)]
    scanned_until: Option<String>,
}

/// Tasks that were accepted in one span of time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Bar {
    #[schema(schema_with = schema::time)]
    at: String,
    /// How many there are in each state.
    states: BTreeMap<&'static str, u64>,
}

/// How many tasks were accepted when, and where they stand now.
#[utoipa::path(
    get, path = "/tasks/histogram", tag = "tasks", params(Drawn), responses((status = 200, body = Histogram))
)]
pub(super) async fn histogram(
    State(shared): State<Shared>,
    actor: Actor,
    Query(asked): Query<Drawn>,
) -> Result<Json<Histogram>, Refused> {
    let buckets = i64::from(limited(asked.buckets, BARS, MOST_BARS)?);
    let until = instant(asked.until)?.unwrap_or_else(|| shared.clock.now() + 1);
    let since = instant(asked.since)?.unwrap_or_else(|| until.saturating_sub(SHOWN));
    if since >= until {
        return Err(wrong("since is before until"));
    }
    let (mut search, _) = searched(&shared, &actor, asked.filter.as_deref(), [Some(since), Some(until)]).await?;
    if search.all.iter().any(|condition| condition.any.iter().any(|test| matches!(test, Test::Data(..)))) {
        return Err(wrong("a histogram does not look into data"));
    }
    let width = until.saturating_sub(since).saturating_add(buckets - 1) / buckets;
    // Bars stand where they would without the filter, which may begin later.
    let first = search.since.map_or(0, |begin| begin.saturating_sub(since) / width);
    if let Some(begin) = search.since.replace(since + first * width) {
        search.all.push(Condition { is_not: false, any: vec![Test::Created(Compare::AtLeast, begin)] });
    }
    let drawn = shared.store.histogram(search, width).await?;
    let mut bars: BTreeMap<i64, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for (bucket, state, count) in drawn.counts {
        *bars.entry(first + i64::from(bucket)).or_default().entry(state.as_str()).or_default() += count;
    }
    let bar = |(bucket, states): (i64, _)| Bar { at: time(since + bucket * width), states };
    Ok(Json(Histogram {
        since: time(since),
        until: time(until),
        width_ms: width,
        items: bars.into_iter().map(bar).collect(),
        scanned_until: drawn.scanned_until.map(time),
    }))
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
    Ok(Json(story(&shared, &actor, id).await?))
}

/// The attempts of a task, in order. What they sent and were answered only for those who may see it.
#[utoipa::path(
    get, path = "/tasks/{id}/attempts", tag = "tasks", params(("id" = i64, Path)),
    responses((status = 200, body = schema::Items<Attempt>))
)]
pub(super) async fn attempts(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<Json<schema::Items<Attempt>>, Refused> {
    Ok(Json(schema::Items { items: story(&shared, &actor, id).await?.attempts }))
}

async fn story(shared: &Shared, actor: &Actor, id: i64) -> Result<TaskStory, Refused> {
    let Some(story) = shared.store.task(TaskId(id)).await? else { return Err(unknown(id)) };
    let mut shown = TaskStory::of(&story, &lanes(shared).await?).for_one_who(actor.sees_payloads);
    if shown.has_cost() {
        shown = shown.in_currency(shared.store.currency(None).await?);
    }
    if actor.sees_payloads {
        shared.store.record(vec![actor.did("task.see_payload", id.to_string(), shared.clock.now())]).await?;
    }
    Ok(shown)
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
    check_why(wish.why.as_ref())?;
    let decided = Decided::new(wish.decision, &actor.name, wish.why, shared.clock.now());
    carry_out(&shared, &actor, id, decided, &format!("task.{}", wish.decision.as_str())).await
}

/// A task that is to run again, with other data perhaps.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// Its data from now on. What it was stays in its story.
    #[schema(schema_with = schema::any)]
    payload: Option<Value>,
    /// Why, in their words.
    #[schema(max_length = 1000)]
    why: Option<String>,
}

/// Runs a task again, with other data where that is given.
#[utoipa::path(
    post, path = "/tasks/{id}/retry", tag = "tasks", params(("id" = i64, Path)), request_body = Again,
    responses((status = 200, body = TaskSummary))
)]
pub(super) async fn retry(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
    Json(again): Json<Again>,
) -> Result<Json<TaskSummary>, Refused> {
    check_why(again.why.as_ref())?;
    let mut decided = Decided::new(Decision::Retry, &actor.name, again.why, shared.clock.now());
    let Some(payload) = again.payload else { return carry_out(&shared, &actor, id, decided, "task.retry").await };
    let Some(story) = shared.store.task(TaskId(id)).await? else { return Err(unknown(id)) };
    let lanes = lanes(&shared).await?;
    if lanes.get(&story.row.lane).is_some_and(|lane| lane.kind == TaskKind::Pull) {
        let reason = format!("task {id} takes data in and has none of its own");
        let problem = Problem::new("payload_of_pull", reason).at("/payload").hint("edit a task that it has made");
        return Err(Refused::new(StatusCode::CONFLICT, problem));
    }
    decided.payload = Some(payload.to_string().into());
    carry_out(&shared, &actor, id, decided, "task.retry_edited").await
}

async fn carry_out(
    shared: &Shared,
    actor: &Actor,
    id: i64,
    decided: Decided,
    what: &str,
) -> Result<Json<TaskSummary>, Refused> {
    let now = decided.at;
    match shared.store.decide(vec![TaskId(id)], decided).await?.pop() {
        Some(Ok(())) => {}
        Some(Err(problem)) if problem.code == "task_not_found" => return Err(unknown(id)),
        Some(Err(problem)) => return Err(Refused::new(StatusCode::CONFLICT, problem)),
        None => return Err(unknown(id)),
    }
    shared.store.record(vec![actor.did(what, id.to_string(), now)]).await?;
    shared.standing.call_for(&[TaskId(id)]);
    let Some(story) = shared.store.task(TaskId(id)).await? else { return Err(unknown(id)) };
    Ok(Json(TaskSummary::of(&story.row, &lanes(shared).await?)))
}

pub(super) fn check_why(why: Option<&String>) -> Result<(), Refused> {
    match why {
        Some(why) if why.len() > 1_000 => Err(wrong("why has at most 1,000 bytes")),
        _ => Ok(()),
    }
}

pub(super) async fn lanes(shared: &Shared) -> Result<Lanes, Refused> {
    Ok(shared.store.all_lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect())
}

pub(super) fn lane_named(lanes: &Lanes, kind: TaskKind, name: &str) -> Result<LaneId, Refused> {
    let found = lanes.values().find(|lane| lane.kind == kind && lane.name == name);
    let what = if kind == TaskKind::Push { "route" } else { "incoming" };
    found.map(|lane| lane.id).ok_or_else(|| wrong(format!("there is no {what} of this name")))
}

pub(super) fn unknown(id: i64) -> Refused {
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
