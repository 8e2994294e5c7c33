//! A folder to take from, and a keeper in memory.

use model::driver::{Failure, Keep, Kept, Page, Source, SourceDriver};
use model::{Problem, Severity};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use systems::folder::FolderSubscriber;

/// Keeps contents by their ids. Between two pieces that it reads, `meanwhile` may change something.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) kept: Mutex<BTreeMap<String, Vec<u8>>>,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    full: Mutex<bool>,
}

impl Keep for Shelf {
    fn keep(&self, from: &mut dyn Read) -> Result<Kept, Problem> {
        let mut content = vec![0; 4];
        let length = from.read(&mut content).unwrap();
        content.truncate(length);
        if let Some(change) = self.meanwhile.lock().unwrap().take() {
            change();
        }
        from.read_to_end(&mut content).unwrap();
        if *self.full.lock().unwrap() {
            return Err(Problem::new("store_io", "no space"));
        }
        let mut kept = self.kept.lock().unwrap();
        let (id, size) = (format!("{:032x}", kept.len()), content.len() as u64);
        kept.insert(id.clone(), content);
        Ok(Kept { id, size, sha256: "5a".repeat(32) })
    }

    fn discard(&self, kept: &Kept) {
        assert!(self.kept.lock().unwrap().insert(kept.id.clone(), Vec::new()).is_some());
    }
}

/// A folder that goes away with it, a shelf, and a thread to run on.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) cursor: Option<Value>,
}

/// What a run brought: names and problems, each with code and whether it is an error.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Brought {
    pub(crate) names: Vec<String>,
    pub(crate) problems: Vec<(String, bool)>,
}

pub(crate) fn brought(names: &[&str], problems: &[(&str, bool)]) -> Brought {
    Brought {
        names: names.iter().map(ToString::to_string).collect(),
        problems: problems.iter().map(|(code, error)| (code.to_string(), *error)).collect(),
    }
}

impl Bench {
    /// An empty folder `in`.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        Self { folder, runtime, shelf: Arc::default(), cursor: None }
    }

    /// With files of their own names as content.
    pub(crate) fn with(names: &[&str]) -> Self {
        let bench = Self::new();
        for name in names {
            bench.write(name, name);
        }
        bench
    }

    /// Beside the folder that is taken from: `in/a` lies in it.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.outside("in").join(name)
    }

    /// Writes a file, and its sub-folder where that is missing.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Sets the time of a file's last change, in seconds since 1970.
    pub(crate) fn touch(&self, name: &str, seconds: u64) {
        let file = std::fs::File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    /// Does something in the middle of the next file.
    pub(crate) fn meanwhile(&self, change: impl FnOnce() + Send + 'static) {
        *self.shelf.meanwhile.lock().unwrap() = Some(Box::new(change));
    }

    pub(crate) fn fill_disk(&self, full: bool) {
        *self.shelf.full.lock().unwrap() = full;
    }

    /// One page by a new source, as after a restart. The cursor goes through text, as it does through the store.
    pub(crate) fn page(&mut self, options: &Value, limit: usize) -> Result<Page, Failure> {
        let mut all = json!({"path": self.outside("in")});
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let source: Arc<dyn Source> = FolderSubscriber.source(&all).unwrap();
        let keep: Arc<dyn Keep> = self.shelf.clone();
        let page = self.runtime.block_on(source.pull(self.cursor.as_ref(), limit, &keep))?;
        assert!(page.payloads.len() + page.problems.len() <= limit);
        assert!(!page.more || page.payloads.len() + page.problems.len() > 0, "more to come, and nothing here");
        for payload in &page.payloads {
            let content = &self.shelf.kept.lock().unwrap()[payload["$blob"].as_str().unwrap()];
            assert_eq!(payload["size"], content.len());
        }
        self.cursor = page.cursor.as_ref().map(|cursor| serde_json::from_str(&cursor.to_string()).unwrap());
        Ok(page)
    }

    /// All pages to the end.
    pub(crate) fn run(&mut self, options: &Value, limit: usize) -> Brought {
        let mut brought = Brought::default();
        loop {
            let page = self.page(options, limit).unwrap();
            let name = |payload: &Value| payload["name"].as_str().unwrap().to_owned();
            brought.names.extend(page.payloads.iter().map(name));
            let problem = |problem: &Problem| (problem.code.to_string(), problem.severity == Severity::Error);
            brought.problems.extend(page.problems.iter().map(problem));
            if !page.more {
                return brought;
            }
        }
    }
}
