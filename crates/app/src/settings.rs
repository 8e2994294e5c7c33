//! Where settings come from. The environment is read here and nowhere else.

use engine::clock::{Clock, ServerClock, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError};

/// The environment variable with the key of `tramontane call`.
pub(crate) const API_KEY: &str = "MISTRAL_API_KEY";
/// The key for operations of the organisation's administration.
pub(crate) const ADMIN_KEY: &str = "MISTRAL_ADMIN_KEY";
/// The key of a signed-in user.
pub(crate) const USER_KEY: &str = "MISTRAL_USER_KEY";

/// The key that seals the store's secrets, or two of them while they are changed.
pub(crate) const KEY: &str = "TRAMONTANE_KEY";
/// A command that prints it.
pub(crate) const KEY_COMMAND: &str = "TRAMONTANE_KEY_COMMAND";
/// A folder with a file for each secret, as platforms mount them.
pub(crate) const SECRETS_FOLDER: &str = "TRAMONTANE_SECRETS_DIR";
/// A command that prints the secret whose name is its last word.
pub(crate) const SECRETS_COMMAND: &str = "TRAMONTANE_SECRETS_COMMAND";
/// What no other program gets to know.
pub(crate) const OWN_SECRETS: [&str; 2] = [KEY, "TRAMONTANE_DATABASE"];

/// Reads a variable of the environment; an empty one counts as absent.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The time that the engine goes by: the machine's.
#[cfg(not(feature = "crash-points"))]
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The same; a test may let it run faster, by `TRAMONTANE_CLOCK_SPEED`, or move it, by a file, `TRAMONTANE_CLOCK_SHIFT`.
#[cfg(feature = "crash-points")]
pub(crate) fn clock() -> Arc<dyn Clock> {
    if let Some(file) = environment("TRAMONTANE_CLOCK_SHIFT") {
        return Arc::new(engine::clock::ShiftedClock::new(file.into()));
    }
    match environment("TRAMONTANE_CLOCK_SPEED").and_then(|speed| speed.parse().ok()) {
        Some(speed) => Arc::new(engine::clock::FastClock::new(speed)),
        None => Arc::new(SystemClock),
    }
}

/// How often the server's clock is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// The time that engines on this store go by: with several machines, the database's.
pub(crate) async fn clock_of(store: &Arc<dyn Store>) -> Result<Arc<dyn Clock>, StoreError> {
    let Some(time) = store.time().await? else { return Ok(clock()) };
    // A test's clock is the same in all its processes.
    #[cfg(feature = "crash-points")]
    if environment("TRAMONTANE_CLOCK_SPEED").is_some() {
        return Ok(clock());
    }
    let shared = Arc::new(ServerClock::new(clock()));
    shared.set(time);
    let (kept, store) = (Arc::downgrade(&shared), store.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(clock) = kept.upgrade() else { return };
            if let Ok(Some(time)) = store.time().await {
                clock.set(time);
            }
        }
    });
    Ok(shared)
}

/// The data folder where none is named: the user's own, by the XDG base directory rules.
pub(crate) fn default_data() -> PathBuf {
    let base = environment("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| environment("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    match base {
        Some(base) => base.join("tramontane"),
        None => PathBuf::from("tramontane-data"),
    }
}
