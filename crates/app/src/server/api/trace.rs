//! Tests: what a definition does to data, step by step. Nothing of it is kept.

use super::super::Shared;
use super::actor::Actor;
use super::bundle::rooted;
use super::definitions::unknown;
use super::extract::Json;
use super::noted::{Noted, noted};
use super::plans::{Change, fits, wrong};
use super::problem::Refused;
use super::schema;
use axum::extract::State;
use axum::http::StatusCode;
use engine::definitions::{Draft, Kind, from_stored};
use engine::trace::{self, Input, MOST, SHOWN, Subject};
use model::definition::{Definitions, Part};
use model::{Problem, TaskId, TaskKind};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

/// Tests that run at the same time.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
/// Transformers that can be tested by themselves.
const MOST_TRANSFORMERS: usize = 200;
/// What a draft is called that has no name.
const DRAFT: &str = "draft";

/// A test that is wished for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TraceWish)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    definition: Tested,
    /// What goes in; without it, the subscriber is asked.
    #[serde(default)]
    input: Option<WishInput>,
    /// The most payloads that are followed: 10 unless it says otherwise.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<u8>,
    #[serde(default)]
    call: Call,
}

/// What is tested.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Tested {
    /// `incoming`, `outgoing`, `routes`; or `transformers`, whose body is a list of them.
    kind: String,
    /// Name of a stored definition, or of the one that the body takes the place of.
    #[serde(default)]
    name: Option<String>,
    /// A draft, in the place of what is stored.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schema::any)]
    body: Option<Value>,
}

/// What goes in: one of these.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WishInput {
    /// A payload.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schema::any)]
    sample: Option<Value>,
    /// The payload of this task.
    #[serde(default)]
    task: Option<i64>,
}

/// What is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Call {
    /// Nothing: requests are shown.
    #[default]
    Preview,
    /// The call of a subscriber that only reads.
    Send,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trace {
    /// Every step, in order.
    steps: Vec<Step>,
    /// What the subscriber asks for, and what would be published.
    requests: Vec<Sending>,
    /// What would be written to storages.
    written: Vec<Written>,
    /// What is wrong with no step by itself.
    problems: Vec<Noted>,
    /// Payloads that were not followed to the end: more came than was asked for.
    left_out: usize,
}

/// One step: a subscriber, a transformer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// Where it stands: `incoming.rows.transformers`.
    place: String,
    /// Its place in that list.
    index: usize,
    #[serde(rename = "type")]
    kind: String,
    /// What came in.
    input: Payloads,
    /// What came out.
    output: Payloads,
    problems: Vec<Noted>,
    /// How long it took.
    microseconds: i64,
}

/// Payloads: how many, and the first ten.
#[derive(Debug, Serialize, ToSchema)]
struct Payloads {
    count: usize,
    #[schema(max_items = 10)]
    items: Vec<Shown>,
}

/// A value, or its beginning where it is longer than 64 KiB.
#[derive(Debug, Serialize, ToSchema)]
struct Shown {
    /// The length of its JSON text.
    bytes: usize,
    #[schema(schema_with = schema::any)]
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beginning: Option<String>,
}

/// Something that would be sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sending {
    /// Where it is defined: `outgoing.describe.publisher`.
    place: String,
    #[serde(rename = "type")]
    kind: String,
    operation: Option<String>,
    /// What a repeat would do: `read`, `idempotent`, `findable`, `compute`, `create`.
    effect: Option<&'static str>,
    /// Whether it would cost money.
    costs: bool,
    /// Whether it would change something at the far side.
    writes: bool,
    /// The request as an object, or the payload where it is no call.
    request: Option<Shown>,
    /// The call; `null` where it is none, or is refused.
    call: Option<TracedCall>,
    /// What keeps it from being sent, and what is noticed.
    problems: Vec<Noted>,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
struct TracedCall {
    method: String,
    url: String,
    /// The key is shown as `***`.
    headers: Vec<Pair>,
    body: Option<Shown>,
    /// The fields of its form.
    form: Vec<Pair>,
}

/// A name and what it stands for.
#[derive(Debug, Serialize, ToSchema)]
struct Pair {
    name: String,
    value: String,
}

/// An entry of a storage that would be written.
#[derive(Debug, Serialize, ToSchema)]
struct Written {
    storage: String,
    key: String,
    /// `null`: the entry would be deleted.
    value: Option<Shown>,
}

/// Tests a definition with a sample, a stored payload, or what its subscriber gets.
#[utoipa::path(post, path = "/test", tag = "tests", request_body = Wish, responses((status = 200, body = Trace)))]
pub(super) async fn run(
    State(shared): State<Shared>,
    actor: Actor,
    Json(wish): Json<Wish>,
) -> Result<Json<Trace>, Refused> {
    let limit = usize::from(wish.limit.unwrap_or(10));
    if !(1..=MOST).contains(&limit) {
        return Err(body_wrong("limit", format!("limit is 1 to {MOST}")));
    }
    let name = wish.definition.name.clone().unwrap_or_else(|| DRAFT.to_owned());
    let subject = format!("{}.{name}", wish.definition.kind);
    if wish.call == Call::Send {
        actor.may_see(&shared, "definition.test", &subject).await?;
    }
    let input = input(&shared, &actor, wish.input, wish.call).await?;
    let (definitions, tested) = tested(&shared, &actor, wish.definition, name).await?;
    let _turn = AT_ONCE.acquire().await;
    let traced = trace::trace(&shared.parts, &definitions, tested, input, limit).await;
    let traced = traced.map_err(|problems| wrong(noted(problems, &[])))?;
    if traced.reads_storages {
        actor.may_see(&shared, "definition.test", &subject).await?;
    }
    Ok(Json(Trace::from(traced)))
}

