//! The kinds of definitions, in the order in which they are shown.

use model::suggest;
use std::fmt;

/// A kind of definition: the first word of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Remote systems.
    HttpClients,
    /// Ways in.
    Incoming,
    /// Ways out.
    Outgoing,
    /// Which incoming feeds which outgoing.
    Routes,
    /// When incomings run by themselves.
    Schedules,
    /// Tables that transformers remember things in.
    Storages,
    /// What is worth telling somebody, and whom.
    Alerts,
}

/// Kinds that are named in the documentation of later versions: known words, not slips.
const LATER: [&str; 4] = ["transformers", "schemas", "variables", "webhooks"];

impl Kind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::HttpClients,
        Self::Incoming,
        Self::Outgoing,
        Self::Routes,
        Self::Schedules,
        Self::Storages,
        Self::Alerts,
    ];

    /// The word used in YAML, tables and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpClients => "http_clients",
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
            Self::Routes => "routes",
            Self::Schedules => "schedules",
            Self::Storages => "storages",
            Self::Alerts => "alerts",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// One of the kind, for sentences: "HTTP client".
    #[must_use]
    pub fn one(self) -> &'static str {
        match self {
            Self::HttpClients => "HTTP client",
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
            Self::Routes => "route",
            Self::Schedules => "schedule",
            Self::Storages => "storage",
            Self::Alerts => "alert",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is said about a kind that this version does not have: code, reason and hint.
pub(super) fn unknown(word: &str) -> model::Problem {
    let known = Kind::ALL.map(Kind::as_str);
    if LATER.contains(&word) {
        let reason = format!("this version does not know the kind \"{word}\" yet");
        return model::Problem::new("kind_not_built", reason)
            .hint(format!("leave it out; known are: {}", known.join(", ")));
    }
    let problem = model::Problem::new("unknown_kind", format!("there is no kind of definition \"{word}\""));
    match suggest::hint(word, known) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
