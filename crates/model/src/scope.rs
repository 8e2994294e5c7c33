//! What a token may be used for.

use serde::{Deserialize, Serialize};

/// An area of the API. A token without any may do all that its role may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Looks at everything that the role may see, and changes nothing.
    Read,
    /// Decides about tasks, and changes what transformers remember.
    Tasks,
    /// Begins runs, pauses schedules.
    Runs,
    /// Changes definitions, and tries them and operations out.
    Definitions,
    /// Calls routes that answer.
    Proxy,
    /// Sets and deletes secrets.
    Secrets,
    /// Changes people, tokens, sessions and settings.
    People,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Tasks, Self::Runs, Self::Definitions, Self::Proxy, Self::Secrets, Self::People];

    /// The word used in tables, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Tasks => "tasks",
            Self::Runs => "runs",
            Self::Definitions => "definitions",
            Self::Proxy => "proxy",
            Self::Secrets => "secrets",
            Self::People => "people",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}
