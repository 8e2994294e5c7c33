//! How alerts stand, what they said and to whom, and what they are told of.

use crate::{AuditEntry, LaneId, StoreError};
use async_trait::async_trait;
use model::{Millis, Problem};
use serde::{Deserialize, Serialize};

/// So many messages of an alert are kept.
pub const KEPT_MESSAGES: u32 = 100;

/// How an alert stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertRow {
    /// Name of the definition.
    pub name: String,
    /// What it watches for, as JSON.
    pub rule: String,
    /// JSON of the engine's own making.
    pub state: String,
    /// Counted up by every change of the state; 0: there was none yet.
    pub version: i64,
    /// Until when nothing is sent, and by whose wish.
    pub muted: Option<(Millis, String)>,
}

/// A new state of an alert, and what it has to say.
#[derive(Clone, Debug)]
pub struct AlertChange {
    /// Name of the definition.
    pub name: String,
    /// What it watches for, as JSON.
    pub rule: String,
    /// JSON of the engine's own making.
    pub state: String,
    /// The version that it was made from. Where there is another by now, nothing is written and nothing is said.
    pub version: i64,
    /// What is to be said.
    pub message: Option<NewMessage>,
}

/// Something to be said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewMessage {
    /// Name of the alert.
    pub alert: String,
    /// `firing`, `more`, `still`, `resolved`, `test`.
    pub what: String,
    /// When it came about.
    pub at: Millis,
    /// JSON of the engine's own making.
    pub body: String,
    /// Where to, without what is secret, in the order of the definition.
    pub targets: Vec<String>,
}

/// A message on its way to one target, claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertSend {
    /// Number.
    pub id: i64,
    /// Number of the message.
    pub message: i64,
    /// Name of the alert.
    pub alert: String,
    /// `firing`, `more`, `still`, `resolved`, `test`.
    pub what: String,
    /// When it came about.
    pub at: Millis,
    /// JSON of the engine's own making.
    pub body: String,
    /// Which of the definition's targets, counted from 0.
    pub place: usize,
    /// Where to, without what is secret.
    pub shown: String,
    /// The fence: which attempt this is, counted from 1.
    pub attempt: u32,
}

/// How an attempt to send ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendEnd {
    /// It arrived.
    Sent,
    /// It did not, and is tried again then.
    Again(Millis, Problem),
    /// It did not, and is not tried again.
    Failed(Problem),
    /// Nobody knows whether it did; it is not tried again.
    Unknown(Problem),
}

/// A message as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertMessage {
    /// Number.
    pub id: i64,
    /// Name of the alert.
    pub alert: String,
    /// `firing`, `more`, `still`, `resolved`, `test`.
    pub what: String,
    /// When it came about.
    pub at: Millis,
    /// JSON of the engine's own making.
    pub body: String,
    /// To whom, and how that went.
    pub sends: Vec<SendStory>,
}

/// How it went with one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendStory {
    /// Where to, without what is secret.
    pub shown: String,
    /// `due`, `sending`, `sent`, `failed`, `unknown`.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Of one that is due: not before.
    pub due_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// Why it was not sent, or not yet.
    pub problem: Option<Problem>,
}

/// What was drawn of the limits of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayDrawn {
    /// Name of the HTTP client.
    pub client: String,
    /// Calls begun.
    pub calls: u64,
    /// Their cost, in billionths.
    pub cost: u64,
}

/// An HTTP client whose key is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRefused {
    /// Its name.
    pub client: String,
    /// Status of the answer.
    pub status: u16,
    /// When it was first noticed.
    pub since: Millis,
}

/// Alerts: their state, their messages, and facts that only the store knows cheaply.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// Takes or keeps the turn at what one engine does for all, until then; `false` where it is another's.
    async fn take_turn(&self, what: String, engine: String, now: Millis, until: Millis) -> Result<bool, StoreError>;

    /// How alerts stand, by name.
    async fn alert_rows(&self) -> Result<Vec<AlertRow>, StoreError>;

    /// Writes new states and what they have to say, in one commit. `false` for each whose version is another by now.
    async fn change_alerts(&self, changes: Vec<AlertChange>) -> Result<Vec<bool>, StoreError>;

    /// Forgets how alerts stand that are defined no more, and does not send what they had to say yet.
    async fn forget_alerts(&self, names: Vec<String>, now: Millis) -> Result<(), StoreError>;

    /// Sends nothing of an alert until then (`None`: from now on everything again), and records it.
    async fn mute_alert(
        &self,
        name: String,
        muted: Option<(Millis, String)>,
        audit: AuditEntry,
    ) -> Result<(), StoreError>;

    /// Says something at once: the caller has the claim of every send, in the order of the targets.
    async fn say_claimed(
        &self,
        message: NewMessage,
        lease_until: Millis,
        audit: AuditEntry,
    ) -> Result<Vec<AlertSend>, StoreError>;

    /// When the next send is due, or the claim of one runs out.
    async fn next_send(&self) -> Result<Option<Millis>, StoreError>;

    /// Claims sends that are due. One whose claim ran out is not sent again: it becomes `unknown`.
    async fn claim_sends(&self, now: Millis, lease_until: Millis, most: u32) -> Result<Vec<AlertSend>, StoreError>;

    /// Ends an attempt; `false` where its claim is lost.
    async fn end_send(&self, id: i64, attempt: u32, end: SendEnd, now: Millis) -> Result<bool, StoreError>;

    /// The latest messages of an alert (`None`: of all), newest first: numbers below `before`, 100 a call at most.
    async fn alert_messages(
        &self,
        alert: Option<String>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AlertMessage>, StoreError>;

    /// How many tasks of each lane failed from then on and are failed still.
    async fn failed_since(&self, since: Millis) -> Result<Vec<(LaneId, u64)>, StoreError>;

    /// What was drawn of the limits of the day that `now` is in.
    async fn drawn_of_day(&self, now: Millis) -> Result<Vec<DayDrawn>, StoreError>;

    /// Notes whether the keys of HTTP clients are refused (`Some`: with this status) or taken.
    async fn note_keys(&self, keys: Vec<(String, Option<u16>)>, now: Millis) -> Result<(), StoreError>;

    /// HTTP clients whose keys are refused.
    async fn keys_refused(&self) -> Result<Vec<KeyRefused>, StoreError>;
}

/// Why a send whose claim ran out is not tried again.
pub(crate) fn overdue() -> Problem {
    Problem::new("send_unknown", "the engine ended while it was sent: it may have arrived")
        .hint("it is not sent twice; the next message of the alert says how it stands")
}

/// Why a send of an alert is given up that is defined no more.
pub(crate) fn forgotten() -> Problem {
    Problem::new("alert_unknown", "the alert was deleted before it was sent")
}

/// What a send comes to: its state, when it is due again, when it ended, and why.
pub(crate) fn ended(end: &SendEnd, now: Millis) -> (&'static str, Option<Millis>, Option<Millis>, Option<String>) {
    let text = |problem: &Problem| serde_json::to_string(problem).ok();
    match end {
        SendEnd::Sent => ("sent", None, Some(now), None),
        SendEnd::Again(at, problem) => ("due", Some(*at), None, text(problem)),
        SendEnd::Failed(problem) => ("failed", None, Some(now), text(problem)),
        SendEnd::Unknown(problem) => ("unknown", None, Some(now), text(problem)),
    }
}
