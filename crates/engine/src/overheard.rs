//! What is heard of one task's answer while it comes in, for those who listen to that task.
//!
//! An answer that is streamed is read here a second time, beside the exchange, and only while somebody listens: what is
//! kept is what the exchange reads.

use model::{Operation, TaskId};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Pieces that a slow listener may be behind; then it misses some, and is told.
const BEHIND: usize = 256;
/// The longest event that is put together, in bytes.
const LONGEST: usize = 256 << 10;

/// Who listens to which task.
#[derive(Debug, Default)]
pub struct Overheard {
    listeners: AtomicUsize,
    tasks: Mutex<HashMap<TaskId, broadcast::Sender<Arc<str>>>>,
}

/// Listens to one task until it is dropped.
#[derive(Debug)]
pub struct Listening {
    overheard: Arc<Overheard>,
    task: TaskId,
    /// Texts as they come.
    pub texts: broadcast::Receiver<Arc<str>>,
}

impl Overheard {
    /// Listens to a task.
    #[must_use]
    pub fn listen(self: &Arc<Self>, task: TaskId) -> Listening {
        let texts = self.tasks().entry(task).or_insert_with(|| broadcast::Sender::new(BEHIND)).subscribe();
        self.listeners.fetch_add(1, Ordering::Release);
        Listening { overheard: self.clone(), task, texts }
    }

    fn speaker(&self, task: TaskId) -> Option<broadcast::Sender<Arc<str>>> {
        if self.listeners.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.tasks().get(&task).cloned()
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, broadcast::Sender<Arc<str>>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.overheard.listeners.fetch_sub(1, Ordering::Release);
        let mut tasks = self.overheard.tasks();
        // This receiver still counts.
        if tasks.get(&self.task).is_some_and(|texts| texts.receiver_count() <= 1) {
            tasks.remove(&self.task);
        }
    }
}

/// Reads one answer aloud.
pub(crate) struct Reader<'a> {
    overheard: &'a Overheard,
    task: TaskId,
    operation: &'a dyn Operation,
    /// What came of the event under way.
    held: Vec<u8>,
    /// The beginning of an event was not heard, or it is too long: goes on with the next one.
    is_lost: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(overheard: &'a Overheard, task: TaskId, operation: &'a dyn Operation) -> Self {
        Self { overheard, task, operation, held: Vec::new(), is_lost: false }
    }

    /// Hears the next piece of the body.
    pub(crate) fn hear(&mut self, piece: &[u8]) {
        let Some(speaker) = self.overheard.speaker(self.task) else {
            self.held.clear();
            self.is_lost = true;
            return;
        };
        // Lines may end in CRLF; an event ends with an empty line. Nothing here decides anything, so a stream with bare
        // carriage returns is simply not heard.
        self.held.extend(piece.iter().filter(|byte| **byte != b'\r'));
        while let Some(end) = self.held.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.held.drain(..end + 2).collect();
            if !std::mem::take(&mut self.is_lost)
                && let Some(text) = self.text(&event)
            {
                let _ = speaker.send(text.into());
            }
        }
        if self.held.len() > LONGEST {
            self.held.clear();
            self.is_lost = true;
        }
    }

    fn text(&self, event: &[u8]) -> Option<String> {
        let event = std::str::from_utf8(event).ok()?;
        let data: Vec<&str> =
            event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
        let data: Value = serde_json::from_str(&data.join("\n")).ok()?;
        self.operation.heard(&data).filter(|text| !text.is_empty())
    }
}
