//! `tramontane secrets`: values that definitions refer to by name, sealed in the store.

use super::people::did;
use super::server::Items;
use super::{Context, Ended, Failure};
use crate::environment::opened;
use crate::exit::Exit;
use crate::keys::Change;
use crate::print::time;
use crate::{outside, secrets};
use clap::{Args, Subcommand};
use engine::definitions::used_secrets;
use engine::definitions::variables::Variables as _;
use model::Problem;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use store::{StoreError, crash};

/// Arguments of `tramontane secrets`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane secrets set MISTRAL_API_KEY < key.txt

Definitions refer to a secret as ${secret:NAME}. Its value is the stored one; else that of the environment variable NAME;
else what is in the file NAME of the folder TRAMONTANE_SECRETS_DIR; else what the command TRAMONTANE_SECRETS_COMMAND prints
when it is given the name.

Stored secrets are sealed. The key that opens them is the first of: TRAMONTANE_KEY; the file --key-file; what the command
TRAMONTANE_KEY_COMMAND prints; the file secrets.key in the data folder, made when it is first needed. No backup has it.")]
pub(crate) struct SecretsVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sets a secret to what stdin says, or asks for it.
    Set {
        /// What definitions call it.
        name: String,
        /// A file with its value.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Lists secrets and where they are used; none of them with its value.
    List,
    /// Deletes a secret that nothing uses.
    Delete {
        /// Which.
        name: String,
        /// Also where definitions use it.
        #[arg(long)]
        force: bool,
    },
    /// Changes the key that seals: to a new one in its file, or to the last one that is given. Cut at any moment, it goes
    /// on when it is called again.
    Rotate,
    /// Opens every secret, and says where those come from that definitions use.
    Check,
}

/// What does not fit is refused; the rest is trouble.
fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::Refused(problem) => Failure::refused(vec![problem]),
        error => error.into(),
    }
}

fn refused(problem: Problem) -> Failure {
    Failure::refused(vec![problem])
}

impl SecretsVerb {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            Verb::Set { name, file } => set(context, &name, file.as_deref()).await,
            Verb::List => list(context).await,
            Verb::Delete { name, force } => {
                if let Some(server) = context.server()? {
                    server.delete(&["secrets", &name], &[("force", Some(force.to_string()))]).await?;
                } else {
                    let store = context.engine_store().await?;
                    secrets::delete(store.as_ref(), &name, force, did("secret.delete", &name)).await.map_err(failed)?;
                }
                context.printer.say("deleted");
                Ok(Exit::Done)
            }
            Verb::Rotate => rotate(context).await,
            Verb::Check => check(context).await,
        }
    }
}

async fn set(context: &Context, name: &str, file: Option<&Path>) -> Ended {
    secrets::check_name(name).map_err(refused)?;
    let value = read_value(name, file)?;
    if let Some(server) = context.server()? {
        let body = json!({ "value": value.expose_secret() });
        server.send::<Value>("PUT", &["secrets", name], Some(&body)).await?;
        context.printer.say(&format!("{name} is set"));
        return Ok(Exit::Done);
    }
    let store = context.engine_store().await?;
    let was_sealed = store.sealing().await?.is_some();
    secrets::set(store.as_ref(), &context.keys, name, &value, did("secret.set", name)).await.map_err(failed)?;
    context.printer.say(&format!("{name} is set"));
    if !was_sealed {
        let origin = context.keys.origin();
        context
            .printer
            .say(&format!("secrets are sealed with the key of {origin}: keep a copy of it, no backup has it"));
    }
    Ok(Exit::Done)
}

/// From a file, from a prompt without echo, or from what is piped in.
fn read_value(name: &str, file: Option<&Path>) -> Result<SecretString, Failure> {
    let failed = |from: String| {
        move |error| refused(Problem::new("secret_unreadable", format!("cannot read the value from {from}: {error}")))
    };
    match file {
        Some(path) => {
            let shown = path.display().to_string();
            std::fs::File::open(path).and_then(outside::text).map_err(failed(shown))
        }
        None if std::io::stdin().is_terminal() => {
            let asked = rpassword::prompt_password(format!("value of {name}: "));
            asked.map(SecretString::from).map_err(failed("the terminal".to_owned()))
        }
        None => outside::text(std::io::stdin()).map_err(failed("stdin".to_owned())),
    }
}

