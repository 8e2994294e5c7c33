//! What goes over the border of the store.

use crate::Entries;
use bytes::Bytes;
use model::{Evidence, Millis, Money, Problem, RunId, TaskId, TaskKind, TaskState, Usage};
use serde::{Deserialize, Serialize};

/// Number of a lane: an incoming (for pulls) or a route (for pushes). Given once per name, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneId(pub i64);

/// A lane with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// Number.
    pub id: LaneId,
    /// `pull`: the name is an incoming's. `push`: a route's.
    pub kind: TaskKind,
    /// Name of the definition.
    pub name: String,
}

/// A task to be inserted.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its lane; says the kind too.
    pub lane: LaneId,
    /// The run it belongs to.
    pub run: RunId,
    /// The task whose data or answer it was made from.
    pub source: Option<TaskId>,
    /// Smaller comes first.
    pub priority: i64,
    /// Not before this time.
    pub due_at: Millis,
    /// Of the tasks of one lane with the same key one at a time is worked on, in the order of their numbers.
    pub order_key: Option<String>,
    /// At most one task ever has this key; a second insert changes nothing and gives `None`.
    pub unique_key: Option<String>,
    /// What people call it; few tasks have one.
    pub identifier: Option<String>,
    /// `New`, or an end state for data that is refused or failed at intake.
    pub state: TaskState,
    /// The payload as JSON text. Large ones go to a blob by themselves.
    pub payload: Bytes,
    /// Why it is born failed or rejected.
    pub problem: Option<Problem>,
}

/// What one trigger of an incoming does: a run, and its pull task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewRun {
    /// Lane of the incoming.
    pub lane: LaneId,
    /// Who or what triggered it: `cli`, `schedule nightly`, `webhook`.
    pub trigger: String,
    /// When.
    pub at: Millis,
    /// The pull task is not begun before this time.
    pub due_at: Millis,
    /// The pull task's payload (its parameters) as JSON text.
    pub payload: Bytes,
    /// At most one run ever has this key: an occurrence's, an event's.
    pub key: Option<String>,
    /// Name of the schedule and the time of the occurrence that this run is, seen to with the run.
    pub occurrence: Option<(String, Millis)>,
    /// Its pull task waits for those of the lane that came before.
    pub in_order: bool,
    /// Where another run of the lane has open tasks, the pull task is born `skipped` (`overlap`).
    pub unless_open: bool,
    /// The pull task is born `skipped`, and this says why.
    pub skipped: Option<Problem>,
}

impl NewRun {
    /// A run that begins at once.
    #[must_use]
    pub fn now(lane: LaneId, trigger: &str, at: Millis, payload: Bytes) -> Self {
        let trigger = trigger.to_owned();
        Self {
            lane,
            trigger,
            at,
            due_at: at,
            payload,
            key: None,
            occurrence: None,
            in_order: true,
            unless_open: false,
            skipped: None,
        }
    }
}

/// What a store knows of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Name of the definition.
    pub name: String,
    /// Occurrences after this time are still to come.
    pub since: Millis,
    /// When and by whom it was paused; `None`: it is not.
    pub paused: Option<(Millis, String)>,
}

/// The fence: what a holder of a claim shows with every further step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The task.
    pub task: TaskId,
    /// The number that the claim gave it. Every claim counts it up, so an older holder is always told apart.
    pub attempt: u32,
}

/// What to claim.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Lanes with permits, and how many tasks each may get.
    pub lanes: Vec<(LaneId, u32)>,
    /// The time.
    pub now: Millis,
    /// When the claim runs out unless renewed.
    pub lease_until: Millis,
}

/// A claimed task. In the order of lane (as asked), priority, due time, number.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The fence.
    pub token: Token,
    /// Its lane.
    pub lane: LaneId,
    /// Its run.
    pub run: RunId,
    /// The task it was made from.
    pub source: Option<TaskId>,
    /// Attempts that ended in `Next::Retry` since the start, the last page, or the last decision of a person.
    pub tries: u32,
    /// Claims since the last recorded end, this one included.
    pub claims: u32,
    /// The payload as JSON text.
    pub payload: Bytes,
    /// Where a `Next::Again` or `Next::Waiting` left off.
    pub resume: Option<Bytes>,
    /// When it was accepted.
    pub created_at: Millis,
    /// An attempt that was started and never ended.
    pub interrupted: Option<Interrupted>,
}

/// An attempt that was started and never ended.
#[derive(Clone, Debug)]
pub struct Interrupted {
    /// Its number.
    pub attempt: u32,
    /// When START was committed.
    pub started_at: Millis,
    /// The request that START recorded.
    pub request: Option<Bytes>,
    /// The mark that START recorded.
    pub mark: Option<Bytes>,
}

