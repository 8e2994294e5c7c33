//! Changes of definitions, carried out the same for commands and for the API.

use engine::definitions::{Name, Plan};
use model::{Problem, TaskKind};
use serde_json::{Value, json};
use store::{AuditEntry, Decided, Decision, LaneId, Revise, Store, StoreError, TaskFilter};

/// Names that the record of a change says.
const RECORDED: usize = 100;
/// Definitions whose differences the record of a change says.
const RECORDED_WHOLE: usize = 10;
/// The longest record of a change, in bytes.
const LONGEST_RECORD: usize = 32 << 10;

/// Open tasks of a definition that is to be deleted.
pub(crate) struct Open {
    lane: LaneId,
    kind: TaskKind,
    name: String,
    count: u64,
}

/// Open tasks of what a plan deletes.
///
/// # Errors
/// The store's.
pub(crate) async fn open_tasks(store: &dyn Store, planned: &Plan) -> Result<Vec<Open>, StoreError> {
    if planned.deleted.is_empty() {
        return Ok(Vec::new());
    }
    let deleted = |kind: &str, name: &str| planned.deleted.iter().any(|gone| gone.kind == kind && gone.name == name);
    let lanes = store.all_lanes().await?;
    let gone = lanes.into_iter().filter(|lane| match lane.kind {
        TaskKind::Pull => deleted("incoming", &lane.name),
        TaskKind::Push => deleted("routes", &lane.name),
    });
    let tally = store.tally(None).await?;
    let counted = gone.map(|lane| {
        let open = tally.iter().filter(|tally| tally.lane == lane.id && tally.state.is_open());
        Open { lane: lane.id, kind: lane.kind, name: lane.name, count: open.map(|tally| tally.count).sum() }
    });
    Ok(counted.filter(|open| open.count > 0).collect())
}

/// That there are any.
pub(crate) fn tasks_open(open: &[Open]) -> Option<Problem> {
    let Open { kind, name, count, .. } = open.first()?;
    Some(Problem::new("tasks_open", format!("{count} tasks of {} \"{name}\" are open", kind.as_str())))
}

/// Cancels them. To be called when nothing makes new ones any more.
///
/// # Errors
/// The store's.
pub(crate) async fn cancel(store: &dyn Store, open: &[Open], by: &AuditEntry) -> Result<(), StoreError> {
    for Open { lane, .. } in open {
        let mut before = None;
        loop {
            let filter = TaskFilter { lane: Some(*lane), before, limit: 1_000, ..TaskFilter::default() };
            let page = store.tasks(filter).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            let open = page.iter().filter(|task| task.state.is_open()).map(|task| task.id).collect();
            let why = Some("its definition was deleted".to_owned());
            store.decide(open, Decided::new(Decision::Cancel, &by.who, why, by.at)).await?;
        }
    }
    Ok(())
}

/// Writes what a plan changes as one revision, with its record.
///
/// # Errors
/// [`StoreError::Conflict`] where the definitions have changed since.
pub(crate) async fn carry_out(
    store: &dyn Store,
    revision: i64,
    planned: &Plan,
    why: Option<String>,
    audit: AuditEntry,
) -> Result<i64, StoreError> {
    if planned.is_empty() {
        return Ok(revision);
    }
    let details = Some(recorded(revision + 1, planned).to_string());
    let audit = AuditEntry { details, ..audit };
    store.revise(Revise { expected: revision, changes: planned.changes.clone(), why, audit }).await
}

/// What a change did, for the record: keys are not in it.
fn recorded(revision: i64, planned: &Plan) -> Value {
    let names = |names: &[Name]| names.iter().take(RECORDED).map(ToString::to_string).collect::<Vec<_>>();
    let changed: Vec<Name> = planned.changed.iter().map(|changed| changed.name.clone()).collect();
    let mut details = json!({
        "revision": revision,
        "created": names(&planned.created),
        "changed": names(&changed),
        "deleted": names(&planned.deleted),
    });
    if changed.len() <= RECORDED_WHOLE {
        let differences = json!(planned.changed);
        if differences.to_string().len() <= LONGEST_RECORD {
            details["differences"] = differences;
        }
    }
    details
}
