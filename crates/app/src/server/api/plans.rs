//! Plans: what a change of the definitions would change, and the change itself.

use super::super::Shared;
use super::actor::Actor;
use super::bundle::{Bundle, refuse_long};
use super::extract::{Json, Query};
use super::noted::{Noted, noted};
use super::problem::Refused;
use super::schema;
use super::tasks::wrong as query_wrong;
use crate::changes::{cancel, carry_out, open_tasks, tasks_open};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::definitions::variables::{WithDeclared, missing};
use engine::definitions::{Allowed, Draft, Kind, Plan, Reach, export, needed, plan, plan_deletion, portable, reached};
use model::Problem;
use model::definition::Definitions;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use store::{Declared, DefinitionChange, StoreError, StoredDefinition};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

/// Plans that are made at the same time: each may hold megabytes.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
/// A key belongs to its host: that it goes to another is for admins to say.
const KEY_LEAVES_HOST: &str = "key_leaves_host";
/// How often a change is planned anew because another one came first.
const TRIES: usize = 5;

/// A definition, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = DefinitionName)]
pub(super) struct Name {
    pub(super) kind: String,
    pub(super) name: String,
}

impl From<engine::definitions::Name> for Name {
    fn from(name: engine::definitions::Name) -> Self {
        Self { kind: name.kind, name: name.name }
    }
}

/// What a change of definitions would change. Each list is in the order of kinds and names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub(super) struct PlanShown {
    created: Vec<Name>,
    changed: Vec<ChangedShown>,
    deleted: Vec<Name>,
    unchanged: Vec<Name>,
    /// Stored, not in the bundle, and left as they are.
    left_alone: Vec<Name>,
    /// What is worth saying and stops nothing.
    warnings: Vec<Noted>,
}

/// A definition that would change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Changed)]
struct ChangedShown {
    kind: String,
    name: String,
    /// In the order written.
    differences: Vec<Difference>,
}

/// One difference. Keys written in the open are shown as `***`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Difference {
    /// `added`, `removed`, `changed` or `reordered`.
    what: &'static str,
    /// Where, within the definition: `retry.attempts`.
    place: String,
    /// What it is.
    #[schema(schema_with = schema::any)]
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Value>,
    /// What it will be.
    #[schema(schema_with = schema::any)]
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Value>,
}

impl Applied {
    pub(super) fn revision(&self) -> i64 {
        self.revision
    }
}

impl From<engine::definitions::Difference> for Difference {
    fn from(difference: engine::definitions::Difference) -> Self {
        use engine::definitions::Difference as Of;
        let (what, place, from, to) = match difference {
            Of::Added { place, to } => ("added", place, None, Some(to)),
            Of::Removed { place, from } => ("removed", place, Some(from), None),
            Of::Changed { place, from, to } => ("changed", place, Some(from), Some(to)),
            Of::Reordered { place } => ("reordered", place, None, None),
        };
        Self { what, place, from, to }
    }
}

/// What a bundle would change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Planned {
    /// The revision that it was compared with: `expected_revision` of an apply.
    revision: i64,
    plan: PlanShown,
    /// Why applying it would be refused, although it holds together.
    problems: Vec<Noted>,
}

/// What was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applied {
    /// The revision that the definitions have now.
    revision: i64,
    plan: PlanShown,
}

/// What is wrong with a bundle.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checked {
    /// Whether it could be applied.
    is_good: bool,
    problems: Vec<Noted>,
}

/// A change that is wished for.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// These definitions; with `prune` nothing but these.
    Draft { draft: Draft, prune: bool },
    /// One definition less.
    Deletion(Kind, String),
}

/// How a change is carried out.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) change: Change,
    pub(super) cancel_open: bool,
    pub(super) why: Option<String>,
    /// For the record: what is done, and to what.
    pub(super) what: &'static str,
    pub(super) subject: String,
    /// The revision of all definitions that it was planned for; `None`: whichever there is.
    pub(super) expected: Option<i64>,
}

/// A plan, and what else is wrong with what it does.
struct Found {
    plan: Plan,
    warnings: Vec<Noted>,
    refused: Vec<Noted>,
}

/// Says what a bundle would change.
#[utoipa::path(
    post, path = "/plan", tag = "plans", request_body = Bundle, responses((status = 200, body = Planned))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    actor: Actor,
    Json(bundle): Json<Bundle>,
) -> Result<Json<Planned>, Refused> {
    let change = bundle.change(&shared)?;
    let (revision, stored) = shared.store.definitions().await?;
    let found = found(&shared, &actor, change, stored).await?.map_err(wrong)?;
    Ok(Json(Planned { revision, plan: shown(found.plan, found.warnings), problems: found.refused }))
}

