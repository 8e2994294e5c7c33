//! `${NAME}` and `${secret:NAME}`: what a setting takes from the place where it is used.
//!
//! Only settings are looked at (base URI, credentials, file paths); the store and `export` keep the text as written.
//! `$${` stands for `${`. Anywhere else `${NAME}` is plain text.

use super::builtin::WEBHOOK;
use super::kind::Kind;
use super::parts;
use async_trait::async_trait;
use model::definition::{Definitions, Part, Target};
use model::{Problem, Registry};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::BTreeSet;
use store::Declared;

/// The members of an HTTP client that are secret: the only ones in which `${secret:NAME}` may stand.
pub const SECRET_FIELDS: [&str; 3] = ["api_key", "admin_key", "user_key"];

const SECRET: &str = "secret:";

/// Where `${NAME}` and `${secret:NAME}` get their values.
#[async_trait]
pub trait Variables: Send + Sync {
    /// Fetches the secrets that definitions use from where they are kept, before they are asked for: a store, a file, a
    /// command. Called again when any of them may have changed; where it fails, the values are those from before.
    ///
    /// # Errors
    /// What keeps them from being fetched. A secret that is nowhere is no error here: [`resolve_secret`] says so.
    async fn refresh(&self, _secrets: &BTreeSet<String>) -> Result<(), Vec<Problem>> {
        Ok(())
    }
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// The value of a secret.
    fn secret(&self, name: &str) -> Option<SecretString>;
}

/// Declared variables before all others.
pub struct WithDeclared<'a> {
    /// Those that were declared.
    pub declared: &'a [Declared],
    /// Where everything else gets its values.
    pub otherwise: &'a dyn Variables,
}

impl std::fmt::Debug for WithDeclared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithDeclared").field("declared", &self.declared).finish_non_exhaustive()
    }
}

impl Variables for WithDeclared<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let declared = self.declared.iter().find(|one| one.name == name);
        declared.and_then(|one| one.value.clone()).or_else(|| self.otherwise.variable(name))
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.otherwise.secret(name)
    }
}

/// Replaces the variables in a setting that is not secret.
///
/// # Errors
/// `variable_missing`; `variable_syntax`; `secret_misplaced`. The place is empty: the caller knows it.
pub fn resolve(text: &str, variables: &dyn Variables) -> Result<String, Problem> {
    let mut resolved = String::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => resolved.push_str(text),
            Piece::Variable(name) => resolved.push_str(&variable(name, variables)?),
            Piece::Secret(name) => return Err(misplaced(name)),
        }
    }
    Ok(resolved)
}

/// Replaces the variables and secrets in a secret setting.
///
/// # Errors
/// `secret_missing`, also where it is empty; `variable_missing`; `variable_syntax`. The place is empty.
pub fn resolve_secret(text: &str, variables: &dyn Variables) -> Result<SecretString, Problem> {
    let mut resolved = String::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => resolved.push_str(text),
            Piece::Variable(name) => resolved.push_str(&variable(name, variables)?),
            Piece::Secret(name) => {
                let secret = variables.secret(name).filter(|secret| !secret.expose_secret().is_empty());
                resolved.push_str(secret.ok_or_else(|| unset("secret", name))?.expose_secret());
            }
        }
    }
    Ok(resolved.into())
}

fn webhook_secrets(name: &str, part: &Part, variables: &dyn Variables) -> Vec<Problem> {
    let unset = |field: &str| {
        let text = part.options.get(field).and_then(Value::as_str)?;
        let problem = resolve_secret(text, variables).err()?;
        Some(problem.at(format!("{}.{name}.subscriber.{field}", Kind::Incoming)))
    };
    ["signing_secret", "token"].into_iter().filter_map(unset).collect()
}

fn alert_settings(target: &Target, variables: &dyn Variables) -> Vec<Problem> {
    let plain = |field: &str, text: &str| resolve(text, variables).err().map(|problem| problem.at(field));
    let secret = |field: &str, text: Option<&String>| {
        text.and_then(|text| resolve_secret(text, variables).err()).map(|problem| problem.at(field))
    };
    let found = match target {
        Target::Webhook { url, signing_secret, .. } => {
            [plain("url", url), secret("signing_secret", signing_secret.as_ref())]
        }
        Target::Email { smtp, password, .. } => [plain("smtp", smtp), secret("password", password.as_ref())],
        Target::Slack { url, .. } => [secret("url", Some(url)), None],
    };
    found.into_iter().flatten().collect()
}

