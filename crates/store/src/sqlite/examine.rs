//! Looks at a data folder as it is, damaged or not: nothing is changed, and every question stands for itself.

use super::migrate::KNOWN;
use super::{backup, folder, queries, revisions};
use crate::blobs::{BlobId, Blobs};
use crate::{StoreError, StoredDefinition};
use model::{Millis, Problem};
use rusqlite::{Connection, params};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

/// A blob that nothing names is one too many when it is older than this: younger ones may be named soon.
const NAMED_WITHIN: Millis = 25 * 60 * 60 * 1_000;
/// Names of missing blobs that are said.
const SAID: usize = 5;

/// What was found in a data folder.
#[derive(Debug, Default)]
pub struct Examination {
    /// What is wrong, and what to do.
    pub problems: Vec<Problem>,
    /// Who holds the folder.
    pub holder: Option<String>,
    /// Version of the store.
    pub version: Option<i64>,
    /// Bytes of the database with its log.
    pub database_bytes: u64,
    /// How many blobs there are.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// All tasks.
    pub tasks: u64,
    /// Those whose outcome is unknown.
    pub unknown: u64,
    /// Those that were given up because the process ended three times while it had them in hand.
    pub parked: u64,
    /// The newest time that was recorded.
    pub newest: Option<Millis>,
    /// Definitions, where they can be read.
    pub definitions: Vec<StoredDefinition>,
}

/// Examines the store in a folder. Works beside an engine, and blocks on the disk.
#[must_use]
pub fn examine(data: &Path, now: Millis) -> Examination {
    let mut found = Examination { holder: holder(data), ..Examination::default() };
    let database = folder::database(data);
    for more in ["", "-wal"] {
        found.database_bytes += fs::metadata(backup::beside(&database, more)).map_or(0, |data| data.len());
    }
    let blobs = Blobs::new(data.join("blobs"));
    match blobs.count() {
        Ok((count, bytes)) => (found.blobs, found.blob_bytes) = (count, bytes),
        Err(error) => found.problems.push(error.problem()),
    }
    match folder::open_any(data) {
        Ok((db, version)) => {
            found.version = Some(version);
            found.look_into(&db, &blobs, now);
        }
        Err(error) => found.problems.push(error.problem()),
    }
    found
}

impl Examination {
    fn look_into(&mut self, db: &Connection, blobs: &Blobs, now: Millis) {
        if let Some(version) = self.version.filter(|version| *version < KNOWN) {
            let reason = format!("the store has version {version}, this program makes {KNOWN} of it");
            let hint = "that happens by itself when it next writes; a copy is made before";
            self.problems.push(Problem::new("store_older", reason).hint(hint).warning());
        }
        match queries::check(db) {
            Ok(findings) => self.problems.extend(findings.iter().map(|finding| damaged(finding))),
            Err(error) => self.problems.push(damaged(&error.to_string())),
        }
        self.ask(|found| {
            found.tasks = number(db, "SELECT count(*) FROM task")?.unsigned_abs();
            found.unknown = number(db, "SELECT count(*) FROM task WHERE state = 8 AND state > 0")?.unsigned_abs();
            found.parked = number(db, PARKED)?.unsigned_abs();
            Ok(())
        });
        self.ask(|found| newest(db).map(|newest| found.newest = newest));
        self.ask(|found| revisions::all(db).map(|(_, all)| found.definitions = all));
        self.ask(|found| found.count_again(db));
        self.ask(|found| found.look_for_blobs(db, blobs, now));
    }

    /// A question that cannot be answered is a finding, and the next one is asked all the same.
    fn ask(&mut self, question: impl FnOnce(&mut Self) -> Result<(), StoreError>) {
        if let Err(error) = question(self) {
            let problem = error.problem();
            if !self.problems.iter().any(|known| known.reason == problem.reason) {
                self.problems.push(problem);
            }
        }
    }

    /// Holds the counts that are kept against the tasks, in one snapshot.
    fn count_again(&mut self, db: &Connection) -> Result<(), StoreError> {
        let wrong = number(db, WRONG_COUNTS)?;
        if wrong > 0 {
            let reason = format!("{wrong} kept counts of tasks are not what is there");
            let hint = "please report it; restore a backup if lists and counts must agree";
            self.problems.push(Problem::new("counts_wrong", reason).hint(hint));
        }
        Ok(())
    }