/// Changes what a bundle says, all of it or nothing.
#[utoipa::path(
    post, path = "/apply", tag = "plans", request_body = Bundle, responses((status = 200, body = Applied))
)]
pub(super) async fn apply(
    State(shared): State<Shared>,
    actor: Actor,
    Json(bundle): Json<Bundle>,
) -> Result<Json<Applied>, Refused> {
    let order = Order {
        change: bundle.change(&shared)?,
        cancel_open: bundle.cancel_open,
        why: bundle.why,
        what: "definitions.apply",
        subject: String::new(),
        expected: bundle.expected_revision,
    };
    Ok(Json(change(&shared, &actor, order, |_| Ok(())).await?))
}

/// Says what is wrong with a bundle, together with what is stored. Nothing is changed.
#[utoipa::path(
    post, path = "/definitions/check", tag = "plans", request_body = Bundle,
    responses((status = 200, body = Checked))
)]
pub(super) async fn check(
    State(shared): State<Shared>,
    actor: Actor,
    Json(bundle): Json<Bundle>,
) -> Result<Json<Checked>, Refused> {
    refuse_long(bundle.why.as_deref())?;
    let stored = shared.store.definitions().await?.1;
    let found = match bundle.draft(&shared) {
        Ok(draft) => found(&shared, &actor, Change::Draft { draft, prune: bundle.prune }, stored).await?,
        Err(problems) => Err(problems),
    };
    let (is_good, problems) = match found {
        Ok(Found { warnings, refused, .. }) => (refused.is_empty(), [refused, warnings].concat()),
        Err(problems) => (false, problems),
    };
    Ok(Json(Checked { is_good, problems }))
}

/// What may be asked of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Exported {
    /// Only definitions of this kind, and what they need.
    kind: Option<String>,
    /// With `kind`: only this one, and what it needs.
    name: Option<String>,
}

/// What is defined, as YAML that can be applied elsewhere: keys written in the open as `***`, files relative to the file
/// roots.
#[utoipa::path(
    get, path = "/export", tag = "plans", params(Exported),
    responses((status = 200, body = Value, content_type = "application/yaml"))
)]
pub(super) async fn export_all(
    State(shared): State<Shared>,
    Query(Exported { kind, name }): Query<Exported>,
) -> Result<Response, Refused> {
    let stored = shared.store.definitions().await?.1;
    let registry = &shared.parts.registry;
    let wanted = match (kind, name) {
        (None, None) => stored,
        (None, Some(_)) => return Err(query_wrong("name is of a kind: say which")),
        (Some(kind), name) => {
            if Kind::from_word(&kind).is_none() {
                return Err(query_wrong("there is no such kind of definition"));
            }
            let is_wanted =
                |one: &StoredDefinition| one.kind == kind && name.as_ref().is_none_or(|name| one.name == *name);
            if name.is_some() && !stored.iter().any(is_wanted) {
                return Err(super::definitions::unknown());
            }
            needed(&stored, is_wanted, registry)
        }
    };
    let text =
        export(&portable(&wanted, &shared.file_roots, registry)).map_err(|problems| wrong(noted(problems, &[])))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/yaml"))], text).into_response())
}

