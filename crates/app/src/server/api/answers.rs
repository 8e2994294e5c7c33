//! What has become of something that was asked of the engine, as an answer of ours.

use super::super::Shared;
use super::problem::Refused;
use super::schema;
use super::tasks::wrong;
use axum::http::{HeaderMap, StatusCode};
use engine::asked::{AskError, Asked, Outcome, outcome};
use model::definition::Span;
use model::{Evidence, Millis, Problem, RunId, TaskId, TaskKind, TaskState};
use serde::Serialize;
use store::{TaskRow, TaskStory};
use utoipa::ToSchema;

/// The longest that somebody waits.
pub(super) const LONGEST_WAIT: Span = engine::definitions::builtin::LONGEST_PROXY_WAIT;
/// The longest key of a caller, in bytes.
const LONGEST_KEY: usize = 200;

/// Something that goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Going {
    #[schema(value_type = i64)]
    run: RunId,
    /// The task to ask for: `GET /tasks/{id}`.
    #[schema(value_type = i64)]
    task: TaskId,
    #[schema(schema_with = schema::task_state)]
    state: TaskState,
}

impl Going {
    pub(super) fn of(row: &TaskRow) -> Self {
        Self { run: row.run, task: row.id, state: row.state }
    }
}

/// Waits for its end. Where the server stops meanwhile, nobody is left without the number of the task.
pub(super) async fn wait(shared: &Shared, asked: Asked, longest: Millis) -> Result<Outcome, Refused> {
    let mut status = shared.status.clone();
    // Nobody says any more how work goes: it is over.
    let gone = async move { while status.changed().await.is_ok() {} };
    let until = shared.clock.now() + longest;
    let found = outcome(&shared.parts, asked, until, gone).await?;
    if let Outcome::Open(row) = &found
        && shared.status.has_changed().is_err()
    {
        let reason = "the server stops; the task goes on when it is back";
        let problem =
            Problem::new("stopping", reason).hint("ask for the task, or send it again with the same Idempotency-Key");
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, problem).about(row.run, row.id));
    }
    Ok(found)
}

/// The key under which a caller's request is found again: their own, in a room of its own.
pub(super) fn key(headers: &HeaderMap, room: &str, who: &str) -> Result<Option<String>, Refused> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.trim().is_empty() && key.len() <= LONGEST_KEY);
    match (key, given.next()) {
        (Some(key), None) => Ok(Some(format!("{room}/{who}/{key}"))),
        _ => Err(wrong(format!("Idempotency-Key is one text of visible characters, at most {LONGEST_KEY}"))),
    }
}

/// Why it was not taken in.
pub(super) fn not_taken(error: AskError) -> Refused {
    match error {
        AskError::Store(error) => error.into(),
        AskError::KeyReused => {
            let problem = Problem::new("key_reused", "something else was asked under this Idempotency-Key");
            let hint = "use a new key for each thing that is asked, and the same one only to ask it again";
            Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem.hint(hint))
        }
    }
}

/// How an end is told to whoever called a route: `None` where there is an answer to give.
pub(super) fn failure(story: &TaskStory, kind: TaskKind) -> Option<Refused> {
    let own = story.row.problem.clone();
    let (status, problem) = match story.row.state {
        TaskState::Finished if kind == TaskKind::Push => return None,
        // The transformers on the way in dropped it.
        TaskState::Finished => (StatusCode::UNPROCESSABLE_ENTITY, dropped()),
        TaskState::Skipped => match own {
            Some(problem) if problem.code == "dropped" => (StatusCode::UNPROCESSABLE_ENTITY, problem),
            _ => (StatusCode::CONFLICT, Problem::new("task_skipped", "somebody stopped the task")),
        },
        TaskState::Unknown => {
            let reason = "the call may have worked; its answer was lost, and it is not sent again by itself";
            let hint = "look at the far side, then resolve the task";
            (StatusCode::CONFLICT, Problem::new("outcome_unknown", reason).hint(hint))
        }
        _ => {
            let problem = own.unwrap_or_else(|| Problem::new("task_failed", "the task failed"));
            (status_of(story, kind, &problem), problem)
        }
    };
    Some(Refused::new(status, problem).about(story.row.run, story.row.id))
}

fn dropped() -> Problem {
    Problem::new("dropped", "the transformers dropped the payload")
}

/// Whose doing a failure is: the data's (422), the far side's (502), or that of time (504).
fn status_of(story: &TaskStory, kind: TaskKind, problem: &Problem) -> StatusCode {
    if problem.code == "deadline_passed" {
        return StatusCode::GATEWAY_TIMEOUT;
    }
    let last = story.attempts.last();
    let was_sent = last.is_some_and(|attempt| attempt.started_at.is_some());
    let evidence = last.and_then(|attempt| attempt.end.as_ref()).map(|end| end.evidence);
    match (kind, was_sent, evidence) {
        (TaskKind::Pull, ..) | (_, false, Some(Evidence::NotSent) | None) => StatusCode::UNPROCESSABLE_ENTITY,
        (_, _, Some(Evidence::NotSent | Evidence::Unknown)) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_callers_key_is_one_text_in_a_room_of_its_own() {
        let with = |keys: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append("idempotency-key", HeaderValue::from_static(key));
            }
            key(&headers, "proxy/7", "otto").map_err(|_| ())
        };
        assert_eq!(with(&[]), Ok(None));
        assert_eq!(with(&["a"]), Ok(Some("proxy/7/otto/a".to_owned())));
        let long = "x".repeat(LONGEST_KEY + 1).leak();
        for wrong in [&["a", "b"][..], &[""], &["  "], &[long]] {
            assert_eq!(with(wrong), Err(()), "{wrong:?}");
        }
    }
}
