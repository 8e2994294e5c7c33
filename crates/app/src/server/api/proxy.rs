//! Routes that answer whoever calls them: a request in, the shaped answer of one call out.

use super::super::{Shared, body};
use super::actor::Actor;
use super::answers::{Going, failure, key, not_taken, wait};
use super::extract::{Json, Path};
use super::problem::Refused;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::asked::{Outcome, Question, answer_of, ask};
use engine::flow::{Flows, Proxy, PullFlow, PullSource};
use model::{Millis, Problem, RunId, TaskId, TaskKind, suggest};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::LaneId;

/// Where the number of the task stands beside an answer.
const TASK: HeaderName = HeaderName::from_static("tramontane-task");
const RUN: HeaderName = HeaderName::from_static("tramontane-run");

/// Calls a route and waits for its answer. The body becomes the payload of an incoming of type `proxy`; what the
/// publisher makes of its answer comes back. Where the time is over before that, the task goes on (202).
#[utoipa::path(
    post, path = "/proxy/{route}", tag = "proxy",
    params(("route" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = Value, description = "The payload: any JSON."),
    responses((status = 200, description = "The answer", body = Value), (status = 202, body = Going))
)]
pub(super) async fn call(
    State(shared): State<Shared>,
    actor: Actor,
    Path(route): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let flows = shared.status.borrow().flows.clone().ok_or_else(|| unknown(&route, None))?;
    let (flow, proxy) = find(&flows, &route)?;
    let _turn = shared.turns.take(flow.lane, proxy, shared.clock.now())?;
    let body =
        body::read(proxy.max_bytes, &headers, body).await.map_err(|(status, problem)| Refused::new(status, problem))?;
    let payload: Value = serde_json::from_slice(&body).map_err(|error| {
        Refused::new(StatusCode::BAD_REQUEST, Problem::new("body_no_json", format!("the body is no JSON: {error}")))
    })?;
    let question = Question {
        key: key(&headers, &format!("proxy/{}", flow.lane.0), &actor.name)?,
        trigger: format!("proxy {}", actor.name),
        route: Some(route),
        payload,
    };
    let asked = ask(&shared.parts, flow, question).await.map_err(not_taken)?;
    let story = match wait(&shared, asked, proxy.timeout).await? {
        Outcome::Ended(story) => story,
        Outcome::Open(row) => {
            return Ok((StatusCode::ACCEPTED, marks(row.run, row.id), Json(Going::of(&row))).into_response());
        }
    };
    let kind = if story.row.lane == flow.lane { TaskKind::Pull } else { TaskKind::Push };
    if let Some(refused) = failure(&story, kind) {
        return Err(refused);
    }
    // With the definitions of now: they may have changed while it waited.
    let flows = shared.status.borrow().flows.clone().unwrap_or(flows);
    let (answer, problem) = answer_of(&shared.parts, &flows, &story).await?;
    if let Some(problem) = problem {
        return Err(Refused::new(StatusCode::BAD_GATEWAY, problem).about(story.row.run, story.row.id));
    }
    Ok((marks(story.row.run, story.row.id), Json(answer)).into_response())
}

fn marks(run: RunId, task: TaskId) -> [(HeaderName, HeaderValue); 2] {
    [(RUN, HeaderValue::from(run.0)), (TASK, HeaderValue::from(task.0))]
}

/// The incoming of type `proxy` that a route is on.
fn find<'a>(flows: &'a Flows, route: &str) -> Result<(&'a Arc<PullFlow>, &'a Proxy), Refused> {
    let proxies = || {
        flows.pulls.values().filter_map(|flow| match &flow.source {
            PullSource::Proxy(proxy) => Some((flow, proxy)),
            _ => None,
        })
    };
    let found = proxies().find(|(flow, _)| flow.feeds.iter().any(|feed| feed.route == route));
    found.ok_or_else(|| {
        let mut names: Vec<&str> =
            proxies().flat_map(|(flow, _)| flow.feeds.iter().map(|feed| feed.route.as_str())).collect();
        names.sort_unstable();
        unknown(route, suggest::hint(route, names))
    })
}

fn unknown(route: &str, hint: Option<String>) -> Refused {
    let reason = format!("there is no route \"{}\" that can be called", route.escape_debug());
    let problem = Problem::new("proxy_unknown", reason);
    let hint =
        hint.unwrap_or_else(|| "a route can be called where its incoming has a subscriber of type proxy".to_owned());
    Refused::new(StatusCode::NOT_FOUND, problem.hint(hint))
}

/// How many callers each proxy has, and how fast they come. Of this engine alone: others count their own.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<LaneId, Taken>>);

#[derive(Debug, Default)]
struct Taken {
    waiting: u32,
    /// When the next would come if all came at their even distance.
    next_at: f64,
}

/// A caller's turn. Dropped, it makes room for another.
struct Turn<'a> {
    turns: &'a Turns,
    lane: LaneId,
}

impl Turns {
    /// Takes a turn, or says when there may be one.
    #[allow(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    fn take(&self, lane: LaneId, proxy: &Proxy, now: Millis) -> Result<Turn<'_>, Refused> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = turns.entry(lane).or_default();
        if taken.waiting >= proxy.parallel {
            let reason = format!("{} callers wait for an answer already", taken.waiting);
            return Err(too_many(reason, 1.0));
        }
        let (now, next_at) = (now as f64, taken.next_at.max(now as f64));
        // As many as come in a second may come at once.
        let ahead = next_at - now;
        if proxy.interval > 0.0 && ahead > (1_000.0 - proxy.interval).max(0.0) {
            let wait = (ahead - (1_000.0 - proxy.interval).max(0.0)) / 1_000.0;
            return Err(too_many("more calls came than are taken in".to_owned(), wait));
        }
        taken.next_at = next_at + proxy.interval;
        taken.waiting += 1;
        Ok(Turn { turns: self, lane })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = turns.get_mut(&self.lane) {
            taken.waiting = taken.waiting.saturating_sub(1);
        }
    }
}

fn too_many(reason: String, seconds: f64) -> Refused {
    let problem = Problem::new("too_many_calls", reason);
    let after = std::time::Duration::try_from_secs_f64(seconds.ceil().max(1.0)).unwrap_or_default();
    Refused::new(StatusCode::TOO_MANY_REQUESTS, problem).after(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(parallel: u32, rate: Option<f64>) -> Proxy {
        let interval = rate.map_or(0.0, |rate| 1_000.0 / rate);
        Proxy { timeout: 1_000, parallel, interval, max_bytes: 1 }
    }

    #[test]
    fn callers_wait_for_room() {
        let (turns, lane, two) = (Turns::default(), LaneId(1), proxy(2, None));
        let first = turns.take(lane, &two, 0).ok();
        let second = turns.take(lane, &two, 0).ok();
        assert!(first.is_some() && second.is_some() && turns.take(lane, &two, 0).is_err());
        assert!(turns.take(LaneId(2), &two, 0).is_ok(), "another proxy has room of its own");
        drop(first);
        assert!(turns.take(lane, &two, 0).is_ok());
    }

    #[test]
    fn a_second_holds_as_many_as_are_said_at_whatever_time_they_come() {
        for (rate, expected) in [(10.0, [10, 5, 10]), (1.0, [1, 0, 1]), (0.5, [1, 0, 0])] {
            let (turns, limited) = (Turns::default(), proxy(1_000, Some(rate)));
            let came =
                [0, 500, 1_500].map(|now| (0..50).filter(|_| turns.take(LaneId(1), &limited, now).is_ok()).count());
            assert_eq!(came, expected, "{rate} a second");
        }
    }
}