/// START: committed before the first byte leaves.
#[derive(Clone, Debug)]
pub struct Start {
    /// The fence.
    pub token: Token,
    /// The time.
    pub at: Millis,
    /// Revision of the definitions that the attempt runs with.
    pub revision: i64,
    /// The request as JSON text, secrets never in it. `None`: the payload as it is.
    pub request: Option<Bytes>,
    /// What a driver needs to recognise a cut delivery.
    pub mark: Option<Bytes>,
}

/// The end of an attempt: outcome, what the task does next, and everything that follows from it, in one commit.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The fence.
    pub token: Token,
    /// What the attempt showed.
    pub end: AttemptEnd,
    /// Where the task goes.
    pub next: Next,
    /// Tasks made from the data or the answer.
    pub new_tasks: Vec<NewTask>,
    /// Cursor of an incoming to be set (`Some(value)`) or cleared (`None`).
    pub cursor: Option<(LaneId, Option<Bytes>)>,
    /// `Some` replaces the task's resume value, `None` keeps it.
    pub resume: Option<Bytes>,
    /// What its transformers read of storages, and what they write there.
    pub entries: Entries,
}

/// What an attempt showed.
#[derive(Clone, Debug)]
pub struct AttemptEnd {
    /// The attempt's number: the token's, or an interrupted one's.
    pub number: u32,
    /// When.
    pub at: Millis,
    /// What is known.
    pub evidence: Evidence,
    /// HTTP status.
    pub status: Option<u16>,
    /// Why it is no success.
    pub problem: Option<Problem>,
    /// The answer as JSON text.
    pub answer: Option<Bytes>,
    /// The answer's headers as a JSON object, secrets redacted.
    pub headers: Option<Bytes>,
    /// What the call used.
    pub usage: Option<Usage>,
    /// The request, where no START recorded it (preflight refused it).
    pub request: Option<Bytes>,
}

/// Where a task goes after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Done.
    Finished,
    /// Given up.
    Failed,
    /// May have worked: a person decides.
    Unknown,
    /// Passed over.
    Skipped,
    /// Another attempt not before this time; counts a try.
    Retry(Millis),
    /// Goes on at once with its next page or step: state `new`, tries and claims count anew.
    Again(Millis),
    /// Expects something from outside; looked at again at this time. Tries and claims count anew.
    Waiting(Millis),
}

/// What a person does with tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Run again: from any state that is not open. Tries count anew; a `finished` task forgets where it left off.
    Retry,
    /// An `unknown` task is known to have worked.
    ResolveFinished,
    /// An `unknown` task is known not to have worked, and is given up.
    ResolveFailed,
    /// An `unknown` task is sent again.
    ResolveResend,
    /// An open task that is not being processed ends as `skipped`.
    Cancel,
    /// As `Cancel`; also for `failed`, `rejected` and `unknown` tasks, which are then no longer counted as trouble.
    Skip,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Decision; 6] =
        [Self::Retry, Self::ResolveFinished, Self::ResolveFailed, Self::ResolveResend, Self::Cancel, Self::Skip];

    /// The word used in tables, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::ResolveFinished => "resolve_finished",
            Self::ResolveFailed => "resolve_failed",
            Self::ResolveResend => "resolve_resend",
            Self::Cancel => "cancel",
            Self::Skip => "skip",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == word)
    }

    /// The state that a task in `state` comes to by this decision; `None` where it does not fit.
    #[must_use]
    pub fn leads_to(self, state: TaskState) -> Option<TaskState> {
        use TaskState::{Failed, Finished, New, Processing, Rejected, Skipped, Unknown};
        let queued = state.is_open() && state != Processing;
        match self {
            Self::Retry if !state.is_open() => Some(New),
            Self::ResolveFinished if state == Unknown => Some(Finished),
            Self::ResolveFailed if state == Unknown => Some(Failed),
            Self::ResolveResend if state == Unknown => Some(New),
            Self::Cancel if queued => Some(Skipped),
            Self::Skip if queued || matches!(state, Failed | Rejected | Unknown) => Some(Skipped),
            _ => None,
        }
    }
}

/// A decision with who and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decided {
    /// What.
    pub decision: Decision,
    /// Who: a user's name, `cli`, a rule.
    pub by: String,
    /// Why, in their words.
    pub why: Option<String>,
    /// When.
    pub at: Millis,
    /// What the task remembers from now on, where it is run again; `None` leaves it as it is. Not kept in the story.
    pub resume: Option<Bytes>,
    /// The task's data from now on, as JSON text, where it is run again; `None` leaves it as it is. Of several tasks, all
    /// get it. Not kept in the story: that has the data, and in `before` what it was.
    pub payload: Option<Bytes>,
    /// In a story: what the task's data was before the decision, where it edited it.
    pub before: Option<Bytes>,
}

