//! People: who may use the server, and as what.

use super::super::Shared;
use super::actor::Actor;
use super::extract::{Json, Path};
use super::problem::Refused;
use super::schema::{self, Items};
use super::sign_in::{unfit, unhashed};
use crate::print::time;
use crate::token;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Problem, Role, suggest};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{NewLink, WaysIn};
use utoipa::ToSchema;

/// Somebody who may use the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    name: String,
    #[schema(schema_with = schema::role)]
    role: Role,
    /// Whether they may see payloads, requests and answers.
    sees_payloads: bool,
    is_disabled: bool,
    #[schema(schema_with = schema::time)]
    created_at: String,
    /// They can sign in, and do not come with tokens alone.
    has_password: bool,
    /// A second factor is asked for.
    has_factor: bool,
}

impl Person {
    pub(crate) fn new(person: &store::Person, ways: &[WaysIn]) -> Self {
        let way = ways.iter().find(|way| way.person == person.name);
        Self {
            name: person.name.clone(),
            role: person.role,
            sees_payloads: person.sees_payloads,
            is_disabled: person.is_disabled,
            created_at: time(person.created_at),
            has_password: way.is_some_and(|way| way.has_password),
            has_factor: way.is_some_and(|way| way.has_factor),
        }
    }
}

/// Everybody who may use the server.
#[utoipa::path(get, path = "/people", tag = "people", responses((status = 200, body = Items<Person>)))]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Items<Person>>, Refused> {
    let (people, ways) = (shared.store.people().await?, shared.store.ways_in().await?);
    Ok(Json(Items { items: people.iter().map(|person| Person::new(person, &ways)).collect() }))
}

/// Somebody.
#[utoipa::path(
    get, path = "/people/{name}", tag = "people", params(("name" = String, Path)), responses((status = 200, body = Person))
)]
pub(super) async fn show(State(shared): State<Shared>, Path(name): Path<String>) -> Result<Json<Person>, Refused> {
    shown(&shared, &found(&shared, &name).await?).await
}

/// What somebody may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct May {
    #[schema(schema_with = schema::role)]
    role: Role,
    /// Whether they may see payloads, requests and answers: they may, where nothing is said.
    #[serde(default = "yes")]
    sees_payloads: bool,
}

fn yes() -> bool {
    true
}

/// Adds somebody, or says anew what they may do.
#[utoipa::path(
    put, path = "/people/{name}", tag = "people", params(("name" = String, Path)), request_body = May,
    responses((status = 200, body = Person), (status = 201, body = Person))
)]
pub(super) async fn put(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    Json(May { role, sees_payloads }): Json<May>,
) -> Result<(StatusCode, Json<Person>), Refused> {
    store::Person::check_name(&name).map_err(unfit)?;
    let before = shared.store.people().await?.into_iter().find(|person| person.name == name);
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let new = || store::Person { name, role, sees_payloads, is_disabled: false, created_at: shared.clock.now() };
    let after = match &before {
        Some(before) => store::Person { role, sees_payloads, ..before.clone() },
        None => new(),
    };
    Ok((status, write(&shared, &actor, "person.write", before, after).await?))
}

/// What is to be changed of what somebody may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    #[schema(schema_with = schema::role_or_null)]
    role: Option<Role>,
    sees_payloads: Option<bool>,
}

/// Changes what somebody may do. It holds at their next request.
#[utoipa::path(
    patch, path = "/people/{name}", tag = "people", params(("name" = String, Path)), request_body = Change,
    responses((status = 200, body = Person))
)]
pub(super) async fn change(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
    Json(Change { role, sees_payloads }): Json<Change>,
) -> Result<Json<Person>, Refused> {
    let before = found(&shared, &name).await?;
    let after = store::Person {
        role: role.unwrap_or(before.role),
        sees_payloads: sees_payloads.unwrap_or(before.sees_payloads),
        ..before.clone()
    };
    write(&shared, &actor, "person.write", Some(before), after).await
}

