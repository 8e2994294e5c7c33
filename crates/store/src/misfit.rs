//! Why a decision cannot be carried out, in the same words for every database.

use crate::Decision;
use model::{Problem, TaskId, TaskState};

/// There is no such task.
pub(crate) fn unknown_task(id: TaskId) -> Problem {
    Problem::new("task_not_found", "there is no such task")
        .at(format!("task {id}"))
        .hint("list the tasks to see their numbers")
}

/// The decision does not fit the state.
pub(crate) fn misfit(id: TaskId, state: TaskState, decision: Decision) -> Problem {
    let reason = match decision {
        Decision::Retry => format!("it is `{state}` and still open, so there is nothing to run again"),
        Decision::ResolveFinished | Decision::ResolveFailed | Decision::ResolveResend => {
            format!("it is `{state}`, and only `unknown` tasks can be resolved")
        }
        Decision::Cancel => format!("it is `{state}`, and only tasks that wait for their turn can be cancelled"),
        Decision::Skip => {
            format!("it is `{state}`, and only tasks that wait for their turn or went wrong can be skipped")
        }
    };
    let hint = match state {
        TaskState::Processing => "wait until it is no longer being processed",
        TaskState::Unknown => "resolve it, retry it or skip it",
        TaskState::New | TaskState::Retry | TaskState::Waiting => "cancel it if it must not run",
        TaskState::Finished | TaskState::Skipped | TaskState::Failed | TaskState::Rejected => {
            "retry it if it must run again"
        }
    };
    Problem::new("decision_misfit", reason).at(format!("task {id}")).hint(hint)
}

/// The task was seen in another state than it is in now.
pub(crate) fn changed_meanwhile(id: TaskId) -> Problem {
    Problem::new("task_changed", "it changed after it was chosen, and was left alone")
        .at(format!("task {id}"))
        .hint("look at it, and decide again")
}