impl Decided {
    /// A decision that changes nothing but the state.
    #[must_use]
    pub fn new(decision: Decision, by: &str, why: Option<String>, at: Millis) -> Self {
        Self { decision, by: by.to_owned(), why, at, resume: None, payload: None, before: None }
    }
}

/// Counts by run, lane and state; kept in the same commits as the tasks, so asking is cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Run; 0: all runs together.
    pub run: RunId,
    /// Lane.
    pub lane: LaneId,
    /// State.
    pub state: TaskState,
    /// How many tasks.
    pub count: u64,
}

/// Which tasks to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Only this state.
    pub state: Option<TaskState>,
    /// Only this lane.
    pub lane: Option<LaneId>,
    /// Only this run.
    pub run: Option<RunId>,
    /// Only numbers below this one: the next page.
    pub before: Option<TaskId>,
    /// At most this many, 1,000 a call.
    pub limit: u32,
}

/// A task as lists show it: no payload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskRow {
    /// Number.
    pub id: TaskId,
    /// Lane.
    pub lane: LaneId,
    /// Run.
    pub run: RunId,
    /// The task it was made from.
    pub source: Option<TaskId>,
    /// State.
    pub state: TaskState,
    /// Attempts that have a record.
    pub attempts: u32,
    /// When it may be claimed; of a processing task, when its claim runs out.
    pub due_at: Millis,
    /// When it was accepted.
    pub created_at: Millis,
    /// When it reached an end state.
    pub finished_at: Option<Millis>,
    /// The problem of the last attempt that ended with one, else the one that it was born with.
    pub problem: Option<Problem>,
}

/// A task that has ended, as retention looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EndedTask {
    /// Number.
    pub id: TaskId,
    /// Lane.
    pub lane: LaneId,
    /// State.
    pub state: TaskState,
    /// When it reached it.
    pub finished_at: Millis,
    /// Bytes of its data, requests and answers, blobs among them. A blob that several tasks name counts for each.
    pub bytes: u64,
}

/// Everything about one task.
#[derive(Clone, Debug)]
pub struct TaskStory {
    /// The task.
    pub row: TaskRow,
    /// Payload as JSON text.
    pub payload: Bytes,
    /// Where it left off.
    pub resume: Option<Bytes>,
    /// Attempts in order.
    pub attempts: Vec<AttemptStory>,
    /// Decisions of people, in order.
    pub decisions: Vec<Decided>,
    /// Tasks made from it.
    pub made: Vec<TaskId>,
}

impl TaskStory {
    /// What all its attempts are estimated to cost together; `None` where no price is known.
    #[must_use]
    pub fn cost(&self) -> Option<Money> {
        let ends = self.attempts.iter().filter_map(|attempt| attempt.end.as_ref());
        ends.filter_map(|end| end.usage.as_ref()?.cost).reduce(Money::saturating_add)
    }
}

/// Everything about one attempt.
#[derive(Clone, Debug)]
pub struct AttemptStory {
    /// Number.
    pub number: u32,
    /// When START was committed; `None` where it never was.
    pub started_at: Option<Millis>,
    /// Revision of the definitions.
    pub revision: Option<i64>,
    /// The request as JSON text.
    pub request: Option<Bytes>,
    /// A driver's mark.
    pub mark: Option<Bytes>,
    /// How it ended; `None` where it has not.
    pub end: Option<AttemptEnd>,
}

/// What usage is summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageBy {
    /// The lane whose task made the call: a route, or an incoming.
    Route,
    /// The model that answered.
    Model,
    /// The day (UTC) on which the attempt ended.
    Day,
}

/// What calls used together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageSum {
    /// Of the route, model or day (`2026-11-23`); `None` where answers named no model, and for a run.
    pub name: Option<String>,
    /// Attempts that used something.
    pub calls: u64,
    /// Those of them whose cost is not known, and so not in the sum.
    pub unpriced: u64,
    /// Their sums; no model is named here.
    pub usage: Usage,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Number.
    pub id: RunId,
    /// Lane of its incoming.
    pub lane: LaneId,
    /// Who or what triggered it.
    pub trigger: String,
    /// When.
    pub started_at: Millis,
}

/// A definition as stored: references to secrets and variables unresolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredDefinition {
    /// `http_clients`, `incoming`, `outgoing`, `routes`, ….
    pub kind: String,
    /// Name within the kind.
    pub name: String,
    /// JSON text.
    pub body: String,
    /// The revision that last changed it.
    pub revision: i64,
}

/// A change of one definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionChange {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// The new JSON text; `None` deletes it.
    pub body: Option<String>,
}
