//! What can be chosen for a slot: ids that exist, by their names.

use super::super::Shared;
use super::actor::Actor;
use super::answers::wait;
use super::calls::{begin, call_of, client, operation};
use super::extract::{Json, Path, Query};
use super::operations::find;
use super::problem::Refused;
use super::schema;
use super::tasks::wrong;
use crate::story::parsed;
use axum::extract::State;
use axum::http::StatusCode;
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::choices::{Choices, of};
use engine::asked::{Outcome, Question};
use model::{Millis, Problem, Request, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use utoipa::{IntoParams, ToSchema};

/// How many there are at most.
const MOST: usize = 1_000;
/// Pages that are read for them at most.
const PAGES: u32 = 10;
/// How long they are taken for what is there.
const FRESH: Millis = 60_000;
/// How many lists are kept.
const KEPT: usize = 256;
/// How long one page is waited for.
const PAGE_WAIT: Millis = 30_000;

/// Where to look.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Name of an HTTP client.
    client: String,
    /// Values of the slots before this one, as a JSON object: `{"library_id": "…"}`.
    path: Option<String>,
}

/// One value to choose.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Choice {
    #[schema(schema_with = schema::any)]
    value: Value,
    /// What people know it by; `null` where that is the value.
    label: Option<String>,
}

/// What can be chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Chosen {
    items: Vec<Choice>,
    /// The operation that lists them.
    list: String,
    /// Whether there are more, which are not shown.
    more: bool,
}

/// Values that a slot of an operation can have. They are asked of the service by a call of the list, which counts as
/// any other, and kept for a minute.
#[utoipa::path(
    get, path = "/operations/{method}/{title}/choices/{slot}", tag = "operations",
    params(("method" = String, Path), ("title" = String, Path), ("slot" = String, Path), Asked),
    responses((status = 200, body = Chosen))
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    actor: Actor,
    Path((method, title, slot)): Path<(String, String, String)>,
    Query(Asked { client: name, path }): Query<Asked>,
) -> Result<Json<Chosen>, Refused> {
    let entry = find(&(method, title))?;
    let choices = of(catalogue(), entry, &slot).map_err(|why| Refused::not_found("choices_none", why))?;
    actor.may_see(&shared, "operation.see_choices", &choices.list.title).await?;
    client(&shared, &name)?;
    let filled: Map<String, Value> = serde_json::from_str(path.as_deref().unwrap_or("{}"))
        .map_err(|error| wrong(format!("path is a JSON object of values by slot: {error}")))?;
    let request = choices.request(&filled).map_err(|slot| {
        let problem = Problem::new("path_missing", format!("the list needs a value for {slot}"));
        Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem.at(format!("/path/{slot}")))
    })?;
    let kept = (name.clone(), choices.list.path.clone(), schema::json(&request).to_string(), slot.clone());
    let found = match shared.choices.get(&kept, shared.clock.now()) {
        Some(found) => found,
        None => {
            let found = Arc::new(ask_all(&shared, &actor, &choices, &name, request).await?);
            shared.choices.put(kept, found.clone(), shared.clock.now());
            found
        }
    };
    let items = found.items.clone();
    Ok(Json(Chosen { items, list: choices.list.title.clone(), more: found.more }))
}

/// Asks the list page by page, each a call like any other.
async fn ask_all(
    shared: &Shared,
    actor: &Actor,
    choices: &Choices<'static>,
    client: &str,
    first: Request,
) -> Result<Found, Refused> {
    let operation = operation(shared, choices.list)?;
    let call = call_of(choices.list, client);
    let (mut items, mut next) = (Vec::new(), Some(first));
    for page in 0..PAGES {
        let Some(request) = next.take() else { break };
        let question = Question {
            route: None,
            payload: request.clone().into_value(),
            trigger: format!("choices {}", actor.name),
            key: None,
        };
        let asked = begin(shared, &call, question).await?;
        let answer = match wait(shared, asked, PAGE_WAIT).await? {
            Outcome::Ended(story) if story.row.state == TaskState::Finished => {
                let ends = story.attempts.iter().filter_map(|attempt| attempt.end.as_ref());
                ends.filter_map(|end| end.answer.as_ref()).next_back().map(|text| parsed(text)).unwrap_or_default()
            }
            Outcome::Ended(story) => {
                let problem = story.row.problem.clone();
                let problem = problem.unwrap_or_else(|| Problem::new("task_failed", "the list could not be read"));
                return Err(Refused::new(StatusCode::BAD_GATEWAY, problem).about(story.row.run, story.row.id));
            }
            Outcome::Open(row) => {
                let problem = Problem::new("list_slow", "the service takes long to answer; try again in a moment");
                return Err(Refused::new(StatusCode::GATEWAY_TIMEOUT, problem).about(row.run, row.id));
            }
        };
        let read = choices.read(&operation.items(&answer).unwrap_or_default()).into_iter();
        items.extend(read.map(|choice| Choice { value: choice.value, label: choice.label }));
        next = operation.next_page(&request, &answer, page).filter(|_| items.len() < MOST);
    }
    let more = next.is_some() || items.len() > MOST;
    items.truncate(MOST);
    Ok(Found { items, more })
}

#[derive(Debug)]
struct Found {
    items: Vec<Choice>,
    more: bool,
}

/// HTTP client, list, request and slot.
type Key = (String, String, String, String);

/// Lists that were asked for lately.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<HashMap<Key, (Millis, Arc<Found>)>>);

impl Lists {
    fn get(&self, key: &Key, now: Millis) -> Option<Arc<Found>> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(key).filter(|(at, _)| now - at < FRESH).map(|(_, found)| found.clone())
    }

    fn put(&self, key: Key, found: Arc<Found>, now: Millis) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, (at, _)| now - *at < FRESH);
        if lists.len() < KEPT {
            lists.insert(key, (now, found));
        }
    }
}
