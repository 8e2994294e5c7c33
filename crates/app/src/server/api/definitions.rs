//! Definitions as stored: references to secrets and variables unresolved, keys written in the open not shown.

use super::super::Shared;
use super::actor::Actor;
use super::bundle::{refuse_long, rooted};
use super::extract::{Json, Path, Query};
use super::noted::{Noted, noted};
use super::plans::{Applied, Change, Name, Order, change, checked, wrong};
use super::preconditions::{Precondition, tag};
use super::problem::Refused;
use super::schema;
use super::tasks::wrong as wrong_query;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::definitions::{Draft, Kind, masked, used_by, uses};
use model::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use store::StoredDefinition;
use utoipa::{IntoParams, ToSchema};

/// The most definitions of a page, and as many as one has where nobody says how many.
const LARGEST_PAGE: u32 = 1_000;

/// What may be asked of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only of this kind.
    kind: Option<String>,
    /// Text in name, type, operation or what else a row says.
    search: Option<String>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What is defined.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Defined {
    /// The present revision of all of them.
    revision: i64,
    items: Vec<Row>,
    /// What to give as `cursor` for the next page; `null` at the end.
    next: Option<String>,
}

/// A definition in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DefinitionRow)]
pub(super) struct Row {
    kind: String,
    name: String,
    /// The revision that last changed it.
    revision: i64,
    /// How many definitions name it.
    used_by: usize,
    /// Type of the subscriber or publisher, or prototype of the HTTP client.
    #[serde(rename = "type")]
    of: Option<String>,
    /// Method and title of the operation.
    operation: Option<String>,
    http_client: Option<String>,
    incoming: Option<String>,
    outgoing: Option<String>,
    /// The incoming that a schedule runs.
    run: Option<String>,
    /// When a schedule runs it.
    cron: Option<String>,
    /// Whether a schedule is kept from running; `null` for what cannot be paused.
    paused: Option<bool>,
}

/// Definitions by kind and name, in rows.
#[utoipa::path(get, path = "/definitions", tag = "definitions", params(Asked), responses((status = 200, body = Defined)))]
pub(super) async fn list(State(shared): State<Shared>, Query(asked): Query<Asked>) -> Result<Json<Defined>, Refused> {
    let limit = asked.limit.unwrap_or(LARGEST_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(wrong_query(format!("limit is 1 to {LARGEST_PAGE}")));
    }
    let kind =
        asked.kind.as_deref().map(|word| known(word).map_err(|problem| wrong_query(problem.reason))).transpose()?;
    let after = asked.cursor.as_deref().map(place_after).transpose()?;
    let (revision, stored) = shared.store.definitions().await?;
    let paused = paused(&shared).await?;
    let users = used_by(&stored, &shared.parts.registry);
    let search = asked.search.unwrap_or_default().to_lowercase();
    let mut rows: Vec<(Kind, Row)> = stored
        .into_iter()
        .filter_map(|one| Some((Kind::from_word(&one.kind)?, one)))
        .filter(|(of, _)| kind.is_none_or(|kind| kind == *of))
        .map(|(of, one)| (of, row(one, &users, &paused)))
        .filter(|(_, row)| row.says(&search))
        .collect();
    rows.sort_by(|(kind, row), (other, beside)| (kind, &row.name).cmp(&(other, &beside.name)));
    if let Some((kind, name)) = after {
        rows.retain(|(of, row)| (*of, row.name.as_str()) > (kind, name.as_str()));
    }
    let next = (rows.len() > limit as usize).then(|| rows.get(limit as usize - 1)).flatten();
    let next = next.map(|(_, row)| format!("{}/{}", row.kind, row.name));
    rows.truncate(limit as usize);
    Ok(Json(Defined { revision, items: rows.into_iter().map(|(_, row)| row).collect(), next }))
}

fn place_after(cursor: &str) -> Result<(Kind, String), Refused> {
    let place = cursor.split_once('/').and_then(|(kind, name)| Some((Kind::from_word(kind)?, name.to_owned())));
    place.ok_or_else(|| wrong_query("this is no cursor of this list"))
}

