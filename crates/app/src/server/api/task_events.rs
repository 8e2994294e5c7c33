//! What happens to one task, for those who follow it.

use super::super::Shared;
use super::super::events::HEARTBEAT;
use super::actor::{Actor, still_counts};
use crate::logs::Record;
use crate::print::time;
use axum::body::Bytes;
use engine::overheard::Listening;
use model::{Millis, TaskId, TaskState};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// Tasks that are followed at once.
const MOST: usize = 64;
/// How often it is asked how the task stands.
const LOOK: Millis = 500;

/// Somebody who follows a task, until it is dropped.
pub(super) struct Following {
    task: TaskId,
    /// What is heard of its answer; `None` for those who may not.
    texts: Option<Listening>,
    /// The number of the last record of the log that was looked at.
    logged: u64,
    logs: watch::Receiver<u64>,
    state: Option<TaskState>,
    stop: watch::Receiver<bool>,
    asked: Millis,
    sent: Millis,
    _place: Place,
}

/// A place among those who follow.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Following {
    /// `None` where too many do.
    pub(super) fn begin(shared: &Shared, task: TaskId, hears: bool) -> Option<Self> {
        let room = |count: usize| (count < MOST).then_some(count + 1);
        shared.hub.following.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        let place = Place(shared.hub.following.clone());
        let logs = shared.logs.newest();
        let (logged, now) = (*logs.borrow(), shared.clock.now());
        Some(Self {
            task,
            texts: hears.then(|| shared.standing.overheard().listen(task)),
            logged,
            logs,
            state: None,
            stop: shared.hub.stop(),
            asked: now,
            sent: now,
            _place: place,
        })
    }

    /// What is to be sent next; `None` at the end.
    pub(super) async fn next(&mut self, shared: &Shared, actor: &Actor) -> Option<Bytes> {
        let mut text = String::new();
        while text.is_empty() {
            self.look(shared, &mut text).await?;
            if !text.is_empty() {
                break;
            }
            let next_look = shared.clock.now() + LOOK;
            tokio::select! {
                heard = heard(&mut self.texts) => match heard {
                    Ok(heard) => write(&mut text, "text", &json!({ "text": &*heard })),
                    Err(RecvError::Lagged(pieces)) => write(&mut text, "text.missed", &json!({ "pieces": pieces })),
                    Err(RecvError::Closed) => self.texts = None,
                },
                changed = self.logs.changed() => changed.ok()?,
                () = shared.clock.sleep_until(next_look) => {}
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
            let now = shared.clock.now();
            if now >= self.asked + HEARTBEAT {
                self.asked = now;
                if !still_counts(shared, actor).await {
                    return None;
                }
            }
            if now >= self.sent + HEARTBEAT {
                text.push_str(":\n\n");
            }
        }
        self.sent = shared.clock.now();
        Some(text.into())
    }

    /// How the task stands now, and what was said of it.
    async fn look(&mut self, shared: &Shared, text: &mut String) -> Option<()> {
        let newest = *self.logs.borrow_and_update();
        if newest != self.logged {
            let task = self.task.0;
            for record in shared.logs.after(self.logged, |record| record.number_in("task") == Some(task)) {
                write(text, "log", &said(&record));
            }
            self.logged = newest;
        }
        // A store that is not available is asked again with the next look.
        if let Ok(found) = shared.store.standings(vec![self.task]).await {
            let Some(one) = found.first() else {
                write(text, "state", &json!({ "id": self.task, "state": "deleted" }));
                return if self.state.take().is_some() { Some(()) } else { None };
            };
            if self.state != Some(one.state) {
                self.state = Some(one.state);
                write(text, "state", &json!({ "id": self.task, "state": one.state }));
            }
        }
        Some(())
    }
}

/// The next piece of the answer; never, for those who may not hear it.
async fn heard(texts: &mut Option<Listening>) -> Result<Arc<str>, RecvError> {
    match texts {
        Some(listening) => listening.texts.recv().await,
        None => std::future::pending().await,
    }
}

/// A record as the log page shows it too.
fn said(record: &Record) -> Value {
    json!({
        "number": record.number,
        "at": time(record.at),
        "level": record.level_name(),
        "message": record.message,
        "fields": record.fields,
    })
}

fn write(text: &mut String, name: &str, data: &Value) {
    let _ = write!(text, "event: {name}\ndata: {data}\n\n");
}
