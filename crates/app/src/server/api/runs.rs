//! Runs: what each trigger of an incoming did.

use super::super::Shared;
use super::problem::Refused;
use super::tasks::{lane_named, lanes, wrong};
use crate::print::time;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use model::TaskKind;
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
