//! The socket in the data folder: other commands of this machine ask the engine that holds the store to write.
//!
//! Whoever may open the folder may use it: both are for its owner alone.

mod alerts;

pub(crate) use alerts::AlertAsk;

use super::Shared;
use crate::keys::Change;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use model::{Millis, Problem, TaskId, TaskKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use store::seal::KeyId;
use store::{
    AuditEntry, Decided, Declared, EntryWrite, LaneId, NewAccessToken, NewLink, NewRun, NewSecret, Person, Phase,
    Revise, StoreError,
};

/// Where the socket is.
pub(crate) fn socket(folder: &Path) -> PathBuf {
    folder.join("engine.sock")
}

/// What can be asked: the writes of the store that commands make.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    Decide { tasks: Vec<TaskId>, decided: Decided },
    Revise(Revise),
    Declare { variables: Vec<Declared>, audit: AuditEntry },
    Lanes { names: Vec<(TaskKind, String)> },
    BeginRuns { runs: Vec<NewRun> },
    SetCursor { lane: LaneId, value: Option<bytes::Bytes>, now: Millis },
    Currency { first: Option<String> },
    Schedules { lines: Vec<(String, String)>, now: Millis },
    PauseSchedule { name: String, paused: Option<(Millis, String)>, now: Millis },
    WebhookPaths { lanes: Vec<LaneId> },
    WriteEntries { written: Vec<EntryWrite>, now: Millis },
    DeleteEnded { tasks: Vec<TaskId> },
    DeleteExpired { now: Millis, most: u32 },
    GiveBack { most: u64 },
    SweepBlobs { before: Millis },
    WritePerson { person: Person, audit: AuditEntry },
    AddAccessToken { new: NewAccessToken, audit: AuditEntry },
    DeleteAccessToken { id: i64, audit: AuditEntry },
    Record { entries: Vec<AuditEntry> },
    Alerts { asked: AlertAsk },
    TurnActivity { id: i64, to: Phase, audit: AuditEntry },
    SetPassword { name: String, hash: String, audit: AuditEntry },
    AddLink { link: NewLink, audit: AuditEntry },
    EndSession { id: i64, audit: AuditEntry },
    RemoveFactor { name: String, audit: AuditEntry },
    SetSetting { name: String, value: String, audit: AuditEntry },
    WriteSecret { new: NewSecret, audit: AuditEntry },
    DeleteSecret { name: String, audit: AuditEntry },
    Reseal { from: KeyId, to: KeyId, audit: AuditEntry },
}

impl Ask {
    /// Whether what runs is to be compiled anew.
    fn changes_definitions(&self) -> bool {
        matches!(
            self,
            Self::Revise(_)
                | Self::Declare { .. }
                | Self::WriteSecret { .. }
                | Self::DeleteSecret { .. }
                | Self::Reseal { .. }
        )
    }
}

/// What is answered: the value, or why not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    Value(Value),
    /// The definitions changed meanwhile.
    Conflict {
        expected: i64,
        present: i64,
    },
    Problem(Problem),
}

/// The largest request, in bytes: definitions of 32 MiB, with room for their quoting.
pub(crate) const LARGEST: usize = 128 << 20;

pub(crate) fn router(shared: Shared) -> Router {
    let limit = axum::extract::DefaultBodyLimit::max(LARGEST);
    Router::new().route("/ask", post(answer)).layer(limit).with_state(shared)
}

async fn answer(State(shared): State<Shared>, Json(ask): Json<Ask>) -> (StatusCode, Json<Told>) {
    let definitions = ask.changes_definitions();
    let changed = match &ask {
        Ask::Decide { tasks, .. } | Ask::DeleteEnded { tasks } => tasks.clone(),
        _ => Vec::new(),
    };
    let told = match carry_out(&shared, ask).await {
        Ok(value) => Told::Value(value),
        Err(StoreError::Conflict { expected, present }) => Told::Conflict { expected, present },
        Err(error) => Told::Problem(error.problem()),
    };
    if definitions {
        shared.standing.definitions_changed();
    }
    shared.standing.call_for(&changed);
    (StatusCode::OK, Json(told))
}

async fn carry_out(shared: &Shared, ask: Ask) -> Result<Value, StoreError> {
    let store = shared.store.as_ref();
    Ok(match ask {
        Ask::Decide { tasks, decided } => {
            let results = store.decide(tasks, decided).await?;
            json!(results.into_iter().map(Result::err).collect::<Vec<Option<Problem>>>())
        }
        Ask::Revise(revise) => json!(store.revise(revise).await?),
        Ask::Declare { variables, audit } => json!(store.declare(variables, audit).await?),
        Ask::Lanes { names } => json!(store.lanes(names).await?),
        Ask::BeginRuns { runs } => json!(store.begin_runs(runs).await?),
        Ask::SetCursor { lane, value, now } => json!(store.set_cursor(lane, value, now).await?),
        Ask::Currency { first } => json!(store.currency(first).await?),
        Ask::Schedules { lines, now } => json!(store.schedules(lines, now).await?),
        Ask::PauseSchedule { name, paused, now } => json!(store.pause_schedule(name, paused, now).await?),
        Ask::WebhookPaths { lanes } => json!(store.webhook_paths(lanes).await?),
        Ask::WriteEntries { written, now } => json!(store.write_entries(written, now).await?),
        Ask::DeleteEnded { tasks } => json!(store.delete_ended(tasks).await?),
        Ask::DeleteExpired { now, most } => json!(store.delete_expired(now, most).await?),
        Ask::GiveBack { most } => json!(store.give_back(most).await?),
        Ask::SweepBlobs { before } => json!(store.sweep_blobs(before).await?),
        Ask::WritePerson { person, audit } => json!(store.write_person(person, audit).await?),
        Ask::AddAccessToken { new, audit } => json!(store.add_access_token(new, audit).await?),
        Ask::DeleteAccessToken { id, audit } => json!(store.delete_access_token(id, audit).await?),
        Ask::Record { entries } => json!(store.record(entries).await?),
        Ask::Alerts { asked } => alerts::carry_out(store, asked).await?,
        Ask::WriteSecret { new, audit } => json!(store.write_secret(new, audit).await?),
        Ask::DeleteSecret { name, audit } => json!(store.delete_secret(name, audit).await?),
        Ask::Reseal { from, to, audit } => {
            let Change { from, to } = shared.keys.both(from, to).await.map_err(StoreError::Refused)?;
            json!(store.reseal(from, to, audit).await?)
        }
        Ask::TurnActivity { id, to, audit } => json!(store.turn_activity(id, to, audit).await?),
        Ask::SetPassword { name, hash, audit } => json!(store.set_password(name, hash, audit).await?),
        Ask::AddLink { link, audit } => json!(store.add_link(link, audit).await?),
        Ask::EndSession { id, audit } => json!(store.end_session(id, audit).await?),
        Ask::RemoveFactor { name, audit } => json!(store.remove_factor(name, audit).await?),
        Ask::SetSetting { name, value, audit } => json!(store.set_setting(name, value, audit).await?),
    })
}
