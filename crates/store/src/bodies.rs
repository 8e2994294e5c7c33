//! Bodies as columns hold them: the text itself, or `@` and the id of a blob, and after it the ids that the text names.

use crate::blobs::{BlobId, Blobs};
use crate::{Body, Claim, EndedTask, Finish, NewRun, NewTask, Start, StoreError, TaskStory};
use bytes::Bytes;
use memchr::memmem;
use model::{Millis, TaskId};
use std::collections::HashMap;

/// Bodies longer than this are blobs.
pub(crate) const INLINE: usize = 256 * 1024;
const MARK: u8 = b'@';

/// Whether a body must not stand in its column: it is long, or could be taken for a reference.
fn is_outside(body: &Bytes) -> bool {
    body.len() > INLINE || body.first() == Some(&MARK)
}

/// How a file stands in a body: `{"$blob": id}`.
const NAMED: &[u8] = b"\"$blob\":\"";
/// Letters of an id.
const ID: usize = 32;

/// The blob that a column names instead of holding the body.
fn blob_named(column: &Bytes) -> Result<Option<BlobId>, StoreError> {
    let Some((&MARK, names)) = column.split_first() else { return Ok(None) };
    let id = names.get(..ID).and_then(id_of);
    id.map(Some).ok_or_else(|| StoreError::BlobMissing(String::from_utf8_lossy(names).into_owned()))
}

/// A body as its column holds it, or the blob that holds it.
pub(crate) fn placed(blobs: &Blobs, column: Bytes) -> Result<Body, StoreError> {
    let Some(id) = blob_named(&column)? else { return Ok(Body::Text(column)) };
    let length = blobs.length(&id)?.ok_or_else(|| StoreError::BlobMissing(id.to_string()))?;
    Ok(Body::Blob(id, length))
}

fn id_of(text: &[u8]) -> Option<BlobId> {
    std::str::from_utf8(text).ok().and_then(BlobId::parse)
}

/// The blobs that a body names as files.
fn files_in(body: &[u8]) -> impl Iterator<Item = BlobId> + '_ {
    memmem::find_iter(body, NAMED).filter_map(|at| id_of(body.get(at + NAMED.len()..at + NAMED.len() + ID)?))
}

/// The blobs that a column names: the one that the body is in, and files.
pub(crate) fn blobs_named(column: &Bytes) -> Result<Vec<BlobId>, StoreError> {
    let Some(own) = blob_named(column)? else { return Ok(files_in(column).collect()) };
    let files = column[1 + ID..].split(|byte| *byte == b' ').filter_map(id_of);
    Ok(std::iter::once(own).chain(files).collect())
}

/// Things with bodies.
pub(crate) trait Bodies {
    /// Every body that may be long.
    fn bodies(&mut self) -> impl Iterator<Item = &mut Bytes>;
    /// When they came to be.
    fn at(&self, now: Millis) -> Millis {
        now
    }
}

impl Bodies for NewTask {
    fn bodies(&mut self) -> impl Iterator<Item = &mut Bytes> {
        std::iter::once(&mut self.payload)
    }
}

impl Bodies for Bytes {
    fn bodies(&mut self) -> impl Iterator<Item = &mut Bytes> {
        std::iter::once(self)
    }
}

impl Bodies for NewRun {
    fn bodies(&mut self) -> impl Iterator<Item = &mut Bytes> {
        std::iter::once(&mut self.payload)
    }
    fn at(&self, _: Millis) -> Millis {
        self.at
    }
}

impl Bodies for Start {
    fn bodies(&mut self) -> impl Iterator<Item = &mut Bytes> {
        self.request.iter_mut()
    }
    fn at(&self, _: Millis) -> Millis {
        self.at
    }
}

impl Bodies for Finish {
    fn bodies(&mut self) -> impl Iterator<Item = &mut Bytes> {
        let made = self.new_tasks.iter_mut().map(|task| &mut task.payload);
        self.end.answer.iter_mut().chain(self.end.request.iter_mut()).chain(made)
    }
    fn at(&self, _: Millis) -> Millis {
        self.end.at
    }
}