/// What goes in. A stored payload is for those who may see payloads.
async fn input(shared: &Shared, actor: &Actor, wish: Option<WishInput>, call: Call) -> Result<Input, Refused> {
    let id = match wish {
        None if call == Call::Send => return Ok(Input::Fetched),
        None => return Ok(Input::Nothing),
        Some(WishInput { sample: Some(sample), task: None }) => return Ok(Input::Sample(sample)),
        Some(WishInput { sample: None, task: Some(id) }) => id,
        Some(_) => return Err(body_wrong("input", "an input is either a sample or a task")),
    };
    actor.may_see(shared, "task.see_payload", &id.to_string()).await?;
    let unknown = || Refused::not_found("task_unknown", format!("there is no task {id}"));
    let story = shared.store.task(TaskId(id)).await?.ok_or_else(unknown)?;
    let lanes = shared.store.all_lanes().await?;
    let kind = lanes.iter().find(|lane| lane.id == story.row.lane).map(|lane| lane.kind);
    let payload: Value = serde_json::from_slice(&story.payload).unwrap_or_default();
    match kind {
        Some(TaskKind::Push) => Ok(Input::Queued(payload)),
        _ => payload.get("payload").cloned().map(Input::Sample).ok_or_else(|| {
            let problem = Problem::new("task_has_no_data", "this task takes data in and has none of its own");
            Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem)
        }),
    }
}

/// The definitions with the draft among them, and what of them is tested.
async fn tested(
    shared: &Shared,
    actor: &Actor,
    Tested { kind, body, .. }: Tested,
    name: String,
) -> Result<(Definitions, Subject), Refused> {
    if kind == "transformers" {
        let parts: Result<Vec<Part>, _> = serde_json::from_value(body.unwrap_or_default());
        let parts = parts.map_err(|_| body_wrong("definition.body", "this is no list of transformers"))?;
        if parts.len() > MOST_TRANSFORMERS {
            return Err(body_wrong("definition.body", format!("there can be {MOST_TRANSFORMERS} transformers")));
        }
        return Ok((Definitions::default(), Subject::Transformers(parts)));
    }
    let (kind, subject) = match kind.as_str() {
        "incoming" => (Kind::Incoming, Subject::Incoming(name.clone())),
        "outgoing" => (Kind::Outgoing, Subject::Outgoing(name.clone())),
        "routes" => (Kind::Routes, Subject::Route(name.clone())),
        _ => return Err(body_wrong("definition.kind", "incoming, outgoing, routes and transformers can be tested")),
    };
    let stored = shared.store.definitions().await?.1;
    let Some(body) = body else {
        if !stored.iter().any(|one| one.kind == kind.as_str() && one.name == name) {
            return Err(unknown());
        }
        let definitions = from_stored(&stored).map_err(|problems| wrong(noted(problems, &[])))?;
        return Ok((definitions, subject));
    };
    let draft = Draft::one(kind, &name, body).map_err(|problem| wrong(noted(vec![problem], &[])))?;
    let change = Change::Draft { draft: rooted(draft, shared), prune: false };
    Ok((fits(shared, actor, change, stored).await?, subject))
}

fn body_wrong(place: &str, reason: impl Into<String>) -> Refused {
    Refused::new(StatusCode::UNPROCESSABLE_ENTITY, Problem::new("body_wrong", reason).at(place))
}

impl From<trace::Trace> for Trace {
    fn from(of: trace::Trace) -> Self {
        Self {
            steps: of.steps.into_iter().map(Step::from).collect(),
            requests: of.requests.into_iter().map(Sending::from).collect(),
            written: of
                .written
                .into_iter()
                .map(|one| Written { storage: one.storage, key: one.key, value: one.value.map(Shown::from) })
                .collect(),
            problems: noted(of.problems, &[]),
            left_out: of.left_out,
        }
    }
}

impl From<trace::Step> for Step {
    fn from(of: trace::Step) -> Self {
        Self {
            place: of.place,
            index: of.index,
            kind: of.kind,
            input: of.input.into(),
            output: of.output.into(),
            problems: noted(of.problems, &[]),
            microseconds: of.micros,
        }
    }
}

impl From<trace::Payloads> for Payloads {
    fn from(of: trace::Payloads) -> Self {
        Self { count: of.count, items: of.items.into_iter().take(SHOWN).map(Shown::from).collect() }
    }
}

impl From<trace::Shown> for Shown {
    fn from(of: trace::Shown) -> Self {
        Self { bytes: of.bytes, value: of.value, beginning: of.beginning }
    }
}

impl From<trace::Sending> for Sending {
    fn from(of: trace::Sending) -> Self {
        let (costs, writes) = (of.costs(), of.writes());
        Self {
            place: of.place,
            kind: of.kind,
            operation: of.operation,
            effect: of.effect.map(model::Effect::as_str),
            costs,
            writes,
            request: of.request.map(Shown::from),
            call: of.sent.map(TracedCall::from),
            problems: noted(of.problems, &[]),
        }
    }
}

impl From<trace::Sent> for TracedCall {
    fn from(of: trace::Sent) -> Self {
        let pairs =
            |pairs: Vec<(String, String)>| pairs.into_iter().map(|(name, value)| Pair { name, value }).collect();
        Self {
            method: of.method,
            url: of.url,
            headers: pairs(of.headers),
            body: of.body.map(Shown::from),
            form: pairs(of.form),
        }
    }
}
