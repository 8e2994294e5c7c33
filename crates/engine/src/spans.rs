//! Attempts with their beginnings and ends, for those who draw the way of a task.

use model::{Evidence, Millis, RunId, TaskId, TaskState};
use std::sync::OnceLock;
use tokio::sync::mpsc;

/// One attempt that made a call.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// Its task.
    pub task: TaskId,
    /// The task's run.
    pub run: RunId,
    /// `route` or `incoming`.
    pub kind: &'static str,
    /// Name of that.
    pub name: String,
    /// The HTTP client.
    pub client: String,
    /// HTTP method and path template.
    pub operation: String,
    /// Number of the attempt.
    pub attempt: u32,
    /// When the task was accepted.
    pub created_at: Millis,
    /// When the call began, and when its answer was in.
    pub times: (Millis, Millis),
    /// What is known of it.
    pub evidence: Evidence,
    /// HTTP status.
    pub status: Option<u16>,
    /// Code of its problem.
    pub code: Option<String>,
    /// The state that the task came to, where it ended.
    pub state: Option<TaskState>,
}

/// Where attempts are told to one who wants to know; next to nothing while there is none.
#[derive(Debug, Default)]
pub struct Spans(OnceLock<mpsc::Sender<Attempted>>);

impl Spans {
    /// Tells attempts from now on, at most so many that nobody has taken yet: others are lost. `None` where they are told
    /// to somebody else already.
    pub fn listen(&self, most: usize) -> Option<mpsc::Receiver<Attempted>> {
        let (sender, receiver) = mpsc::channel(most);
        self.0.set(sender).ok().map(|()| receiver)
    }

    pub(crate) fn tell(&self, attempted: impl FnOnce() -> Attempted) {
        if let Some(sender) = self.0.get() {
            let _ = sender.try_send(attempted());
        }
    }
}
