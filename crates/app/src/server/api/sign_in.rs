//! Signing in and out: with a password, or with a link that sets one.

use super::super::Shared;
use super::actor::{Actor, By};
use super::caller::{COOKIE_NAME, Client, single};
use super::extract::Json;
use super::me::Me;
use super::problem::Refused;
use crate::sign_in::{Attempt, Delay, check_password, factor};
use crate::token;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use model::{Millis, Problem};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use store::{AuditEntry, Credentials, LinkUse, NewSession, Person};
use utoipa::ToSchema;

/// The longest name of a browser that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// From where somebody signs in.
#[derive(Clone, Debug)]
pub(super) struct Door {
    client: Client,
    agent: String,
}

impl<S: Sync> FromRequestParts<S> for Door {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let agent = single(&parts.headers, &USER_AGENT).unwrap_or_default();
        let agent = agent.chars().filter(|letter| !letter.is_control()).take(LONGEST_AGENT).collect();
        Ok(Self { client: Client::of(&parts.extensions), agent })
    }
}

impl Door {
    fn audit(&self, who: &str, what: &str, at: Millis) -> AuditEntry {
        let (who, origin, subject) = (who.to_owned(), self.client.address.clone(), who.to_owned());
        AuditEntry { id: 0, at, who, origin, what: what.to_owned(), subject, details: None }
    }
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    name: String,
    #[schema(max_length = 1024)]
    password: String,
    /// Six digits of the second factor, or a recovery code. Asked for (`code_needed`) where there is one.
    code: Option<String>,
}

/// Signs in with name and password. The session is in the cookie `tramontane_session`.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignIn, responses((status = 200, body = Me)))]
pub(super) async fn begin(
    State(shared): State<Shared>,
    door: Door,
    headers: HeaderMap,
    Json(SignIn { name, password, code }): Json<SignIn>,
) -> Result<Response, Refused> {
    let attempt = attempt(&shared, &door, &name).await?;
    let known = known(&shared, &name).await?;
    let hash = known.as_ref().and_then(|known| known.password.clone());
    let is_right = shared.signing_in.passwords.is_right(password.into(), hash).await.map_err(unhashed)?;
    let Some(known) = known.clone().filter(|known| is_right && !known.person.is_disabled) else {
        let who = known.map(|known| known.person.name).unwrap_or_default();
        shared.store.record(vec![door.audit(&who, "session.refused", shared.clock.now())]).await?;
        let problem = Problem::new("sign_in_wrong", "name and password do not fit together");
        return Err(Refused::new(StatusCode::UNAUTHORIZED, problem));
    };
    let with = show_code(&shared, &door, &known, code, attempt).await?;
    shared.signing_in.guesses.succeed(attempt);
    let replaces = present(&shared, &headers).await?;
    signed_in(&shared, &door, known, with, replaces).await
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204, description = "It is ended")))]
pub(super) async fn end(State(shared): State<Shared>, actor: Actor) -> Result<Response, Refused> {
    let By::Session(id) = actor.by else {
        return Err(Refused::not_found("session_unknown", "this was asked with a token, without a session"));
    };
    shared.store.end_session(id, actor.did("session.end", id.to_string(), shared.clock.now())).await?;
    let gone = format!("{COOKIE_NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, gone)]).into_response())
}

/// Somebody with a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    /// What stands behind `token=` in the link.
    token: String,
    /// What the first administrator is to be called. Else the link knows whose it is.
    name: Option<String>,
    #[schema(min_length = 12, max_length = 1024)]
    password: String,
    /// As for signing in.
    code: Option<String>,
}

/// Sets a password by a one-time link, and signs in. The link that a new server prints makes its first administrator.
#[utoipa::path(post, path = "/setup", tag = "session", request_body = Setup, responses((status = 200, body = Me)))]
pub(super) async fn set_up(
    State(shared): State<Shared>,
    door: Door,
    headers: HeaderMap,
    Json(Setup { token, name, password, code }): Json<Setup>,
) -> Result<Response, Refused> {
    let hash = token::hash_bits(&token).ok_or_else(link_wrong)?;
    let whose = shared.store.link(hash, shared.clock.now()).await?.ok_or_else(link_wrong)?;
    let what = if whose.is_some() { "password.set" } else { "setup" };
    let name = match (whose, name) {
        (Some(whose), Some(name)) if whose != name => return Err(link_wrong()),
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => {
            return Err(unfit(Problem::new("body_wrong", "the first administrator needs a name").at("name")));
        }
    };
    Person::check_name(&name).map_err(|problem| unfit(problem.at("name")))?;
    check_password(&password, &name).map_err(|problem| unfit(problem.at("password")))?;
    let attempt = attempt(&shared, &door, &name).await?;
    if let Some(known) = known(&shared, &name).await? {
        if known.person.is_disabled {
            return Err(link_wrong());
        }
        show_code(&shared, &door, &known, code, attempt).await?;
    }
    let password = shared.signing_in.passwords.hash(password.into()).await.map_err(unhashed)?;
    let used = LinkUse { hash, person: name.clone(), password };
    if !shared.store.use_link(used, door.audit(&name, what, shared.clock.now())).await? {
        return Err(link_wrong());
    }
    shared.signing_in.guesses.succeed(attempt);
    let known = known(&shared, &name).await?.ok_or_else(link_wrong)?;
    let replaces = present(&shared, &headers).await?;
    signed_in(&shared, &door, known, "link", replaces).await
}

