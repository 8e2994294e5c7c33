//! A store that another process holds: read here, written there.

mod alerts;
mod revisions;
mod runs;
mod secrets;
mod sign_in;
mod standing;
mod tasks;

use crate::server::control::{AlertAsk, Ask, LARGEST, Told, socket};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use model::{Millis, Problem, RunId, TaskId, TaskKind};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use store::blobs::Blobs;
use store::{Access, SqliteStore};
use store::{
    AccessToken, Attending, AuditEntry, AuditFilter, Bearer, Claim, ClaimRequest, Decided, Draw, Drawn, EndedTask,
    Ending, Engine, Entry, EntryFilter, EntryKey, EntryWrite, Finish, Lane, LaneId, NewAccessToken, NewRun, NewTask,
    Person, Run, Schedule, Settle, Start, Store, StoreError, StoredDefinition, Tally, TaskFilter, TaskRow, TaskStory,
    Token, UsageBy, UsageSum,
};
use tokio::net::UnixStream;

/// Reads the files, and asks the engine that holds them to write.
pub(crate) struct HeldStore {
    reading: SqliteStore,
    socket: PathBuf,
}

impl HeldStore {
    /// Opens it where its engine answers.
    ///
    /// # Errors
    /// `held` where no engine listens: a `run`, which ends by itself.
    pub(crate) async fn open(folder: &Path, held: StoreError) -> Result<Self, StoreError> {
        let socket = socket(folder);
        if UnixStream::connect(&socket).await.is_err() {
            return Err(held);
        }
        Ok(Self { reading: SqliteStore::open(folder, Access::Read)?, socket })
    }

    async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, StoreError> {
        let failed = |reason: String| {
            let problem = Problem::new("engine_silent", format!("the engine that holds the store: {reason}"));
            StoreError::Elsewhere(problem.hint("look whether it still runs"))
        };
        let told = self.exchange(&ask).await.map_err(|error| failed(error.to_string()))?;
        match told {
            Told::Value(value) => serde_json::from_value(value).map_err(|error| failed(error.to_string())),
            Told::Conflict { expected, present } => Err(StoreError::Conflict { expected, present }),
            Told::Problem(problem) => Err(StoreError::Elsewhere(problem)),
        }
    }

    async fn exchange(&self, ask: &Ask) -> anyhow::Result<Told> {
        let socket = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        let driving = tokio::spawn(connection);
        let request = Request::post("/ask")
            .header("host", "engine")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(ask)?)))?;
        let answer = sender.send_request(request).await?;
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        driving.abort();
        let body = body.map_err(|error| anyhow::anyhow!(error))?;
        Ok(serde_json::from_slice(&body.to_bytes())?)
    }
}

#[async_trait]
impl Store for HeldStore {
    fn id(&self) -> &str {
        self.reading.id()
    }

    async fn insert(&self, tasks: Vec<NewTask>, now: Millis) -> Result<Vec<Option<TaskId>>, StoreError> {
        self.reading.insert(tasks, now).await
    }

