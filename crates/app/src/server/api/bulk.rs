//! Decisions about many tasks at once, and exports: each becomes an activity.

use super::super::Shared;
use super::activities::Activity;
use super::actor::Actor;
use super::extract::{Json, Path};
use super::problem::Refused;
use super::schema::{self, instant};
use super::tasks::{check_why, wrong};
use crate::activities::{DECIDE, EXPORT, Wish};
use crate::filter::Wanted;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Money, Problem, RunId, TaskId};
use serde::{Deserialize, Serialize};
use store::{Count, Decision, NewActivity, Search};
use utoipa::ToSchema;

/// Numbers in one call at most.
const MOST_IDS: usize = 10_000;
/// Above so many tasks, whoever decides must say how many they think it is about.
const UNCONFIRMED: u64 = 100;
/// Tasks whose costs are looked up at most.
const PRICED: usize = 10_000;
/// Pages that are walked for that at most.
const PAGES: usize = 200;

/// A decision about many tasks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    /// About those that this filter holds for. Without a `status` in it, only those that the decision fits.
    #[schema(max_length = 2000)]
    filter: Option<String>,
    /// Or about those with these numbers.
    #[schema(max_items = 10000)]
    ids: Option<Vec<i64>>,
    /// Accepted from this time on, RFC 3339.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Accepted before this time.
    #[schema(format = DateTime)]
    until: Option<String>,
    #[schema(schema_with = schema::decision)]
    decision: Decision,
    /// Why, in their words.
    #[schema(max_length = 1000)]
    why: Option<String>,
    /// How many tasks it is thought to be about: needed above 100, and nothing is done where it is another number.
    expected_count: Option<u64>,
    /// Only says how many it is about, and what they have cost so far.
    #[serde(default)]
    dry_run: bool,
}

/// What a decision would be about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkForeseen)]
pub(super) struct Foreseen {
    count: u64,
    /// There may be more than `count`.
    count_is_capped: bool,
    /// What their calls are estimated to have cost so far, in whole units; of the newest 10,000.
    #[schema(value_type = f64)]
    spent: Money,
    currency: Option<String>,
}

/// Decides about many tasks. The activity that is answered goes on by itself.
#[utoipa::path(
    post, path = "/tasks/bulk", tag = "tasks", operation_id = "bulk", request_body = Bulk,
    responses((status = 200, body = Foreseen), (status = 202, body = Activity))
)]
pub(super) async fn decide(
    State(shared): State<Shared>,
    actor: Actor,
    Json(bulk): Json<Bulk>,
) -> Result<Response, Refused> {
    check_why(bulk.why.as_ref())?;
    if bulk.filter.is_some() == bulk.ids.is_some() {
        return Err(wrong("a decision is about a filter or about ids"));
    }
    if bulk.ids.as_ref().is_some_and(|ids| ids.is_empty() || ids.len() > MOST_IDS) {
        return Err(wrong(format!("ids are 1 to {MOST_IDS}")));
    }
    let wish = Wish {
        filter: bulk.filter,
        since: instant(bulk.since)?,
        until: instant(bulk.until)?,
        ids: bulk.ids,
        decision: Some(bulk.decision),
        why: bulk.why,
        payloads: false,
        below: 0,
    };
    let (count, search) = counted(&shared, &actor, &wish).await?;
    if bulk.dry_run {
        let spent = spent(&shared, search).await?;
        let currency = shared.store.currency(None).await?;
        let shown = Foreseen { count: count.count, count_is_capped: count.is_capped, spent, currency };
        return Ok(Json(shown).into_response());
    }
    confirm(count, bulk.expected_count)?;
    let what = format!("task.bulk_{}", bulk.decision.as_str());
    Ok(begin(&shared, &actor, (DECIDE, &what), wish, count).await?.into_response())
}

/// The number that was thought of must be the number that there is.
fn confirm(count: Count, expected: Option<u64>) -> Result<(), Refused> {
    let Count { count, is_capped } = count;
    let at_least = if is_capped { "at least " } else { "" };
    let problem = match expected {
        None if count <= UNCONFIRMED && !is_capped => return Ok(()),
        None => Problem::new("count_needed", format!("this is about {at_least}{count} tasks"))
            .hint(format!("say expected_count: {count} where that is meant")),
        Some(expected) if expected == count || is_capped && expected > count => return Ok(()),
        Some(expected) => {
            Problem::new("count_differs", format!("this is about {at_least}{count} tasks, not about {expected}"))
                .hint("look at them again, then decide")
        }
    };
    Err(Refused::new(StatusCode::CONFLICT, problem.at("/expected_count")))
}

