//! The second factor of whoever asks: offered, confirmed, taken away.

use super::super::Shared;
use super::actor::Actor;
use super::extract::Json;
use super::me::{own, proven};
use super::problem::Refused;
use super::sign_in::{Door, attempt, unfit, unhashed};
use crate::sign_in::factor;
use axum::extract::State;
use axum::http::StatusCode;
use model::Problem;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};
use store::seal::FACTOR;
use utoipa::ToSchema;

/// Who they are is shown once more, so that somebody else at their desk changes nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    password: String,
}

/// A second factor that is offered, as it is shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct Offer {
    /// To be typed into what shows the codes.
    secret: String,
    /// The same for a picture of it: `otpauth://…`.
    address: String,
}

/// Offers a second factor: six digits that change every 30 seconds. It is asked for once a code of it was shown.
#[utoipa::path(post, path = "/me/factor", tag = "factor", request_body = Proof, responses((status = 200, body = Offer)))]
pub(super) async fn offer(
    State(shared): State<Shared>,
    actor: Actor,
    door: Door,
    Json(Proof { password }): Json<Proof>,
) -> Result<Json<Offer>, Refused> {
    proven(&shared, &actor, &door, password).await?;
    let secret = factor::make_secret().map_err(unhashed)?;
    let sealed = shared.keys.seal(shared.store.as_ref(), &FACTOR, &actor.name, &secret).await.map_err(unhashed)?;
    if !shared.store.offer_factor(actor.name.clone(), sealed).await? {
        return Err(conflict("factor_there", "there is a second factor already; take it away first"));
    }
    Ok(Json(Offer { secret: factor::shown(&secret), address: factor::address(&secret, &actor.name) }))
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    /// Six digits.
    code: String,
}

/// What helps where the second factor is lost, as it is shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Each counts once, instead of a code.
    recovery_codes: Vec<String>,
}

/// From now on the second factor is asked for.
#[utoipa::path(
    post, path = "/me/factor/confirm", tag = "factor", request_body = Code, responses((status = 200, body = RecoveryCodes))
)]
pub(super) async fn confirm(
    State(shared): State<Shared>,
    actor: Actor,
    door: Door,
    Json(Code { code }): Json<Code>,
) -> Result<Json<RecoveryCodes>, Refused> {
    let now = shared.clock.now();
    let none = || conflict("factor_none", "there is no second factor that waits for its first code");
    let offered = own(&shared, &actor).await?.factor.filter(|factor| !factor.is_confirmed).ok_or_else(none)?;
    let attempt = attempt(&shared, &door, &actor.name).await?;
    let secret = open(&shared, &actor.name, &offered.sealed).await?;
    let step = factor::step(secret.expose_secret(), code.trim(), now);
    let wrong = || unfit(Problem::new("code_wrong", "this code is wrong").at("code"));
    let step = step.ok_or_else(wrong)?;
    let (codes, hashes) = factor::make_recovery_codes().map_err(unhashed)?.into_iter().unzip();
    let audit = actor.did("factor.add", &actor.name, now);
    if !shared.store.confirm_factor(actor.name.clone(), step, hashes, audit).await? {
        return Err(none());
    }
    shared.signing_in.guesses.succeed(attempt);
    Ok(Json(RecoveryCodes { recovery_codes: codes }))
}

/// Takes one's own second factor away.
#[utoipa::path(
    post, path = "/me/factor/remove", tag = "factor", request_body = Proof,
    responses((status = 204, description = "It is not asked for any more"))
)]
pub(super) async fn remove(
    State(shared): State<Shared>,
    actor: Actor,
    door: Door,
    Json(Proof { password }): Json<Proof>,
) -> Result<StatusCode, Refused> {
    proven(&shared, &actor, &door, password).await?;
    let audit = actor.did("factor.remove", &actor.name, shared.clock.now());
    match shared.store.remove_factor(actor.name.clone(), audit).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(conflict("factor_none", "there is no second factor")),
    }
}

/// The secret of somebody's second factor.
pub(super) async fn open(shared: &Shared, name: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, Refused> {
    shared.keys.open(sealed, &FACTOR, name).await.map_err(unhashed)
}

fn conflict(code: &'static str, reason: &str) -> Refused {
    Refused::new(StatusCode::CONFLICT, Problem::new(code, reason))
}
