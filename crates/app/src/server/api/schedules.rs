//! Schedules: what runs by itself, and when.

use super::super::Shared;
use super::actor::Actor;
use super::problem::Refused;
use super::tasks::wrong;
use crate::print::time;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use engine::schedule::Scheduled;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Schedule;

/// What may be asked of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// So many times to come of each.
    next: Option<usize>,
}

/// All of them, with the times to come.
pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let Query(Asked { next }) = asked?;
    let next = next.unwrap_or(1);
    if next > 100 {
        return Err(wrong("next is 0 to 100"));
    }
    let flows = shared.status.borrow().flows.clone();
    let all: &[Scheduled] = flows.as_deref().map_or(&[], |flows| &flows.schedules);
    let now = shared.clock.now();
    let lines = all.iter().map(|one| (one.name.clone(), one.line())).collect();
    let known = shared.store.schedules(lines, now).await?;
    let items = all.iter().zip(known).map(|(one, known)| value(one, &known, now, next));
    Ok(Json(json!({ "items": items.collect::<Vec<_>>() })))
}

fn value(scheduled: &Scheduled, known: &Schedule, now: i64, next: usize) -> Value {
    let times = std::iter::successors(scheduled.next_after(now), |at| scheduled.next_after(*at)).take(next);
    json!({
        "name": scheduled.name,
        "run": scheduled.definition.run,
        "cron": scheduled.definition.cron,
        "time_zone": scheduled.definition.time_zone,
        "paused": known.paused.as_ref().map(|(at, by)| json!({ "at": time(*at), "by": by })),
        "next": times.map(time).collect::<Vec<_>>(),
    })
}

/// Keeps one from running.
pub(super) async fn pause(
    state: State<Shared>,
    actor: Extension<Actor>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Refused> {
    turn(state, actor, name, true).await
}

/// Lets it run again, from now on.
pub(super) async fn resume(
    state: State<Shared>,
    actor: Extension<Actor>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Refused> {
    turn(state, actor, name, false).await
}

async fn turn(
    State(shared): State<Shared>,
    Extension(actor): Extension<Actor>,
    name: Result<Path<String>, PathRejection>,
    pauses: bool,
) -> Result<Json<Value>, Refused> {
    let Path(name) = name?;
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
    Ok(Json(value(scheduled, known, now, 1)))
}

fn unknown(name: &str) -> Refused {
    Refused::not_found("schedule_unknown", format!("there is no schedule \"{}\"", name.escape_debug()))
}