/// How many tasks a wish is about.
async fn counted(shared: &Shared, actor: &Actor, wish: &Wish) -> Result<(Count, Search), Refused> {
    let wanted = wish.search(shared.store.as_ref(), shared.clock.now()).await?;
    let (Wanted { search, looks_into_data }, _) =
        wanted.map_err(|problem| Refused::new(StatusCode::BAD_REQUEST, problem))?;
    if looks_into_data {
        actor.may_see(shared, "task.search_payloads", wish.filter.as_deref().unwrap_or_default()).await?;
    }
    let count = match &wish.ids {
        Some(ids) => Count { count: ids.len() as u64, is_capped: false },
        None => shared.store.count(search.clone()).await?,
    };
    Ok((count, search))
}

/// What the tasks of a search have cost.
async fn spent(shared: &Shared, search: Search) -> Result<Money, Refused> {
    let (mut spent, mut priced, mut before) = (Money::default(), 0, None);
    for _ in 0..PAGES {
        let found = shared.store.search(Search { before, limit: 1_000, ..search.clone() }).await?;
        spent =
            found.tasks.iter().filter_map(|task| task.cost).fold(spent, |sum, cost| sum.saturating_add(Money(cost)));
        priced += found.tasks.len();
        before = found.next;
        if before.is_none() || priced >= PRICED {
            break;
        }
    }
    Ok(spent)
}

async fn begin(
    shared: &Shared,
    actor: &Actor,
    (kind, what): (&str, &str),
    mut wish: Wish,
    count: Count,
) -> Result<(StatusCode, Json<Activity>), Refused> {
    let now = shared.clock.now();
    // What comes later is not meant, unless it is named.
    let below = if wish.ids.is_some() { TaskId(i64::MAX) } else { shared.store.next_number().await? };
    wish.below = below.0;
    let wish = schema::json(&wish).to_string();
    let mut audit = actor.did(what, "", now);
    audit.details = Some(wish.clone());
    let new = NewActivity {
        kind: kind.to_owned(),
        who: actor.name.clone(),
        origin: actor.origin.clone(),
        wish,
        below,
        total: (!count.is_capped).then_some(count.count),
        at: now,
    };
    let id = shared.store.add_activity(new, audit).await?;
    shared.standing.call();
    Ok((StatusCode::ACCEPTED, Json(super::activities::one(shared, id).await?)))
}

/// Tasks to be exported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    /// Which tasks.
    #[serde(default)]
    #[schema(max_length = 2000)]
    filter: String,
    /// Accepted from this time on, RFC 3339.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Accepted before this time.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// With data, requests and answers, for those who may see them.
    #[serde(default)]
    payloads: bool,
}

/// Writes tasks as lines of JSON. The activity that is answered goes on by itself; its result can be fetched for a day.
#[utoipa::path(
    post, path = "/tasks/export", tag = "tasks", request_body = Export, responses((status = 202, body = Activity))
)]
pub(super) async fn export(
    State(shared): State<Shared>,
    actor: Actor,
    Json(export): Json<Export>,
) -> Result<(StatusCode, Json<Activity>), Refused> {
    // Problems of a list are told to those alone who may see payloads; so are those of an export.
    actor.may_see(&shared, "task.export", &export.filter).await?;
    let (since, until) = (instant(export.since)?, instant(export.until)?);
    let wish = Wish { filter: Some(export.filter), since, until, payloads: export.payloads, ..Wish::default() };
    let (count, _) = counted(&shared, &actor, &wish).await?;
    begin(&shared, &actor, (EXPORT, "task.bulk_export"), wish, count).await
}

/// Ends what is still open of a run. The activity that is answered goes on by itself.
#[utoipa::path(
    post, path = "/runs/{id}/cancel", tag = "runs", operation_id = "cancel", params(("id" = i64, Path)),
    responses((status = 202, body = Activity))
)]
pub(super) async fn cancel_run(
    State(shared): State<Shared>,
    actor: Actor,
    Path(id): Path<i64>,
) -> Result<(StatusCode, Json<Activity>), Refused> {
    if shared.store.run(RunId(id)).await?.is_none() {
        return Err(super::runs::unknown(id));
    }
    let filter = Some(format!("run:{id}"));
    let wish = Wish { filter, decision: Some(Decision::Cancel), ..Wish::default() };
    let (count, _) = counted(&shared, &actor, &wish).await?;
    begin(&shared, &actor, (DECIDE, "run.cancel"), wish, count).await
}
