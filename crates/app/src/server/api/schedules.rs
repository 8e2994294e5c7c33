//! Schedules: what runs by itself, and when.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Items};
use super::tasks::wrong;
use crate::print::time;
use axum::extract::State;
use engine::schedule::Scheduled;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// So many times to come of each.
    #[param(maximum = 100)]
    next: Option<u8>,
}

/// What runs by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Schedule {
    name: String,
    /// The incoming that it runs.
    run: String,
    cron: String,
    time_zone: String,
    /// Since when and by whom it is kept from running.
    paused: Option<Paused>,
    /// Times to come.
    #[schema(format = DateTime)]
    next: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Paused {
    #[schema(schema_with = schema::time)]
    at: String,
    by: String,
}

/// All schedules, with the times to come.
#[utoipa::path(get, path = "/schedules", tag = "schedules", params(Asked), responses((status = 200, body = Items<Schedule>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(Asked { next }): Query<Asked>,
) -> Result<Json<Items<Schedule>>, Refused> {
    let next = next.unwrap_or(1);
    if next > 100 {
        return Err(wrong("next is 0 to 100"));
    }
    let flows = shared.status.borrow().flows.clone();
    let all: &[Scheduled] = flows.as_deref().map_or(&[], |flows| &flows.schedules);
    let now = shared.clock.now();
    let lines = all.iter().map(|one| (one.name.clone(), one.line())).collect();
    let known = shared.store.schedules(lines, now).await?;
    let items = all.iter().zip(known).map(|(one, known)| shown(one, &known, now, next.into()));
    Ok(Json(Items { items: items.collect() }))
}

fn shown(scheduled: &Scheduled, known: &store::Schedule, now: i64, next: usize) -> Schedule {
    let times = std::iter::successors(scheduled.next_after(now), |at| scheduled.next_after(*at)).take(next);
    let paused = known.paused.as_ref().map(|(at, by)| Paused { at: time(*at), by: by.clone() });
    Schedule {
        name: scheduled.name.clone(),
        run: scheduled.definition.run.clone(),
        cron: scheduled.definition.cron.clone(),
        time_zone: scheduled.definition.time_zone.clone(),
        paused,
        next: times.map(time).collect(),
    }
}

/// Keeps a schedule from running.
#[utoipa::path(
    post, path = "/schedules/{name}/pause", tag = "schedules", params(("name" = String, Path)),
    responses((status = 200, body = Schedule))
)]
pub(super) async fn pause(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Schedule>, Refused> {
    turn(&shared, &actor, name, true).await
}

/// Lets a schedule run again, from now on.
#[utoipa::path(
    post, path = "/schedules/{name}/resume", tag = "schedules", params(("name" = String, Path)),
    responses((status = 200, body = Schedule))
)]
pub(super) async fn resume(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Schedule>, Refused> {
    turn(&shared, &actor, name, false).await
}

async fn turn(shared: &Shared, actor: &Actor, name: String, pauses: bool) -> Result<Json<Schedule>, Refused> {
    let now = shared.clock.now();
    let flows = shared.status.borrow().flows.clone();
    let flows = flows.ok_or_else(|| unknown(&name))?;
    let scheduled = flows.schedules.iter().find(|one| one.name == name).ok_or_else(|| unknown(&name))?;
    let line = || vec![(name.clone(), scheduled.line())];
    shared.store.schedules(line(), now).await?;
    shared.store.pause_schedule(name.clone(), pauses.then(|| (now, actor.name.clone())), now).await?;
    let what = if pauses { "schedule.pause" } else { "schedule.resume" };
    shared.store.record(vec![actor.did(what, name.clone(), now)]).await?;
    let known = shared.store.schedules(line(), now).await?;
    let Some(known) = known.first() else { return Err(unknown(&name)) };
    Ok(Json(shown(scheduled, known, now, 1)))
}

fn unknown(name: &str) -> Refused {
    Refused::not_found("schedule_unknown", format!("there is no schedule \"{}\"", name.escape_debug()))
}
