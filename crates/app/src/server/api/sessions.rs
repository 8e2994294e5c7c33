//! Where people are signed in.

use super::super::Shared;
use super::actor::{Actor, By};
use super::extract::{Json, Path};
use super::problem::Refused;
use super::schema::{self, Items};
use crate::print::time;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    id: i64,
    person: String,
    #[schema(schema_with = schema::time)]
    created_at: String,
    /// When it was last used, to about a minute.
    #[schema(schema_with = schema::time)]
    used_at: String,
    /// Unless it is not used for some time before.
    #[schema(schema_with = schema::time)]
    expires_at: String,
    /// The address at sign-in.
    origin: String,
    /// The browser, as it calls itself.
    agent: String,
    /// It is the one that asks.
    is_present: bool,
}

/// Sessions of whoever asks; for administrators, everybody's.
#[utoipa::path(get, path = "/sessions", tag = "sessions", responses((status = 200, body = Items<Session>)))]
pub(super) async fn list(State(shared): State<Shared>, actor: Actor) -> Result<Json<Items<Session>>, Refused> {
    let (now, idle) = (shared.clock.now(), shared.signing_in.idle);
    let sessions = shared.store.sessions().await?;
    let counting = sessions.into_iter().filter(|one| one.expires_at > now && one.used_at + idle > now);
    let items = counting.filter(|one| actor.answers_for(&one.person)).map(|one| Session {
        id: one.id,
        created_at: time(one.created_at),
        used_at: time(one.used_at),
        expires_at: time(one.expires_at),
        origin: one.origin,
        agent: one.agent,
        is_present: actor.by == By::Session(one.id),
        person: one.person,
    });
    Ok(Json(Items { items: items.collect() }))
}

/// Ends a session: one's own; administrators end everybody's.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "sessions", params(("id" = i64, Path)), responses((status = 204, description = "It is ended"))
)]
pub(super) async fn end(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<StatusCode, Refused> {
    let unknown = || Refused::not_found("session_unknown", format!("there is no session {id}"));
    let session = shared.store.sessions().await?.into_iter().find(|one| one.id == id).ok_or_else(unknown)?;
    if !actor.answers_for(&session.person) {
        actor.denied(&shared, &format!("session {id}")).await?;
        return Err(unknown());
    }
    let audit = actor.did("session.end", id.to_string(), shared.clock.now());
    if shared.store.end_session(id, audit).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}
