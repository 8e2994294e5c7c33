//! The subscriber: pages of files.

use super::cursor::{Cursor, Mark};
use super::found::{Candidate, Omitted, look};
use super::options::Selection;
use super::walk::{Found, Walk, key};
use crate::file::disk::{about, explain};
use crate::file::{blocking, not_sent, rejected};
use async_trait::async_trait;
use model::Problem;
use model::driver::{Failure, Keep, Page, Source};
use serde_json::Value;
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// A page ends with the file that reaches this many bytes: what a crash undoes stays small.
const PAGE_BYTES: u64 = 256 << 20;

/// A folder, ready to be pulled.
#[derive(Debug)]
pub(super) struct FolderSource {
    selection: Arc<Selection>,
}

impl FolderSource {
    pub(super) fn new(selection: Selection) -> Self {
        Self { selection: Arc::new(selection) }
    }
}

#[async_trait]
impl Source for FolderSource {
    async fn pull(&self, cursor: Option<&Value>, limit: usize, keep: &Arc<dyn Keep>) -> Result<Page, Failure> {
        let (selection, keep) = (Arc::clone(&self.selection), Arc::clone(keep));
        let cursor = Cursor::open(cursor)?;
        blocking(move || pull(&selection, cursor, limit, &keep)).await
    }
}

fn pull(selection: &Selection, mut cursor: Cursor, limit: usize, keep: &Arc<dyn Keep>) -> Result<Page, Failure> {
    let after = cursor.after.take();
    let walk = Walk::begin(selection, after.as_deref()).map_err(|error| no_folder(&selection.folder, &error))?;
    let mut page = Page::default();
    let mut bytes = 0;
    // The last that was dealt with: nothing is dealt with twice in one walk, so that a file that changes all the time
    // does not keep it from ending.
    let mut last = None;
    for found in walk {
        let Some(looked) = look(selection, &found) else { continue };
        if looked.as_ref().is_ok_and(|candidate| cursor.has(candidate.mark)) {
            continue;
        }
        if page.payloads.len() + page.problems.len() >= limit || bytes >= PAGE_BYTES {
            page.more = true;
            break;
        }
        match looked.and_then(|candidate| taken(&candidate, keep)) {
            Ok((mark, size, payload)) => {
                cursor.add(mark);
                bytes += size;
                page.payloads.push(payload);
            }
            // It is said once as an error; after that it is a warning, until the file or the problem is another one.
            Err(Omitted::Wrong(told, problem)) => {
                page.problems.push(if cursor.add(told) { problem } else { problem.warning() });
            }
            Err(Omitted::Passing(problem)) => page.problems.push(problem),
            // What came before is good: it goes out first, and the next pull begins and ends here.
            Err(Omitted::Keeper(_)) if last.is_some() => {
                page.more = true;
                break;
            }
            Err(Omitted::Keeper(problem)) => return Err(not_sent(problem)),
        }
        last = Some(key(found.relative()));
    }
    if page.more {
        cursor.after = last.or(after);
    } else if cursor.is_full() {
        forget(selection, &mut cursor);
    }
    page.cursor = Some(cursor.keep());
    Ok(page)
}

fn taken(candidate: &Candidate, keep: &Arc<dyn Keep>) -> Result<(Mark, u64, Value), Omitted> {
    Ok((candidate.mark, candidate.size(), candidate.take(keep)?))
}

/// Forgets versions that are gone. A folder that cannot be seen whole, or is empty, may be back tomorrow.
fn forget(selection: &Selection, cursor: &mut Cursor) {
    let Ok(walk) = Walk::begin(selection, None) else { return };
    let mut there = HashSet::new();
    for found in walk {
        if matches!(found, Found::Unlisted { .. }) {
            return;
        }
        if let Some(Ok(Candidate { mark, .. }) | Err(Omitted::Wrong(mark, _))) = look(selection, &found) {
            there.insert(mark);
        }
    }
    if !there.is_empty() {
        cursor.forget(&there);
    }
}

fn no_folder(folder: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => not_sent(about(
            folder,
            Problem::new("folder_missing", "there is no such folder")
                .hint("check the path; a relative one begins at the folder of the definitions"),
        )),
        ErrorKind::NotADirectory => {
            rejected(about(folder, Problem::new("folder_wrong", "this is a file, not a folder")))
        }
        _ => not_sent(explain(folder, error)),
    }
}
