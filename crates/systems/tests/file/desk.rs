//! A folder to work in, and short ways to pull from a file.

use model::driver::{Failure, Keep, Kept, Page, Source, SourceDriver};
use model::{Evidence, Problem};
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use systems::file::FileSubscriber;

/// A folder that goes away with it, and a thread to run on.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), runtime }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The subscriber of a file with more options than its path.
    pub(crate) fn source(&self, name: &str, options: &Value) -> Arc<dyn Source> {
        let mut all = json!({"path": self.path(name)});
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        FileSubscriber.source(&all).unwrap()
    }

    pub(crate) fn pull(&self, source: &Arc<dyn Source>, cursor: Option<&Value>, limit: usize) -> Result<Page, Failure> {
        self.run(source.pull(cursor, limit, &(Arc::new(NoFiles) as Arc<dyn Keep>)))
    }

    /// All rows from the cursor on, each page with the next of the limits, up to the end or the first failure. Each
    /// cursor goes through text, as it does through the store.
    pub(crate) fn drain(&self, source: &Arc<dyn Source>, cursor: &mut Option<Value>, limits: &[usize]) -> Drained {
        let mut rows = Vec::new();
        for limit in limits.iter().cycle() {
            match self.pull(source, cursor.as_ref(), *limit) {
                Ok(page) => {
                    assert!(page.payloads.len() <= *limit);
                    assert!(!page.more || !page.payloads.is_empty(), "a page with more to come must bring something");
                    let (done, total) = page.progress.unwrap();
                    assert!(done <= total && (page.more || done == total), "{done} of {total}");
                    rows.extend(page.payloads);
                    *cursor = page.cursor.map(|cursor| serde_json::from_str(&cursor.to_string()).unwrap());
                    if !page.more {
                        return Drained { rows, failure: None };
                    }
                }
                Err(failure) => return Drained { rows, failure: Some(failure) },
            }
        }
        unreachable!("limits are never empty")
    }
}

/// What a file gave, and why it gave no more.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(crate) rows: Vec<Value>,
    pub(crate) failure: Option<Failure>,
}

impl Drained {
    pub(crate) fn problem(&self) -> Option<&Problem> {
        self.failure.as_ref().map(|failure| &failure.problem)
    }

    /// Code and line of the problem; empty and 0 where there is none.
    pub(crate) fn wrong(&self) -> (&str, u64) {
        self.problem().map_or(("", 0), |problem| (problem.code.as_ref(), problem.line.unwrap_or(0)))
    }

    /// What the failure says is known.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        self.failure.as_ref().map(|failure| failure.evidence)
    }
}

/// Rows are payloads: nothing of a file is kept beside them.
struct NoFiles;

impl Keep for NoFiles {
    fn keep(&self, _: &mut dyn Read) -> Result<Kept, Problem> {
        unreachable!("the subscriber file keeps no files")
    }

    fn discard(&self, _: &Kept) {}
}
