//! Pieces of the API's document that several resources share, and the words of the model in it.

use super::noted::Noted;
use super::plans::Name;
use super::problem::Refused;
use super::tasks::wrong;
use model::Millis;
use serde::Serialize;
use serde_json::Value;
use store::Decision;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

/// A list. All of it, where it has no `next`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// What to give as `cursor` for the next page; `null` at the end.
    pub(super) next: Option<String>,
}

/// What is wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDetails {
    /// Page of the documentation that says what the code means.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The status of the answer.
    pub(super) status: u16,
    /// Stable, for programs.
    pub(super) code: String,
    /// What is wrong.
    pub(super) title: String,
    /// Where: a dotted path, or a JSON pointer into the body.
    pub(super) place: Option<String>,
    /// What to do.
    pub(super) hint: Option<String>,
    /// The run that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<i64>,
    /// The task that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task: Option<i64>,
    /// What is wrong with definitions, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) problems: Vec<Noted>,
    /// The revision that there is, where another one was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<i64>,
    /// The definitions that are in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) used_by: Vec<Name>,
}

/// One thing that is wrong with definitions, data or an attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
#[allow(dead_code, reason = "the shape of `model::Problem` for the document; what is sent is that one")]
pub(crate) struct Finding {
    /// Stable, for programs.
    code: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// What is wrong.
    reason: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// What the service calls the request that it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// `error` or `warning`.
    severity: String,
}

/// A text that is one of these words.
fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// State of a task.
pub(crate) fn task_state() -> Object {
    words(model::TaskState::ALL.map(model::TaskState::as_str))
}

/// Kind of a task.
pub(crate) fn task_kind() -> Object {
    words([model::TaskKind::Pull, model::TaskKind::Push].map(model::TaskKind::as_str))
}

/// Kind of a task, or `null`.
pub(crate) fn task_kind_or_null() -> Object {
    let kinds = [model::TaskKind::Pull, model::TaskKind::Push].map(|kind| Value::from(kind.as_str()));
    let either = SchemaType::Array(vec![Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(either).enum_values(Some(kinds.into_iter().chain([Value::Null]))).build()
}

/// A role.
pub(super) fn role() -> Object {
    words(model::Role::ALL.map(model::Role::as_str))
}

/// Scopes of a token.
pub(super) fn scope() -> utoipa::openapi::schema::Array {
    let one = words(model::Scope::ALL.map(model::Scope::as_str));
    utoipa::openapi::schema::ArrayBuilder::new().items(one).build()
}

/// A role, or `null`.
pub(super) fn role_or_null() -> Object {
    let roles = model::Role::ALL.map(|role| Value::from(role.as_str()));
    let either = SchemaType::Array(vec![Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(either).enum_values(Some(roles.into_iter().chain([Value::Null]))).build()
}

/// A decision about a task.
pub(crate) fn decision() -> Object {
    words(Decision::ALL.map(Decision::as_str))
}

/// A decision about tasks, or `null`.
pub(crate) fn decision_or_null() -> Object {
    let decisions = Decision::ALL.map(|decision| Value::from(decision.as_str()));
    let either = SchemaType::Array(vec![Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(either).enum_values(Some(decisions.into_iter().chain([Value::Null]))).build()
}

/// Where an activity stands.
pub(super) fn phase() -> Object {
    words(store::Phase::ALL.map(store::Phase::as_str))
}

/// Any JSON value.
pub(crate) fn any() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build()
}

/// A time, RFC 3339.
pub(crate) fn time() -> Object {
    use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build()
}

/// A time, RFC 3339, or `null`.
pub(crate) fn time_or_null() -> Object {
    use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    let either = SchemaType::Array(vec![Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(either).format(Some(format)).build()
}

/// A value of another type as JSON; one that cannot be, which none of ours is, becomes `null`.
pub(super) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A time that somebody wrote, RFC 3339.
pub(super) fn instant(text: Option<String>) -> Result<Option<Millis>, Refused> {
    let Some(text) = text else { return Ok(None) };
    let time = text.parse::<jiff::Timestamp>();
    time.map(|time| Some(time.as_millisecond())).map_err(|_| wrong("write a time as 2026-11-24T00:00:00Z"))
}
