//! `tramontane tokens`: what programs show to the server.

use super::people::{did, known, role, show};
use super::server::{Items, Server};
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::time;
use crate::server::Token as ShownToken;
use crate::{settings, token};
use clap::{Args, Subcommand};
use model::definition::Span;
use model::{Problem, Role, Scope, suggest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AuditEntry, NewAccessToken};

/// Arguments of `tramontane tokens`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane tokens add ann --label laptop --expires 90d

A token is shown once. Send it as \"Authorization: Bearer TOKEN\" to /api/v1/….

Scopes: read (looks, changes nothing), tasks, runs, definitions, proxy, secrets, people. Without one a token may do all
that its role may.")]
pub(crate) struct Tokens {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists tokens, none of them as it was shown.
    List,
    /// Makes a token for somebody.
    Add(Wish),
    /// Deletes a token: it counts no more.
    Delete {
        /// Its number.
        id: i64,
    },
}

#[derive(Debug, Args)]
struct Wish {
    /// For whom it speaks.
    person: String,
    /// What it is for.
    #[arg(long, default_value = "")]
    label: String,
    /// What it may do at most; as much as its person, where nothing is said.
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// What it may be used for; all that its role may, where nothing is said.
    #[arg(long, value_delimiter = ',', value_parser = scope)]
    scope: Vec<Scope>,
    /// It counts for so long; for ever, where nothing is said.
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
}

fn scope(text: &str) -> Result<Scope, String> {
    let words: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    Scope::from_word(text).ok_or_else(|| {
        let hint = suggest::nearest(text, words.iter().copied()).map(|near| format!("did you mean {near}? "));
        format!("{}scopes are {}", hint.unwrap_or_default(), words.join(", "))
    })
}

impl Tokens {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let server = context.server()?;
        match self.verb {
            Verb::List => {
                let values = match server {
                    Some(server) => server.get::<Items<Value>>(&["tokens"], &[]).await?.items,
                    None => {
                        let tokens = context.read_store().await?.access_tokens().await?;
                        tokens.iter().map(|token| json!(ShownToken::from(token))).collect()
                    }
                };
                show(context, &values, &["id", "person", "label", "role", "scope", "used_at", "expires_at"]);
            }
            Verb::Add(wish) => {
                let made = match server {
                    Some(server) => wish.add_at(&server).await?,
                    None => wish.add(context).await?,
                };
                show_made(context, &made);
            }
            Verb::Delete { id } => {
                match server {
                    Some(server) => server.delete(&["tokens", &id.to_string()], &[]).await?,
                    None => delete(context, id).await?,
                }
                context.printer.say("it counts no more");
            }
        }
        Ok(Exit::Done)
    }
}

async fn delete(context: &Context, id: i64) -> Result<(), Failure> {
    let store = context.engine_store().await?;
    if !store.delete_access_token(id, did("token.delete", &id.to_string())).await? {
        let problem = Problem::new("token_unknown", format!("there is no token {id}"));
        return Err(Failure::refused(vec![problem.hint("tramontane tokens list shows what there is")]));
    }
    Ok(())
}

/// A token, as it is shown once.
#[derive(Serialize, Deserialize)]
struct Made {
    id: Option<i64>,
    token: String,
}

impl Wish {
    async fn add(self, context: &Context) -> Result<Made, Failure> {
        let Self { person, label, role, scope, expires } = self;
        NewAccessToken::check_label(&label).map_err(|problem| Failure::refused(vec![problem]))?;
        let store = context.engine_store().await?;
        let owner = known(store.as_ref(), &person).await?;
        let (token, hash) = token::make().map_err(|problem| Failure::new(Exit::Trouble, problem))?;
        let role = role.unwrap_or(owner.role);
        let details = json!({ "label": label, "role": role, "scope": scope });
        let audit = AuditEntry { details: Some(details.to_string()), ..did("token.add", &person) };
        let expires_at = expires.map(|span| audit.at + span.0);
        let new = NewAccessToken { person, label, role, scope, hash, expires_at };
        let id = store.add_access_token(new, audit).await?;
        Ok(Made { id, token })
    }

    async fn add_at(self, server: &Server) -> Result<Made, Failure> {
        let expires_at = self.expires.map(|span| time(settings::clock().now() + span.0));
        let mut wish = json!({ "person": self.person, "label": self.label, "scope": self.scope });
        if let Some(role) = self.role {
            wish["role"] = json!(role);
        }
        if expires_at.is_some() {
            wish["expires_at"] = json!(expires_at);
        }
        server.send("POST", &["tokens"], Some(&wish)).await
    }
}

fn show_made(context: &Context, made: &Made) {
    if context.printer.json() {
        context.printer.value(&json!(made));
    } else {
        context.printer.data(&made.token);
        context.printer.say("keep it well: it is not shown again");
    }
}
