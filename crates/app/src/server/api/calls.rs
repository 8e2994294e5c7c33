//! Operations tried out: a request checked, or sent as a task like any other.

use super::super::Shared;
use super::actor::Actor;
use super::answers::{Going, LONGEST_WAIT, key, not_taken, wait};
use super::extract::{Json, Path};
use super::operations::find;
use super::problem::Refused;
use super::schema::{self, Finding};
use super::tasks::wrong;
use crate::story::parsed;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::Entry;
use connectors::openapi::mapped;
use engine::asked::{Asked, Outcome, Question, ask};
use engine::exchange::Client;
use engine::flow::{Call, PullFlow};
use model::definition::Span;
use model::http::Preflight;
use model::{Effect, Operation, Problem, Request, RunId, Side, TaskId, TaskKind, TaskState, suggest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use store::TaskStory;
use utoipa::ToSchema;

/// How long the answer of a call is waited for, where nobody says how long.
const WAIT: Span = Span(30_000);
/// How long it may take until a call that was never made before has lanes.
const NEW_LANES: i64 = 5_000;

/// A request to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToCheck {
    /// `{path, query, payload}`. A text with `{{ … }}` is a mapped value, and right in any field.
    #[schema(value_type = Object)]
    request: Value,
    /// Name of the HTTP client that it would be sent with: it says how strict to be.
    http_client: Option<String>,
}

/// What is known of a request before it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedRequest {
    /// Whether it could be sent.
    ok: bool,
    /// What is wrong; places are JSON pointers into the request.
    #[schema(value_type = Vec<Finding>)]
    problems: Vec<Problem>,
    /// Places of mapped values, which cannot be checked before there is data.
    unchecked: Vec<String>,
    /// What a repeat does: `read`, `idempotent`, `findable`, `compute`, `create`.
    #[schema(value_type = String)]
    effect: Effect,
    /// Whether sending it asks for `confirm: true`.
    confirm: bool,
    /// What it will use at most, as far as the request says; `null` for what uses nothing.
    foreseen: Option<ForeseenUse>,
}

/// What a call will use at most. What the request does not bound is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForeseenUse {
    model: Option<String>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    characters: Option<u64>,
    /// Estimated by the price book, in whole units.
    #[schema(value_type = Option<f64>)]
    cost: Option<model::Money>,
    currency: Option<String>,
}

/// Looks at a request as it would be looked at before it is sent. Nothing is sent.
#[utoipa::path(
    post, path = "/operations/{method}/{title}/check", tag = "operations",
    params(("method" = String, Path), ("title" = String, Path)), request_body = ToCheck,
    responses((status = 200, body = CheckedRequest))
)]
pub(super) async fn check(
    State(shared): State<Shared>,
    Path(named): Path<(String, String)>,
    Json(ToCheck { request, http_client }): Json<ToCheck>,
) -> Result<Json<CheckedRequest>, Refused> {
    let entry = find(&named)?;
    let operation = operation(&shared, entry)?;
    let client = http_client.map(|name| client(&shared, &name)).transpose()?;
    let request = match Request::from_value(request) {
        Ok(request) => request,
        Err(problem) => {
            let effect = operation.effect(&Request::default());
            return Ok(Json(CheckedRequest {
                ok: false,
                problems: vec![problem],
                unchecked: Vec::new(),
                effect,
                confirm: effect != Effect::Read,
                foreseen: None,
            }));
        }
    };
    let preflight = client.as_ref().map_or(Preflight::Refuse, |client| client.preflight());
    let found = mapped::check(catalogue(), entry, operation.as_ref(), &request, preflight);
    let base = client.as_ref().map_or("", |client| client.base());
    let effect = operation.effect(&request);
    let currency = shared.store.currency(None).await?;
    let foreseen = operation.foreseen(&request, base).map(|usage| ForeseenUse {
        model: usage.model,
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        characters: usage.characters,
        currency: usage.cost.and(currency),
        cost: usage.cost,
    });
    Ok(Json(CheckedRequest {
        ok: !found.problems.iter().any(Problem::is_error),
        problems: found.problems,
        unchecked: found.unchecked,
        effect,
        confirm: effect != Effect::Read,
        foreseen,
    }))
}

