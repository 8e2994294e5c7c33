//! Who asks, and whether they may.

use super::super::Shared;
use super::caller::{Caller, Shown};
use super::problem::Refused;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::{Millis, Problem, Role, Scope};
use serde_json::Value;
use store::{AuditEntry, Bearer, SignedIn};

/// So long a token or session counts as just used, in milliseconds: its time of use is written no more often.
const JUST_USED: Millis = 60_000;

/// Who asks. A handler gets one, or is not called.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) name: String,
    /// What they may do with this token, or signed in as they are.
    pub(super) role: Role,
    pub(super) sees_payloads: bool,
    /// What the token may be used for; empty: for all that the role may.
    pub(super) scope: Vec<Scope>,
    /// The address that they come from.
    pub(super) origin: String,
    pub(super) by: By,
    /// Hash of what they showed.
    hash: [u8; 32],
}

/// What lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Session(i64),
    Token {
        /// From then on it does not count.
        expires_at: Option<Millis>,
    },
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

    /// What they did, and what there is to say about it. Secrets are never in it.
    pub(super) fn did_so(&self, what: &str, subject: impl Into<String>, at: Millis, details: &Value) -> AuditEntry {
        AuditEntry { details: Some(details.to_string()), ..self.did(what, subject, at) }
    }

    /// Whether something of somebody is theirs to see and end: their own, and for administrators everybody's.
    pub(super) fn answers_for(&self, person: &str) -> bool {
        self.name == person || self.role == Role::Admin
    }

    /// Records that they were kept from something, which others are told is not there.
    pub(super) async fn denied(&self, shared: &Shared, asked: &str) -> Result<(), Refused> {
        Ok(shared.store.record(vec![self.did("denied", asked, shared.clock.now())]).await?)
    }
}

/// What a route asks of those who come.
#[derive(Clone)]
pub(super) struct Needs {
    pub(super) shared: Shared,
    pub(super) role: Role,
    /// What a token must be for that changes something there. `None`: one that is for certain things cannot.
    pub(super) scope: Option<Scope>,
}

/// Finds out who asks; calls the handler only where they may.
pub(super) async fn admit(State(needs): State<Needs>, mut request: Request, next: Next) -> Response {
    let caller = Caller::of(&request);
    match judge(&needs, caller).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    }
}

/// For routes that are for everybody, to sign in: only pages of this server may send people there.
pub(super) async fn from_here(request: Request, next: Next) -> Response {
    match Caller::of(&request).is_from_here() {
        Ok(()) => next.run(request).await,
        Err(problem) => Refused::new(StatusCode::FORBIDDEN, problem).into_response(),
    }
}

async fn judge(needs: &Needs, caller: Caller) -> Result<Actor, Refused> {
    let now = needs.shared.clock.now();
    let (actor, counts, from_here) = match caller.shown {
        Shown::Nothing => return Err(unauthorised()),
        Shown::Token(hash) => {
            let Some((actor, counts)) = with_token(&needs.shared, hash, &caller, now).await? else {
                return Err(unauthorised());
            };
            (actor, counts, Ok(()))
        }
        Shown::Session(hash) => {
            let Some((actor, counts)) = with_session(&needs.shared, hash, &caller, now).await? else {
                return Err(unauthorised());
            };
            (actor, counts, caller.is_from_here())
        }
    };
    let refused = if !counts {
        unauthorised()
    } else if let Err(problem) = from_here {
        Refused::new(StatusCode::FORBIDDEN, problem)
    } else if actor.role < needs.role {
        let problem = Problem::new("forbidden", format!("this needs the role {}", needs.role));
        Refused::new(StatusCode::FORBIDDEN, problem)
    } else if !is_in_scope(&actor.scope, needs.scope, &caller) {
        Refused::new(StatusCode::FORBIDDEN, out_of_scope(needs.scope, &caller))
    } else {
        return Ok(actor);
    };
    needs.shared.store.record(vec![actor.did("denied", caller.asked, now)]).await?;
    Err(refused)
}

/// Who shows a token, and whether it counts.
async fn with_token(
    shared: &Shared,
    hash: [u8; 32],
    caller: &Caller,
    now: Millis,
) -> Result<Option<(Actor, bool)>, Refused> {
    let Some(Bearer { token, person }) = shared.store.bearer(hash).await? else { return Ok(None) };
    let counts = !person.is_disabled && token.expires_at.is_none_or(|end| end > now);
    if counts && token.used_at.is_none_or(|used| used + JUST_USED <= now) {
        shared.store.access_token_used(token.id, now).await?;
    }
    let actor = Actor {
        role: token.role.min(person.role),
        sees_payloads: person.sees_payloads,
        name: person.name,
        scope: token.scope,
        origin: caller.client.address.clone(),
        by: By::Token { expires_at: token.expires_at },
        hash,
    };
    Ok(Some((actor, counts)))
}

/// Who shows a session, and whether it counts.
async fn with_session(
    shared: &Shared,
    hash: [u8; 32],
    caller: &Caller,
    now: Millis,
) -> Result<Option<(Actor, bool)>, Refused> {
    let Some(SignedIn { session, person }) = shared.store.signed_in(hash).await? else { return Ok(None) };
    let counts = !person.is_disabled && session.expires_at > now && session.used_at + shared.signing_in.idle > now;
    if counts && session.used_at + JUST_USED <= now {
        shared.store.session_used(session.id, now).await?;
    }
    let actor = Actor {
        role: person.role,
        sees_payloads: person.sees_payloads,
        name: person.name,
        scope: Vec::new(),
        origin: caller.client.address.clone(),
        by: By::Session(session.id),
        hash,
    };
    Ok(Some((actor, counts)))
}

/// Whether they may still do what they came for: for answers that go on for long. Where nobody can tell, they may not.
pub(super) async fn still_counts(shared: &Shared, actor: &Actor) -> bool {
    let now = shared.clock.now();
    let (person, is_over) = match actor.by {
        By::Token { .. } => {
            let Ok(Some(Bearer { token, person })) = shared.store.bearer(actor.hash).await else { return false };
            (person, token.expires_at.is_some_and(|end| end <= now))
        }
        // Who listens is not idle.
        By::Session(_) => {
            let Ok(Some(SignedIn { session, person })) = shared.store.signed_in(actor.hash).await else { return false };
            (person, session.expires_at <= now)
        }
    };
    !person.is_disabled && !is_over && (person.sees_payloads || !actor.sees_payloads)
}

fn is_in_scope(scope: &[Scope], needed: Option<Scope>, caller: &Caller) -> bool {
    scope.is_empty()
        || needed.is_some_and(|needed| scope.contains(&needed))
        || (!caller.changes && scope.contains(&Scope::Read))
}

fn out_of_scope(needed: Option<Scope>, caller: &Caller) -> Problem {
    let word = match needed {
        _ if !caller.changes => Scope::Read.as_str(),
        Some(scope) => scope.as_str(),
        None => return Problem::new("forbidden", "this needs a token without a scope"),
    };
    Problem::new("forbidden", format!("this needs the scope {word}"))
}

/// The same whatever was wrong with what was shown: it would help who guesses.
pub(super) fn unauthorised() -> Refused {
    let problem = Problem::new("unauthorised", "a token or a session is needed that counts");
    let hint = "send Authorization: Bearer TOKEN; tramontane tokens add NAME makes one";
    Refused::new(StatusCode::UNAUTHORIZED, problem.hint(hint))
}
