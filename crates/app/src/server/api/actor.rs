//! Who asks, and whether they may.

use super::super::Shared;
use super::problem::Refused;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::{Millis, Problem, Role};
use std::net::SocketAddr;
use store::{AuditEntry, Bearer};

/// So long a token counts as just used, in milliseconds: its time of use is written no more often.
const JUST_USED: Millis = 60_000;

/// Who asks. A handler gets one, or is not called.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) name: String,
    /// What they may do with this token.
    pub(super) role: Role,
    pub(super) sees_payloads: bool,
    /// The address that they come from.
    pub(super) origin: String,
    /// Hash of the token that they showed.
    hash: [u8; 32],
}

/// From where [`admit`] has put it. A route that has no role has no actor, and its handler is not called.
impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorised)
    }
}

impl Actor {
    /// Whether they may see payloads, and records that they do, or wanted to.
    pub(super) async fn may_see(&self, shared: &Shared, what: &str, subject: &str) -> Result<(), Refused> {
        let now = shared.clock.now();
        if self.sees_payloads {
            shared.store.record(vec![self.did(what, subject, now)]).await?;
            return Ok(());
        }
        shared.store.record(vec![self.did("denied", format!("{what} {subject}"), now)]).await?;
        let problem = Problem::new("forbidden", "this needs the permission to see payloads");
        Err(Refused::new(StatusCode::FORBIDDEN, problem))
    }

    /// What they did, for the record.
    pub(super) fn did(&self, what: &str, subject: impl Into<String>, at: Millis) -> AuditEntry {
        let (who, origin) = (self.name.clone(), self.origin.clone());
        AuditEntry { id: 0, at, who, origin, what: what.to_owned(), subject: subject.into(), details: None }
    }
}

/// What a route asks of those who come.
#[derive(Clone)]
pub(super) struct Needs {
    pub(super) shared: Shared,
    pub(super) role: Role,
}

/// What a request says of who sends it.
struct Caller {
    /// Hash of the token that is shown.
    hash: Option<[u8; 32]>,
    origin: String,
    /// Method and route, for the record.
    asked: String,
}

/// Finds out who asks; calls the handler only where they may.
pub(super) async fn admit(State(needs): State<Needs>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let origin = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let caller = Caller {
        hash: presented(&request),
        origin: origin.map(|ConnectInfo(address)| address.ip().to_string()).unwrap_or_default(),
        asked: format!("{} {route}", request.method()),
    };
    match judge(&needs, caller).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    }
}

async fn judge(needs: &Needs, caller: Caller) -> Result<Actor, Refused> {
    let Needs { shared, role } = needs;
    let now = shared.clock.now();
    let bearer = match caller.hash {
        Some(hash) => shared.store.bearer(hash).await?,
        None => None,
    };
    let Some(Bearer { token, person }) = bearer else { return Err(unauthorised()) };
    let is_disabled = person.is_disabled;
    let actor = Actor {
        role: token.role.min(person.role),
        sees_payloads: person.sees_payloads,
        name: person.name,
        origin: caller.origin,
        hash: caller.hash.unwrap_or_default(),
    };
    let counts = !is_disabled && token.expires_at.is_none_or(|end| end > now);
    if !counts || actor.role < *role {
        shared.store.record(vec![actor.did("denied", caller.asked, now)]).await?;
        return Err(if counts { forbidden(*role) } else { unauthorised() });
    }
    if token.used_at.is_none_or(|used| used + JUST_USED <= now) {
        shared.store.access_token_used(token.id, now).await?;
    }
    Ok(actor)
}

/// Whether they may still do what they came for: for answers that go on for long. Where nobody can tell, they may not.
pub(super) async fn still_counts(shared: &Shared, actor: &Actor) -> bool {
    let Ok(Some(Bearer { token, person })) = shared.store.bearer(actor.hash).await else { return false };
    let is_over = token.expires_at.is_some_and(|end| end <= shared.clock.now());
    !person.is_disabled && !is_over && (person.sees_payloads || !actor.sees_payloads)
}

/// The hash of the token that is shown, if one is, once, and looks like ours.
fn presented(request: &Request) -> Option<[u8; 32]> {
    let mut shown = request.headers().get_all(AUTHORIZATION).iter();
    let (only, None) = (shown.next()?, shown.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    crate::token::hash(token)
}

/// The same whatever was wrong with the token: it would help who guesses.
fn unauthorised() -> Refused {
    let problem = Problem::new("unauthorised", "a token is needed that counts");
    let hint = "send Authorization: Bearer TOKEN; tramontane tokens add NAME makes one";
    Refused::new(StatusCode::UNAUTHORIZED, problem.hint(hint))
}

fn forbidden(role: Role) -> Refused {
    Refused::new(StatusCode::FORBIDDEN, Problem::new("forbidden", format!("this needs the role {role}")))
}
