//! Tokens: what programs show.

use super::super::Shared;
use super::actor::{Actor, By};
use super::extract::{Json, Path};
use super::people::unknown as person_unknown;
use super::problem::Refused;
use super::schema::{self, Items};
use super::sign_in::{unfit, unhashed};
use crate::print::time;
use crate::token;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Millis, Problem, Role, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::NewAccessToken;
use utoipa::ToSchema;

/// A token, without what it is shown as.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    id: i64,
    /// For whom it speaks.
    person: String,
    label: String,
    /// What it may do at most.
    #[schema(schema_with = schema::role)]
    role: Role,
    /// What it may be used for; empty: for all that the role may.
    #[schema(schema_with = schema::scope)]
    scope: Vec<Scope>,
    #[schema(schema_with = schema::time)]
    created_at: String,
    /// When it was last used, to about a minute.
    #[schema(schema_with = schema::time_or_null)]
    used_at: Option<String>,
    #[schema(schema_with = schema::time_or_null)]
    expires_at: Option<String>,
}

impl From<&store::AccessToken> for Token {
    fn from(token: &store::AccessToken) -> Self {
        Self {
            id: token.id,
            person: token.person.clone(),
            label: token.label.clone(),
            role: token.role,
            scope: token.scope.clone(),
            created_at: time(token.created_at),
            used_at: token.used_at.map(time),
            expires_at: token.expires_at.map(time),
        }
    }
}

/// A token that is wished for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TokenWish)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// For whom it speaks: whoever asks, where nothing is said. Somebody else's is for administrators.
    person: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 200)]
    label: String,
    /// What it may do at most: as much as whoever asks, where nothing is said.
    #[schema(schema_with = schema::role)]
    role: Option<Role>,
    /// What it may be used for; for all that the role may, where nothing is said.
    #[serde(default)]
    #[schema(schema_with = schema::scope)]
    scope: Vec<Scope>,
    /// Until when it counts; for ever, where nothing is said.
    #[schema(schema_with = schema::time_or_null)]
    expires_at: Option<String>,
}

/// A token, as it is shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    id: i64,
    token: String,
}

/// Tokens of whoever asks; for administrators, everybody's. None of them as it is shown.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = Items<Token>)))]
pub(super) async fn list(State(shared): State<Shared>, actor: Actor) -> Result<Json<Items<Token>>, Refused> {
    let tokens = shared.store.access_tokens().await?;
    let items = tokens.iter().filter(|token| actor.answers_for(&token.person)).map(Token::from);
    Ok(Json(Items { items: items.collect() }))
}

/// Makes a token, which may do no more than whoever asks for it.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = Wish, responses((status = 201, body = Made)))]
pub(super) async fn make(
    State(shared): State<Shared>,
    actor: Actor,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<Made>), Refused> {
    let now = shared.clock.now();
    let person = wish.person.unwrap_or_else(|| actor.name.clone());
    if !actor.answers_for(&person) {
        actor.denied(&shared, &format!("POST token of {person}")).await?;
        let problem = Problem::new("forbidden", "a token of somebody else is for administrators to make");
        return Err(Refused::new(StatusCode::FORBIDDEN, problem));
    }
    let people = shared.store.people().await?;
    let Some(owner) = people.iter().find(|one| one.name == person) else {
        return Err(person_unknown(&people, &person));
    };
    NewAccessToken::check_label(&wish.label).map_err(|problem| unfit(problem.at("label")))?;
    let expires_at = schema::instant(wish.expires_at)?;
    if expires_at.is_some_and(|end| end <= now) {
        return Err(unfit(Problem::new("body_wrong", "a token ends at a time to come").at("expires_at")));
    }
    let role = wish.role.unwrap_or_else(|| owner.role.min(actor.role));
    bounded(&actor, role, &wish.scope, expires_at).map_err(unfit)?;
    let (shown, hash) = token::make().map_err(unhashed)?;
    let new = NewAccessToken { person: person.clone(), label: wish.label, role, scope: wish.scope, hash, expires_at };
    let details = json!({ "label": new.label, "role": role, "scope": new.scope, "expires_at": expires_at.map(time) });
    let made = shared.store.add_access_token(new, actor.did_so("token.add", &person, now, &details)).await?;
    let id = made.ok_or_else(|| person_unknown(&people, &person))?;
    Ok((StatusCode::CREATED, Json(Made { id, token: shown })))
}

/// Nobody makes a token that could do more, or for longer, than what they came with.
fn bounded(actor: &Actor, role: Role, scope: &[Scope], expires_at: Option<Millis>) -> Result<(), Problem> {
    let exceeds =
        |what: &str| Problem::new("token_exceeds", format!("it would have more {what} than what asks for it"));
    if role > actor.role {
        return Err(exceeds("of a role").at("role"));
    }
    let is_within = |one: &Scope| actor.scope.contains(one);
    if !actor.scope.is_empty() && (scope.is_empty() || !scope.iter().all(is_within)) {
        return Err(exceeds("scope").at("scope"));
    }
    match actor.by {
        By::Token { expires_at: Some(own) } if expires_at.is_none_or(|end| end > own) => {
            Err(exceeds("time").at("expires_at"))
        }
        _ => Ok(()),
    }
}

/// Deletes a token: from now on it counts no more.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens", params(("id" = i64, Path)), responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<StatusCode, Refused> {
    let unknown = || Refused::not_found("token_unknown", format!("there is no token {id}"));
    let tokens = shared.store.access_tokens().await?;
    let token = tokens.into_iter().find(|token| token.id == id).ok_or_else(unknown)?;
    if !actor.answers_for(&token.person) {
        actor.denied(&shared, &format!("token {id}")).await?;
        return Err(unknown());
    }
    let details = json!({ "person": token.person, "label": token.label, "role": token.role });
    let audit = actor.did_so("token.delete", id.to_string(), shared.clock.now(), &details);
    if shared.store.delete_access_token(id, audit).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}
