//! Exports: tasks as lines of JSON, written to a blob that can be fetched for a day.
//!
//! An export that is cut, or paused, begins anew when it goes on: it changes nothing, and half of one is of no use.

use super::{Pause, Wish, Worker};
use crate::filter::Names;
use crate::print::time;
use crate::story::{FoundTask, TaskStory};
use bytes::Bytes;
use model::{Millis, Problem, TaskId};
use serde_json::json;
use std::io::{self, Read};
use store::{Activity, Found, Search, Slice, StoreError};
use tokio::sync::{mpsc, watch};

/// Tasks that are read at a time.
const PAGE: u32 = 500;
/// The longest export, in bytes.
const LONGEST: u64 = 4 << 30;

/// What is written, as it comes. One that is cut is an error, so that no half blob stays.
struct Lines {
    coming: mpsc::Receiver<Option<Bytes>>,
    rest: Bytes,
    is_whole: bool,
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.is_whole {
            match self.coming.blocking_recv() {
                Some(Some(bytes)) => self.rest = bytes,
                Some(None) => self.is_whole = true,
                None => return Err(io::Error::other("the export was given up")),
            }
        }
        let length = self.rest.len().min(into.len());
        into[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

impl Worker {
    pub(super) async fn export(
        &self,
        activity: &Activity,
        wish: &Wish,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Pause> {
        let (search, names) = match wish.search(self.store.as_ref(), activity.created_at).await? {
            Ok((wanted, names)) => (wanted.search, names),
            Err(problem) => return self.fail(activity, problem).await,
        };
        let (send, coming) = mpsc::channel(4);
        let blobs = self.store.blob_folder().clone();
        let at = self.clock.now();
        let mut lines = Lines { coming, rest: Bytes::new(), is_whole: false };
        let writing = tokio::task::spawn_blocking(move || blobs.create(at, &mut lines));
        let mut walk = Walk { below: TaskId(wish.below), bytes: 0, is_anew: true };
        while !*stop.borrow() {
            let began = self.clock.now();
            let before = Some(walk.below);
            let found = self.store.search(Search { before, limit: PAGE, ..search.clone() }).await?;
            let text = self.lines(&found, wish, &names).await?;
            walk.bytes += text.len() as u64;
            if walk.bytes > LONGEST {
                let reason = format!("it would be longer than {LONGEST} bytes");
                let hint = "name a span of time, or leave the data out";
                return self.fail(activity, Problem::new("export_too_long", reason).hint(hint)).await;
            }
            // The writer ends early only with an error of its own, which is said below.
            let _ = send.send(Some(text.into())).await;
            let seen = found.tasks.len() as u64;
            let Some(next) = found.next else {
                let _ = send.send(None).await;
                let (id, _) = writing.await.map_err(|_| StoreError::Closed)??;
                let end = Some(self.end(activity, None, Some(id.to_string())));
                return self.note(&walk, Slice { seen, end, ..self.slice(activity, TaskId(0), began) }).await;
            };
            self.note(&walk, Slice { seen, ..self.slice(activity, next, began) }).await?;
            walk = Walk { below: next, is_anew: false, ..walk };
        }
        Ok(())
    }

    async fn note(&self, walk: &Walk, slice: Slice) -> Result<(), Pause> {
        let is_ours = self.advance(Slice { is_anew: walk.is_anew, ..slice }).await?;
        if is_ours { Ok(()) } else { Err(Pause::Over) }
    }

    async fn lines(&self, found: &Found, wish: &Wish, names: &Names) -> Result<Vec<u8>, Pause> {
        let mut text = Vec::new();
        for task in &found.tasks {
            let value = match wish.payloads {
                false => json!(FoundTask::of(task, names.lanes())),
                true => match self.store.task(task.row.id).await? {
                    Some(story) => json!(TaskStory::of(&story, names.lanes())),
                    // It was deleted meanwhile.
                    None => continue,
                },
            };
            text.extend_from_slice(value.to_string().as_bytes());
            text.push(b'\n');
        }
        Ok(text)
    }
}

/// How far it has come.
struct Walk {
    below: TaskId,
    bytes: u64,
    is_anew: bool,
}

/// What an export is called where it is saved.
pub(crate) fn file_name(id: i64, at: Millis) -> String {
    let day: String = time(at).chars().take(10).collect();
    format!("tasks-{day}-{id}.ndjson")
}