/// A request to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToSend {
    /// Name of the HTTP client to send it with.
    http_client: String,
    /// `{path, query, payload}`.
    #[schema(value_type = Object)]
    request: Value,
    /// Why, in their words.
    #[schema(max_length = 1000)]
    why: Option<String>,
    /// That it is meant: asked for where it does more than read.
    #[serde(default)]
    confirm: bool,
    /// How long to wait for its end: `30s`, at most `100s`.
    #[schema(value_type = Option<String>)]
    wait: Option<Span>,
}

/// A call that has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SentCall {
    #[schema(value_type = i64)]
    run: RunId,
    /// Its task: everything about it is there.
    #[schema(value_type = i64)]
    task: TaskId,
    #[schema(schema_with = schema::task_state)]
    state: TaskState,
    /// The status of the service's answer.
    status: Option<u16>,
    /// The answer; `null` where there is none.
    #[schema(schema_with = schema::any)]
    answer: Value,
    #[schema(value_type = Option<Finding>)]
    problem: Option<Problem>,
    /// What it used.
    #[schema(schema_with = schema::any)]
    usage: Value,
    /// `true` where the answer is `null` because whoever asks may not see payloads.
    payloads_hidden: bool,
}

/// Sends a request as a task: kept, listed and retried as any other. Where it takes longer than is waited for, the task
/// goes on (202). With the same `Idempotency-Key` it is sent once.
#[utoipa::path(
    post, path = "/operations/{method}/{title}/send", tag = "operations",
    params(("method" = String, Path), ("title" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ToSend, responses((status = 200, body = SentCall), (status = 202, body = Going))
)]
pub(super) async fn send(
    State(shared): State<Shared>,
    actor: Actor,
    Path(named): Path<(String, String)>,
    headers: HeaderMap,
    Json(wish): Json<ToSend>,
) -> Result<Response, Refused> {
    let entry = find(&named)?;
    let longest = wish.wait.unwrap_or(WAIT);
    if longest > LONGEST_WAIT {
        return Err(wrong(format!("wait is at most {LONGEST_WAIT}")));
    }
    if wish.why.as_ref().is_some_and(|why| why.len() > 1_000) {
        return Err(wrong("why has at most 1,000 bytes"));
    }
    let request = ready(&shared, entry, &wish)?;
    let call = call_of(entry, &wish.http_client);
    let question = Question {
        route: None,
        payload: request.into_value(),
        trigger: format!("api {}", actor.name),
        key: key(&headers, &format!("call/{}", call.lane()), &actor.name)?,
    };
    let asked = begin(&shared, &call, question).await?;
    if asked.is_new {
        let now = shared.clock.now();
        let details = json!({ "why": wish.why, "task": asked.task }).to_string();
        let mut did = actor.did("operation.send", call.lane(), now);
        did.details = Some(details);
        shared.store.record(vec![did]).await?;
    }
    match wait(&shared, asked, longest.0).await? {
        Outcome::Ended(story) => {
            if actor.sees_payloads {
                let subject = story.row.id.to_string();
                shared.store.record(vec![actor.did("task.see_payload", subject, shared.clock.now())]).await?;
            }
            Ok(Json(sent(&story, actor.sees_payloads)).into_response())
        }
        Outcome::Open(row) => Ok((StatusCode::ACCEPTED, Json(Going::of(&row))).into_response()),
    }
}

/// The request, where it can be sent and is meant.
fn ready(shared: &Shared, entry: &'static Entry, wish: &ToSend) -> Result<Request, Refused> {
    let client = client(shared, &wish.http_client)?;
    let operation = operation(shared, entry)?;
    let unfit = |problem| Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem);
    let request = Request::from_value(wish.request.clone()).map_err(unfit)?;
    if let Err(problems) = operation.prepare(&request, client.preflight()) {
        let count = problems.iter().filter(|problem| problem.is_error()).count();
        let first = problems.into_iter().find(Problem::is_error);
        let mut first = first.unwrap_or_else(|| Problem::new("request_wrong", "the request cannot be sent"));
        if count > 1 {
            first.reason = format!("{} (and {} more problems: see check)", first.reason, count - 1);
        }
        return Err(unfit(first));
    }
    if !client.has_key(operation.credential()) {
        let option = operation.credential().option();
        let problem =
            Problem::new("key_missing", format!("the HTTP client has no {option}, which this operation asks for"));
        return Err(Refused::new(StatusCode::CONFLICT, problem.hint(format!("set {option} of the HTTP client"))));
    }
    let effect = operation.effect(&request);
    if effect != Effect::Read && !wish.confirm {
        let reason = format!("it does more than read (effect {})", effect.as_str());
        let problem = Problem::new("confirm_missing", reason).hint("send confirm: true if it is meant");
        return Err(Refused::new(StatusCode::CONFLICT, problem));
    }
    Ok(request)
}

