//! What happened, for those who listen: which tasks changed, and small remarks. It costs next to nothing while nobody does.
//!
//! Numbers are gathered, not states: whoever listens asks the store how a task stands, after the commit that is told
//! here, so two facts that pass each other cannot leave an old state behind.

use model::TaskId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// So many tasks are named at once; of more it is only said that there are more.
pub const MOST_NAMED: usize = 200;
/// So many remarks are held at once.
const MOST_REMARKS: usize = 200;

/// What happened since somebody looked last.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Tasks that changed.
    pub tasks: BTreeSet<TaskId>,
    /// Tasks were made.
    pub made: bool,
    /// Tasks changed that are not named.
    pub unnamed: bool,
    /// Definitions changed.
    pub definitions: bool,
    /// The last remark of each kind about each thing.
    pub remarks: BTreeMap<(&'static str, String), Value>,
}

/// Gathers facts for one listener, which hands them on.
#[derive(Debug, Default)]
pub struct Facts {
    is_heard: AtomicBool,
    gathered: Mutex<Gathered>,
    come: Notify,
}

impl Facts {
    /// Begins to gather, or ends it and forgets.
    pub fn listen(&self, listens: bool) {
        self.is_heard.store(listens, Ordering::Release);
        *self.gathered() = Gathered::default();
    }

    /// These tasks changed, and that is on disk.
    pub fn tasks(&self, tasks: impl IntoIterator<Item = TaskId>) {
        self.add(|gathered| {
            for task in tasks {
                if gathered.unnamed {
                    break;
                }
                gathered.tasks.insert(task);
                gathered.unnamed = gathered.tasks.len() > MOST_NAMED;
            }
        });
    }

    /// Tasks were made; they are found by their numbers.
    pub fn made(&self) {
        self.add(|gathered| gathered.made = true);
    }

    /// Tasks changed, and nobody says which.
    pub fn unnamed(&self) {
        self.add(|gathered| gathered.unnamed = true);
    }

    /// Definitions changed.
    pub fn definitions(&self) {
        self.add(|gathered| gathered.definitions = true);
    }

    /// A small fact about something: the event's name, what it is about, and what is to be known. Of several the last counts.
    pub fn remark(&self, event: &'static str, about: &str, known: Value) {
        self.add(|gathered| {
            if gathered.remarks.len() < MOST_REMARKS {
                gathered.remarks.insert((event, about.to_owned()), known);
            }
        });
    }

    /// Returns when there is something.
    pub async fn come(&self) {
        self.come.notified().await;
    }

    /// Takes what was gathered, if anything.
    pub fn take(&self) -> Gathered {
        std::mem::take(&mut *self.gathered())
    }

    fn add(&self, add: impl FnOnce(&mut Gathered)) {
        if !self.is_heard.load(Ordering::Acquire) {
            return;
        }
        add(&mut self.gathered());
        self.come.notify_one();
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_gathered_while_nobody_listens() {
        let facts = Facts::default();
        facts.tasks([TaskId(1)]);
        facts.unnamed();
        facts.listen(true);
        let gathered = facts.take();
        assert!(gathered.tasks.is_empty() && !gathered.unnamed);
    }

    #[test]
    fn many_tasks_are_not_named_and_the_last_remark_counts() {
        let facts = Facts::default();
        facts.listen(true);
        facts.tasks((0..10).map(TaskId));
        facts.remark("activity.progress", "7", json!({ "done": 1 }));
        facts.remark("activity.progress", "7", json!({ "done": 2 }));
        let gathered = facts.take();
        assert_eq!((gathered.tasks.len(), gathered.unnamed), (10, false));
        assert_eq!(gathered.remarks.into_values().collect::<Vec<_>>(), [json!({ "done": 2 })]);
        facts.tasks((0..1_000_000).map(TaskId));
        let gathered = facts.take();
        assert!(gathered.unnamed && gathered.tasks.len() <= MOST_NAMED + 1, "{}", gathered.tasks.len());
    }
}
