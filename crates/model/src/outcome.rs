//! What is known about one attempt.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// What is known about what happened at the far side. Connectors and drivers report it; they never decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "evidence")]
pub enum Evidence {
    /// No byte of the request left us: name not found, connection refused, TLS failed, preflight refused.
    NotSent,
    /// A complete answer that says "not now": 429, 425, or 503 with `Retry-After`.
    Refused {
        /// The wait that the answer asked for, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<Millis>,
    },
    /// A complete answer that says "never": other 3xx and 4xx.
    Rejected,
    /// A complete answer that says "something broke": 408, 500, 502, 503, 504, 52x.
    ErrorAnswer,
    /// A complete 2xx.
    Answered,
    /// Bytes left us and no complete answer came back.
    Unknown,
}

impl Evidence {
    /// The word used in tables, API and CLI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Refused { .. } => "refused",
            Self::Rejected => "rejected",
            Self::ErrorAnswer => "error_answer",
            Self::Answered => "answered",
            Self::Unknown => "unknown",
        }
    }

    /// What it means, for people who look at a task.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NotSent => "no byte of the request was sent",
            Self::Refused { .. } => "the service answered: not now",
            Self::Rejected => "the service answered: this request is wrong",
            Self::ErrorAnswer => "the service answered: something broke there",
            Self::Answered => "the service answered completely",
            Self::Unknown => "the request was sent, at least in part, and no complete answer came back",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "not_sent" => Self::NotSent,
            "refused" => Self::Refused { after_ms: None },
            "rejected" => Self::Rejected,
            "error_answer" => Self::ErrorAnswer,
            "answered" => Self::Answered,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }
}

/// What a call used, as far as its answer says. All counts are those of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// Tokens in all, as the service counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
}

impl Usage {
    /// Whether the answer said anything about use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prompt_tokens.is_none() && self.completion_tokens.is_none() && self.total_tokens.is_none()
    }
}
