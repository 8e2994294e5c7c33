//! Revisions: what changed when, by whom and why; and the way back.

use super::super::Shared;
use super::actor::Actor;
use super::definitions::{kind_of, one, ordered, unknown};
use super::extract::{Json, Path, Query};
use super::plans::{Applied, Difference, change};
use super::preconditions::{Precondition, tag};
use super::problem::Refused;
use super::schema::{self, Page};
use super::tasks::wrong;
use crate::print::time;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::definitions::{Kind, compare, masked};
use model::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::RevisionFilter;
use utoipa::{IntoParams, ToSchema};

/// Revisions of a page at most.
const LARGEST_PAGE: u32 = 100;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// A revision of the definitions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revision {
    revision: i64,
    #[schema(schema_with = schema::time)]
    at: String,
    /// Who made it; `null`: an older version that did not write that down.
    by: Option<String>,
    /// From where: an address, `cli`.
    origin: Option<String>,
    why: Option<String>,
    /// How many definitions it changed.
    changed: u64,
    /// Which: the first hundred.
    definitions: Vec<Touched>,
}

/// A definition that a revision changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Touched {
    kind: String,
    name: String,
    is_deleted: bool,
}

/// All revisions, newest first.
#[utoipa::path(get, path = "/revisions", tag = "revisions", params(Asked), responses((status = 200, body = Page<Revision>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<Revision>>, Refused> {
    page(&shared, asked, None).await
}

/// Revisions that changed a definition, newest first.
#[utoipa::path(
    get, path = "/definitions/{kind}/{name}/revisions", tag = "revisions",
    params(("kind" = String, Path), ("name" = String, Path), Asked), responses((status = 200, body = Page<Revision>))
)]
pub(super) async fn of_one(
    State(shared): State<Shared>,
    Path((word, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<Revision>>, Refused> {
    kind_of(&word)?;
    let is_first = asked.cursor.is_none();
    let page = page(&shared, asked, Some((word, name))).await?;
    if is_first && page.0.items.is_empty() {
        return Err(unknown());
    }
    Ok(page)
}

async fn page(
    shared: &Shared,
    Asked { limit, cursor }: Asked,
    of: Option<(String, String)>,
) -> Result<Json<Page<Revision>>, Refused> {
    let limit = limit.unwrap_or(LARGEST_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(wrong(format!("limit is 1 to {LARGEST_PAGE}")));
    }
    let found = shared.store.revisions(RevisionFilter { of, before: cursor, limit }).await?;
    let next = (found.len() == limit as usize).then(|| found.last().map(|one| one.number.to_string())).flatten();
    let items = found.into_iter().map(|one| Revision {
        revision: one.number,
        at: time(one.at),
        by: one.who,
        origin: one.origin,
        why: one.why,
        changed: one.changed,
        definitions: one
            .names
            .into_iter()
            .map(|of| Touched { kind: of.kind, name: of.name, is_deleted: of.is_deleted })
            .collect(),
    });
    Ok(Json(Page { items: items.collect(), next }))
}

/// A definition as it stood at a revision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revised {
    kind: String,
    name: String,
    /// The revision that had changed it last by then.
    revision: i64,
    /// As it was written, keys in the open as `***`; `null`: it was deleted.
    #[schema(schema_with = schema::any)]
    definition: Value,
    is_deleted: bool,
}

/// A definition as it stood at a revision.
#[utoipa::path(
    get, path = "/definitions/{kind}/{name}/revisions/{revision}", tag = "revisions",
    params(("kind" = String, Path), ("name" = String, Path), ("revision" = i64, Path)),
    responses((status = 200, body = Revised))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Path((word, name, revision)): Path<(String, String, i64)>,
) -> Result<Json<Revised>, Refused> {
    let kind = kind_of(&word)?;
    let (revision, body) = body_at(&shared, kind, &name, revision).await?;
    let is_deleted = body.is_none();
    let definition = body.map(|body| masked(kind, &body)).unwrap_or_default();
    Ok(Json(Revised { kind: word, name, revision, definition, is_deleted }))
}

/// What a definition was at a revision, and which one had changed it last; no body where it was deleted.
async fn body_at(shared: &Shared, kind: Kind, name: &str, at: i64) -> Result<(i64, Option<Value>), Refused> {
    let found = shared.store.revised(kind.to_string(), name.to_owned(), at).await?.ok_or_else(|| {
        Refused::not_found("revision_unknown", "there was no definition of this kind and name at that revision")
    })?;
    let body = found.body.map(|body| serde_json::from_str(&body).unwrap_or_default());
    Ok((found.revision, body))
}

/// Which two revisions are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Compared {
    /// The older one; without it the one before `to`.
    from: Option<i64>,
    /// The newer one; without it the present one.
    to: Option<i64>,
}

/// What differs between two revisions of a definition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Diff {
    /// The revision that had changed it last at the one end; `null`: there was none yet.
    from: Option<i64>,
    /// The same at the other end.
    to: i64,
    differences: Vec<Difference>,
}

/// What differs between two revisions of a definition.
#[utoipa::path(
    get, path = "/definitions/{kind}/{name}/diff", tag = "revisions",
    params(("kind" = String, Path), ("name" = String, Path), Compared), responses((status = 200, body = Diff))
)]
pub(super) async fn diff(
    State(shared): State<Shared>,
    Path((word, name)): Path<(String, String)>,
    Query(Compared { from, to }): Query<Compared>,
) -> Result<Json<Diff>, Refused> {
    let kind = kind_of(&word)?;
    let (to, after) = body_at(&shared, kind, &name, to.unwrap_or(i64::MAX)).await?;
    let before = shared.store.revised(word, name, from.unwrap_or(to - 1)).await?;
    let from = before.as_ref().map(|before| before.revision);
    let before = before.and_then(|before| before.body).map(|body| serde_json::from_str(&body).unwrap_or_default());
    let differences = compare(kind, &before.unwrap_or_default(), &after.unwrap_or_default());
    Ok(Json(Diff { from, to, differences: differences.into_iter().map(Difference::from).collect() }))
}

/// The way back to a revision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    /// Back to what it was at this one.
    revision: i64,
    /// Why, for those who look at the revision later.
    #[schema(max_length = 1000)]
    why: Option<String>,
}

/// Makes a definition what it was at a revision, as a new one. One that is deleted by now asks for `If-None-Match: *`.
#[utoipa::path(
    post, path = "/definitions/{kind}/{name}/restore", tag = "revisions", request_body = Restore,
    params(
        ("kind" = String, Path), ("name" = String, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the definition as it is."),
        ("if-none-match" = Option<String>, Header, description = "`*`: there is none of this name any more.")
    ),
    responses((status = 200, body = Applied))
)]
pub(super) async fn restore(
    State(shared): State<Shared>,
    actor: Actor,
    Path((word, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(Restore { revision, why }): Json<Restore>,
) -> Result<Response, Refused> {
    let kind = kind_of(&word)?;
    let precondition = Precondition::of(&headers)?;
    let (_, Some(body)) = body_at(&shared, kind, &name, revision).await? else {
        let problem = Problem::new("revision_deleted", "it was deleted at that revision");
        return Err(Refused::new(StatusCode::CONFLICT, problem.hint("restore an earlier one")));
    };
    let why = why.or_else(|| Some(format!("back to revision {revision}")));
    let order = ordered(&shared, (kind, &name), body, why, "definition.restore")?;
    let applied = change(&shared, &actor, order, |stored| precondition.holds(one(stored, &word, &name))).await?;
    Ok((tag(applied.revision()), Json(applied)).into_response())
}