/// Lets somebody in no more: none of their tokens counts, and they are signed out.
#[utoipa::path(
    post, path = "/people/{name}/disable", tag = "people", params(("name" = String, Path)),
    responses((status = 200, body = Person))
)]
pub(super) async fn disable(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Person>, Refused> {
    let before = found(&shared, &name).await?;
    let after = store::Person { is_disabled: true, ..before.clone() };
    write(&shared, &actor, "person.disable", Some(before), after).await
}

/// Lets somebody in again.
#[utoipa::path(
    post, path = "/people/{name}/enable", tag = "people", params(("name" = String, Path)),
    responses((status = 200, body = Person))
)]
pub(super) async fn enable(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Person>, Refused> {
    let before = found(&shared, &name).await?;
    let after = store::Person { is_disabled: false, ..before.clone() };
    write(&shared, &actor, "person.enable", Some(before), after).await
}

/// A link, as it is shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct Link {
    /// What comes behind the address of this server.
    path: String,
    #[schema(schema_with = schema::time)]
    expires_at: String,
}

/// Makes a link by which somebody sets a password, once, within an hour.
#[utoipa::path(
    post, path = "/people/{name}/link", tag = "people", params(("name" = String, Path)), responses((status = 201, body = Link))
)]
pub(super) async fn link(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Link>), Refused> {
    let person = found(&shared, &name).await?;
    let (bits, hash) = token::make_bits().map_err(unhashed)?;
    let now = shared.clock.now();
    let link = NewLink { hash, person: Some(person.name), expires_at: now + token::LINK_COUNTS };
    let expires_at = time(link.expires_at);
    shared.store.add_link(link, actor.did("link.add", name, now)).await?;
    Ok((StatusCode::CREATED, Json(Link { path: token::link_path(&bits), expires_at })))
}

/// Takes somebody's second factor away, where they have lost it.
#[utoipa::path(
    delete, path = "/people/{name}/factor", tag = "people", params(("name" = String, Path)),
    responses((status = 204, description = "It is not asked for any more"))
)]
pub(super) async fn remove_factor(
    State(shared): State<Shared>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<StatusCode, Refused> {
    found(&shared, &name).await?;
    let audit = actor.did("factor.remove", &name, shared.clock.now());
    match shared.store.remove_factor(name, audit).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refused::not_found("factor_none", "they have no second factor")),
    }
}

async fn write(
    shared: &Shared,
    actor: &Actor,
    what: &str,
    before: Option<store::Person>,
    after: store::Person,
) -> Result<Json<Person>, Refused> {
    let details = json!({ "before": before.as_ref().map(rights), "after": rights(&after) });
    let audit = actor.did_so(what, &after.name, shared.clock.now(), &details);
    shared.store.write_person(after.clone(), audit).await?;
    let after = found(shared, &after.name).await?;
    shown(shared, &after).await
}

/// What of a person is changed, for the record.
pub(crate) fn rights(person: &store::Person) -> serde_json::Value {
    json!({ "role": person.role, "sees_payloads": person.sees_payloads, "is_disabled": person.is_disabled })
}

async fn shown(shared: &Shared, person: &store::Person) -> Result<Json<Person>, Refused> {
    Ok(Json(Person::new(person, &shared.store.ways_in().await?)))
}

async fn found(shared: &Shared, name: &str) -> Result<store::Person, Refused> {
    let people = shared.store.people().await?;
    match people.iter().find(|person| person.name == name) {
        Some(person) => Ok(person.clone()),
        None => Err(unknown(&people, name)),
    }
}

/// There is nobody of this name.
pub(super) fn unknown(people: &[store::Person], name: &str) -> Refused {
    let name: String = name.chars().take(100).collect();
    let mut problem = Problem::new("person_unknown", format!("there is nobody called \"{}\"", name.escape_debug()));
    problem.hint = suggest::hint(&name, people.iter().map(|person| person.name.as_str()));
    Refused::new(StatusCode::NOT_FOUND, problem)
}
