//! The key that seals what the store keeps sealed: where it comes from, and which one is the present one.
//!
//! The store says which key it is sealed with; the source says what that key is. While keys are changed a source has two
//! of them, and either opens.

use crate::outside::{ask_command, private_file};
use crate::settings::{KEY, KEY_COMMAND, environment};
use model::Problem;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use store::Store;
use store::seal::{Column, Key, KeyId, Ring, Sealed, key_of};
use tokio::sync::Mutex;

/// The file in the data folder that holds the key where nothing else is said.
pub(crate) const FILE: &str = "secrets.key";

/// Where the key comes from.
#[derive(Clone, Debug)]
enum Source {
    /// The environment variable [`KEY`].
    Environment(SecretString),
    /// A file that somebody named.
    File(PathBuf),
    /// A command that prints it.
    Command(String),
    /// The file in the data folder, made when a key is first needed.
    Folder(PathBuf),
}

/// The key of a store, from where its owner keeps it.
#[derive(Debug)]
pub(crate) struct Keys {
    source: Source,
    /// What was read last.
    held: Mutex<Ring>,
}

/// Two keys, to go from one to the other.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) from: Key,
    pub(crate) to: Key,
}

impl Keys {
    /// The first of: the environment variable, the file that is named, the command, the file in the data folder.
    pub(crate) fn new(file: Option<&Path>, data: &Path) -> Self {
        let source = if let Some(key) = environment(KEY) {
            Source::Environment(key.into())
        } else if let Some(file) = file {
            Source::File(file.to_owned())
        } else if let Some(command) = environment(KEY_COMMAND) {
            Source::Command(command)
        } else {
            Source::Folder(data.join(FILE))
        };
        Self { source, held: Mutex::default() }
    }

    /// Where the key comes from, for people.
    pub(crate) fn origin(&self) -> String {
        match &self.source {
            Source::Environment(_) => format!("the environment variable {KEY}"),
            Source::File(file) | Source::Folder(file) => format!("the file {}", file.display()),
            Source::Command(_) => format!("the command of {KEY_COMMAND}"),
        }
    }

