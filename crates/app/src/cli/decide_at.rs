//! What `tramontane tasks` decides at a server: task by task, or, where they are many, as an activity of the server.

use super::Failure;
use super::decide::{How, payload_of_one};
use super::run::TICK;
use super::server::{Server, not_through_server};
use crate::exit::Exit;
use model::{Problem, TaskId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Decision, Phase};

/// Up to so many, each is decided by itself, and what became of each is known.
const ONE_BY_ONE: usize = 100;
/// Tasks of one activity, at most.
const AT_ONCE: usize = 10_000;

/// What an activity came to.
#[derive(Debug, Deserialize)]
struct Activity {
    id: i64,
    phase: Phase,
    refused: u64,
    /// Why, of the first few.
    problems: Vec<Problem>,
    problem: Option<Problem>,
}

/// Decides; returns the tasks that it was done with, and why not with the others.
pub(super) async fn carry_out(
    server: &Server,
    ids: &[TaskId],
    decision: Decision,
    why: Option<String>,
    how: How,
) -> Result<(Vec<TaskId>, Vec<Problem>), Failure> {
    let body = json!({ "decision": decision, "why": why });
    match how {
        How::FromAnswer => {
            Err(not_through_server("run it on the server's machine: an answer is used where it is kept"))
        }
        How::Edited(text) => {
            let (id, payload) = payload_of_one(ids, &text)?;
            let again = json!({ "payload": payload, "why": why });
            one_by_one(server, &[id], "retry", &again).await
        }
        How::Plain if ids.len() <= ONE_BY_ONE => one_by_one(server, ids, "decisions", &body).await,
        How::Plain => {
            let (mut done, mut problems) = (Vec::new(), Vec::new());
            for ids in ids.chunks(AT_ONCE) {
                let (more, wrong) = together(server, ids, &body).await?;
                done.extend(more);
                problems.extend(wrong);
            }
            Ok((done, problems))
        }
    }
}

async fn one_by_one(
    server: &Server,
    ids: &[TaskId],
    verb: &str,
    body: &Value,
) -> Result<(Vec<TaskId>, Vec<Problem>), Failure> {
    let (mut done, mut problems) = (Vec::new(), Vec::new());
    for id in ids {
        match server.send::<Value>("POST", &["tasks", &id.to_string(), verb], Some(body)).await {
            Ok(_) => done.push(*id),
            Err(failure) if is_about_task(&failure) => problems.extend(failure.problems),
            Err(failure) if done.is_empty() => return Err(failure),
            Err(mut failure) => {
                // What was done before stays done, and is said.
                let reason = format!("this came after {} of {} tasks were decided", done.len(), ids.len());
                failure.problems.push(Problem::new("decided_in_part", reason).at(format!("task {id}")));
                return Err(failure);
            }
        }
    }
    Ok((done, problems))
}

/// Whether it is refused because of how the task stands, and not because of who asks.
fn is_about_task(failure: &Failure) -> bool {
    let of_task = ["task_unknown", "decision_misfit", "payload_of_pull"];
    failure.exit == Exit::Refused && failure.problems.iter().all(|problem| of_task.contains(&&*problem.code))
}

async fn together(server: &Server, ids: &[TaskId], body: &Value) -> Result<(Vec<TaskId>, Vec<Problem>), Failure> {
    let mut body = body.clone();
    (body["ids"], body["expected_count"]) = (json!(ids), json!(ids.len()));
    let mut activity: Activity = server.send("POST", &["tasks", "bulk"], Some(&body)).await?;
    while matches!(activity.phase, Phase::Working | Phase::Paused) {
        tokio::time::sleep(TICK).await;
        activity = server.get(&["activities", &activity.id.to_string()], &[]).await?;
    }
    let Activity { id, phase, refused, mut problems, problem } = activity;
    let named: BTreeSet<String> = problems.iter().map(|problem| problem.place.clone()).collect();
    if phase == Phase::Done && refused == named.len() as u64 {
        let is_done = |id: &&TaskId| !named.contains(&format!("task {id}"));
        return Ok((ids.iter().filter(is_done).copied().collect(), problems));
    }
    // It is not known of each task how it went.
    problems.extend(problem);
    let reason = format!("activity {id} is {}, and did not fit {refused} tasks", phase.as_str());
    let hint = format!("tramontane activities show {id}");
    problems.push(Problem::new("decided_in_part", reason).hint(hint));
    Err(Failure { exit: Exit::Failed, problems })
}
