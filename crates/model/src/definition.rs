//! Definitions: what people write in YAML, by kind and name.
//!
//! The doc comments here are the reference: they end up in the JSON Schema and from there in forms and docs.

mod alert;
mod keep;
mod limits;
mod schedule;
mod storage;

pub use alert::{Alert, MailTls, Room, Target, When};
pub use keep::Keep;
pub use limits::{Breaker, Limits};
pub use schedule::{Misfire, Overlap, Schedule};
pub use storage::Storage;

use crate::http::Preflight;
use crate::request::Input;
use crate::{Credential, Millis, Request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A whole set of definitions. Names are unique within a kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definitions {
    /// Remote systems: base URI, credentials, limits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub http_clients: BTreeMap<String, HttpClient>,
    /// Ways in: a subscriber and the transformers behind it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub incoming: BTreeMap<String, Incoming>,
    /// Ways out: transformers and the publisher behind them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outgoing: BTreeMap<String, Outgoing>,
    /// Which incoming feeds which outgoing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, Route>,
    /// When incomings run by themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<String, Schedule>,
    /// Tables that transformers remember things in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storages: BTreeMap<String, Storage>,
    /// What is worth telling somebody, and whom.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alerts: BTreeMap<String, Alert>,
}

/// One remote system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpClient {
    /// What it is made from: `mistral`.
    pub prototype: String,
    /// Where the system is, for example `https://api.mistral.ai`. `${NAME}` is replaced at use.
    pub base_uri: String,
    /// The normal key. Write `${secret:NAME}`: a stored secret, else the environment variable of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The key of the organisation's administration, for the operations that ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<String>,
    /// The key of a signed-in user, sent as `x-api-key`, for the operations that ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_key: Option<String>,
    /// How keys are sent, where that differs from what the operations say: `{ admin_key: x_api_key }`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key_styles: KeyStyles,
    /// How long to wait for what.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: Timeouts,
    /// What the system may be asked at most, shared by all routes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What happens to a request that does not fit the operation's schema.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preflight: Preflight,
    /// Allows addresses on loopback, link-local and private networks: the simulator, a host on the LAN.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_private_addresses: bool,
    /// Name of a header that carries `store-task-attempt`, so that the far side's log can be matched. Off by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id_header: Option<String>,
    /// The largest answer that is read, in bytes. What is longer is kept up to here and fails as
    /// `answer_too_large`.
    #[serde(default = "default_max_answer", skip_serializing_if = "is_default_max_answer")]
    pub max_answer_bytes: u64,
    /// The largest answer that is a file and kept beside the store, in bytes. Of what is longer nothing is kept, and it
    /// fails as `answer_too_large`.
    #[serde(default = "default_max_file", skip_serializing_if = "is_default_max_file")]
    pub max_file_bytes: u64,
}

/// How each kind of key is sent; without a word as the operations say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyStyles {
    /// The normal key: `bearer` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<KeyStyle>,
    /// The administration's key: `bearer` unless said otherwise; the service's guide says `x_api_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<KeyStyle>,
    /// The signed-in user's key: `x_api_key` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_key: Option<KeyStyle>,
}

impl KeyStyles {
    /// How a kind of key is sent.
    #[must_use]
    pub fn of(&self, credential: Credential) -> KeyStyle {
        match credential {
            Credential::ApiKey => self.api_key.unwrap_or(KeyStyle::Bearer),
            Credential::AdminKey => self.admin_key.unwrap_or(KeyStyle::Bearer),
            Credential::UserKey => self.user_key.unwrap_or(KeyStyle::XApiKey),
        }
    }
}

/// The header that a key is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStyle {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY`.
    XApiKey,
}

/// The default of `max_answer_bytes`: 64 MiB.
pub const MAX_ANSWER_BYTES: u64 = 64 << 20;

fn default_max_answer() -> u64 {
    MAX_ANSWER_BYTES
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_default_max_answer(value: &u64) -> bool {
    *value == MAX_ANSWER_BYTES
}

/// The default of `max_file_bytes`: 2 GiB.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

fn default_max_file() -> u64 {
    MAX_FILE_BYTES
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_default_max_file(value: &u64) -> bool {
    *value == MAX_FILE_BYTES
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To connect, name lookup and TLS included.
    pub connect: Span,
    /// From the request's last byte to the answer's first. Models think for minutes.
    pub first_byte: Span,
    /// Between two pieces of the answer.
    pub idle: Span,
    /// For all of it.
    pub total: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Span(10_000), first_byte: Span(300_000), idle: Span(60_000), total: Span(600_000) }
    }
}

/// A way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// What takes the data in.
    pub subscriber: Part,
    /// What happens to each payload, before the routes' own transformers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transformers: Vec<Part>,
    /// When a pull that failed is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// What is kept of pulls that have ended. What they took in is kept as the routes say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep: Keep,
    /// Path to what people call a payload, after the transformers, as in transformers (`order.id`): tasks are shown with
    /// it and found by it. Whoever may see tasks sees it, so it is no place for what is confidential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
}

/// A way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    /// What happens to each payload before it is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transformers: Vec<Part>,
    /// What sends the data out.
    pub publisher: Part,
}

/// Which incoming feeds which outgoing, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name of an incoming.
    pub incoming: String,
    /// What happens to each payload on this route alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transformers: Vec<Part>,
    /// Name of an outgoing.
    pub outgoing: String,
    /// How many of this route's tasks may be under way at the same time.
    #[serde(default = "default_parallel", skip_serializing_if = "is_default_parallel")]
    #[schemars(range(min = 1, max = 10_000))]
    pub parallel: u32,
    /// When a task that failed is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// What happens to a paid or creating call whose answer was lost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_unknown: OnUnknown,
    /// Where routes compete for one HTTP client, those with a smaller number come first; among equals they take turns.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Path to a value in the payload, as in transformers (`order.id`): tasks with the same value are worked on one
    /// after the other, in the order in which they came, while others overtake them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// A task is not begun before so long after it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// A task that is not finished so long after it was accepted fails, and is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// What is kept of tasks that have ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep: Keep,
}

