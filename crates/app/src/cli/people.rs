//! `tramontane people` and `tramontane tokens`: who may use the server.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::server::{Person as ShownPerson, Token as ShownToken};
use crate::{settings, token};
use clap::{Args, Subcommand};
use model::definition::Span;
use model::{Problem, Role, suggest};
use serde_json::{Value, json};
use store::{AuditEntry, NewAccessToken, Person, Store};

/// Arguments of `tramontane people`.
#[derive(Debug, Args)]
#[command(after_help = "\
Roles, each of which may do what those before it may:
  viewer    looks                          editor  changes definitions
  operator  runs, retries, resolves        admin   changes people and tokens

Example: tramontane people add ann --role operator")]
pub(crate) struct People {
    #[command(subcommand)]
    verb: PeopleVerb,
}

#[derive(Debug, Subcommand)]
enum PeopleVerb {
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
    /// Lets none of somebody's tokens count.
    Disable {
        /// Who.
        name: String,
    },
    /// Lets them count again.
    Enable {
        /// Who.
        name: String,
    },
}

/// Arguments of `tramontane tokens`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane tokens add ann --label laptop --expires 90d

A token is shown once. Send it as \"Authorization: Bearer TOKEN\" to /api/v1/….")]
pub(crate) struct Tokens {
    #[command(subcommand)]
    verb: TokensVerb,
}

#[derive(Debug, Subcommand)]
enum TokensVerb {
    /// Lists tokens, none of them as it was shown.
    List,
    /// Makes a token for somebody.
    Add {
        /// For whom it speaks.
        person: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        label: String,
        /// What it may do at most; as much as its person, where nothing is said.
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// It counts for so long; for ever, where nothing is said.
        #[arg(long, value_name = "DURATION")]
        expires: Option<Span>,
    },
    /// Deletes a token: it counts no more.
    Delete {
        /// Its number.
        id: i64,
    },
}

fn role(text: &str) -> Result<Role, String> {
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

/// Names are short and stand in logs and lists.
fn checked(name: &str) -> Result<(), Failure> {
    let is_fine = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | '@');
    if !name.is_empty() && name.len() <= 100 && name.chars().all(is_fine) {
        return Ok(());
    }
    let problem = Problem::new("name_wrong", format!("\"{}\" is no name", name.escape_debug()));
    Err(Failure::refused(vec![problem.hint("letters, digits, and . - _ @, at most 100 bytes")]))
}

impl People {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            PeopleVerb::List => {
                let people = context.read_store().await?.people().await?;
                let values: Vec<Value> = people.iter().map(|person| json!(ShownPerson::from(person))).collect();
                show(context, &values, &["name", "role", "sees_payloads", "is_disabled", "created_at"]);
            }
            PeopleVerb::Add { name, role, no_payloads } => {
                checked(&name)?;
                let store = context.engine_store().await?;
                let before = found(store.as_ref(), &name).await?;
                let person = Person {
                    role,
                    sees_payloads: !no_payloads,
                    is_disabled: before.is_some_and(|person| person.is_disabled),
                    created_at: settings::clock().now(),
                    name,
                };
                write(context, store.as_ref(), person).await?;
            }
            PeopleVerb::Disable { name } => turn(context, &name, true).await?,
            PeopleVerb::Enable { name } => turn(context, &name, false).await?,
        }
        Ok(Exit::Done)
    }
}

async fn turn(context: &Context, name: &str, is_disabled: bool) -> Result<(), Failure> {
    let store = context.engine_store().await?;
    let Some(person) = found(store.as_ref(), name).await? else { return Err(unknown(store.as_ref(), name).await?) };
    write(context, store.as_ref(), Person { is_disabled, ..person }).await
}

async fn write(context: &Context, store: &dyn Store, person: Person) -> Result<(), Failure> {
    let value = json!(ShownPerson::from(&person));
    let mut audit = did("person.write", &person.name);
    audit.details = Some(value.to_string());
    store.write_person(person, audit).await?;
    if context.printer.json() {
        context.printer.value(&value);
    } else {
        context.printer.say("done");
    }
    Ok(())
}

async fn found(store: &dyn Store, name: &str) -> Result<Option<Person>, Failure> {
    Ok(store.people().await?.into_iter().find(|person| person.name == name))
}

async fn unknown(store: &dyn Store, name: &str) -> Result<Failure, Failure> {
    let people = store.people().await?;
    let mut problem = Problem::new("person_unknown", format!("there is nobody called \"{}\"", name.escape_debug()));
    problem.hint = suggest::hint(name, people.iter().map(|person| person.name.as_str()))
        .or_else(|| Some("tramontane people add NAME --role ROLE adds somebody".to_owned()));
    Ok(Failure::refused(vec![problem]))
}

impl Tokens {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            TokensVerb::List => {
                let tokens = context.read_store().await?.access_tokens().await?;
                let values: Vec<Value> = tokens.iter().map(|token| json!(ShownToken::from(token))).collect();
                show(context, &values, &["id", "person", "label", "role", "used_at", "expires_at"]);
            }
            TokensVerb::Add { person, label, role, expires } => add(context, person, label, role, expires).await?,
            TokensVerb::Delete { id } => {
                let store = context.engine_store().await?;
                if !store.delete_access_token(id, did("token.delete", &id.to_string())).await? {
                    let problem = Problem::new("token_unknown", format!("there is no token {id}"));
                    return Err(Failure::refused(vec![problem.hint("tramontane tokens list shows what there is")]));
                }
                context.printer.say("it counts no more");
            }
        }
        Ok(Exit::Done)
    }
}

async fn add(
    context: &Context,
    person: String,
    label: String,
    role: Option<Role>,
    expires: Option<Span>,
) -> Result<(), Failure> {
    if label.len() > 200 {
        return Err(Failure::refused(vec![Problem::new("label_too_long", "a label has at most 200 bytes")]));
    }
    let store = context.engine_store().await?;
    let Some(owner) = found(store.as_ref(), &person).await? else {
        return Err(unknown(store.as_ref(), &person).await?);
    };
    let (shown, hash) = token::make().map_err(|problem| Failure::new(Exit::Trouble, problem))?;
    let audit = did("token.add", &person);
    let expires_at = expires.map(|span| audit.at + span.0);
    let role = role.unwrap_or(owner.role);
    let new = NewAccessToken { person, label, role, scope: Vec::new(), hash, expires_at };
    let id = store.add_access_token(new, audit).await?;
    if context.printer.json() {
        context.printer.value(&json!({ "id": id, "token": shown }));
    } else {
        context.printer.data(&shown);
        context.printer.say("keep it well: it is not shown again");
    }
    Ok(())
}

fn show(context: &Context, values: &[Value], columns: &[&str]) {
    if context.printer.json() {
        context.printer.value(&json!(values));
        return;
    }
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let rows = values.iter().map(|value| columns.iter().map(|column| cell(&value[*column])).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    context.printer.table(columns, &rows);
}