/// Every variable and secret that the definitions use and that has no value here.
#[must_use]
pub fn missing(definitions: &Definitions, registry: &Registry, variables: &dyn Variables) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut keep = |place: String, problem: Option<Problem>| problems.extend(problem.map(|problem| problem.at(place)));
    for (name, client) in &definitions.http_clients {
        let place = |field: &str| format!("{}.{name}.{field}", Kind::HttpClients);
        keep(place("base_uri"), resolve(&client.base_uri, variables).err());
        for (field, text) in SECRET_FIELDS.into_iter().zip([&client.api_key, &client.admin_key, &client.user_key]) {
            keep(place(field), text.as_deref().and_then(|text| resolve_secret(text, variables).err()));
        }
    }
    let mut paths = |place: String, part: &Part, names: &[&str]| {
        for name in names {
            if let Some(text) = part.options.get(*name).and_then(Value::as_str) {
                keep(format!("{place}.{name}"), resolve(text, variables).err());
            }
        }
    };
    for (name, incoming) in &definitions.incoming {
        let place = format!("{}.{name}.subscriber", Kind::Incoming);
        paths(place, &incoming.subscriber, parts::subscriber_paths(registry, &incoming.subscriber.kind));
    }
    for (name, outgoing) in &definitions.outgoing {
        let place = format!("{}.{name}.publisher", Kind::Outgoing);
        paths(place, &outgoing.publisher, parts::publisher_paths(registry, &outgoing.publisher.kind));
    }
    let webhooks = definitions.incoming.iter().filter(|(_, incoming)| incoming.subscriber.kind == WEBHOOK);
    problems.extend(webhooks.flat_map(|(name, incoming)| webhook_secrets(name, &incoming.subscriber, variables)));
    for (name, alert) in &definitions.alerts {
        let found = alert.send.iter().enumerate().flat_map(|(at, target)| {
            let place = format!("{}.{name}.send[{at}]", Kind::Alerts);
            alert_settings(target, variables).into_iter().map(move |problem| problem.within(&place))
        });
        problems.extend(found);
    }
    problems
}

/// A piece of a setting.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
    Secret(&'a str),
}

/// Takes a setting apart.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Problem> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.extend([Piece::Text(&rest[..at - 1]), Piece::Text("${")]);
            rest = &rest[at + 2..];
            continue;
        }
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or_else(|| syntax("a ${ is not closed"))?;
        let reference = &inside[..end];
        pieces.push(Piece::Text(&rest[..at]));
        pieces.push(match reference.strip_prefix(SECRET) {
            Some(name) if is_name(name) => Piece::Secret(name),
            None if is_name(reference) => Piece::Variable(reference),
            _ => return Err(syntax(&format!("${{{reference}}} is no reference"))),
        });
        rest = &inside[end + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

/// Whether a text takes anything from outside. What cannot be taken apart does.
pub(super) fn has_references(text: &str) -> bool {
    pieces(text).map_or(true, |pieces| pieces.iter().any(|piece| !matches!(piece, Piece::Text(_))))
}

/// The first secret that a text refers to.
pub(super) fn secret_in(text: &str) -> Option<&str> {
    text.match_indices("${secret:").find_map(|(at, start)| {
        let name = text[at + start.len()..].split_once('}')?.0;
        (is_name(name) && !text[..at].ends_with('$')).then_some(name)
    })
}

pub(super) fn misplaced(name: &str) -> Problem {
    Problem::new("secret_misplaced", format!("the secret {name} cannot stand here")).hint(format!(
        "a secret may stand only in {} of an HTTP client, and in the secrets of webhooks and alerts",
        SECRET_FIELDS.join(", ")
    ))
}

/// Whether a variable or a secret can be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn variable(name: &str, variables: &dyn Variables) -> Result<String, Problem> {
    variables.variable(name).ok_or_else(|| unset("variable", name))
}

fn unset(what: &str, name: &str) -> Problem {
    let code = if what == "secret" { "secret_missing" } else { "variable_missing" };
    let hint = match what {
        "secret" => format!("tramontane secrets set {name}, or set the environment variable {name}"),
        _ => format!("set the environment variable {name}"),
    };
    Problem::new(code, format!("the {what} {name} is not set")).hint(hint)
}

fn syntax(reason: &str) -> Problem {
    Problem::new("variable_syntax", reason)
        .hint("write ${NAME} or ${secret:NAME}, with letters, digits and _ in the name; $${ stands for ${ itself")
}