impl Bodies for TaskStory {
    fn bodies(&mut self) -> impl Iterator<Item = &mut Bytes> {
        let of_attempts = self.attempts.iter_mut().flat_map(|attempt| {
            let end = attempt.end.iter_mut().flat_map(|end| end.answer.iter_mut().chain(end.request.iter_mut()));
            attempt.request.iter_mut().chain(end)
        });
        let of_decisions = self.decisions.iter_mut().filter_map(|decided| decided.before.as_mut());
        std::iter::once(&mut self.payload).chain(of_attempts).chain(of_decisions)
    }
}

/// Puts bodies that must stand outside into blobs, and their references in their place. On disk when it returns.
pub(crate) async fn spill<T: Bodies + Send + 'static>(
    blobs: &Blobs,
    mut items: Vec<T>,
    now: Millis,
) -> Result<Vec<T>, StoreError> {
    if !items.iter_mut().any(|item| item.bodies().any(|body| is_outside(body))) {
        return Ok(items);
    }
    let blobs = blobs.clone();
    let spilled = tokio::task::spawn_blocking(move || {
        for item in &mut items {
            let at = item.at(now);
            for body in item.bodies().filter(|body| is_outside(body)) {
                let (id, _) = blobs.create(at, &mut body.as_ref())?;
                let files: String = files_in(body).map(|file| format!(" {file}")).collect();
                *body = format!("@{id}{files}").into();
            }
        }
        Ok(items)
    });
    spilled.await.map_err(|_| StoreError::Closed)?
}

/// Puts a body in the place of its reference.
pub(crate) fn fetch(blobs: &Blobs, column: &mut Bytes) -> Result<(), StoreError> {
    if let Some(id) = blob_named(column)? {
        *column = blobs.read(&id)?;
    }
    Ok(())
}

/// Whether a column holds a reference.
fn is_reference(column: &Bytes) -> bool {
    column.first() == Some(&MARK)
}

/// Whether a blob holds a part of the claim.
pub(crate) fn is_claim_outside(claim: &Claim) -> bool {
    is_reference(&claim.payload)
        || claim.interrupted.as_ref().is_some_and(|attempt| attempt.request.as_ref().is_some_and(is_reference))
}

/// Puts the bodies of claims in the places of their references. Second are those that lack a blob, and why.
pub(crate) fn fetch_claims(blobs: &Blobs, claims: Vec<Claim>) -> Result<(Vec<Claim>, Lacking), StoreError> {
    let mut lacking = Vec::new();
    let mut whole = Vec::with_capacity(claims.len());
    for mut claim in claims {
        match fetch_claim(blobs, &mut claim) {
            Ok(()) => whole.push(claim),
            Err(missing @ StoreError::BlobMissing(_)) => lacking.push((claim, missing)),
            Err(error) => return Err(error),
        }
    }
    Ok((whole, lacking))
}

/// Claims that lack a blob, each with the error that names it.
pub(crate) type Lacking = Vec<(Claim, StoreError)>;

fn fetch_claim(blobs: &Blobs, claim: &mut Claim) -> Result<(), StoreError> {
    fetch(blobs, &mut claim.payload)?;
    match claim.interrupted.as_mut().and_then(|attempt| attempt.request.as_mut()) {
        Some(request) => fetch(blobs, request),
        None => Ok(()),
    }
}

/// Adds the lengths of blobs to the sizes of the tasks that name them.
pub(crate) fn add_lengths(page: &mut [EndedTask], named: &[(TaskId, BlobId)], blobs: &Blobs) -> Result<(), StoreError> {
    let mut bytes: HashMap<TaskId, u64> = HashMap::new();
    for (task, id) in named {
        *bytes.entry(*task).or_default() += blobs.length(id)?.unwrap_or(0);
    }
    for task in page {
        task.bytes += bytes.get(&task.id).copied().unwrap_or(0);
    }
    Ok(())
}