async fn list(context: &Context) -> Ended {
    let listed = match context.server()? {
        Some(server) => server.get::<Items<Value>>(&["secrets"], &[]).await?.items,
        None => {
            let value = |one: secrets::Listed| {
                json!({ "name": one.name, "used_by": one.used_by, "created_at": time(one.created_at),
                    "rotated_at": time(one.rotated_at), "by": one.by })
            };
            secrets::list(context.read_store().await?.as_ref()).await?.into_iter().map(value).collect()
        }
    };
    if context.printer.json() {
        context.printer.value(&Value::Array(listed));
        return Ok(Exit::Done);
    }
    let row = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let used: Vec<&str> = one["used_by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let used = if used.is_empty() { "-".to_owned() } else { used.join(", ") };
        vec![text("name"), text("rotated_at"), text("by"), used]
    };
    context.printer.table(&["name", "set at", "by", "used by"], &listed.iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Done)
}

async fn rotate(context: &Context) -> Ended {
    context.refuse_server()?;
    let (keys, printer) = (&context.keys, &context.printer);
    // Held until it is through: two changes at once would forget each other's keys.
    let _turn = keys.turn().map_err(refused)?;
    let store = context.engine_store().await?;
    let Some(from) = keys.present(store.as_ref()).await.map_err(refused)? else {
        printer.say("nothing is sealed: there is no key to change");
        return Ok(Exit::Done);
    };
    let (present, resealed) = match keys.begin_change(from.clone()).await.map_err(refused)? {
        Some(Change { from, to }) => {
            crash::point("in_rotation");
            let mut audit = did("secret.rotate", "key");
            audit.details = Some(json!({ "from": from.id().to_string(), "to": to.id().to_string() }).to_string());
            (to.clone(), store.reseal(from, to, audit).await.map_err(failed)?)
        }
        None => (from, 0),
    };
    crash::point("in_rotation");
    keys.end_change(&present).map_err(refused)?;
    crash::point("in_rotation");
    let id = present.id().to_string();
    if printer.json() {
        printer.value(&json!({ "key": id, "resealed": resealed }));
    } else {
        printer.say(&format!("{resealed} values were resealed; the key is {id} now"));
    }
    match keys.file() {
        Some(file) => printer.say(&format!("{} has it: keep a copy, no backup has it", file.display())),
        None => printer.say(&format!("give the new key alone from now on: {} has the old one too", keys.origin())),
    }
    Ok(Exit::Done)
}

async fn check(context: &Context) -> Ended {
    let store = context.read_store().await?;
    let (keys, printer) = (&context.keys, &context.printer);
    let mut problems = Vec::from_iter(keys.check(store.as_ref()).await.err());
    let stored = store.secrets().await?;
    if problems.is_empty() {
        for secret in &stored {
            let opened = opened(keys, secret).await;
            problems.extend(opened.err().map(|problem| problem.at(format!("secrets.{}", secret.name))));
        }
    }
    let used = used_secrets(&store.definitions().await?.1);
    let environment = context.environment(&store);
    if problems.is_empty() {
        problems.extend(environment.refresh(&used.keys().cloned().collect()).await.err().unwrap_or_default());
    }
    let origin = |name: &str| environment.origin(name).unwrap_or("nowhere");
    let missing = used.keys().filter(|name| problems.is_empty() && origin(name) == "nowhere");
    let missing: Vec<Problem> = missing.map(|name| unset(name, &used[name])).collect();
    problems.extend(missing);
    let clean = problems.is_empty();
    if printer.json() {
        let from: serde_json::Map<_, _> = used.keys().map(|name| (name.clone(), json!(origin(name)))).collect();
        printer.value(&json!({ "clean": clean, "stored": stored.len(), "used": from, "problems": problems }));
    } else {
        let row =
            |(name, places): (&String, &Vec<String>)| vec![name.clone(), origin(name).to_owned(), places.join(", ")];
        printer.table(&["name", "comes from", "used by"], &used.iter().map(row).collect::<Vec<_>>());
    }
    problems.iter().for_each(|problem| printer.problem(problem));
    Ok(if clean { Exit::Done } else { Exit::Failed })
}

fn unset(name: &str, places: &[String]) -> Problem {
    let problem = Problem::new("secret_missing", format!("the secret {name} has no value here"));
    problem.at(places.first().cloned().unwrap_or_default()).hint(format!("tramontane secrets set {name}"))
}
