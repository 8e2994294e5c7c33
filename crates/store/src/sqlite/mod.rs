//! SQLite adapter: one data folder, one engine, one thread that writes.

mod activities;
mod alerts;
mod backup;
mod claims;
pub(crate) mod copy;
mod decisions;
mod drawn;
mod engines;
mod entries;
mod examine;
mod folder;
mod kept_answers;
mod lanes;
mod migrate;
mod models;
mod people;
mod prune;
mod queries;
mod readers;
mod revisions;
mod rows;
mod runs;
mod schedules;
mod search;
mod secrets;
mod settings;
mod sign_in;
mod standing;
mod tally;
mod tasks;
mod text;
mod usage;
mod views;
mod writer;

pub use backup::{Backup, back_up, restore};
pub use examine::{Examination, examine};
pub use migrate::Upgrade;

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
use readers::Readers;
use rusqlite::Connection;
use std::fs::File;
use std::path::Path;
use writer::{Write, Writer};

/// How a data folder is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// For reading and writing, by one process at a time. The text tells others who holds it: `serve, since 09:15`.
    Engine(String),
    /// For questions, also while an engine holds it.
    Read,
}

/// A store in a data folder. Dropping it finishes what is queued and waits for the disk.
#[derive(Debug)]
pub struct SqliteStore {
    // Dropped from top to bottom: the writer closes the database last, and then the folder is free.
    readers: Readers,
    writer: Option<Writer>,
    blobs: Blobs,
    id: String,
    upgrade: Option<Upgrade>,
    _lock: Option<File>,
}

/// How many blobs a sweep looks at in one transaction.
const SWEEP: usize = 500;

impl SqliteStore {
    /// Opens the store in this folder, which an engine makes on first use, for its owner alone.
    ///
    /// # Errors
    /// [`StoreError::Held`] where another engine has it, [`StoreError::Absent`] where there is nothing to read,
    /// [`StoreError::Newer`], [`StoreError::Older`] and [`StoreError::NotAStore`] for files that we cannot use.
    pub fn open(folder: &Path, access: Access) -> Result<Self, StoreError> {
        let blobs = Blobs::new(folder.join("blobs"));
        let (lock, writer, upgrade) = match access {
            Access::Engine(by) => {
                let lock = folder::hold(folder, &by)?;
                let blobs = folder.join("blobs");
                make_private_folder(&blobs).map_err(|error| StoreError::io("cannot make", &blobs, error))?;
                let (db, upgrade) = folder::open_writer(folder)?;
                (Some(lock), Some(Writer::start(db)?), upgrade)
            }
            Access::Read => (None, None, None),
        };
        let readers = Readers::open(folder.to_owned())?;
        let id = readers.identity()?;
        Ok(Self { readers, writer, blobs, id, upgrade, _lock: lock })
    }

