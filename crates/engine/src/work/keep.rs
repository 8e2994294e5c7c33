//! Files that a source brings in: kept as blobs, and what was left out as failed tasks.

use super::conclude::made_from;
use super::dispatch::Shared;
use crate::exchange::Files;
use bytes::Bytes;
use model::driver::{Keep, Kept};
use model::{Millis, Problem, TaskState};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use store::blobs::{BlobId, Blobs};
use store::{Claim, LaneId, NewTask, StoreError};

/// Keeps a source's files beside the store.
pub(super) struct BlobKeeper {
    shared: Arc<Shared>,
}

impl BlobKeeper {
    pub(super) fn of(shared: &Arc<Shared>) -> Arc<dyn Keep> {
        Arc::new(Self { shared: shared.clone() })
    }
}

impl Keep for BlobKeeper {
    fn keep(&self, from: &mut dyn Read) -> Result<Kept, Problem> {
        keep(self.shared.parts.store.blob_folder(), self.shared.now(), from).map_err(|error| error.problem())
    }

    fn discard(&self, kept: &Kept) {
        // Where it cannot be deleted it is a blob that nothing names, and the sweep finds it.
        if let Some(id) = BlobId::parse(&kept.id) {
            let _ = self.shared.parts.store.blob_folder().delete(&id);
        }
    }
}

/// The blobs of a store, for one exchange.
pub(super) struct AnswerFiles {
    blobs: Blobs,
    /// The age of what is kept counts from here.
    at: Millis,
}

impl AnswerFiles {
    pub(super) fn of(shared: &Shared) -> Arc<dyn Files> {
        Arc::new(Self { blobs: shared.parts.store.blob_folder().clone(), at: shared.now() })
    }
}

impl Files for AnswerFiles {
    fn open(&self, id: &str) -> Result<File, Problem> {
        let parsed = BlobId::parse(id);
        let parsed = parsed.ok_or_else(|| Problem::new("blob_missing", format!("\"{id}\" is the id of no blob")))?;
        self.blobs.open(&parsed).map_err(|error| error.problem())
    }

    fn keep(&self, from: &mut dyn Read) -> Result<Kept, StoreError> {
        keep(&self.blobs, self.at, from)
    }
}

/// Writes a blob and hashes it on the way.
fn keep(blobs: &Blobs, now: Millis, from: &mut dyn Read) -> Result<Kept, StoreError> {
    let mut from = Hashed { from, hash: Sha256::new() };
    let (id, size) = blobs.create(now, &mut from)?;
    let sha256 = from.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Kept { id: id.as_str().to_owned(), size, sha256 })
}

/// Hashes what passes.
struct Hashed<'a> {
    from: &'a mut dyn Read,
    hash: Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

/// The failed task of something that a page left out. A retry of it pulls again.
pub(super) fn left_out(lane: LaneId, problem: Problem, source: &Claim, now: Millis) -> NewTask {
    NewTask { problem: Some(problem), ..made_from(source, lane, TaskState::Failed, Bytes::from_static(b"{}"), now) }
}

/// Most warnings that an attempt says in full.
const MOST_SAID: usize = 20;

/// One warning that says all of them, as far as they are few: an attempt has one problem.
pub(super) fn in_one(warnings: Vec<Problem>) -> Option<Problem> {
    let others = warnings.len().saturating_sub(1);
    let mut warnings = warnings.into_iter();
    let mut first = warnings.next()?;
    let said: Vec<String> = warnings.take(MOST_SAID).map(|problem| problem.to_string()).collect();
    if !said.is_empty() {
        first.reason = format!("{}; also: {}", first.reason, said.join("; "));
    }
    if others > said.len() {
        first.reason = format!("{}; and {} more", first.reason, others - said.len());
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_warnings_are_counted_and_not_all_said() {
        let warnings =
            |count| (0..count).map(|index| Problem::new("odd", format!("no. {index}")).warning()).collect::<Vec<_>>();
        assert_eq!(in_one(Vec::new()), None);
        assert_eq!(in_one(warnings(1)), warnings(1).pop());
        assert!(in_one(warnings(3)).unwrap().reason.starts_with("no. 0; also: "));
        let many = in_one(warnings(100)).unwrap();
        assert!(!many.is_error() && many.reason.ends_with("; and 79 more"), "{many}");
    }
}
