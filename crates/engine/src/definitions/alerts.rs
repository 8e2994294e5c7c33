//! Alerts: whom they tell, as far as can be told without telling them.
//!
//! Places are relative to the definition.

use super::variables;
use crate::alert::{Mailbox, mail_server};
use crate::exchange;
use model::Problem;
use serde_json::Value;

/// Places of the secrets of an alert.
pub(super) fn secrets(alert: &Value) -> Vec<String> {
    let mut places = Vec::new();
    for (at, target) in targets(alert) {
        let fields: &[&str] = match text(target, "type") {
            Some("webhook") => &["signing_secret"],
            Some("email") => &["password"],
            Some("slack") => &["url"],
            _ => &[],
        };
        places.extend(fields.iter().map(|field| format!("send[{at}].{field}")));
    }
    places
}

/// Places of the settings of an alert in which variables may stand.
pub(super) fn settings(alert: &Value) -> Vec<String> {
    let mut places = Vec::new();
    for (at, target) in targets(alert) {
        match text(target, "type") {
            Some("webhook") => places.push(format!("send[{at}].url")),
            Some("email") => places.push(format!("send[{at}].smtp")),
            _ => {}
        }
    }
    places
}

/// What is wrong with the targets of an alert.
pub(super) fn problems(alert: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, target) in targets(alert) {
        let found = match text(target, "type") {
            Some("webhook" | "slack") => address(target).into_iter().collect(),
            Some("email") => mail(target),
            _ => Vec::new(),
        };
        problems.extend(found.into_iter().map(|problem| problem.within(&format!("send[{at}]"))));
    }
    problems
}

/// An address that nothing can be sent to. What it will be is not known where it has references.
fn address(target: &Value) -> Option<Problem> {
    let url = text(target, "url")?;
    if variables::has_references(url) {
        return None;
    }
    exchange::receiver(url, allows_private(target)).err().map(|problem| problem.at("url"))
}

fn mail(target: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(smtp) = text(target, "smtp").filter(|text| !variables::has_references(text)) {
        let server = mail_server(smtp, allows_private(target));
        problems.extend(server.err().map(|problem| problem.at("smtp")));
    }
    let has = |member: &str| target.get(member).is_some_and(|value| !value.is_null());
    if has("username") != has("password") {
        let problem = Problem::new("password_alone", "a user name and a password go together");
        problems.push(problem.at(if has("password") { "username" } else { "password" }).hint("give both or none"));
    }
    let is_secure = text(target, "smtp").is_some_and(|smtp| smtp.starts_with("smtps:"));
    if text(target, "tls") == Some("none") && (has("password") || is_secure) {
        let (reason, hint) = match is_secure {
            true => ("smtps is TLS from the start", "write smtp:// for a server without TLS"),
            false => ("without TLS the password would go in the open", "leave tls out, or the password"),
        };
        problems.push(Problem::new("mail_in_the_open", reason).at("tls").hint(hint));
    }
    let to = target.get("to").and_then(Value::as_array).into_iter().flatten();
    let to = to.enumerate().filter_map(|(at, to)| Some((format!("to[{at}]"), to.as_str()?)));
    for (place, address) in text(target, "from").map(|from| ("from".to_owned(), from)).into_iter().chain(to) {
        let is_plain = |mailbox: Mailbox| AsRef::<str>::as_ref(&mailbox.email).is_ascii();
        if !address.parse().is_ok_and(is_plain) {
            let problem = Problem::new("mail_address", format!("\"{}\" is no mail address", address.escape_debug()));
            problems.push(problem.at(place).hint("write ann@example.com or Ann <ann@example.com>"));
        }
    }
    problems
}

fn allows_private(target: &Value) -> bool {
    target.get("allow_private_addresses") == Some(&Value::Bool(true))
}

fn targets(alert: &Value) -> impl Iterator<Item = (usize, &Value)> {
    alert.get("send").and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn text<'a>(object: &'a Value, member: &str) -> Option<&'a str> {
    object.get(member)?.as_str()
}
