//! `tramontane doctor`: looks the data folder over and says what to do about what it finds.

use super::prune::size;
use super::{Context, Ended, Failure};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::imports::Imports;
use crate::keys;
use crate::parts;
use crate::print::time;
use crate::settings::clock;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::definitions::variables::{Variables as _, missing};
use engine::definitions::{from_stored, used_secrets};
use model::{Millis, Problem};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use store::StoreError;
use store::sqlite::{self, Examination};

/// A clock that is behind by no more than this is none of our business: machines differ by as much.
const CLOCK: Millis = 60_000;
/// Less free space than this is trouble soon, and less than the smaller one is trouble now.
const SPACE: (u64, u64) = (1 << 30, 64 << 20);
/// What nobody but its owner should be able to open; folders also not to look into.
const PRIVATE: [&str; 8] =
    ["", "blobs", "tramontane.db", "tramontane.db-wal", "tramontane.db-shm", "engine.lock", "engine.sock", keys::FILE];

/// Arguments of `tramontane doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane doctor

Changes nothing, and works while an engine runs. The exit code is 6 where something is wrong; warnings alone are no
reason.")]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let data = context.files()?;
        let now = clock().now();
        // Looking makes files beside the database, so their rights are asked for before.
        let mut problems = private(&data);
        let folder = data.clone();
        let examined = tokio::task::spawn_blocking(move || sqlite::examine(&folder, now)).await;
        let mut found = examined.map_err(|_| Failure::from(StoreError::Closed))?;
        let free = free_space(&data);
        problems.extend(free.and_then(|free| space(free, found.database_bytes)));
        problems.append(&mut found.problems);
        problems.extend(clock_behind(found.newest, now));
        problems.extend(definitions(context, &data, &found).await);
        problems.extend(tasks(&found));
        let clean = !problems.iter().any(Problem::is_error);
        let printer = &context.printer;
        if printer.json() {
            printer.value(&json!({
                "clean": clean, "problems": problems, "folder": data, "held_by": found.holder, "version": found.version,
                "database_bytes": found.database_bytes, "blobs": found.blobs, "blob_bytes": found.blob_bytes,
                "free_bytes": free, "tasks": found.tasks, "unknown": found.unknown, "parked": found.parked,
                "newest": found.newest,
            }));
        } else {
            show(context, &data, &found, free);
            problems.iter().for_each(|problem| printer.problem(problem));
            printer.say(if clean { "nothing is wrong" } else { "something is wrong" });
        }
        Ok(if clean { Exit::Done } else { Exit::Failed })
    }
}

fn show(context: &Context, data: &Path, found: &Examination, free: Option<u64>) {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let unknown = || "-".to_owned();
    let rows = [
        row("folder", data.display().to_string()),
        row("held by", found.holder.clone().unwrap_or_else(|| "nobody".to_owned())),
        row("version", found.version.map_or_else(unknown, |version| version.to_string())),
        row("database", size(found.database_bytes)),
        row("blobs", format!("{}, {}", found.blobs, size(found.blob_bytes))),
        row("free space", free.map_or_else(unknown, size)),
        row("tasks", format!("{} ({} unknown, {} parked)", found.tasks, found.unknown, found.parked)),
        row("newest", found.newest.map_or_else(unknown, time)),
    ];
    context.printer.table(&["what", "found"], &rows);
}

/// Files and folders that others could open.
fn private(data: &Path) -> Vec<Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut problems = Vec::new();
    for name in PRIVATE {
        let path = if name.is_empty() { data.to_owned() } else { data.join(name) };
        match fs::metadata(&path) {
            Ok(of) => {
                let mode = of.permissions().mode() & 0o777;
                let right = if of.is_dir() { 0o700 } else { 0o600 };
                if mode & 0o077 != 0 {
                    let reason = format!("others can open {} (mode {mode:03o})", path.display());
                    let hint = format!("chmod {right:o} {}", path.display());
                    problems.push(Problem::new("not_private", reason).hint(hint));
                } else if mode & right != right {
                    let reason = format!("its owner cannot use {} (mode {mode:03o})", path.display());
                    let hint = format!("chmod {right:o} {}", path.display());
                    problems.push(Problem::new("not_usable", reason).hint(hint));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => problems.push(StoreError::io("cannot look at", &path, error).problem()),
        }
    }
    problems
}

/// Bytes that are free where the folder is.
fn free_space(data: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(data).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn space(free: u64, database: u64) -> Option<Problem> {
    let (soon, now) = SPACE;
    let problem = |reason: String| Problem::new("space_low", reason).hint("free some, or tramontane prune");
    if free < now {
        return Some(problem(format!("only {} are free", size(free))));
    }
    let wanted = soon.max(database);
    let reason = || format!("{} are free; a backup or a newer version wants {}", size(free), size(wanted));
    (free < wanted).then(|| problem(reason()).warning())
}

fn clock_behind(newest: Option<Millis>, now: Millis) -> Option<Problem> {
    let newest = newest.filter(|newest| *newest > now + CLOCK)?;
    let reason = format!("the store has something of {}, and it is {} now", time(newest), time(now));
    Some(Problem::new("clock_behind", reason).hint("set the clock of this machine; until then tasks wait that are due"))
}

/// Definitions that cannot be read, and what they use that has no value here.
async fn definitions(context: &Context, data: &Path, found: &Examination) -> Vec<Problem> {
    if let Err(problem) = Imports::read(data).and_then(|_| crate::imports::use_imported(data)) {
        return vec![problem];
    }
    match from_stored(&found.definitions) {
        Ok(definitions) => {
            let prices = super::prices::in_use(data);
            let variables = match context.read_store().await {
                Ok(store) => context.environment(&store),
                Err(_) => Environment::default(),
            };
            let (prices, mut problems) = match prices {
                Ok(prices) => (prices, Vec::new()),
                Err(failure) => (Prices::shipped(), failure.problems),
            };
            let secrets = used_secrets(&found.definitions).into_keys().collect();
            problems.extend(variables.refresh(&secrets).await.err().unwrap_or_default());
            problems.extend(missing(&definitions, &parts::registry(prices), &variables));
            problems
        }
        Err(problems) => problems,
    }
}

fn tasks(found: &Examination) -> Vec<Problem> {
    let note = |count: u64, code: &'static str, what: &str, hint: &str| {
        let tasks = if count == 1 { "task" } else { "tasks" };
        (count > 0).then(|| Problem::new(code, format!("{count} {tasks} {what}")).hint(hint).warning())
    };
    let unknown = note(
        found.unknown,
        "tasks_unknown",
        "may have worked or not",
        "tramontane tasks list --state unknown, then tasks resolve",
    );
    let parked = note(
        found.parked,
        "tasks_parked",
        "were given up because the process ended three times while it had them in hand",
        "tramontane tasks list --state failed, then tasks retry",
    );
    unknown.into_iter().chain(parked).collect()
}