    fn look_for_blobs(&mut self, db: &Connection, blobs: &Blobs, now: Millis) -> Result<(), StoreError> {
        // Listed before the names are read: what is named meanwhile is not taken for unnamed.
        let old = blobs.older_than(now - NAMED_WITHIN)?;
        let named = backup::named(db)?;
        let (mut missing, mut said) = (0_u64, Vec::new());
        for id in &named {
            // One that retention has deleted meanwhile is no longer named.
            if blobs.length(id)?.is_none() && backup::is_named(db, id)? {
                missing += 1;
                if said.len() < SAID {
                    said.push(format!("{id} of task {}", task_of(db, id)?));
                }
            }
        }
        if missing > 0 {
            let more = if missing > SAID as u64 { ", …" } else { "" };
            let reason = format!("{missing} blobs are missing: {}{more}", said.join(", "));
            let hint = "restore the folder blobs from a backup; tasks that need them fail, and can then be run again";
            self.problems.push(Problem::new("blob_missing", reason).hint(hint));
        }
        let named: HashSet<&BlobId> = named.iter().collect();
        let orphans = old.iter().filter(|id| !named.contains(id)).count();
        if orphans > 0 {
            let reason = format!("{orphans} blobs belong to no task");
            let hint = "tramontane prune deletes them; so does tramontane serve, every hour";
            self.problems.push(Problem::new("blob_orphaned", reason).hint(hint).warning());
        }
        Ok(())
    }
}

/// Failed tasks whose last end says that they were claimed too often.
const PARKED: &str = r#"
    SELECT count(*) FROM task WHERE state = 5 AND state > 0 AND
        (SELECT problem FROM attempt_end WHERE key >= task.id << 24 AND key < (task.id + 1) << 24
         ORDER BY key DESC LIMIT 1) LIKE '%"claimed_too_often"%'"#;

/// Lanes and states whose count of all runs is not the number of tasks.
const WRONG_COUNTS: &str = "
    SELECT count(*) FROM
        (SELECT lane, state, sum(count) AS sum FROM
             (SELECT lane, state, count(*) AS count FROM task GROUP BY lane, state
              UNION ALL SELECT lane, state, -count FROM tally WHERE run = 0)
         GROUP BY lane, state)
    WHERE sum <> 0";

/// The newest time of what was recorded last.
fn newest(db: &Connection) -> Result<Option<Millis>, StoreError> {
    let latest = "
        SELECT max(at) FROM (
            SELECT max(created_at) AS at FROM (SELECT created_at FROM task ORDER BY id DESC LIMIT 1000)
            UNION ALL SELECT max(at) FROM (SELECT at FROM attempt_end ORDER BY key DESC LIMIT 1000)
            UNION ALL SELECT max(started_at) FROM (SELECT started_at FROM run ORDER BY id DESC LIMIT 1000)
            UNION ALL SELECT max(at) FROM (SELECT at FROM decision ORDER BY id DESC LIMIT 1000)
            UNION ALL SELECT max(at) FROM cursor
            UNION ALL SELECT max(at) FROM revision)";
    Ok(db.query_row(latest, [], |row| row.get(0))?)
}

fn task_of(db: &Connection, id: &BlobId) -> Result<i64, StoreError> {
    Ok(db.query_row("SELECT min(task) FROM blob WHERE id = ?1", params![id.as_str()], |row| row.get(0))?)
}

fn number(db: &Connection, sql: &str) -> Result<i64, StoreError> {
    Ok(db.query_row(sql, [], |row| row.get(0))?)
}

fn damaged(finding: &str) -> Problem {
    Problem::new("store_damaged", format!("the database is damaged: {finding}"))
        .hint("stop the engine, keep the folder as it is, and restore a backup into a new one")
}

/// Who holds a folder at this moment. Nothing is made, and what is asked is given back at once.
fn holder(data: &Path) -> Option<String> {
    let path = data.join("engine.lock");
    let lock = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        lock => lock.ok()?,
    };
    match lock.try_lock_shared() {
        Ok(()) => None,
        Err(_) => Some(folder::read_holder(&lock)),
    }
}
