//! `tramontane people`: who may use the server.

use super::server::{Items, Server, not_through_server};
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::server::{Person as ShownPerson, rights};
use crate::sign_in::{Passwords, check_password};
use crate::{settings, token};
use clap::{Args, Subcommand};
use model::{Problem, Role, suggest};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _};
use store::{AuditEntry, NewLink, Person, Store};

/// More than a password can be.
const LONGEST_LINE: u64 = 2_048;

/// Where people reach the server, where nothing else is said.
const HERE: &str = "http://127.0.0.1:8420";
/// What lists show of somebody.
const COLUMNS: [&str; 6] = ["name", "role", "sees_payloads", "is_disabled", "has_password", "has_factor"];
const FACTOR_REMOVED: &str = "it is not asked for any more";

/// A link as a server says it.
#[derive(Deserialize)]
struct Link {
    path: String,
}

/// Arguments of `tramontane people`.
#[derive(Debug, Args)]
#[command(after_help = "\
Roles, each of which may do what those before it may:
  viewer    looks                          editor  changes definitions
  operator  runs, retries, resolves        admin   changes people, tokens and settings

Examples: tramontane people add ann --role operator
          tramontane people link ann")]
pub(crate) struct People {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists everybody.
    List,
    /// Adds somebody, or changes what they may do.
    Add {
        /// What they are called.
        name: String,
        /// What they may do.
        #[arg(long, value_parser = role)]
        role: Role,
        /// They may not see payloads, requests and answers.
        #[arg(long)]
        no_payloads: bool,
    },
    /// Lets somebody in no more: none of their tokens counts, and they are signed out.
    Disable {
        /// Who.
        name: String,
    },
    /// Lets them in again.
    Enable {
        /// Who.
        name: String,
    },
    /// Sets somebody's password to the first line of stdin; they are signed out everywhere.
    Password {
        /// Whose.
        name: String,
    },
    /// Makes a link by which somebody sets their password, once, within an hour.
    Link {
        /// Whose password.
        name: String,
        /// Where people reach the server: http://127.0.0.1:8420, or where --server is, unless it is said.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Takes somebody's second factor away, where they have lost it.
    RemoveFactor {
        /// Whose.
        name: String,
    },
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    let words: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    Role::from_word(text).ok_or_else(|| {
        let hint = suggest::nearest(text, words.iter().copied()).map(|near| format!("did you mean {near}? "));
        format!("{}roles are {}", hint.unwrap_or_default(), words.join(", "))
    })
}

/// What was done on the command line, for the record.
pub(super) fn did(what: &str, subject: &str) -> AuditEntry {
    let at = settings::clock().now();
    let text = str::to_owned;
    AuditEntry {
        id: 0,
        at,
        who: text("cli"),
        origin: text("cli"),
        what: text(what),
        subject: text(subject),
        details: None,
    }
}

impl People {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        if let Some(server) = context.server()? {
            return self.run_at(&server, context).await;
        }
        if matches!(self.verb, Verb::List) {
            let store = context.read_store().await?;
            let (people, ways) = (store.people().await?, store.ways_in().await?);
            let values: Vec<Value> = people.iter().map(|one| json!(ShownPerson::new(one, &ways))).collect();
            show(context, &values, &COLUMNS);
            return Ok(Exit::Done);
        }
        let store = context.engine_store().await?;
        let store = store.as_ref();
        match self.verb {
            Verb::List => {}
            Verb::Add { name, role, no_payloads } => add(context, store, name, role, !no_payloads).await?,
            Verb::Disable { name } => turn(context, store, &name, true).await?,
            Verb::Enable { name } => turn(context, store, &name, false).await?,
            Verb::Password { name } => set_password(context, store, name).await?,
            Verb::Link { name, url } => link(context, store, name, url.as_deref().unwrap_or(HERE)).await?,
            Verb::RemoveFactor { name } => {
                let person = known(store, &name).await?;
                if !store.remove_factor(person.name, did("factor.remove", &name)).await? {
                    return Err(Failure::refused(vec![Problem::new("factor_none", "they have no second factor")]));
                }
                context.printer.say(FACTOR_REMOVED);
            }
        }
        Ok(Exit::Done)
    }

    async fn run_at(self, server: &Server, context: &Context) -> Ended {
        match self.verb {
            Verb::List => {
                let people: Items<Value> = server.get(&["people"], &[]).await?;
                show(context, &people.items, &COLUMNS);
            }
            Verb::Add { name, role, no_payloads } => {
                let may = json!({ "role": role, "sees_payloads": !no_payloads });
                show_written(context, &server.send("PUT", &["people", &name], Some(&may)).await?);
            }
            Verb::Disable { name } => {
                show_written(context, &server.send("POST", &["people", &name, "disable"], None).await?);
            }
            Verb::Enable { name } => {
                show_written(context, &server.send("POST", &["people", &name, "enable"], None).await?);
            }
            Verb::Password { name } => {
                let hint = format!("make a link by which they set it: tramontane people link {name}");
                return Err(not_through_server(&hint));
            }
            Verb::Link { name, url } => {
                let made: Link = server.send("POST", &["people", &name, "link"], None).await?;
                show_link(context, url.as_deref().unwrap_or(server.url()), &made.path);
            }
            Verb::RemoveFactor { name } => {
                server.delete(&["people", &name, "factor"], &[]).await?;
                context.printer.say(FACTOR_REMOVED);
            }
        }
        Ok(Exit::Done)
    }
}