    async fn begin_runs(&self, runs: Vec<NewRun>) -> Result<Vec<Option<(RunId, TaskId)>>, StoreError> {
        self.ask(Ask::BeginRuns { runs }).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claim>, StoreError> {
        self.reading.claim(request).await
    }

    async fn take_over(&self, all: bool, now: Millis, lease_until: Millis) -> Result<Vec<Claim>, StoreError> {
        self.reading.take_over(all, now, lease_until).await
    }

    async fn start(&self, starts: Vec<Start>) -> Result<Vec<bool>, StoreError> {
        self.reading.start(starts).await
    }

    async fn renew(&self, tokens: Vec<Token>, lease_until: Millis) -> Result<Vec<bool>, StoreError> {
        self.reading.renew(tokens, lease_until).await
    }

    async fn hand_back(&self, tokens: Vec<Token>, now: Millis) -> Result<(), StoreError> {
        self.reading.hand_back(tokens, now).await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<Ending>, StoreError> {
        self.reading.finish(ends).await
    }

    async fn next_due(&self, lanes: Vec<LaneId>) -> Result<Option<Millis>, StoreError> {
        self.reading.next_due(lanes).await
    }

    async fn lanes(&self, names: Vec<(TaskKind, String)>) -> Result<Vec<LaneId>, StoreError> {
        self.ask(Ask::Lanes { names }).await
    }

    async fn all_lanes(&self) -> Result<Vec<Lane>, StoreError> {
        self.reading.all_lanes().await
    }

    async fn cursor(&self, lane: LaneId) -> Result<Option<Bytes>, StoreError> {
        self.reading.cursor(lane).await
    }

    async fn set_cursor(&self, lane: LaneId, value: Option<Bytes>, now: Millis) -> Result<(), StoreError> {
        self.ask(Ask::SetCursor { lane, value, now }).await
    }

    async fn runs(&self, lane: Option<LaneId>, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.reading.runs(lane, limit).await
    }

    async fn open_runs(&self, lane: Option<LaneId>) -> Result<Vec<RunId>, StoreError> {
        self.reading.open_runs(lane).await
    }

    async fn attend(&self, engine: Attending, now: Millis) -> Result<Vec<Engine>, StoreError> {
        self.reading.attend(engine, now).await
    }

    async fn draw(&self, asked: Draw) -> Result<Drawn, StoreError> {
        self.ask(Ask::Alerts { asked: AlertAsk::Draw { asked } }).await
    }

    async fn settle(&self, settled: Settle) -> Result<(), StoreError> {
        self.reading.settle(settled).await
    }

    async fn entries(&self, keys: Vec<EntryKey>, now: Millis) -> Result<Vec<Option<Entry>>, StoreError> {
        self.reading.entries(keys, now).await
    }

    async fn find_entries(&self, filter: EntryFilter, now: Millis) -> Result<Vec<Entry>, StoreError> {
        self.reading.find_entries(filter, now).await
    }

    async fn entry_counts(&self, now: Millis) -> Result<Vec<(String, u64)>, StoreError> {
        self.reading.entry_counts(now).await
    }

    async fn write_entries(&self, written: Vec<EntryWrite>, now: Millis) -> Result<(), StoreError> {
        self.ask(Ask::WriteEntries { written, now }).await
    }

    async fn schedules(&self, lines: Vec<(String, String)>, now: Millis) -> Result<Vec<Schedule>, StoreError> {
        self.ask(Ask::Schedules { lines, now }).await
    }

    async fn pause_schedule(
        &self,
        name: String,
        paused: Option<(Millis, String)>,
        now: Millis,
    ) -> Result<bool, StoreError> {
        self.ask(Ask::PauseSchedule { name, paused, now }).await
    }

    async fn webhook_paths(&self, lanes: Vec<LaneId>) -> Result<Vec<String>, StoreError> {
        self.ask(Ask::WebhookPaths { lanes }).await
    }

    async fn tally(&self, run: Option<RunId>) -> Result<Vec<Tally>, StoreError> {
        self.reading.tally(run).await
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskRow>, StoreError> {
        self.reading.tasks(filter).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskStory>, StoreError> {
        self.reading.task(id).await
    }

    async fn decide(&self, tasks: Vec<TaskId>, decided: Decided) -> Result<Vec<Result<(), Problem>>, StoreError> {
        let problems: Vec<Option<Problem>> = self.ask(Ask::Decide { tasks, decided }).await?;
        Ok(problems.into_iter().map(|problem| problem.map_or(Ok(()), Err)).collect())
    }

    async fn usage(&self, run: Option<RunId>) -> Result<UsageSum, StoreError> {
        self.reading.usage(run).await
    }

    async fn usage_by(&self, by: UsageBy, since: Millis, until: Millis) -> Result<Vec<UsageSum>, StoreError> {
        self.reading.usage_by(by, since, until).await
    }

    async fn currency(&self, first: Option<String>) -> Result<Option<String>, StoreError> {
        self.ask(Ask::Currency { first }).await
    }

    async fn people(&self) -> Result<Vec<Person>, StoreError> {
        self.reading.people().await
    }

    async fn write_person(&self, person: Person, audit: AuditEntry) -> Result<(), StoreError> {
        self.ask(Ask::WritePerson { person, audit }).await
    }

    async fn access_tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        self.reading.access_tokens().await
    }

    async fn add_access_token(&self, new: NewAccessToken, audit: AuditEntry) -> Result<Option<i64>, StoreError> {
        self.ask(Ask::AddAccessToken { new, audit }).await
    }

    async fn delete_access_token(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError> {
        self.ask(Ask::DeleteAccessToken { id, audit }).await
    }

    async fn bearer(&self, hash: [u8; 32]) -> Result<Option<Bearer>, StoreError> {
        self.reading.bearer(hash).await
    }

    async fn access_token_used(&self, id: i64, at: Millis) -> Result<(), StoreError> {
        self.reading.access_token_used(id, at).await
    }

    async fn record(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        self.ask(Ask::Record { entries }).await
    }

    async fn find_audit(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        self.reading.find_audit(filter).await
    }

    async fn definitions(&self) -> Result<(i64, Vec<StoredDefinition>), StoreError> {
        self.reading.definitions().await
    }

    async fn ended(&self, before: Option<TaskId>, limit: u32) -> Result<Vec<EndedTask>, StoreError> {
        self.reading.ended(before, limit).await
    }

    async fn delete_ended(&self, tasks: Vec<TaskId>) -> Result<Vec<bool>, StoreError> {
        self.ask(Ask::DeleteEnded { tasks }).await
    }

    async fn delete_expired(&self, now: Millis, most: u32) -> Result<u64, StoreError> {
        self.ask(Ask::DeleteExpired { now, most }).await
    }

    async fn give_back(&self, most: u64) -> Result<u64, StoreError> {
        self.ask(Ask::GiveBack { most }).await
    }

    fn blob_folder(&self) -> &Blobs {
        self.reading.blob_folder()
    }

    async fn blobs(&self) -> Result<(u64, u64), StoreError> {
        self.reading.blobs().await
    }

    async fn sweep_blobs(&self, before: Millis) -> Result<u64, StoreError> {
        self.ask(Ask::SweepBlobs { before }).await
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        self.reading.check().await
    }
}