    /// The file that holds it, where it is in one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(file) | Source::Folder(file) => Some(file),
            Source::Environment(_) | Source::Command(_) => None,
        }
    }

    /// Reads the keys anew; `None` where the source has none yet.
    async fn read(&self) -> Result<Option<Ring>, Problem> {
        let text = match &self.source {
            Source::Environment(text) => Some(text.clone()),
            Source::File(file) | Source::Folder(file) => private_file(file)?,
            Source::Command(line) => ask_command(line, None).await?,
        };
        let Some(text) = text else { return Ok(None) };
        let ring = Ring::parse(text.expose_secret()).map_err(|problem| problem.at(self.origin()))?;
        Ok(Some(ring))
    }

    /// The key with this id: one that is held, or else one that the source has by now.
    async fn find(&self, id: KeyId) -> Result<Key, Problem> {
        let mut held = self.held.lock().await;
        if let Some(key) = held.find(id) {
            return Ok(key.clone());
        }
        let Some(ring) = self.read().await? else {
            let reason = format!("the store is sealed with the key {id}, and {} is not there", self.origin());
            return Err(Problem::new("store_key_missing", reason).hint(HINT));
        };
        *held = ring;
        held.find(id).cloned().ok_or_else(|| {
            let reason = format!("{} is not the key {id} that the store is sealed with", self.origin());
            Problem::new("store_key_wrong", reason).hint(HINT)
        })
    }

    /// The key that the store is sealed with; `None` where nothing was ever sealed.
    ///
    /// # Errors
    /// `store_key_missing`, `store_key_wrong`, and what keeps the source from being read.
    pub(crate) async fn present(&self, store: &dyn Store) -> Result<Option<Key>, Problem> {
        let Some(sealing) = store.sealing().await.map_err(|error| error.problem())? else { return Ok(None) };
        let key = self.find(key_of(&sealing.proof)?).await?;
        key.check(&sealing.proof)?;
        Ok(Some(key))
    }

    /// Refuses to go on with a wrong key. A store without sealed values needs none.
    ///
    /// # Errors
    /// As [`Keys::present`].
    pub(crate) async fn check(&self, store: &dyn Store) -> Result<(), Problem> {
        self.present(store).await.map(|_| ())
    }

    /// Seals a value for a row. The first value of a store decides its key, which is made where the source is the data
    /// folder. Where the store then says `store_key_changed`, this was overtaken, and is to be called again.
    ///
    /// # Errors
    /// As [`Keys::present`].
    pub(crate) async fn seal(
        &self,
        store: &dyn Store,
        column: &Column,
        row: &str,
        plain: &[u8],
    ) -> Result<Sealed, Problem> {
        let key = match self.present(store).await? {
            Some(key) => key,
            None => self.first().await?,
        };
        key.sealed(plain, column, row)
    }

    /// Opens a value of a row, with whichever key sealed it.
    ///
    /// # Errors
    /// As [`Keys::present`]; `seal_broken`.
    pub(crate) async fn open(&self, sealed: &[u8], column: &Column, row: &str) -> Result<SecretSlice<u8>, Problem> {
        self.find(key_of(sealed)?).await?.open(sealed, column, row)
    }

    /// The key for a store in which nothing is sealed yet.
    async fn first(&self) -> Result<Key, Problem> {
        let mut ring = self.read().await?;
        if ring.is_none()
            && let Source::Folder(file) = &self.source
        {
            make(file, &Key::generate()?)?;
            ring = self.read().await?;
        }
        let first = ring.and_then(|ring| ring.keys().first().cloned());
        first.ok_or_else(|| Problem::new("store_key_missing", format!("{} has no key", self.origin())).hint(HINT))
    }

    /// The keys of a change that another process asks for.
    ///
    /// # Errors
    /// `store_key_missing`, `store_key_wrong`; `store_key_single` where the source here does not have the new one.
    pub(crate) async fn both(&self, from: KeyId, to: KeyId) -> Result<Change, Problem> {
        let from = self.find(from).await?;
        let to = self.find(to).await.map_err(|_| {
            let reason =
                format!("the engine that holds the store has its key from {}, and not the new one", self.origin());
            Problem::new("store_key_single", reason)
                .hint("start it with both keys, or stop it while the key is changed")
        })?;
        Ok(Change { from, to })
    }

    /// Lets nobody else change the key of this file meanwhile.
    ///
    /// # Errors
    /// `store_key_held` where somebody does; `store_key_file`.
    pub(crate) fn turn(&self) -> Result<Option<File>, Problem> {
        let Some(file) = self.file() else { return Ok(None) };
        let folder = File::open(folder(file)).map_err(failed(file))?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => {
                let reason = format!("another command changes the key in {}", file.display());
                Err(Problem::new("store_key_held", reason).hint("wait until it is through"))
            }
            Err(TryLockError::Error(error)) => Err(failed(file)(error)),
        }
    }

    /// Begins a change of the store's key, or goes on with one that was cut: to the last key that the source has, or to a
    /// new one that is written behind the present one into its file. `None`: everything is sealed with the last key
    /// already, and only [`Keys::end_change`] is left to do.
    ///
    /// # Errors
    /// As [`Keys::present`]; `store_key_single` where the source has no second key and cannot be given one.
    pub(crate) async fn begin_change(&self, from: Key) -> Result<Option<Change>, Problem> {
        let ring = self.read().await?.unwrap_or_default();
        if let [.., _, last] = ring.keys() {
            let is_done = last.id() == from.id();
            return Ok((!is_done).then(|| Change { from, to: last.clone() }));
        }
        let Some(file) = self.file() else {
            let reason = format!("{} has one key, and a second one to change to is wanted", self.origin());
            let hint = "give both, the present one and then the new one, with a space between; when it is done, the new one alone";
            return Err(Problem::new("store_key_single", reason).hint(hint));
        };
        let to = Key::generate()?;
        replace(file, &[&from, &to])?;
        Ok(Some(Change { from, to }))
    }

    /// Leaves the present key alone in its file. What seals nothing any more is forgotten.
    ///
    /// # Errors
    /// `store_key_file`.
    pub(crate) fn end_change(&self, present: &Key) -> Result<(), Problem> {
        self.file().map_or(Ok(()), |file| replace(file, &[present]))
    }
}

const HINT: &str = "give the key that was used before: TRAMONTANE_KEY, --key-file, TRAMONTANE_KEY_COMMAND, or secrets.key in the data folder; without it what is sealed cannot be read";

fn written(keys: &[&Key]) -> String {
    let mut text = "# Opens the secrets of this store. Keep a copy elsewhere: a backup does not have it.\n".to_owned();
    for key in keys {
        text.push_str(key.to_text().expose_secret());
        text.push('\n');
    }
    text
}

fn failed(file: &Path) -> impl Fn(io::Error) -> Problem {
    let file = file.display().to_string();
    move |error| {
        Problem::new("store_key_file", format!("cannot write {file}: {error}")).hint("check the folder's permissions")
    }
}

/// Makes the file of a first key, unless there is one by now.
fn make(file: &Path, key: &Key) -> Result<(), Problem> {
    let turn = File::open(folder(file)).map_err(failed(file))?;
    turn.lock().map_err(failed(file))?;
    let part = part(file, &[key])?;
    let linked = fs::hard_link(&part, file);
    let _ = fs::remove_file(&part);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(file)(error)),
        _ => sync_folder(file),
    }
}

/// Replaces the file of the keys: whole, as it was or as it will be, whatever happens meanwhile.
fn replace(file: &Path, keys: &[&Key]) -> Result<(), Problem> {
    let part = part(file, keys)?;
    fs::rename(&part, file).map_err(failed(file))?;
    sync_folder(file)
}

/// A file beside it, on disk, for its owner alone. Who makes one has the turn, so one that is there was left behind.
fn part(file: &Path, keys: &[&Key]) -> Result<PathBuf, Problem> {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let _ = fs::remove_file(&part);
    let write = || {
        let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        to.write_all(written(keys).as_bytes())?;
        to.sync_all()
    };
    write().map_err(failed(file))?;
    Ok(part)
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(file: &Path) -> Result<(), Problem> {
    File::open(folder(file)).and_then(|folder| folder.sync_all()).map_err(failed(file))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
