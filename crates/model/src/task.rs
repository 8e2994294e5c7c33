//! Tasks: the durable units of work, and their states.

use serde::{Deserialize, Serialize};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Takes data in through a subscriber. Its lane is an incoming.
    Pull,
    /// Sends data out through a publisher. Its lane is a route.
    Push,
}

impl TaskKind {
    /// The word used in tables, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}

/// Where a task stands. The number is what the task table holds; numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Accepted, not begun. Claimable when due.
    New = 0,
    /// Claimed by an engine until its lease runs out.
    Processing = 1,
    /// An attempt failed and another is due later. Claimable when due.
    Retry = 2,
    /// An answer or a permit is expected from outside. Claimable when due.
    Waiting = 3,
    /// Done.
    Finished = 4,
    /// Given up: the problem says why. `tasks retry` runs it again.
    Failed = 5,
    /// Passed over by a person or a rule.
    Skipped = 6,
    /// Refused at intake: too large, or not of the schema.
    Rejected = 7,
    /// A call was cut and may have worked. Never repeated on its own; `tasks resolve` decides.
    Unknown = 8,
}

impl TaskState {
    /// Every state, in the order they are shown.
    pub const ALL: [TaskState; 9] = [
        Self::New,
        Self::Processing,
        Self::Retry,
        Self::Waiting,
        Self::Finished,
        Self::Failed,
        Self::Skipped,
        Self::Rejected,
        Self::Unknown,
    ];

    /// Whether the engine still has something to do with it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::New | Self::Processing | Self::Retry | Self::Waiting)
    }

    /// The number in the task table.
    #[must_use]
    pub fn number(self) -> i64 {
        self as i64
    }

    /// Reads the number in the task table.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The word used in YAML, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Processing => "processing",
            Self::Retry => "retry",
            Self::Waiting => "waiting",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
