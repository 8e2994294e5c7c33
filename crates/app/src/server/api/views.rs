//! Saved views: filters that people keep, for themselves or for everybody.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path, Query};
use super::problem::Refused;
use super::schema::{self, Items};
use super::tasks::wrong;
use crate::filter;
use crate::print::time;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Problem, Role};
use serde::{Deserialize, Serialize};
use store::SavedView;
use utoipa::{IntoParams, ToSchema};

/// Letters of a name at most.
const LONGEST_NAME: usize = 100;

/// A filter with a name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct View {
    name: String,
    filter: String,
    /// Whether it is everybody's.
    shared: bool,
    #[schema(schema_with = schema::time)]
    changed_at: String,
}

impl From<SavedView> for View {
    fn from(view: SavedView) -> Self {
        Self { name: view.name, filter: view.filter, shared: view.owner.is_empty(), changed_at: time(view.at) }
    }
}

/// What a view is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewView {
    #[schema(max_length = 2000)]
    filter: String,
    /// Everybody's; this takes an operator.
    #[serde(default)]
    shared: bool,
}

/// Which of two views of one name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Everybody's, not one's own.
    shared: Option<bool>,
}

/// The views of whoever asks, and those that are everybody's, by name.
#[utoipa::path(get, path = "/views", tag = "views", responses((status = 200, body = Items<View>)))]
pub(super) async fn list(State(shared): State<Shared>, actor: Actor) -> Result<Json<Items<View>>, Refused> {
    let views = shared.store.views(actor.name).await?;
    Ok(Json(Items { items: views.into_iter().map(View::from).collect() }))
}

/// One view; of two with one name one's own.
#[utoipa::path(
    get, path = "/views/{name}", tag = "views", params(("name" = String, Path)), responses((status = 200, body = View))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<View>, Refused> {
    let views = shared.store.views(actor.name).await?;
    let found = views.into_iter().filter(|view| view.name == name).max_by_key(|view| view.owner.len());
    found.map(|view| Json(View::from(view))).ok_or_else(|| unknown(&name))
}

/// Keeps a view, in place of what had its name.
#[utoipa::path(
    put, path = "/views/{name}", tag = "views", params(("name" = String, Path)), request_body = NewView,
    responses((status = 200, body = View))
)]
pub(super) async fn put(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    Json(new): Json<NewView>,
) -> Result<Json<View>, Refused> {
    let letters = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&letters) || name.chars().any(char::is_control) {
        return Err(wrong(format!("a name has 1 to {LONGEST_NAME} letters")));
    }
    filter::parse(&new.filter).map_err(|problem| Refused::new(StatusCode::BAD_REQUEST, problem))?;
    let owner = owner(&actor, new.shared)?;
    let at = shared.clock.now();
    let view = SavedView { owner, name, filter: new.filter, at };
    if !shared.store.write_view(view.clone(), actor.did("view.write", subject(&view), at)).await? {
        let problem = Problem::new("views_full", "there are too many views").hint("delete one that nobody uses");
        return Err(Refused::new(StatusCode::CONFLICT, problem));
    }
    Ok(Json(view.into()))
}

/// Forgets a view.
#[utoipa::path(
    delete, path = "/views/{name}", tag = "views", params(("name" = String, Path), Asked), responses((status = 204))
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<StatusCode, Refused> {
    let owner = owner(&actor, asked.shared.unwrap_or(false))?;
    let view = SavedView { owner, name, filter: String::new(), at: shared.clock.now() };
    let audit = actor.did("view.delete", subject(&view), view.at);
    match shared.store.delete_view(view.owner, view.name.clone(), audit).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(&view.name)),
    }
}

fn owner(actor: &Actor, shared: bool) -> Result<String, Refused> {
    if !shared {
        return Ok(actor.name.clone());
    }
    if actor.role < Role::Operator {
        let problem = Problem::new("forbidden", "what is everybody's is changed by operators");
        return Err(Refused::new(StatusCode::FORBIDDEN, problem));
    }
    Ok(String::new())
}

fn subject(view: &SavedView) -> String {
    if view.owner.is_empty() { format!("{} (shared)", view.name) } else { view.name.clone() }
}

fn unknown(name: &str) -> Refused {
    Refused::not_found("view_unknown", format!("there is no view \"{}\"", name.escape_debug()))
}