/// Which schedules are kept from running.
async fn paused(shared: &Shared) -> Result<BTreeMap<String, bool>, Refused> {
    let flows = shared.status.borrow().flows.clone();
    let Some(flows) = flows else { return Ok(BTreeMap::new()) };
    let lines = flows.schedules.iter().map(|one| (one.name.clone(), one.line())).collect();
    let known = shared.store.schedules(lines, shared.clock.now()).await?;
    let names = flows.schedules.iter().map(|one| one.name.clone());
    Ok(names.zip(known.iter().map(|known| known.paused.is_some())).collect())
}

fn row(
    one: StoredDefinition,
    users: &BTreeMap<engine::definitions::Name, std::collections::BTreeSet<engine::definitions::Name>>,
    paused: &BTreeMap<String, bool>,
) -> Row {
    let body: Value = serde_json::from_str(&one.body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let part = |member: &str| text(&format!("/subscriber/{member}")).or_else(|| text(&format!("/publisher/{member}")));
    let operation = part("entity").map(|entity| match part("method") {
        Some(method) => format!("{method} {entity}"),
        None => entity,
    });
    let name = engine::definitions::Name { kind: one.kind, name: one.name };
    Row {
        revision: one.revision,
        used_by: users.get(&name).map_or(0, std::collections::BTreeSet::len),
        of: part("type").or_else(|| text("/prototype")),
        operation,
        http_client: part("http_client"),
        incoming: text("/incoming"),
        outgoing: text("/outgoing"),
        run: text("/run"),
        cron: text("/cron"),
        paused: (name.kind == Kind::Schedules.as_str()).then(|| paused.get(&name.name).copied()).flatten(),
        kind: name.kind,
        name: name.name,
    }
}

impl Row {
    fn says(&self, search: &str) -> bool {
        let said = [&self.of, &self.operation, &self.http_client, &self.incoming, &self.outgoing, &self.run];
        let words = said.into_iter().flatten().chain([&self.kind, &self.name]);
        search.is_empty() || words.into_iter().any(|word| word.to_lowercase().contains(search))
    }
}

/// A definition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Definition {
    kind: String,
    name: String,
    /// The revision that last changed it: what `If-Match` asks for, in quotes.
    revision: i64,
    /// As it was written. A key written in the open is shown as `***`, which stands for it in a change too.
    #[schema(schema_with = schema::any)]
    definition: Value,
    /// What it names.
    uses: Vec<Name>,
    /// What names it.
    used_by: Vec<Name>,
    /// What is wrong with it now.
    problems: Vec<Noted>,
}

/// One definition. Its revision is the `ETag`.
#[utoipa::path(
    get, path = "/definitions/{kind}/{name}", tag = "definitions",
    params(("kind" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Definition, headers(("etag" = String))))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    actor: Actor,
    Path((word, name)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let kind = kind_of(&word)?;
    let stored = shared.store.definitions().await?.1;
    let found = stored.iter().find(|one| one.kind == word && one.name == name);
    let Some(StoredDefinition { body, revision, .. }) = found.cloned() else { return Err(unknown()) };
    let definition: Value = serde_json::from_str(&body).unwrap_or_default();
    let registry = &shared.parts.registry;
    let own = engine::definitions::Name { kind: word.clone(), name: name.clone() };
    let names =
        |names: std::collections::BTreeSet<engine::definitions::Name>| names.into_iter().map(Name::from).collect();
    let shown = Definition {
        uses: names(uses(kind, &definition, registry)),
        used_by: names(used_by(&stored, registry).remove(&own).unwrap_or_default()),
        definition: masked(kind, &definition),
        problems: checked(&shared, &actor, stored)
            .await?
            .into_iter()
            .filter(|problem| problem.is_of(&word, &name))
            .collect(),
        kind: word,
        name,
        revision,
    };
    Ok((tag(revision), Json(shown)).into_response())
}

/// A definition as it is wished.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Put {
    #[schema(schema_with = schema::any)]
    definition: Value,
    /// Why, for those who look at the revision later.
    #[schema(max_length = 1000)]
    why: Option<String>,
}

