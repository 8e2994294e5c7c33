//! Values of `${NAME}` and `${secret:NAME}`.

use crate::keys::Keys;
use crate::outside::{ask_command, file_in};
use crate::settings::{SECRETS_COMMAND, SECRETS_FOLDER, environment};
use async_trait::async_trait;
use engine::definitions::variables::Variables;
use model::Problem;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use store::seal::SECRET;
use store::{Store, StoredSecret};

/// Where variables and secrets get their values: given ones first; of secrets, then the store's; then the environment;
/// of secrets, then a file of the folder of secrets, then a command.
#[derive(Default)]
pub(crate) struct Environment {
    given: BTreeMap<String, String>,
    stored: Option<(Arc<dyn Store>, Arc<Keys>)>,
    fetched: RwLock<Fetched>,
}

#[derive(Default)]
struct Fetched {
    stored: BTreeMap<String, SecretString>,
    /// From files and commands.
    outside: BTreeMap<String, SecretString>,
}

impl Environment {
    /// With the secrets of a store.
    pub(crate) fn of(store: Arc<dyn Store>, keys: Arc<Keys>) -> Self {
        Self { stored: Some((store, keys)), ..Self::default() }
    }

    /// Adds a value that the environment need not have.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.given.insert(name.to_owned(), value.to_owned());
        self
    }

    fn find(&self, name: &str) -> Option<String> {
        // What opens the server itself is nothing that definitions may use: they may be another's than the server.
        let of_ours = name.starts_with("TRAMONTANE_");
        self.given.get(name).cloned().or_else(|| if of_ours { None } else { environment(name) })
    }

    /// Where a secret that was fetched has its value from; `None` where it has none.
    pub(crate) fn origin(&self, name: &str) -> Option<&'static str> {
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        if fetched.stored.contains_key(name) {
            Some("the store")
        } else if self.find(name).is_some() {
            Some("the environment")
        } else if fetched.outside.contains_key(name) {
            Some("a file or command")
        } else {
            None
        }
    }

    /// The secrets of the store. One that does not open keeps those from running that use it.
    async fn stored(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, SecretString>, Vec<Problem>> {
        let Some((store, keys)) = &self.stored else { return Ok(BTreeMap::new()) };
        let all = store.secrets().await.map_err(|error| vec![error.problem()])?;
        let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
        for secret in all {
            match opened(keys, &secret).await {
                Ok(value) => drop(values.insert(secret.name, value)),
                Err(_) if !names.contains(&secret.name) => {}
                Err(problem) => problems.push(problem.at(format!("secrets.{}", secret.name))),
            }
        }
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }
}

/// The value of a stored secret.
pub(crate) async fn opened(keys: &Keys, secret: &StoredSecret) -> Result<SecretString, Problem> {
    let value = keys.open(&secret.value, &SECRET, &secret.name).await?;
    let text = std::str::from_utf8(value.expose_secret());
    text.map(SecretString::from).map_err(|_| Problem::new("seal_broken", "the value is no text"))
}

/// A secret that is neither stored nor in the environment.
async fn outside(name: &str) -> Result<Option<SecretString>, Problem> {
    if let Some(folder) = environment(SECRETS_FOLDER)
        && let Some(value) = file_in(Path::new(&folder), name)?
    {
        return Ok(Some(value));
    }
    match environment(SECRETS_COMMAND) {
        Some(line) => ask_command(&line, Some(name)).await,
        None => Ok(None),
    }
}

#[async_trait]
impl Variables for Environment {
    async fn refresh(&self, secrets: &BTreeSet<String>) -> Result<(), Vec<Problem>> {
        let stored = self.stored(secrets).await?;
        let mut found = BTreeMap::new();
        for name in secrets.iter().filter(|name| !stored.contains_key(*name) && self.find(name).is_none()) {
            let place = || format!("secrets.{name}");
            if let Some(value) = outside(name).await.map_err(|problem| vec![problem.at(place())])? {
                found.insert(name.clone(), value);
            }
        }
        *self.fetched.write().unwrap_or_else(PoisonError::into_inner) = Fetched { stored, outside: found };
        Ok(())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.find(name)
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        let given = self.given.get(name).cloned().map(SecretString::from);
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        given
            .or_else(|| fetched.stored.get(name).cloned())
            .or_else(|| self.find(name).map(SecretString::from))
            .or_else(|| fetched.outside.get(name).cloned())
    }
}
