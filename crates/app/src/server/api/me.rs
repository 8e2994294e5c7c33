//! Whoever asks: who they are, and their password.

use super::super::Shared;
use super::actor::{Actor, By};
use super::extract::Json;
use super::problem::Refused;
use super::schema;
use super::sign_in::{Door, attempt, signed_in, unfit, unhashed};
use crate::sign_in::check_password;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use model::{Problem, Role, Scope};
use serde::{Deserialize, Serialize};
use store::Credentials;
use utoipa::ToSchema;

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    name: String,
    #[schema(schema_with = schema::role)]
    role: Role,
    /// Whether they may see payloads, requests and answers.
    sees_payloads: bool,
    /// What the token may be used for; empty: for all that the role may.
    #[schema(schema_with = schema::scope)]
    scope: Vec<Scope>,
    /// Whether they are signed in, and show no token.
    is_signed_in: bool,
    has_password: bool,
    /// A second factor is asked for.
    has_factor: bool,
    recovery_codes_left: u32,
}

impl Me {
    /// Somebody who has just signed in.
    pub(super) fn signed_in(known: &Credentials) -> Self {
        let factor = known.factor.as_ref().filter(|factor| factor.is_confirmed);
        Self {
            name: known.person.name.clone(),
            role: known.person.role,
            sees_payloads: known.person.sees_payloads,
            scope: Vec::new(),
            is_signed_in: true,
            has_password: known.password.is_some(),
            has_factor: factor.is_some(),
            recovery_codes_left: factor.map_or(0, |factor| factor.codes_left),
        }
    }
}

/// Who asks, and what they may do.
#[utoipa::path(get, path = "/me", tag = "me", responses((status = 200, body = Me)))]
pub(super) async fn show(State(shared): State<Shared>, actor: Actor) -> Result<Json<Me>, Refused> {
    let is_signed_in = matches!(actor.by, By::Session(_));
    let me = Me::signed_in(&own(&shared, &actor).await?);
    Ok(Json(Me { role: actor.role, scope: actor.scope, is_signed_in, ..me }))
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    present: String,
    #[schema(min_length = 12, max_length = 1024)]
    new: String,
}

/// Sets one's own password. All sessions end; who is signed in gets a new one.
#[utoipa::path(
    put, path = "/me/password", tag = "me", request_body = NewPassword,
    responses((status = 200, body = Me))
)]
pub(super) async fn set_password(
    State(shared): State<Shared>,
    actor: Actor,
    door: Door,
    Json(NewPassword { present, new }): Json<NewPassword>,
) -> Result<Response, Refused> {
    let known = proven(&shared, &actor, &door, present).await?;
    check_password(&new, &actor.name).map_err(|problem| unfit(problem.at("new")))?;
    let hash = shared.signing_in.passwords.hash(new.into()).await.map_err(unhashed)?;
    let audit = actor.did("password.set", &actor.name, shared.clock.now());
    shared.store.set_password(actor.name.clone(), hash, audit).await?;
    match actor.by {
        By::Session(_) => signed_in(&shared, &door, known, "password", None).await,
        By::Token { .. } => Ok(show(State(shared), actor).await?.into_response()),
    }
}

pub(super) async fn own(shared: &Shared, actor: &Actor) -> Result<Credentials, Refused> {
    shared.store.credentials(actor.name.clone()).await?.ok_or_else(super::actor::unauthorised)
}

/// Whoever asks, where they show their password.
pub(super) async fn proven(
    shared: &Shared,
    actor: &Actor,
    door: &Door,
    password: String,
) -> Result<Credentials, Refused> {
    let attempt = attempt(shared, door, &actor.name).await?;
    let known = own(shared, actor).await?;
    let is_right = shared.signing_in.passwords.is_right(password.into(), known.password.clone());
    if !is_right.await.map_err(unhashed)? {
        actor.denied(shared, "password").await?;
        let problem = Problem::new("password_wrong", "this is not the present password");
        let hint = "where it is forgotten, an administrator makes a link";
        return Err(Refused::new(StatusCode::FORBIDDEN, problem.hint(hint)));
    }
    shared.signing_in.guesses.succeed(attempt);
    Ok(known)
}