/// Somebody may try, unless they failed too often of late.
pub(super) async fn attempt(shared: &Shared, door: &Door, name: &str) -> Result<Attempt, Refused> {
    let now = shared.clock.now();
    let Delay { wait, is_first } = match shared.signing_in.guesses.begin(name, &door.client.address, now) {
        Ok(attempt) => return Ok(attempt),
        Err(delay) => delay,
    };
    if is_first {
        let who = known(shared, name).await?.map(|known| known.person.name).unwrap_or_default();
        shared.store.record(vec![door.audit(&who, "session.delayed", now)]).await?;
    }
    let problem = Problem::new("sign_in_delayed", "too many attempts failed: wait before the next one");
    Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, problem).after(Duration::from_millis(wait.unsigned_abs())))
}

async fn known(shared: &Shared, name: &str) -> Result<Option<Credentials>, Refused> {
    match Person::check_name(name) {
        Ok(()) => Ok(shared.store.credentials(name.to_owned()).await?),
        Err(_) => Ok(None),
    }
}

/// Looks at the code of somebody whose password is right, where they have a second factor. Says with what they came.
async fn show_code(
    shared: &Shared,
    door: &Door,
    known: &Credentials,
    code: Option<String>,
    attempt: Attempt,
) -> Result<&'static str, Refused> {
    let Some(kept) = known.factor.as_ref().filter(|factor| factor.is_confirmed) else { return Ok("password") };
    let Some(code) = code else {
        shared.signing_in.guesses.take_back(attempt);
        let problem = Problem::new("code_needed", "the code of the second factor is needed too").at("code");
        return Err(Refused::new(StatusCode::UNAUTHORIZED, problem));
    };
    let name = &known.person.name;
    let (with, is_right) = match factor::recovery_hash(&code) {
        Some(hash) => ("recovery_code", shared.store.use_code(name.clone(), hash).await?),
        None => ("code", uses_step(shared, name, &kept.sealed, &code).await?),
    };
    if is_right {
        return Ok(with);
    }
    let refused = door.audit(name, "session.refused", shared.clock.now());
    let details = Some(json!({ "with": with }).to_string());
    shared.store.record(vec![AuditEntry { details, ..refused }]).await?;
    let problem = Problem::new("code_wrong", "this code is wrong, or was used before").at("code");
    Err(Refused::new(StatusCode::UNAUTHORIZED, problem))
}

/// Whether a code is right, and uses it up.
async fn uses_step(shared: &Shared, name: &str, sealed: &[u8], code: &str) -> Result<bool, Refused> {
    let secret = super::factor::open(shared, name, sealed).await?;
    match factor::step(secret.expose_secret(), code.trim(), shared.clock.now()) {
        Some(step) => Ok(shared.store.use_step(name.to_owned(), step).await?),
        None => Ok(false),
    }
}

/// The session that a request shows, which a new one replaces.
async fn present(shared: &Shared, headers: &HeaderMap) -> Result<Option<i64>, Refused> {
    let Some(hash) = super::caller::session(headers) else { return Ok(None) };
    Ok(shared.store.signed_in(hash).await?.map(|signed_in| signed_in.session.id))
}

/// Begins a session, and answers who is signed in.
pub(super) async fn signed_in(
    shared: &Shared,
    door: &Door,
    known: Credentials,
    with: &str,
    replaces: Option<i64>,
) -> Result<Response, Refused> {
    let (bits, hash) = token::make_bits().map_err(unhashed)?;
    let (now, longest) = (shared.clock.now(), shared.signing_in.longest);
    let new = NewSession {
        person: known.person.name.clone(),
        hash,
        expires_at: now + longest,
        unused_since: now - shared.signing_in.idle,
        origin: door.client.address.clone(),
        agent: door.agent.clone(),
        replaces,
    };
    let details = Some(json!({ "with": with }).to_string());
    let audit = AuditEntry { details, ..door.audit(&known.person.name, "session.begin", now) };
    shared.store.begin_session(new, audit).await?;
    let secure = if door.client.is_secure { "; Secure" } else { "" };
    let age = longest / 1_000;
    let cookie = format!("{COOKIE_NAME}={bits}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    Ok(([(SET_COOKIE, cookie)], Json(Me::signed_in(&known))).into_response())
}

/// A body that is understood, and cannot be.
pub(super) fn unfit(problem: Problem) -> Refused {
    Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem)
}

/// A password was not hashed.
pub(super) fn unhashed(problem: Problem) -> Refused {
    match &*problem.code {
        "busy" => Refused::new(StatusCode::SERVICE_UNAVAILABLE, problem).after(Duration::from_secs(1)),
        _ => Refused::new(StatusCode::INTERNAL_SERVER_ERROR, problem),
    }
}

fn link_wrong() -> Refused {
    let problem = Problem::new("link_wrong", "this link does not count, or not any more");
    let hint = "tramontane people link NAME makes a new one; where nobody can sign in, a restart prints one";
    Refused::new(StatusCode::UNAUTHORIZED, problem.hint(hint))
}
