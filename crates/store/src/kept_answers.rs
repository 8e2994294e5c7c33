//! Answers that are kept for those who ask a second time, with the same key: a call that creates is carried out once.

use crate::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use model::Millis;

/// So long an answer is kept, in milliseconds.
pub const KEPT_FOR: Millis = 86_400_000;
/// Answers that are kept for one person at most.
pub const MOST_KEPT: i64 = 10_000;
/// Old answers that are forgotten with each new one.
pub(crate) const FORGOTTEN: u32 = 20;

/// A call with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedCall {
    /// SHA-256 of the person and their key.
    pub key: [u8; 32],
    /// SHA-256 of method, path and body.
    pub asked: [u8; 32],
    /// Who asks.
    pub who: String,
    /// When.
    pub at: Millis,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// Type of its content.
    pub content_type: Option<String>,
    /// `None`: it is not kept, as it held a secret or was too long.
    pub body: Option<Bytes>,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: whoever asked now has it, and must say how it went.
    New,
    /// The same call is under way, or was cut.
    UnderWay,
    /// Another call had it.
    Other,
    /// The same call was answered.
    Answered(KeptAnswer),
    /// This person has too many keys.
    TooMany,
}

/// Keeps answers.
#[async_trait]
pub trait KeptAnswers {
    /// Takes a key for a call, where it is free.
    async fn take_key(&self, call: KeyedCall) -> Result<Known, StoreError>;

    /// Keeps the answer to the call that has a key.
    async fn keep_answer(&self, key: [u8; 32], answer: KeptAnswer) -> Result<(), StoreError>;

    /// Gives a key back: its call came to nothing.
    async fn free_key(&self, key: [u8; 32]) -> Result<(), StoreError>;
}
