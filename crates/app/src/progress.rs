//! How far a run has come, the same for commands and for the API.

use crate::print::time;
use crate::server::schema;
use crate::story::{usage_sum, usage_value};
use engine::flow::{Flows, PushTarget};
use model::{Millis, RunId, TaskKind, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use store::{LaneId, Store, StoreError, UsageSum};
use utoipa::ToSchema;

/// How far a run has come.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RunProgress)]
pub(crate) struct Progress {
    #[schema(value_type = i64)]
    pub(crate) run: RunId,
    /// Tasks that are open.
    pub(crate) open: u64,
    /// Those of them that are being worked on.
    pub(crate) busy: u64,
    /// Lanes that have tasks of it, in the order of the data.
    pub(crate) lanes: Vec<LaneProgress>,
    /// When the first open task of these lanes comes due, of this run or another.
    #[schema(schema_with = schema::time_or_null)]
    pub(crate) due_at: Option<String>,
    /// Milliseconds until then; 0 where that is past.
    pub(crate) due_in_ms: Option<i64>,
    /// What its calls used and are estimated to cost.
    #[schema(schema_with = schema::any)]
    pub(crate) usage: Map<String, Value>,
    /// Files that its routes write to.
    pub(crate) files: Vec<String>,
}

/// How many tasks of a run are in which state, of one lane.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LaneProgress {
    #[schema(schema_with = schema::task_kind)]
    pub(crate) kind: TaskKind,
    /// Of the incoming or the route.
    pub(crate) name: String,
    #[schema(value_type = BTreeMap<String, u64>)]
    pub(crate) states: BTreeMap<TaskState, u64>,
}

impl Progress {
    /// Asks the store. `lanes` are those that the data of the run can come to.
    pub(crate) async fn of(
        store: &dyn Store,
        flows: &Flows,
        run: RunId,
        lanes: &[LaneId],
        now: Millis,
    ) -> Result<Self, StoreError> {
        let names: BTreeMap<LaneId, _> = store.all_lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect();
        let tally = store.tally(Some(run)).await?;
        let sum = |is_wanted: &dyn Fn(TaskState) -> bool| -> u64 {
            tally.iter().filter(|tally| is_wanted(tally.state)).map(|tally| tally.count).sum()
        };
        let in_lane = |id: &LaneId| {
            let of_lane = tally.iter().filter(|tally| tally.lane == *id);
            let states: BTreeMap<_, _> = of_lane.map(|tally| (tally.state, tally.count)).collect();
            let lane = names.get(id).filter(|_| !states.is_empty())?;
            Some(LaneProgress { kind: lane.kind, name: lane.name.clone(), states })
        };
        let due = store.next_due(lanes.to_vec()).await?;
        let usage = store.usage(Some(run)).await?;
        let currency = store.currency(None).await?;
        let targets = lanes.iter().filter_map(|id| flows.pushes.get(id)).map(|flow| &flow.target);
        let files = targets.filter_map(|target| match target {
            PushTarget::Driver(target) => target.exclusive_key(),
            _ => None,
        });
        Ok(Self {
            run,
            open: sum(&TaskState::is_open),
            busy: sum(&|state| state == TaskState::Processing),
            lanes: lanes.iter().filter_map(in_lane).collect(),
            due_at: due.map(time),
            due_in_ms: due.map(|due| due.saturating_sub(now).max(0)),
            usage: usage_value(&usage, currency.as_deref()),
            files: files.collect(),
        })
    }

    /// What its calls used, and the currency of their costs.
    pub(crate) fn usage(&self) -> (UsageSum, String) {
        let currency = self.usage.get("currency").and_then(Value::as_str).unwrap_or_default().to_owned();
        (usage_sum(&self.usage), currency)
    }
}