/// Carries out a change. `holds` is asked of what is stored, each time that it is planned.
pub(super) async fn change(
    shared: &Shared,
    actor: &Actor,
    order: Order,
    holds: impl Fn(&[StoredDefinition]) -> Result<(), Refused>,
) -> Result<Applied, Refused> {
    for _ in 0..TRIES {
        let (present, stored) = shared.store.definitions().await?;
        holds(&stored)?;
        if order.expected.is_some_and(|expected| expected != present) {
            return Err(changed(present));
        }
        let found = found(shared, actor, order.change.clone(), stored).await?.map_err(wrong)?;
        let Found { plan, warnings, refused } = found;
        if refused.iter().any(|problem| problem.code == KEY_LEAVES_HOST) {
            shared.store.record(vec![actor.did("denied", order.subject, shared.clock.now())]).await?;
            let problem = Problem::new(KEY_LEAVES_HOST, "a key would go to a host to which it did not go before");
            return Err(Refused::new(StatusCode::FORBIDDEN, problem).with_problems(refused));
        }
        if !refused.is_empty() {
            return Err(wrong(refused));
        }
        let open = open_tasks(shared.store.as_ref(), &plan).await?;
        if let Some(problem) = tasks_open(&open).filter(|_| !order.cancel_open) {
            let problem = problem.hint("wait until they have ended, or set cancel_open");
            return Err(Refused::new(StatusCode::CONFLICT, problem));
        }
        let record = actor.did(order.what, order.subject.clone(), shared.clock.now());
        let written = carry_out(shared.store.as_ref(), present, &plan, order.why.clone(), record.clone()).await;
        match written {
            Ok(revision) => {
                shared.standing.definitions_changed();
                cancel(shared.store.as_ref(), &open, &record).await?;
                shared.standing.call();
                return Ok(Applied { revision, plan: shown(plan, warnings) });
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (present, _) = shared.store.definitions().await?;
    Err(changed(present))
}

/// What the definitions would be after a change that could be carried out.
pub(super) async fn fits(
    shared: &Shared,
    actor: &Actor,
    change: Change,
    stored: Vec<StoredDefinition>,
) -> Result<Definitions, Refused> {
    let Found { plan, refused, .. } = found(shared, actor, change, stored).await?.map_err(wrong)?;
    if refused.is_empty() { Ok(plan.definitions) } else { Err(wrong(refused)) }
}

/// What is wrong with what is stored, as it is now.
pub(super) async fn checked(
    shared: &Shared,
    actor: &Actor,
    stored: Vec<StoredDefinition>,
) -> Result<Vec<Noted>, Refused> {
    let nothing = Change::Draft { draft: Draft::default(), prune: false };
    Ok(match found(shared, actor, nothing, stored).await? {
        Ok(Found { warnings, .. }) => warnings,
        Err(problems) => problems,
    })
}

/// Plans off the async threads, few at a time.
async fn found(
    shared: &Shared,
    actor: &Actor,
    change: Change,
    stored: Vec<StoredDefinition>,
) -> Result<Result<Found, Vec<Noted>>, Refused> {
    let declared = shared.store.declared().await?;
    let (shared, may_move_keys) = (shared.clone(), actor.role >= model::Role::Admin);
    let _turn = AT_ONCE.acquire().await;
    let planned = tokio::task::spawn_blocking(move || planned(&shared, change, &stored, &declared, may_move_keys));
    planned.await.map_err(|_| {
        let problem = Problem::new("internal", "something went wrong in the server; its log says what");
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, problem)
    })
}

fn planned(
    shared: &Shared,
    change: Change,
    stored: &[StoredDefinition],
    declared: &[Declared],
    may_move_keys: bool,
) -> Result<Found, Vec<Noted>> {
    let registry = &shared.parts.registry;
    let mut values: Vec<(Kind, String, Value)> = Vec::new();
    let planned = match change {
        Change::Draft { draft, prune } => {
            values.extend(draft.values().map(|(kind, name, value)| (kind, name.to_owned(), value.clone())));
            plan(draft, stored, registry, prune)
        }
        Change::Deletion(kind, name) => plan_deletion(kind, &name, stored, registry),
    };
    let written: BTreeSet<(Kind, String)> = values.iter().map(|(kind, name, _)| (*kind, name.clone())).collect();
    let kept = stored.iter().filter_map(|one| {
        let kind = Kind::from_word(&one.kind).filter(|kind| !written.contains(&(*kind, one.name.clone())))?;
        Some((kind, one.name.clone(), serde_json::from_str(&one.body).ok()?))
    });
    values.extend(kept);
    let mut plan = planned.map_err(|problems| noted(problems, &values))?;
    let variables = WithDeclared { declared, otherwise: shared.parts.variables.as_ref() };
    plan.warnings.extend(missing(&plan.definitions, registry, &variables).into_iter().map(Problem::warning));
    let allowed = Allowed { roots: &shared.file_roots, declared, variables: shared.parts.variables.as_ref() };
    let mut refused = allowed.problems(&plan.changes, stored, registry);
    if !may_move_keys {
        refused.extend(keys_that_leave(stored, &plan.changes));
    }
    let warnings = noted(std::mem::take(&mut plan.warnings), &values);
    Ok(Found { plan, warnings, refused: noted(refused, &values) })
}

/// Keys that would go to other hosts than before.
fn keys_that_leave(stored: &[StoredDefinition], changes: &[DefinitionChange]) -> Vec<Problem> {
    reached(stored, changes).iter().map(Reach::problem).collect()
}

fn shown(plan: Plan, warnings: Vec<Noted>) -> PlanShown {
    let names = |names: Vec<engine::definitions::Name>| names.into_iter().map(Name::from).collect();
    let changed = plan.changed.into_iter().map(|changed| ChangedShown {
        kind: changed.name.kind,
        name: changed.name.name,
        differences: changed.differences.into_iter().map(Difference::from).collect(),
    });
    PlanShown {
        created: names(plan.created),
        changed: changed.collect(),
        deleted: names(plan.deleted),
        unchanged: names(plan.unchanged),
        left_alone: names(plan.left_alone),
        warnings,
    }
}

/// The definitions cannot be as they are wished: all of why.
pub(super) fn wrong(problems: Vec<Noted>) -> Refused {
    let count = problems.iter().filter(|problem| problem.is_error()).count();
    let reason = match count {
        0 | 1 => "the definitions have a problem".to_owned(),
        count => format!("the definitions have {count} problems"),
    };
    let refused = Refused::new(StatusCode::UNPROCESSABLE_ENTITY, Problem::new("definitions_wrong", reason));
    refused.with_problems(problems)
}

fn changed(present: i64) -> Refused {
    let reason = format!("the definitions are at revision {present} now");
    let problem = Problem::new("definitions_changed", reason).hint("look at the plan again, then apply");
    Refused::new(StatusCode::CONFLICT, problem).with_revision(present)
}
