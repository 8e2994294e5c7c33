//! The parts that the engine itself provides: subscribers `inline`, `answers`, `webhook` and `proxy`, publisher `none`.

use model::definition::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The subscriber whose payloads stand in the definition.
pub const INLINE: &str = "inline";
/// The subscriber that listens to the answers of a route.
pub const ANSWERS: &str = "answers";
/// The subscriber that others send to.
pub const WEBHOOK: &str = "webhook";
/// The subscriber whose callers wait for the answer.
pub const PROXY: &str = "proxy";
/// The publisher that sends nothing.
pub const NONE: &str = "none";

/// Options of the subscriber `inline`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineOptions {
    /// The payloads, in order.
    pub payloads: Vec<Value>,
}

/// Options of the subscriber `answers`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersOptions {
    /// Name of the route to listen to.
    pub route: String,
    /// Which ends to hear of.
    #[serde(default)]
    pub on: On,
}

/// Which ends a listener hears of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Tasks that finished.
    #[default]
    Finished,
    /// Tasks that failed.
    Failed,
    /// Tasks whose outcome is unknown.
    Unknown,
    /// All of these.
    All,
}

/// Options of the publisher `none`: there are none.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoneOptions {}

/// Options of the subscriber `webhook`. One of `signing_secret` and `token` must be there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookOptions {
    /// The secret of an HMAC-SHA256 signature: `${secret:NAME}`. Where it has no value, nothing is accepted.
    #[serde(default)]
    pub signing_secret: Option<String>,
    /// What is signed, and where the signature stands.
    #[serde(default)]
    pub signature: Signature,
    /// With `signature: body`: the header with the signature, as hex or base64, `sha256=` before it or not.
    #[serde(default = "hub_header")]
    pub signature_header: String,
    /// A token that is sent as `Authorization: Bearer TOKEN`: `${secret:NAME}`. Where it has no value, nothing is
    /// accepted.
    #[serde(default)]
    pub token: Option<String>,
    /// The header with the event's id: an event that comes again is answered, and not taken in again. With
    /// `signature: standard` it is `webhook-id`.
    #[serde(default)]
    pub id_header: Option<String>,
    /// How far the time in a `standard` signature may be from ours.
    #[serde(default = "five_minutes")]
    #[schemars(with = "String")]
    pub tolerance: Span,
    /// The largest body, in bytes.
    #[serde(default = "mebibyte")]
    #[schemars(range(min = 1, max = 33_554_432))]
    pub max_bytes: u64,
    /// Its tasks come before all that is queued on their routes.
    #[serde(default)]
    pub real_time: bool,
}

/// Options of the subscriber `proxy`. Each route on it can be called through the API, and answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyOptions {
    /// How long a caller waits for the answer, at most 100 seconds. The task goes on after that.
    #[serde(default = "half_a_minute")]
    #[schemars(with = "String")]
    pub timeout: Span,
    /// Calls taken in in a second, evenly spread, by each engine.
    #[serde(default)]
    #[schemars(range(min = 0.001, max = 100_000.0))]
    pub requests_per_second: Option<f64>,
    /// Callers that wait at the same time, in each engine.
    #[serde(default = "eight")]
    #[schemars(range(min = 1, max = 1_000))]
    pub parallel: u32,
    /// The largest body, in bytes.
    #[serde(default = "mebibyte")]
    #[schemars(range(min = 1, max = 33_554_432))]
    pub max_bytes: u64,
}

/// The longest `timeout` of a proxy.
pub const LONGEST_PROXY_WAIT: Span = Span(100_000);

/// What a webhook's signature signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// Standard Webhooks: id, time and body, in the headers `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    #[default]
    Standard,
    /// The body alone. An old event can be sent again by whoever saw it; an `id_header` finds it out.
    Body,
}

fn hub_header() -> String {
    "x-hub-signature-256".to_owned()
}

fn five_minutes() -> Span {
    Span(300_000)
}

fn half_a_minute() -> Span {
    Span(30_000)
}

fn eight() -> u32 {
    8
}

fn mebibyte() -> u64 {
    1 << 20
}
