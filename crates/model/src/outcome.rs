//! What is known about one attempt.

use crate::{Millis, Money};
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

/// What a call used, as far as its answer says. Counts are those of the service, but for characters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Tokens of the prompt, among the above, that the service still had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// Tokens in all, as the service counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Pages read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Seconds of audio heard; a begun one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_seconds: Option<u64>,
    /// Characters of text spoken, counted in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    /// What it is estimated to cost by the price book of its time; `None` where the book has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

impl Usage {
    /// Whether nothing was counted and nothing is known to be asked for it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts().iter().all(Option::is_none) && self.cost.is_none()
    }

    /// Adds what another call used. The model stays.
    pub fn add(&mut self, more: &Self) {
        let add = |sum: &mut Option<u64>, more: Option<u64>| {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or(0).saturating_add(more));
            }
        };
        add(&mut self.prompt_tokens, more.prompt_tokens);
        add(&mut self.cached_tokens, more.cached_tokens);
        add(&mut self.completion_tokens, more.completion_tokens);
        add(&mut self.total_tokens, more.total_tokens);
        add(&mut self.pages, more.pages);
        add(&mut self.audio_seconds, more.audio_seconds);
        add(&mut self.characters, more.characters);
        if let Some(cost) = more.cost {
            self.cost = Some(self.cost.unwrap_or_default().saturating_add(cost));
        }
    }

    /// All that is counted, in the order in which it is stored: tokens of the prompt, those of them cached, tokens of
    /// the answer, tokens in all, pages, seconds, characters.
    #[must_use]
    pub fn counts(&self) -> [Option<u64>; 7] {
        [
            self.prompt_tokens,
            self.cached_tokens,
            self.completion_tokens,
            self.total_tokens,
            self.pages,
            self.audio_seconds,
            self.characters,
        ]
    }
}
