//! PostgreSQL adapter: one database, any number of processes. Blobs are in a folder that all of them share.

mod activities;
mod alerts;
mod claims;
mod connect;
pub(crate) mod copy;
mod decisions;
mod drawn;
mod ends;
mod engines;
mod entries;
mod fault;
mod kept_answers;
mod lanes;
mod models;
mod order;
mod people;
mod prune;
mod queries;
mod revisions;
mod rows;
mod runs;
mod schedules;
mod search;
mod secrets;
mod server;
mod settings;
mod sign_in;
mod standing;
mod starts;
mod tally;
mod tasks;
mod usage;
mod views;

use crate::blobs::{Blobs, make_private_folder};
use crate::bodies::{self, Bodies as _};
use crate::{
    AccessToken, Attending, AuditEntry, AuditFilter, Bearer, Claim, ClaimRequest, Decided, Draw, Drawn, EndedTask,
    Ending, Engine, Entry, EntryFilter, EntryKey, EntryWrite, Finish, Lane, LaneId, NewAccessToken, NewRun, NewTask,
    Person, Run, Schedule, Settle, Start, Store, StoreError, StoredDefinition, Tally, TaskFilter, TaskRow, TaskStory,
    Token, UsageBy, UsageSum,
};
use async_trait::async_trait;
use bytes::Bytes;
use model::{Millis, Problem, RunId, TaskId, TaskKind};
use server::Server;
use starts::Starts;
use std::fmt;
use std::path::Path;

/// A store in a database of PostgreSQL.
pub struct PostgresStore {
    server: Server,
    starts: Starts,
    blobs: Blobs,
    id: String,
}

impl fmt::Debug for PostgresStore {
    /// Without the connection, whose password must not be seen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("id", &self.id).field("blobs", &self.blobs).finish_non_exhaustive()
    }
}

/// How many blobs a sweep looks at in one transaction.
const SWEEP: usize = 500;

impl PostgresStore {
    /// Connects to the database of this URL, `postgres://user:password@host:port/database`, and makes or updates its
    /// tables. With processes on several machines the folder of blobs must be one that all of them see.
    ///
    /// # Errors
    /// [`StoreError::Server`] where the server cannot be reached or refuses us, [`StoreError::Newer`] for a database
    /// that a newer version has used.
    pub async fn connect(url: &str, blobs_folder: &Path) -> Result<Self, StoreError> {
        make_private_folder(blobs_folder).map_err(|error| StoreError::io("cannot make", blobs_folder, error))?;
        let (pool, id) = connect::connect(url).await?;
        let server = Server::new(pool);
        Ok(Self { starts: Starts::new(server.clone()), server, blobs: Blobs::new(blobs_folder), id })
    }

