//! STARTs go to the database together: while one commit is under way, the next ones gather.

use super::server::Server;
use super::tasks;
use crate::{Start, StoreError};
use tokio::sync::{mpsc, oneshot};

/// So many in one commit.
const MOST: usize = 500;

/// What gathers.
pub(super) struct Starts {
    queue: mpsc::UnboundedSender<Asked>,
}

/// What one caller wants to have started, and where it waits.
struct Asked {
    starts: Vec<Start>,
    told: oneshot::Sender<Result<Vec<bool>, StoreError>>,
}

impl Starts {
    pub(super) fn new(server: Server) -> Self {
        // Bounded by those who wait: each has one batch under way.
        let (queue, asked) = mpsc::unbounded_channel();
        tokio::spawn(gather(server, asked));
        Self { queue }
    }

    /// Commits START of these, and returns once it is on disk. Dropping the future does not stop it.
    pub(super) async fn start(&self, starts: Vec<Start>) -> Result<Vec<bool>, StoreError> {
        let (told, answer) = oneshot::channel();
        self.queue.send(Asked { starts, told }).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Ends with the store.
async fn gather(server: Server, mut queue: mpsc::UnboundedReceiver<Asked>) {
    while let Some(first) = queue.recv().await {
        let mut count = first.starts.len();
        let mut all = vec![first];
        while count < MOST
            && let Ok(next) = queue.try_recv()
        {
            count += next.starts.len();
            all.push(next);
        }
        commit(&server, all).await;
    }
}

async fn commit(server: &Server, mut all: Vec<Asked>) {
    let write = |starts| server.write(starts, |write, starts: &Vec<Start>| Box::pin(tasks::start(write, starts)));
    if all.len() == 1
        && let Some(asked) = all.pop()
    {
        let _ = asked.told.send(write(asked.starts).await);
        return;
    }
    let starts: Vec<Start> = all.iter().flat_map(|asked| asked.starts.iter().cloned()).collect();
    match write(starts).await {
        Ok(mut held) => {
            for asked in all {
                let rest = held.split_off(asked.starts.len());
                // One who no longer waits finds out at take-over.
                let _ = asked.told.send(Ok(std::mem::replace(&mut held, rest)));
            }
        }
        // One of them may be to blame: each for itself, and each hears its own reason.
        Err(_) => {
            for asked in all {
                let answer = write(asked.starts).await;
                let _ = asked.told.send(answer);
            }
        }
    }
}