async fn add(
    context: &Context,
    store: &dyn Store,
    name: String,
    role: Role,
    sees_payloads: bool,
) -> Result<(), Failure> {
    Person::check_name(&name).map_err(|problem| Failure::refused(vec![problem]))?;
    let before = store.people().await?.into_iter().find(|person| person.name == name);
    let is_disabled = before.as_ref().is_some_and(|person| person.is_disabled);
    let created_at = settings::clock().now();
    let after = Person { name, role, sees_payloads, is_disabled, created_at };
    write(context, store, "person.write", before, after).await
}

async fn turn(context: &Context, store: &dyn Store, name: &str, is_disabled: bool) -> Result<(), Failure> {
    let before = known(store, name).await?;
    let what = if is_disabled { "person.disable" } else { "person.enable" };
    let after = Person { is_disabled, ..before.clone() };
    write(context, store, what, Some(before), after).await
}

async fn write(
    context: &Context,
    store: &dyn Store,
    what: &str,
    before: Option<Person>,
    after: Person,
) -> Result<(), Failure> {
    let details = json!({ "before": before.as_ref().map(rights), "after": rights(&after) });
    let audit = AuditEntry { details: Some(details.to_string()), ..did(what, &after.name) };
    store.write_person(after.clone(), audit).await?;
    show_written(context, &json!(ShownPerson::new(&after, &store.ways_in().await?)));
    Ok(())
}

fn show_written(context: &Context, person: &Value) {
    if context.printer.json() {
        context.printer.value(person);
    } else {
        context.printer.say("done");
    }
}

async fn set_password(context: &Context, store: &dyn Store, name: String) -> Result<(), Failure> {
    let name = known(store, &name).await?.name;
    let unread = |error| Failure::new(Exit::Trouble, Problem::new("password_unread", format!("stdin: {error}")));
    let password = read_password(&name).map_err(unread)?;
    check_password(&password, &name).map_err(|problem| Failure::refused(vec![problem]))?;
    let hash = Passwords::default().hash(password.into()).await;
    let hash = hash.map_err(|problem| Failure::new(Exit::Trouble, problem))?;
    let audit = did("password.set", &name);
    store.set_password(name, hash, audit).await?;
    context.printer.say("done; they are signed out everywhere");
    Ok(())
}

/// From a prompt without echo, or the first line of what is piped in.
fn read_password(name: &str) -> std::io::Result<String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("new password of {name}: "));
    }
    let mut text = String::new();
    std::io::stdin().take(LONGEST_LINE).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn link(context: &Context, store: &dyn Store, name: String, url: &str) -> Result<(), Failure> {
    let name = known(store, &name).await?.name;
    let (bits, hash) = token::make_bits().map_err(|problem| Failure::new(Exit::Trouble, problem))?;
    let audit = did("link.add", &name);
    let link = NewLink { hash, person: Some(name), expires_at: audit.at + token::LINK_COUNTS };
    store.add_link(link, audit).await?;
    show_link(context, url, &token::link_path(&bits));
    Ok(())
}

fn show_link(context: &Context, url: &str, path: &str) {
    let link = format!("{}{path}", url.trim_end_matches('/'));
    if context.printer.json() {
        context.printer.value(&json!({ "link": link }));
    } else {
        context.printer.data(&link);
        context.printer.say("it counts once, for an hour");
    }
}

/// Somebody of this name.
pub(super) async fn known(store: &dyn Store, name: &str) -> Result<Person, Failure> {
    let people = store.people().await?;
    if let Some(person) = people.iter().find(|person| person.name == name) {
        return Ok(person.clone());
    }
    let mut problem = Problem::new("person_unknown", format!("there is nobody called \"{}\"", name.escape_debug()));
    problem.hint = suggest::hint(name, people.iter().map(|person| person.name.as_str()))
        .or_else(|| Some("tramontane people add NAME --role ROLE adds somebody".to_owned()));
    Err(Failure::refused(vec![problem]))
}

pub(super) fn show(context: &Context, values: &[Value], columns: &[&str]) {
    if context.printer.json() {
        context.printer.value(&json!(values));
        return;
    }
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(words) if words.is_empty() => "-".to_owned(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    let rows = values.iter().map(|value| columns.iter().map(|column| cell(&value[*column])).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    context.printer.table(columns, &rows);
}