/// The default of a route's `parallel`.
pub const PARALLEL: u32 = 16;

fn default_parallel() -> u32 {
    PARALLEL
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_default_parallel(value: &u32) -> bool {
    *value == PARALLEL
}

/// What happens to a call that may have worked and costs or creates something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// The task stops at `unknown` until somebody resolves it.
    #[default]
    Hold,
    /// The call is made again: it may be paid for, or take effect, twice.
    Resend,
}

/// When something that failed is tried again: after `first`, then ever longer by `factor`, up to `max`, at a random
/// point of that time ("full jitter"). A `Retry-After` of the service comes first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all, the first included.
    #[schemars(range(min = 1, max = 1000))]
    pub attempts: u32,
    /// The longest wait before the second attempt.
    pub first: Span,
    /// How much longer each wait may be than the one before.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub factor: f64,
    /// The longest wait of all. A longer `Retry-After` is honoured all the same, up to a day.
    pub max: Span,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 10, first: Span(1_000), factor: 2.0, max: Span(300_000) }
    }
}

/// A part chosen by `type`, with its options beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Which part.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its options.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

/// The options that every subscriber of an HTTP-shaped connector has; the rest chooses the operation.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct HttpSubscriberOptions {
    /// Name of an HTTP client.
    pub http_client: String,
    /// The request: `{path, query, payload}`.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub request_parameters: Request,
    /// Run on the request parameters, before the call.
    #[serde(default)]
    pub input_transformers: Vec<Part>,
    /// Makes one payload of each item of a list. `false` takes the whole answer as one payload.
    #[serde(default = "yes")]
    pub split: bool,
    /// Takes in at most this many payloads in one run.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub limit: Option<u64>,
    /// How many items to ask for at a time, in the service's own parameter for it; of a live stream, how many events
    /// make a page. Without it the service decides.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub page_size: Option<u32>,
    /// A jq condition on an item. The first item for which it holds ends the run and is left out: `.created < 1767225600`
    /// on a list with the newest first.
    #[serde(default)]
    pub stop_when: Option<String>,
}

/// The options that every publisher of an HTTP-shaped connector has; the rest chooses the operation.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct HttpPublisherOptions {
    /// Name of an HTTP client.
    pub http_client: String,
    /// The base of every request: `{path, query, payload}`.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub request_parameters: Request,
    /// What the data is taken for: a request laid over the base, or the payload.
    #[serde(default)]
    pub input: Input,
    /// Run on the whole request, before the call.
    #[serde(default)]
    pub request_transformers: Vec<Part>,
    /// What an answer that is a file is taken for: `file` keeps it beside the store, `lines` reads it as JSON lines, so
    /// that a batch's results can be split into payloads.
    #[serde(default)]
    pub answer_as: AnswerAs,
    /// Run on the answer, before `expect` and before routes of type `answers` get it.
    #[serde(default)]
    pub answer_transformers: Vec<Part>,
    /// What the answer must be. One that is not fails the task, with the answer kept.
    #[serde(default)]
    pub expect: Option<Expect>,
    /// `done`: the task waits until the work is done that the operation starts (a batch job, a document's processing, a
    /// workflow), and ends with the final object as its answer.
    #[serde(default)]
    pub wait_until: Option<WaitUntil>,
    /// How often to ask meanwhile.
    #[serde(default)]
    pub poll: Poll,
}

/// What an answer that is a file is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerAs {
    /// A file, named as `{"$blob": id}`.
    #[default]
    File,
    /// A list, one item for each line of JSON.
    Lines,
}

/// What an answer must be, after the answer transformers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// A JSON Schema (draft 2020-12) that it must fit.
    pub schema: Value,
}

/// What a publisher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitUntil {
    /// The work is done, or has come to nothing.
    Done,
}

/// How often to ask how work stands: after `first`, then half as long again each time, up to `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Poll {
    /// The wait before the first question.
    pub first: Span,
    /// The longest wait between two.
    pub longest: Span,
    /// How long to go on asking. Then the task fails, and a retry goes on asking.
    pub at_most: Span,
}

impl Default for Poll {
    fn default() -> Self {
        Self { first: Span(2_000), longest: Span(60_000), at_most: Span(86_400_000) }
    }
}

fn yes() -> bool {
    true
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A length of time, written with a unit: `250ms`, `10s`, `5m`, `2h`, `1d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Millis);

const UNITS: [(&str, Millis); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("\"{text}\" is no length of time; write a number and a unit, for example 250ms, 10s, 5m, 2h, 1d")
        };
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let number: Millis = number.parse().map_err(|_| wrong())?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
        number.checked_mul(*millis).filter(|all| *all <= 10 * 365 * 86_400_000).map(Span).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (unit, millis) = UNITS.iter().rev().find(|(_, millis)| self.0 % millis == 0).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", self.0 / millis)
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ ?(ms|s|m|h|d)$",
            "description": "A length of time with a unit: 250ms, 10s, 5m, 2h, 1d."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_back() {
        let cases =
            [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000), ("90 s", 90_000)];
        for (text, millis) in cases {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0, millis, "{text}");
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span, "{text}");
        }
        for wrong in ["", "10", "s", "-1s", "1.5s", "10 weeks", "99999999999999999999s", "9999999d"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