    /// Commits since it was connected.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.server.commits()
    }

    /// Works with blobs on a thread that may wait for the disk.
    async fn with_blobs<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Blobs) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let blobs = self.blobs.clone();
        tokio::task::spawn_blocking(move || work(&blobs)).await.map_err(|_| StoreError::Closed)?
    }

    /// Fetches what blobs hold of claims. A claim whose blob is missing is ended and left out.
    async fn fetch_claims(&self, claims: Vec<Claim>, now: Millis) -> Result<Vec<Claim>, StoreError> {
        if !claims.iter().any(bodies::is_claim_outside) {
            return Ok(claims);
        }
        let (whole, lacking) = self.with_blobs(move |blobs| bodies::fetch_claims(blobs, claims)).await?;
        if !lacking.is_empty() {
            self.server
                .write((lacking, now), |write, (lacking, now)| {
                    Box::pin(claims::park_without_blobs(write, lacking, *now))
                })
                .await?;
        }
        Ok(whole)
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn id(&self) -> &str {
        &self.id
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn time(&self) -> Result<Option<Millis>, StoreError> {
        self.server.read((), |db, ()| Box::pin(queries::time(db))).await.map(Some)
    }

    async fn insert(&self, tasks: Vec<NewTask>, now: Millis) -> Result<Vec<Option<TaskId>>, StoreError> {
        let tasks = bodies::spill(&self.blobs, tasks, now).await?;
        self.server
            .write((tasks, now), |write, (tasks, now)| {
                Box::pin(async move {
                    let tasks: Vec<_> = tasks.iter().map(|task| (task, *now)).collect();
                    tasks::insert(write, &tasks).await
                })
            })
            .await
    }

    async fn begin_runs(&self, runs: Vec<NewRun>) -> Result<Vec<Option<(RunId, TaskId)>>, StoreError> {
        let runs = bodies::spill(&self.blobs, runs, 0).await?;
        self.server.write(runs, |write, runs| Box::pin(tasks::begin_runs(write, runs))).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claim>, StoreError> {
        let now = request.now;
        let claims = self.server.write(request, |write, request| Box::pin(claims::claim(write, request))).await?;
        self.fetch_claims(claims, now).await
    }

    async fn take_over(&self, all: bool, now: Millis, lease_until: Millis) -> Result<Vec<Claim>, StoreError> {
        let claims = self
            .server
            .write((all, now, lease_until), |write, (all, now, lease_until)| {
                Box::pin(claims::take_over(write, *all, *now, *lease_until))
            })
            .await?;
        self.fetch_claims(claims, now).await
    }

    async fn start(&self, starts: Vec<Start>) -> Result<Vec<bool>, StoreError> {
        let starts = bodies::spill(&self.blobs, starts, 0).await?;
        self.starts.start(starts).await
    }

    async fn renew(&self, tokens: Vec<Token>, lease_until: Millis) -> Result<Vec<bool>, StoreError> {
        self.server
            .write((tokens, lease_until), |write, (tokens, until)| Box::pin(tasks::renew(write, tokens, *until)))
            .await
    }

    async fn hand_back(&self, tokens: Vec<Token>, now: Millis) -> Result<(), StoreError> {
        self.server.write((tokens, now), |write, (tokens, now)| Box::pin(tasks::hand_back(write, tokens, *now))).await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<Ending>, StoreError> {
        let ends = bodies::spill(&self.blobs, ends, 0).await?;
        self.server.write(ends, |write, ends| Box::pin(tasks::finish(write, ends))).await
    }

    async fn next_due(&self, lanes: Vec<LaneId>) -> Result<Option<Millis>, StoreError> {
        self.server.read(lanes, |db, lanes| Box::pin(claims::next_due(db, lanes))).await
    }

    async fn lanes(&self, names: Vec<(TaskKind, String)>) -> Result<Vec<LaneId>, StoreError> {
        self.server.write(names, |write, names| Box::pin(lanes::lanes(write.db(), names))).await
    }

    async fn all_lanes(&self) -> Result<Vec<Lane>, StoreError> {
        self.server.read((), |db, ()| Box::pin(lanes::all(db))).await
    }

    async fn cursor(&self, lane: LaneId) -> Result<Option<Bytes>, StoreError> {
        self.server.read(lane, |db, lane| Box::pin(lanes::cursor(db, *lane))).await
    }

    async fn set_cursor(&self, lane: LaneId, value: Option<Bytes>, now: Millis) -> Result<(), StoreError> {
        self.server
            .write((lane, value, now), |write, (lane, value, now)| {
                Box::pin(ends::set_cursors(write.db(), vec![(*lane, value.as_ref(), *now)]))
            })
            .await
    }

    async fn runs(&self, lane: Option<LaneId>, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.server.read((lane, limit), |db, (lane, limit)| Box::pin(lanes::runs(db, *lane, *limit))).await
    }

    async fn open_runs(&self, lane: Option<LaneId>) -> Result<Vec<RunId>, StoreError> {
        self.server.read(lane, |db, lane| Box::pin(lanes::open_runs(db, *lane))).await
    }

    async fn attend(&self, engine: Attending, now: Millis) -> Result<Vec<Engine>, StoreError> {
        self.server
            .write((engine, now), |write, (engine, now)| Box::pin(engines::attend(write.db(), engine, *now)))
            .await
    }

    async fn draw(&self, asked: Draw) -> Result<Drawn, StoreError> {
        self.server.write(asked, |write, asked| Box::pin(drawn::draw(write.db(), asked))).await
    }

    async fn settle(&self, settled: Settle) -> Result<(), StoreError> {
        self.server.write(settled, |write, settled| Box::pin(drawn::settle(write.db(), settled))).await
    }

    async fn entries(&self, keys: Vec<EntryKey>, now: Millis) -> Result<Vec<Option<Entry>>, StoreError> {
        self.server.read((keys, now), |db, (keys, now)| Box::pin(entries::get(db, keys, *now))).await
    }

    async fn find_entries(&self, filter: EntryFilter, now: Millis) -> Result<Vec<Entry>, StoreError> {
        self.server.slow().read((filter, now), |db, (filter, now)| Box::pin(entries::find(db, filter, *now))).await
    }

    async fn entry_counts(&self, now: Millis) -> Result<Vec<(String, u64)>, StoreError> {
        self.server.slow().read(now, |db, now| Box::pin(entries::counts(db, *now))).await
    }

    async fn write_entries(&self, written: Vec<EntryWrite>, now: Millis) -> Result<(), StoreError> {
        self.server
            .write((written, now), |write, (written, now)| Box::pin(entries::lock_and_write(write.db(), written, *now)))
            .await
    }

    async fn schedules(&self, lines: Vec<(String, String)>, now: Millis) -> Result<Vec<Schedule>, StoreError> {
        self.server.write((lines, now), |write, (lines, now)| Box::pin(schedules::known(write.db(), lines, *now))).await
    }

    async fn pause_schedule(
        &self,
        name: String,
        paused: Option<(Millis, String)>,
        now: Millis,
    ) -> Result<bool, StoreError> {
        self.server
            .write((name, paused, now), |write, (name, paused, now)| {
                Box::pin(schedules::pause(write.db(), name, paused.as_ref(), *now))
            })
            .await
    }

    async fn webhook_paths(&self, lanes: Vec<LaneId>) -> Result<Vec<String>, StoreError> {
        self.server.write(lanes, |write, lanes| Box::pin(schedules::webhook_paths(write.db(), lanes))).await
    }

    async fn tally(&self, run: Option<RunId>) -> Result<Vec<Tally>, StoreError> {
        self.server.read(run, |db, run| Box::pin(queries::tally(db, *run))).await
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskRow>, StoreError> {
        self.server.slow().read(filter, |db, filter| Box::pin(queries::tasks(db, filter))).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskStory>, StoreError> {
        let story = self.server.read(id, |db, id| Box::pin(queries::task(db, *id))).await?;
        let Some(mut story) = story else { return Ok(None) };
        self.with_blobs(move |blobs| {
            story.bodies().try_for_each(|body| bodies::fetch(blobs, body))?;
            Ok(Some(story))
        })
        .await
    }

    async fn decide(&self, tasks: Vec<TaskId>, mut decided: Decided) -> Result<Vec<Result<(), Problem>>, StoreError> {
        if let Some(payload) = decided.payload.take() {
            decided.payload = Some(bodies::spill(&self.blobs, vec![payload], decided.at).await?.remove(0));
        }
        self.server
            .slow()
            .write((tasks, decided), |write, (tasks, decided)| Box::pin(decisions::decide(write, tasks, decided)))
            .await
    }

    async fn usage(&self, run: Option<RunId>) -> Result<UsageSum, StoreError> {
        self.server.read(run, |db, run| Box::pin(usage::of_run(db, *run))).await
    }

    async fn usage_by(&self, by: UsageBy, since: Millis, until: Millis) -> Result<Vec<UsageSum>, StoreError> {
        self.server
            .slow()
            .read((by, since, until), |db, (by, since, until)| Box::pin(usage::sums(db, *by, *since, *until)))
            .await
    }

    async fn currency(&self, first: Option<String>) -> Result<Option<String>, StoreError> {
        let known = self.server.read((), |db, ()| Box::pin(usage::currency(db))).await?;
        let Some(first) = first.filter(|_| known.is_none()) else { return Ok(known) };
        self.server.write(first, |write, first| Box::pin(usage::set_currency(write.db(), first))).await
    }

    async fn people(&self) -> Result<Vec<Person>, StoreError> {
        self.server.read((), |db, ()| Box::pin(people::all(db))).await
    }

    async fn write_person(&self, person: Person, audit: AuditEntry) -> Result<(), StoreError> {
        self.server
            .write((person, audit), |write, (person, audit)| Box::pin(people::write(write.db(), person, audit)))
            .await
    }

    async fn access_tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        self.server.read((), |db, ()| Box::pin(people::tokens(db))).await
    }

    async fn add_access_token(&self, new: NewAccessToken, audit: AuditEntry) -> Result<Option<i64>, StoreError> {
        self.server.write((new, audit), |write, (new, audit)| Box::pin(people::add_token(write.db(), new, audit))).await
    }

    async fn delete_access_token(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server
            .write((id, audit), |write, (id, audit)| Box::pin(people::delete_token(write.db(), *id, audit)))
            .await
    }

    async fn bearer(&self, hash: [u8; 32]) -> Result<Option<Bearer>, StoreError> {
        self.server.read(hash, |db, hash| Box::pin(people::bearer(db, hash))).await
    }

    async fn access_token_used(&self, id: i64, at: Millis) -> Result<(), StoreError> {
        self.server.write((id, at), |write, (id, at)| Box::pin(people::used(write.db(), *id, *at))).await
    }

    async fn record(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        self.server.write(entries, |write, entries| Box::pin(people::record(write.db(), entries))).await
    }

    async fn find_audit(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        self.server.read(filter, |db, filter| Box::pin(people::find(db, filter))).await
    }

    async fn definitions(&self) -> Result<(i64, Vec<StoredDefinition>), StoreError> {
        self.server.read((), |db, ()| Box::pin(revisions::all(db))).await
    }

    async fn ended(&self, before: Option<TaskId>, limit: u32) -> Result<Vec<EndedTask>, StoreError> {
        let (mut page, named) = self
            .server
            .slow()
            .read((before, limit), |db, (before, limit)| Box::pin(prune::ended(db, *before, *limit)))
            .await?;
        if named.is_empty() {
            return Ok(page);
        }
        self.with_blobs(move |blobs| bodies::add_lengths(&mut page, &named, blobs).map(|()| page)).await
    }

    async fn delete_ended(&self, mut tasks: Vec<TaskId>) -> Result<Vec<bool>, StoreError> {
        tasks.truncate(prune::SLICE);
        self.server.write(tasks, |write, tasks| Box::pin(prune::delete(write, tasks))).await
    }

    async fn delete_expired(&self, now: Millis, most: u32) -> Result<u64, StoreError> {
        self.server
            .write((now, most), |write, (now, most)| Box::pin(prune::delete_expired(write.db(), *now, *most)))
            .await
    }

    /// Autovacuum sees to it.
    async fn give_back(&self, _most: u64) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn blob_folder(&self) -> &Blobs {
        &self.blobs
    }

    async fn blobs(&self) -> Result<(u64, u64), StoreError> {
        self.with_blobs(Blobs::count).await
    }

    async fn sweep_blobs(&self, before: Millis) -> Result<u64, StoreError> {
        let old = self.with_blobs(move |blobs| blobs.older_than(before)).await?;
        let mut swept = 0;
        for ids in old.chunks(SWEEP).map(<[_]>::to_vec) {
            let unnamed =
                self.server.slow().write(ids, |write, ids| Box::pin(queries::unnamed(write.db(), ids))).await?;
            swept += self
                .with_blobs(move |blobs| unnamed.iter().try_fold(0, |sum, id| Ok(sum + u64::from(blobs.delete(id)?))))
                .await?;
        }
        Ok(swept)
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        self.server.slow().read((), |db, ()| Box::pin(queries::check(db))).await
    }
}
