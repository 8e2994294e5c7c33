//! The border: what an adapter must do. What each promise means exactly is in the suite.

use crate::blobs::Blobs;
use crate::{
    AccessToken, Activities, Alerts, Attending, AuditEntry, AuditFilter, Bearer, Claim, ClaimRequest, Decided, Draw,
    Drawn, EndedTask, Ending, Engine, Entry, EntryFilter, EntryKey, EntryWrite, Finish, KeptAnswers, Lane, LaneId,
    Models, NewAccessToken, NewRun, NewTask, Person, Revisions, Run, Runs, Schedule, Searching, Secrets, Settings,
    Settle, SignIn, Standings, Start, StoreError, StoredDefinition, Tally, TaskFilter, TaskRow, TaskStory, Token,
    UsageBy, UsageSum, Views,
};
use async_trait::async_trait;
use bytes::Bytes;
use model::{Millis, Problem, RunId, TaskId, TaskKind};

/// A durable store. Everything that returns `Ok` is on disk.
///
/// A batch is one transaction; one bad item does not spoil the others where the result has a value per item.
#[async_trait]
pub trait Store:
    Activities
    + Alerts
    + KeptAnswers
    + Models
    + Revisions
    + Runs
    + Searching
    + Secrets
    + Settings
    + SignIn
    + Standings
    + Views
    + Send
    + Sync
{
    /// What tells this store from every other: 8 random hex characters, given when it was made.
    fn id(&self) -> &str;

    /// Whether others may write to it at the same time: then claims must be renewed, and what others wrote be looked for.
    fn is_shared(&self) -> bool {
        false
    }

    /// The time of the database server, which engines on several machines go by; `None`: the machine's own counts.
    async fn time(&self) -> Result<Option<Millis>, StoreError> {
        Ok(None)
    }

    // --- tasks, as the engine moves them ---------------------------------------------------------------------

    /// Inserts tasks, accepted at `now`. `None` for each whose unique key exists.
    async fn insert(&self, tasks: Vec<NewTask>, now: Millis) -> Result<Vec<Option<TaskId>>, StoreError>;

    /// Begins runs: each with its pull task, in one commit. `None` for each whose key exists. The pull tasks of one lane
    /// are worked on one at a time, but for those of runs that are not `in_order`.
    async fn begin_runs(&self, runs: Vec<NewRun>) -> Result<Vec<Option<(RunId, TaskId)>>, StoreError>;

    /// Begins one run.
    ///
    /// # Errors
    /// Also where its key exists.
    async fn begin_run(&self, run: NewRun) -> Result<(RunId, TaskId), StoreError> {
        let begun = self.begin_runs(vec![run]).await?.pop().flatten();
        begun.ok_or_else(|| StoreError::Database("there is a run with this key".to_owned()))
    }

    /// Claims due tasks in states `new`, `retry` and `waiting`. One whose payload is missing becomes `failed`
    /// (`blob_missing`) and is left out. In each lane, one that was claimed before without coming to an end is claimed
    /// alone.
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claim>, StoreError>;

    /// Takes over claims that ran out (`all`: every claim there is, for the one engine of a SQLite store at its start).
    /// Those not started go back to `new`, or to `failed` (`claimed_too_often`) after three claims without an end.
    /// Those started are claimed anew for the caller, with `interrupted` set; where their payload or request is missing
    /// they become `unknown` (`blob_missing`) instead.
    async fn take_over(&self, all: bool, now: Millis, lease_until: Millis) -> Result<Vec<Claim>, StoreError>;

    /// Commits START. `false` where the claim is lost or was started already: then nothing may be sent.
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<bool>, StoreError>;

    /// Extends claims. `false` where the claim is lost.
    async fn renew(&self, tokens: Vec<Token>, lease_until: Millis) -> Result<Vec<bool>, StoreError>;

    /// Gives unstarted claims back: state `new`, due now, the claim not counted. Passes over claims that are lost and
    /// those whose task has an attempt that was started and never ended: that is for take-over to report.
    async fn hand_back(&self, tokens: Vec<Token>, now: Millis) -> Result<(), StoreError>;

    /// Ends attempts, one after the other: of each, all that belongs to it is written or nothing.
    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<Ending>, StoreError>;

    /// The earliest time at which something in these lanes can be claimed.
    async fn next_due(&self, lanes: Vec<LaneId>) -> Result<Option<Millis>, StoreError>;

    // --- lanes, cursors, runs ------------------------------------------------------------------------------

    /// Numbers of lanes, made where they are new, in the order asked.
    async fn lanes(&self, names: Vec<(TaskKind, String)>) -> Result<Vec<LaneId>, StoreError>;

    /// Every lane there ever was.
    async fn all_lanes(&self) -> Result<Vec<Lane>, StoreError>;

    /// Where an incoming goes on.
    async fn cursor(&self, lane: LaneId) -> Result<Option<Bytes>, StoreError>;

    /// Sets or clears it.
    async fn set_cursor(&self, lane: LaneId, value: Option<Bytes>, now: Millis) -> Result<(), StoreError>;

    /// Runs of an incoming (`None`: all), newest first.
    async fn runs(&self, lane: Option<LaneId>, limit: u32) -> Result<Vec<Run>, StoreError>;

    /// Runs with open tasks, oldest first (`None`: of every incoming).
    async fn open_runs(&self, lane: Option<LaneId>) -> Result<Vec<RunId>, StoreError>;

    // --- engines that work on one store ----------------------------------------------------------------------

    /// Says that an engine is there, and returns all that are there at `now`, in the order in which they came. What two
    /// engines are told is never out of order.
    async fn attend(&self, engine: Attending, now: Millis) -> Result<Vec<Engine>, StoreError>;

    // --- limits of HTTP clients ------------------------------------------------------------------------------

    /// Draws calls from what a client may be asked, before they are sent. All engines draw from the same.
    async fn draw(&self, asked: Draw) -> Result<Drawn, StoreError>;

    /// Sets right what was drawn, when it is known what a call used.
    async fn settle(&self, settled: Settle) -> Result<(), StoreError>;

    // --- entries of storages ----------------------------------------------------------------------------------

    /// What of these entries is there at `now`, in the order asked.
    async fn entries(&self, keys: Vec<EntryKey>, now: Millis) -> Result<Vec<Option<Entry>>, StoreError>;

    /// One page of a storage, by key.
    async fn find_entries(&self, filter: EntryFilter, now: Millis) -> Result<Vec<Entry>, StoreError>;

    /// How many entries each storage has that has any, by name.
    async fn entry_counts(&self, now: Millis) -> Result<Vec<(String, u64)>, StoreError>;

    /// Writes and deletes entries, in one commit.
    async fn write_entries(&self, written: Vec<EntryWrite>, now: Millis) -> Result<(), StoreError>;

    // --- schedules and webhooks ------------------------------------------------------------------------------

    /// What is known of schedules, each given by name and line. One that is new, or has another line than before,
    /// begins at `now`.
    async fn schedules(&self, lines: Vec<(String, String)>, now: Millis) -> Result<Vec<Schedule>, StoreError>;

    /// Pauses a schedule (`Some`: when and by whom), or lets it go on; `false` where it is not known. One that goes on
    /// begins at `now`: what it missed meanwhile stays missed.
    async fn pause_schedule(
        &self,
        name: String,
        paused: Option<(Millis, String)>,
        now: Millis,
    ) -> Result<bool, StoreError>;

    /// The addresses of webhooks, by lane of their incoming, made where they are new: 32 random hex digits.
    async fn webhook_paths(&self, lanes: Vec<LaneId>) -> Result<Vec<String>, StoreError>;

    // --- for people -------------------------------------------------------------------------------------------

    /// Counts by lane and state, by lane (`None`: of all runs together, under run 0). Counts of zero are left out.
    async fn tally(&self, run: Option<RunId>) -> Result<Vec<Tally>, StoreError>;

    /// One page of tasks, newest first.
    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskRow>, StoreError>;

    /// Everything about one task.
    async fn task(&self, id: TaskId) -> Result<Option<TaskStory>, StoreError>;

    /// Carries out a decision; a problem for each task that it does not fit, and says so without touching it.
    async fn decide(&self, tasks: Vec<TaskId>, decided: Decided) -> Result<Vec<Result<(), Problem>>, StoreError>;

    /// Sums of usage of a run (`None`: of all).
    async fn usage(&self, run: Option<RunId>) -> Result<UsageSum, StoreError>;

    /// Sums of usage of the attempts that ended from `since` on and before `until`, by name of what they are summed by.
    async fn usage_by(&self, by: UsageBy, since: Millis, until: Millis) -> Result<Vec<UsageSum>, StoreError>;

    /// The currency of all costs in the store. Where there is none yet, `first` becomes it.
    async fn currency(&self, first: Option<String>) -> Result<Option<String>, StoreError>;

    // --- people and what they did -------------------------------------------------------------------------------

    /// Everybody, by name.
    async fn people(&self) -> Result<Vec<Person>, StoreError>;

    /// Adds or changes somebody, and records it.
    async fn write_person(&self, person: Person, audit: AuditEntry) -> Result<(), StoreError>;

    /// Every token, in the order in which they were made.
    async fn access_tokens(&self) -> Result<Vec<AccessToken>, StoreError>;

    /// Makes a token, and records it; `None` where there is no such person.
    async fn add_access_token(&self, new: NewAccessToken, audit: AuditEntry) -> Result<Option<i64>, StoreError>;

    /// Deletes a token, and records it; `false` where it is not there.
    async fn delete_access_token(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Whose token has this hash, whether it still counts or not.
    async fn bearer(&self, hash: [u8; 32]) -> Result<Option<Bearer>, StoreError>;

    /// Notes that a token was used.
    async fn access_token_used(&self, id: i64, at: Millis) -> Result<(), StoreError>;

    /// Records what was done.
    async fn record(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError>;

    /// One page of what was done, newest first.
    async fn find_audit(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>, StoreError>;

    // --- definitions ------------------------------------------------------------------------------------------

    /// The present revision (0: nothing was ever applied) and all definitions, by kind and name.
    async fn definitions(&self) -> Result<(i64, Vec<StoredDefinition>), StoreError>;

    // --- retention ----------------------------------------------------------------------------------------------

    /// One page of ended tasks, newest first: numbers below `before`, at most `limit`, 1,000 a call. Those whose outcome
    /// is unknown are left out. Asked of what is committed; no writer waits for it.
    async fn ended(&self, before: Option<TaskId>, limit: u32) -> Result<Vec<EndedTask>, StoreError>;

    /// Deletes ended tasks whole, the first 500 of those given, in one commit: data, attempts, decisions, what they were counted
    /// as, and runs that have no tasks left. `false` for each that is not there, is open, or whose outcome is unknown:
    /// those stay. Blobs go with the next sweep. A unique key of a deleted task can be used again. Sums of usage of all
    /// runs together stay as they are.
    async fn delete_ended(&self, tasks: Vec<TaskId>) -> Result<Vec<bool>, StoreError>;

    /// Deletes entries of storages that expired by `now`, at most so many; returns how many.
    async fn delete_expired(&self, now: Millis, most: u32) -> Result<u64, StoreError>;

    /// Gives space that nothing uses any more back to the disk, at most so many bytes; returns how many. 0: there is
    /// none, or the database sees to it by itself.
    async fn give_back(&self, most: u64) -> Result<u64, StoreError>;

    // --- blobs and upkeep -----------------------------------------------------------------------------------

    /// The folder of blobs, for files that payloads and answers name: `{"$blob": id}`.
    fn blob_folder(&self) -> &Blobs;

    /// How many blobs there are and their bytes.
    async fn blobs(&self) -> Result<(u64, u64), StoreError>;

    /// Deletes blobs that nothing refers to and that are older than `before`; returns how many.
    async fn sweep_blobs(&self, before: Millis) -> Result<u64, StoreError>;

    /// The database's own check of itself: empty when clean.
    async fn check(&self) -> Result<Vec<String>, StoreError>;
}