    /// Commits since it was opened: one carries many operations when there is much to do.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::commits)
    }

    /// What was done to it when it was opened, where it was of an older version.
    #[must_use]
    pub fn upgrade(&self) -> Option<&Upgrade> {
        self.upgrade.as_ref()
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.as_ref().ok_or(StoreError::ReadOnly)?.write(operation).await
    }

    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(question).await
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
            self.write(move |write| {
                lacking.iter().try_for_each(|(claim, missing)| claims::park_without_blob(write, claim, missing, now))
            })
            .await?;
        }
        Ok(whole)
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn id(&self) -> &str {
        &self.id
    }

    async fn insert(&self, tasks: Vec<NewTask>, now: Millis) -> Result<Vec<Option<TaskId>>, StoreError> {
        let tasks = bodies::spill(&self.blobs, tasks, now).await?;
        self.write(move |write| tasks.iter().map(|task| tasks::insert(write, task, now)).collect()).await
    }

    async fn begin_runs(&self, runs: Vec<NewRun>) -> Result<Vec<Option<(RunId, TaskId)>>, StoreError> {
        let runs = bodies::spill(&self.blobs, runs, 0).await?;
        self.write(move |write| runs.iter().map(|run| tasks::begin_run(write, run)).collect()).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claim>, StoreError> {
        let now = request.now;
        let claims = self.write(move |write| claims::claim(write, &request)).await?;
        self.fetch_claims(claims, now).await
    }

    async fn take_over(&self, all: bool, now: Millis, lease_until: Millis) -> Result<Vec<Claim>, StoreError> {
        let claims = self.write(move |write| claims::take_over(write, all, now, lease_until)).await?;
        self.fetch_claims(claims, now).await
    }

    async fn start(&self, starts: Vec<Start>) -> Result<Vec<bool>, StoreError> {
        let starts = bodies::spill(&self.blobs, starts, 0).await?;
        self.write(move |write| starts.iter().map(|start| tasks::start(write, start)).collect()).await
    }

    async fn renew(&self, tokens: Vec<Token>, lease_until: Millis) -> Result<Vec<bool>, StoreError> {
        self.write(move |write| tokens.iter().map(|token| tasks::renew(write, *token, lease_until)).collect()).await
    }

    async fn hand_back(&self, tokens: Vec<Token>, now: Millis) -> Result<(), StoreError> {
        self.write(move |write| tokens.iter().try_for_each(|token| tasks::hand_back(write, *token, now))).await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<Ending>, StoreError> {
        let ends = bodies::spill(&self.blobs, ends, 0).await?;
        self.write(move |write| ends.iter().map(|end| tasks::finish(write, end)).collect()).await
    }

    async fn next_due(&self, lanes: Vec<LaneId>) -> Result<Option<Millis>, StoreError> {
        self.read(move |db| {
            let times: Vec<Option<Millis>> =
                lanes.iter().map(|lane| claims::next_due(db, *lane)).collect::<Result<_, _>>()?;
            Ok(times.into_iter().flatten().min())
        })
        .await
    }

    async fn lanes(&self, names: Vec<(TaskKind, String)>) -> Result<Vec<LaneId>, StoreError> {
        self.write(move |write| names.iter().map(|(kind, name)| lanes::lane(write, *kind, name)).collect()).await
    }

    async fn all_lanes(&self) -> Result<Vec<Lane>, StoreError> {
        self.read(lanes::all).await
    }

    async fn cursor(&self, lane: LaneId) -> Result<Option<Bytes>, StoreError> {
        self.read(move |db| lanes::cursor(db, lane)).await
    }

    async fn set_cursor(&self, lane: LaneId, value: Option<Bytes>, now: Millis) -> Result<(), StoreError> {
        self.write(move |write| lanes::set_cursor(write, lane, value.as_ref(), now)).await
    }

    async fn runs(&self, lane: Option<LaneId>, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.read(move |db| lanes::runs(db, lane, limit)).await
    }

    async fn open_runs(&self, lane: Option<LaneId>) -> Result<Vec<RunId>, StoreError> {
        self.read(move |db| lanes::open_runs(db, lane)).await
    }

    async fn attend(&self, engine: Attending, now: Millis) -> Result<Vec<Engine>, StoreError> {
        self.write(move |write| engines::attend(write.db, &engine, now)).await
    }

    async fn draw(&self, asked: Draw) -> Result<Drawn, StoreError> {
        self.write(move |write| drawn::draw(write.db, &asked)).await
    }

    async fn settle(&self, settled: Settle) -> Result<(), StoreError> {
        self.write(move |write| drawn::settle(write.db, &settled)).await
    }

    async fn entries(&self, keys: Vec<EntryKey>, now: Millis) -> Result<Vec<Option<Entry>>, StoreError> {
        self.read(move |db| entries::get(db, &keys, now)).await
    }

    async fn find_entries(&self, filter: EntryFilter, now: Millis) -> Result<Vec<Entry>, StoreError> {
        self.read(move |db| entries::find(db, &filter, now)).await
    }

    async fn entry_counts(&self, now: Millis) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(move |db| entries::counts(db, now)).await
    }

    async fn write_entries(&self, written: Vec<EntryWrite>, now: Millis) -> Result<(), StoreError> {
        self.write(move |write| entries::write(write.db, &written, now)).await
    }

    async fn schedules(&self, lines: Vec<(String, String)>, now: Millis) -> Result<Vec<Schedule>, StoreError> {
        self.write(move |write| lines.iter().map(|(name, line)| schedules::known(write.db, name, line, now)).collect())
            .await
    }

    async fn pause_schedule(
        &self,
        name: String,
        paused: Option<(Millis, String)>,
        now: Millis,
    ) -> Result<bool, StoreError> {
        self.write(move |write| schedules::pause(write.db, &name, paused, now)).await
    }

    async fn webhook_paths(&self, lanes: Vec<LaneId>) -> Result<Vec<String>, StoreError> {
        self.write(move |write| lanes.iter().map(|lane| schedules::webhook_path(write.db, *lane)).collect()).await
    }

    async fn tally(&self, run: Option<RunId>) -> Result<Vec<Tally>, StoreError> {
        self.read(move |db| queries::tally(db, run)).await
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskRow>, StoreError> {
        self.read(move |db| queries::tasks(db, &filter)).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskStory>, StoreError> {
        let blobs = self.blobs.clone();
        self.read(move |db| {
            let mut story = queries::task(db, id)?;
            if let Some(story) = &mut story {
                story.bodies().try_for_each(|body| bodies::fetch(&blobs, body))?;
            }
            Ok(story)
        })
        .await
    }

    async fn decide(&self, tasks: Vec<TaskId>, mut decided: Decided) -> Result<Vec<Result<(), Problem>>, StoreError> {
        if let Some(payload) = decided.payload.take() {
            decided.payload = Some(bodies::spill(&self.blobs, vec![payload], decided.at).await?.remove(0));
        }
        self.write(move |write| tasks.iter().map(|task| decisions::decide(write, *task, &decided)).collect()).await
    }

    async fn usage(&self, run: Option<RunId>) -> Result<UsageSum, StoreError> {
        self.read(move |db| queries::sum_usage(db, run)).await
    }

    async fn usage_by(&self, by: UsageBy, since: Millis, until: Millis) -> Result<Vec<UsageSum>, StoreError> {
        self.read(move |db| usage::sums(db, by, since, until)).await
    }

    async fn currency(&self, first: Option<String>) -> Result<Option<String>, StoreError> {
        let known = self.read(usage::currency).await?;
        let Some(first) = first.filter(|_| known.is_none()) else { return Ok(known) };
        self.write(move |write| usage::set_currency(write.db, &first).and_then(|()| usage::currency(write.db))).await
    }

    async fn people(&self) -> Result<Vec<Person>, StoreError> {
        self.read(people::all).await
    }

    async fn write_person(&self, person: Person, audit: AuditEntry) -> Result<(), StoreError> {
        self.write(move |write| people::write(write.db, &person, &audit)).await
    }

    async fn access_tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        self.read(people::tokens).await
    }

    async fn add_access_token(&self, new: NewAccessToken, audit: AuditEntry) -> Result<Option<i64>, StoreError> {
        self.write(move |write| people::add_token(write.db, &new, &audit)).await
    }

    async fn delete_access_token(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| people::delete_token(write.db, id, &audit)).await
    }

    async fn bearer(&self, hash: [u8; 32]) -> Result<Option<Bearer>, StoreError> {
        self.read(move |db| people::bearer(db, &hash)).await
    }

    async fn access_token_used(&self, id: i64, at: Millis) -> Result<(), StoreError> {
        self.write(move |write| people::used(write.db, id, at)).await
    }

    async fn record(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        self.write(move |write| people::record(write.db, &entries)).await
    }

    async fn find_audit(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(move |db| people::find(db, &filter)).await
    }

    async fn definitions(&self) -> Result<(i64, Vec<StoredDefinition>), StoreError> {
        self.read(revisions::all).await
    }

    async fn ended(&self, before: Option<TaskId>, limit: u32) -> Result<Vec<EndedTask>, StoreError> {
        let (mut page, named) = self
            .read(move |db| {
                let page = prune::ended(db, before, limit)?;
                let named = prune::blobs_of(db, &page)?;
                Ok((page, named))
            })
            .await?;
        if named.is_empty() {
            return Ok(page);
        }
        self.with_blobs(move |blobs| bodies::add_lengths(&mut page, &named, blobs).map(|()| page)).await
    }

    async fn delete_ended(&self, mut tasks: Vec<TaskId>) -> Result<Vec<bool>, StoreError> {
        tasks.truncate(prune::SLICE);
        let writer = self.writer.as_ref().ok_or(StoreError::ReadOnly)?;
        writer.write_apart(move |write| prune::delete(write, &tasks)).await
    }

    async fn delete_expired(&self, now: Millis, most: u32) -> Result<u64, StoreError> {
        self.write(move |write| prune::delete_expired(write.db, now, most)).await
    }

    async fn give_back(&self, most: u64) -> Result<u64, StoreError> {
        self.write(move |write| prune::give_back(write.db, most)).await
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
            // Asked of the writer, so that no commit before this one is overlooked.
            let unnamed = self.write(move |write| queries::unnamed(write.db, ids)).await?;
            swept += self
                .with_blobs(move |blobs| unnamed.iter().try_fold(0, |sum, id| Ok(sum + u64::from(blobs.delete(id)?))))
                .await?;
        }
        Ok(swept)
    }

    async fn check(&self) -> Result<Vec<String>, StoreError> {
        self.read(queries::check).await
    }
}
