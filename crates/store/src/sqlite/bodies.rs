//! Bodies as columns hold them: the text itself, or `@` and the id of a blob, and after it the ids that the text names.

use crate::blobs::{BlobId, Blobs};
use crate::{Finish, NewRun, NewTask, Start, StoreError, TaskStory};
use bytes::Bytes;
use memchr::memmem;
use model::{Millis, TaskId};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params};

/// Bodies longer than this are blobs.
pub(super) const INLINE: usize = 256 * 1024;
const MARK: u8 = b'@';

/// Bytes bound as text. Bodies are JSON text, which nobody needs to check for UTF-8 a second time.
pub(super) struct Text<'a>(pub(super) &'a Bytes);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

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

fn id_of(text: &[u8]) -> Option<BlobId> {
    std::str::from_utf8(text).ok().and_then(BlobId::parse)
}

/// The blobs that a body names as files.
fn files_in(body: &[u8]) -> impl Iterator<Item = BlobId> + '_ {
    memmem::find_iter(body, NAMED).filter_map(|at| id_of(body.get(at + NAMED.len()..at + NAMED.len() + ID)?))
}

/// Remembers which blobs a task's body names: the one it is in, and files.
pub(super) fn remember(db: &Connection, task: TaskId, column: Option<&Bytes>) -> Result<(), StoreError> {
    let Some(column) = column else { return Ok(()) };
    let keep = |id: &BlobId| -> Result<(), StoreError> {
        let sql = "INSERT INTO blob (id, task) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute(params![id.as_str(), task.0])?;
        Ok(())
    };
    if let Some(own) = blob_named(column)? {
        keep(&own)?;
        return column[1 + ID..].split(|byte| *byte == b' ').filter_map(id_of).try_for_each(|id| keep(&id));
    }
    files_in(column).try_for_each(|id| keep(&id))
}

/// Things with bodies.
pub(super) trait Bodies {
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
pub(super) async fn spill<T: Bodies + Send + 'static>(
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
pub(super) fn fetch(blobs: &Blobs, column: &mut Bytes) -> Result<(), StoreError> {
    if let Some(id) = blob_named(column)? {
        *column = blobs.read(&id)?;
    }
    Ok(())
}

/// Whether a column holds a reference.
pub(super) fn is_reference(column: &Bytes) -> bool {
    column.first() == Some(&MARK)
}