/// Makes or changes a definition. Everything that is defined is checked together with it.
#[utoipa::path(
    put, path = "/definitions/{kind}/{name}", tag = "definitions", request_body = Put,
    params(
        ("kind" = String, Path), ("name" = String, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the definition that is changed."),
        ("if-none-match" = Option<String>, Header, description = "`*`: there is none of this name yet.")
    ),
    responses((status = 200, description = "Changed", body = Applied), (status = 201, description = "Made", body = Applied))
)]
pub(super) async fn put(
    State(shared): State<Shared>,
    actor: Actor,
    Path((word, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(wish): Json<Put>,
) -> Result<Response, Refused> {
    let kind = kind_of(&word)?;
    let precondition = Precondition::of(&headers)?;
    let order = ordered(&shared, (kind, &name), wish.definition, wish.why, "definition.write")?;
    let applied = change(&shared, &actor, order, |stored| precondition.holds(one(stored, &word, &name))).await?;
    let status = if precondition == Precondition::Absent { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, tag(applied.revision()), Json(applied)).into_response())
}

/// The order to make this of a definition.
pub(super) fn ordered(
    shared: &Shared,
    (kind, name): (Kind, &str),
    definition: Value,
    why: Option<String>,
    what: &'static str,
) -> Result<Order, Refused> {
    refuse_long(why.as_deref())?;
    let draft = Draft::one(kind, name, definition).map_err(|problem| wrong(noted(vec![problem], &[])))?;
    let change = Change::Draft { draft: rooted(draft, shared), prune: false };
    Ok(Order { change, cancel_open: false, why, what, subject: format!("{kind}.{name}"), expected: None })
}

/// How a definition is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Deletion {
    /// Cancels its open tasks.
    #[serde(default)]
    #[param(required = false)]
    cancel_open: bool,
    /// Why, for those who look at the revision later.
    #[param(max_length = 1000)]
    why: Option<String>,
}

/// Deletes a definition that none other names.
#[utoipa::path(
    delete, path = "/definitions/{kind}/{name}", tag = "definitions",
    params(
        ("kind" = String, Path), ("name" = String, Path), Deletion,
        ("if-match" = Option<String>, Header, description = "The ETag of the definition.")
    ),
    responses((status = 200, body = Applied))
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    actor: Actor,
    Path((word, name)): Path<(String, String)>,
    Query(Deletion { cancel_open, why }): Query<Deletion>,
    headers: HeaderMap,
) -> Result<Json<Applied>, Refused> {
    let kind = kind_of(&word)?;
    let precondition = Precondition::of(&headers)?;
    refuse_long(why.as_deref())?;
    let order = Order {
        change: Change::Deletion(kind, name.clone()),
        cancel_open,
        why,
        what: "definition.delete",
        subject: format!("{kind}.{name}"),
        expected: None,
    };
    let holds = |stored: &[StoredDefinition]| {
        let present = one(stored, &word, &name).ok_or_else(unknown)?;
        precondition.holds(Some(present))?;
        let own = engine::definitions::Name { kind: word.clone(), name: name.clone() };
        let users = used_by(stored, &shared.parts.registry).remove(&own).unwrap_or_default();
        if users.is_empty() {
            return Ok(());
        }
        let reason = format!("{} definitions name it", users.len());
        let problem = Problem::new("definition_used", reason).hint("change those first, or delete them together");
        Err(Refused::new(StatusCode::CONFLICT, problem).with_users(users.into_iter().map(Name::from).collect()))
    };
    Ok(Json(change(&shared, &actor, order, holds).await?))
}

/// A definition among those that are stored.
pub(super) fn one<'a>(stored: &'a [StoredDefinition], kind: &str, name: &str) -> Option<&'a StoredDefinition> {
    stored.iter().find(|one| one.kind == kind && one.name == name)
}

/// The kind of a path.
pub(super) fn kind_of(word: &str) -> Result<Kind, Refused> {
    known(word).map_err(|problem| Refused::new(StatusCode::NOT_FOUND, problem))
}

fn known(word: &str) -> Result<Kind, Problem> {
    Kind::from_word(word).ok_or_else(|| {
        let known = Kind::ALL.map(Kind::as_str).join(", ");
        Problem::new("unknown_kind", "there is no such kind of definition").hint(format!("known are: {known}"))
    })
}

pub(super) fn unknown() -> Refused {
    Refused::not_found("definition_unknown", "there is no definition of this kind and name")
}
