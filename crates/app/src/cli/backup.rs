//! `tramontane backup` and `tramontane restore`: the whole data folder as one file, and back.

use super::prune::size;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::time;
use crate::settings;
use clap::Args;
use model::Problem;
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use store::StoreError;
use store::sqlite;

/// Files and folders of the data folder that a backup has beside the store.
const FILES: [&str; 2] = ["prices.yaml", "catalogue"];

/// Arguments of `tramontane backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane backup /backups/monday.backup

Works while an engine runs, and is the store as it was at one moment: tasks, definitions, files, prices, imported
catalogues. Secrets are in it sealed; the key that opens them is not: keep a copy of that elsewhere. A file that is there is never written over.")]
pub(crate) struct Backup {
    /// The file to make.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Arguments of `tramontane restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane --data /srv/tramontane restore /backups/monday.backup

The data folder must be empty or not there yet. What was finished after the backup was made is not known to the restored
store: it would be done again.")]
pub(crate) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let data = context.files()?;
        let files = files_of(&data)?;
        let (to, now) = (self.file.clone(), settings::clock().now());
        let made = on_disk(move || sqlite::back_up(&data, &to, &files, now)).await?;
        let bytes = fs::metadata(&self.file).map_or(0, |data| data.len());
        if context.printer.json() {
            context.printer.value(&json!({ "file": self.file, "bytes": bytes, "backup": made }));
        } else {
            let (tasks, files) = (made.tasks, made.files);
            let text = format!("{} has {tasks} tasks and {files} files, {}", self.file.display(), size(bytes));
            context.printer.say(&text);
        }
        if let Ok(store) = context.read_store().await
            && let Ok(Some(_)) = store.sealing().await
        {
            let origin = context.keys.origin();
            context.printer.say(&format!(
                "its secrets are sealed with the key of {origin}, which is not in it: keep a copy apart"
            ));
        }
        say_lost(context, made.lost);
        Ok(Exit::Done)
    }
}

impl Restore {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let data = context.files()?;
        let (from, to) = (self.file, data.clone());
        let found = on_disk(move || sqlite::restore(&from, &to)).await?;
        if context.printer.json() {
            context.printer.value(&json!({ "folder": data, "backup": found }));
        } else {
            let (tasks, files, at) = (found.tasks, found.files, time(found.at));
            context.printer.say(&format!("{} has {tasks} tasks and {files} files as of {at}", data.display()));
            context.printer.say("what was done since then is not in it, and would be done again");
        }
        say_lost(context, found.lost);
        Ok(Exit::Done)
    }
}

fn say_lost(context: &Context, lost: u64) {
    if lost > 0 {
        let reason = format!("{lost} files of tasks were missing when the backup was made");
        context.printer.problem(&Problem::new("blob_missing", reason).hint("tramontane doctor shows them").warning());
    }
}

/// Works on a thread that may wait for the disk. Problems that say what was asked does not fit mean that it was refused.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| Failure::from(StoreError::Closed))?;
    done.map_err(|error| match error {
        StoreError::Refused(_) | StoreError::Newer { .. } => Failure::refused(vec![error.problem()]),
        error => error.into(),
    })
}

/// The small files of the data folder, as paths from there.
fn files_of(data: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for name in FILES {
        let path = data.join(name);
        let failed = |error: std::io::Error| Failure::from(StoreError::io("cannot look at", &path, error));
        match fs::metadata(&path) {
            Ok(of) if of.is_file() => found.push(PathBuf::from(name)),
            Ok(_) => {
                for entry in fs::read_dir(&path).map_err(failed)? {
                    let entry = entry.map_err(failed)?;
                    if entry.file_type().map_err(failed)?.is_file() {
                        found.push(Path::new(name).join(entry.file_name()));
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    found.sort();
    Ok(found)
}
