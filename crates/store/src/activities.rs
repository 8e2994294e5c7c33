//! Activities: work about many tasks that goes on by itself, slice by slice, from the newest task to the oldest.
//!
//! Each slice is one transaction: what it decides, and how far the activity has come. So a process may be killed at any
//! moment, and another goes on where the last slice ended; no activity decides about a task twice.

use crate::{AuditEntry, Decided, StoreError};
use async_trait::async_trait;
use model::{Millis, Problem, TaskId, TaskState};
use serde::{Deserialize, Serialize};

/// Problems of single tasks that an activity keeps.
pub(crate) const KEPT_PROBLEMS: usize = 20;

/// Where an activity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It goes on, or waits for its turn.
    Working,
    /// It waits for somebody to let it go on.
    Paused,
    /// It has come through.
    Done,
    /// Somebody stopped it. What was done stays done.
    Cancelled,
    /// It could not go on.
    Failed,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 5] = [Self::Working, Self::Paused, Self::Done, Self::Cancelled, Self::Failed];

    /// The word used in tables, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }

    /// Whether somebody may bring an activity from this phase to another.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        use Phase::{Cancelled, Paused, Working};
        matches!((self, to), (Working, Paused | Cancelled) | (Paused, Working | Cancelled))
    }
}

/// An activity to be begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewActivity {
    /// `decide` or `export`.
    pub kind: String,
    /// Whose it is.
    pub who: String,
    /// From where they asked for it.
    pub origin: String,
    /// What is done, and with which tasks, as JSON text.
    pub wish: String,
    /// Only tasks with numbers below this one: what comes later is not meant.
    pub below: TaskId,
    /// So many it is about; `None`: more than were counted.
    pub total: Option<u64>,
    /// When.
    pub at: Millis,
}

/// An activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Number.
    pub id: i64,
    /// `decide` or `export`.
    pub kind: String,
    /// Where it stands.
    pub phase: Phase,
    /// Whose it is.
    pub who: String,
    /// From where they asked for it.
    pub origin: String,
    /// What is done, and with which tasks, as JSON text.
    pub wish: String,
    /// Only tasks with numbers below this one are still to come.
    pub below: TaskId,
    /// So many it was about when it began; `None`: more than were counted.
    pub total: Option<u64>,
    /// Tasks that were seen to.
    pub done: u64,
    /// Tasks that it did not fit.
    pub refused: u64,
    /// Why, of the first few.
    pub problems: Vec<Problem>,
    /// Why it failed as a whole.
    pub problem: Option<Problem>,
    /// The blob that it made.
    pub result: Option<String>,
    /// When it was begun.
    pub created_at: Millis,
    /// When it last came on.
    pub changed_at: Millis,
    /// How long it was worked on, in milliseconds.
    pub worked_ms: Millis,
    /// When it came to its end.
    pub ended_at: Option<Millis>,
}

/// Somebody who works on activities.
#[derive(Clone, Debug)]
pub struct Holder {
    /// A name that nobody else has.
    pub name: String,
    /// Until then nobody else takes what they hold.
    pub until: Millis,
    /// The time.
    pub now: Millis,
}

/// One slice of an activity, and how far it has come with it.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Which.
    pub activity: i64,
    /// Who works on it.
    pub holder: Holder,
    /// Tasks that are decided about, each only if it still stands where it was seen.
    pub tasks: Vec<(TaskId, TaskState)>,
    /// The decision about them.
    pub decided: Option<Decided>,
    /// Tasks that were seen to in another way.
    pub seen: u64,
    /// Only tasks with numbers below this one are still to come.
    pub below: TaskId,
    /// What was done before does not count: it begins anew.
    pub is_anew: bool,
    /// How long it took, in milliseconds.
    pub took: Millis,
    /// It was the last one: how it ended, and what is recorded of it.
    pub end: Option<SliceEnd>,
}

/// How an activity ends with its last slice.
#[derive(Clone, Debug)]
pub struct SliceEnd {
    /// Why it failed; `None`: it has come through.
    pub problem: Option<Problem>,
    /// The blob that it made.
    pub result: Option<String>,
    /// What is recorded.
    pub audit: AuditEntry,
}

/// Begins, moves and shows activities.
#[async_trait]
pub trait Activities {
    /// Begins one, and records it.
    async fn add_activity(&self, new: NewActivity, audit: AuditEntry) -> Result<i64, StoreError>;

    /// One page, newest first: numbers below `before`, at most 1,000.
    async fn activities(&self, before: Option<i64>, limit: u32) -> Result<Vec<Activity>, StoreError>;

    /// One of them.
    async fn activity(&self, id: i64) -> Result<Option<Activity>, StoreError>;

    /// Pauses one, lets it go on or cancels it, and records that; `None` where it is not there, `false` where its phase
    /// does not let it.
    async fn turn_activity(&self, id: i64, to: Phase, audit: AuditEntry) -> Result<Option<bool>, StoreError>;

    /// Takes the oldest one that goes on and nobody holds; with `all` whoever holds it.
    async fn hold_activity(&self, holder: Holder, all: bool) -> Result<Option<Activity>, StoreError>;

    /// Carries out a slice and notes how far the activity has come; `false` where it is no longer held, or was paused or
    /// cancelled: then nothing was done.
    async fn advance_activity(&self, slice: Slice) -> Result<bool, StoreError>;
}