fn sent(story: &TaskStory, sees_payloads: bool) -> SentCall {
    let ends: Vec<_> = story.attempts.iter().filter_map(|attempt| attempt.end.as_ref()).collect();
    let last = ends.last();
    let mut problem = story.row.problem.clone();
    let mut answer = last.and_then(|end| end.answer.as_ref()).map(|text| parsed(text)).unwrap_or_default();
    if !sees_payloads {
        answer = Value::Null;
        // A service quotes what it was sent in what it says is wrong.
        if let Some(problem) = &mut problem {
            "only those who may see payloads are told the reason".clone_into(&mut problem.reason);
        }
    }
    SentCall {
        run: story.row.run,
        task: story.row.id,
        state: story.row.state,
        status: last.and_then(|end| end.status),
        answer,
        problem,
        usage: schema::json(&last.and_then(|end| end.usage.as_ref())),
        payloads_hidden: !sees_payloads,
    }
}

/// What is asked of whom.
pub(super) fn call_of(entry: &Entry, http_client: &str) -> Call {
    Call { http_client: http_client.to_owned(), method: entry.method.as_str().to_owned(), entity: entry.title.clone() }
}

/// Hands a call to the engine.
pub(super) async fn begin(shared: &Shared, call: &Call, question: Question) -> Result<Asked, Refused> {
    let flow = lane_of(shared, call).await?;
    ask(&shared.parts, &flow, question).await.map_err(not_taken)
}

/// The way in of a call. One that was never made before gets its lanes, and the engine takes them up.
async fn lane_of(shared: &Shared, call: &Call) -> Result<Arc<PullFlow>, Refused> {
    let name = call.lane();
    let there = |status: &engine::Status| status.flows.as_ref().and_then(|flows| flows.pull_named(&name).cloned());
    if let Some(flow) = there(&shared.status.borrow()) {
        return Ok(flow);
    }
    shared.store.lanes(vec![(TaskKind::Pull, name.clone()), (TaskKind::Push, name.clone())]).await?;
    shared.standing.definitions_changed();
    let mut status = shared.status.clone();
    tokio::select! {
        found = status.wait_for(|status| there(status).is_some()) => {
            found.ok().and_then(|status| there(&status)).ok_or_else(not_taken_up)
        }
        () = shared.clock.sleep_until(shared.clock.now() + NEW_LANES) => Err(not_taken_up()),
    }
}

fn not_taken_up() -> Refused {
    let problem =
        Problem::new("definitions_wrong", "the engine cannot take the call up: its definitions cannot be run");
    Refused::new(StatusCode::CONFLICT, problem.hint("GET /readyz says why"))
}

/// The HTTP client of this name, as it runs.
pub(super) fn client(shared: &Shared, name: &str) -> Result<Arc<Client>, Refused> {
    let flows = shared.status.borrow().flows.clone();
    let clients = flows.as_deref().map(|flows| &flows.clients);
    let found = clients.and_then(|clients| clients.get(name)).cloned();
    found.ok_or_else(|| {
        let reason = format!("there is no HTTP client \"{}\"", name.escape_debug());
        let known = clients.into_iter().flat_map(|clients| clients.keys().map(String::as_str));
        let mut problem = Problem::new("reference_unknown", reason).at("http_client");
        problem.hint = suggest::hint(name, known);
        Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem)
    })
}

/// The operation of an entry.
pub(super) fn operation(shared: &Shared, entry: &Entry) -> Result<Arc<dyn Operation>, Refused> {
    let options = json!({ "method": entry.method, "entity": entry.title });
    let connector = shared.parts.registry.connectors.get("mistral");
    let operation = connector.and_then(|connector| connector.operation(Side::Publisher, &options).ok());
    operation.ok_or_else(|| Refused::not_found("entity_unknown", "there is no such operation here"))
}
