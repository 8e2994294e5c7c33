//! One message to one target, once.

use super::mail::{Mail, Undelivered, mail_server};
use super::step::What;
use super::words::{Body, channel, in_words, line, payload, title};
use crate::clock::Clock;
use crate::definitions::variables::{Variables, WithDeclared, resolve, resolve_secret};
use crate::exchange::{Exchanged, Receiver};
use crate::flow::sign;
use bytes::Bytes;
use model::definition::{Span, Target};
use model::{Evidence, Millis, Problem};
use secrecy::ExposeSecret;
use std::sync::Arc;
use store::{AlertSend, SendEnd, Store};
use url::Url;

/// How often a failed send is tried, and after how long.
const RETRIES: [Span; 5] = [Span(30_000), Span(120_000), Span(600_000), Span(1_800_000), Span(7_200_000)];

/// What sending needs.
#[derive(Clone)]
pub(super) struct Voice {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) variables: Arc<dyn Variables>,
}

/// How a target is called where everybody may read it: nothing of it is secret.
pub(super) fn shown(target: &Target) -> String {
    match target {
        Target::Webhook { url, .. } => {
            let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
            format!("webhook {}", host.unwrap_or_else(|| line(url, 100)))
        }
        Target::Email { to, .. } => format!("email {}", line(&to.join(", "), 200)),
        Target::Slack { .. } => "slack".to_owned(),
    }
}

impl Voice {
    /// Sends what was claimed, and says how it ended.
    pub(super) async fn deliver(&self, target: Option<&Target>, send: &AlertSend) -> SendEnd {
        let Some(target) = target.filter(|target| shown(target) == send.shown) else {
            let reason = "the alert was changed before it was sent, and names this target no more";
            return SendEnd::Failed(Problem::new("alert_changed", reason));
        };
        let body: Body = match serde_json::from_str(&send.body) {
            Ok(body) => body,
            Err(error) => return SendEnd::Failed(Problem::new("alert_unreadable", error.to_string())),
        };
        let declared = match self.store.declared().await {
            Ok(declared) => declared,
            Err(error) => return later(&body, send.attempt, error.problem(), self.clock.now()),
        };
        let variables = WithDeclared { declared: &declared, otherwise: self.variables.as_ref() };
        let told = match target {
            Target::Webhook { url, signing_secret, allow_private_addresses } => {
                self.webhook(&variables, (url, signing_secret.as_deref()), *allow_private_addresses, &body, send).await
            }
            Target::Slack { url, allow_private_addresses } => {
                slack(&variables, url, *allow_private_addresses, &body).await
            }
            Target::Email { .. } => self.mail(&variables, target, &body, send).await,
        };
        match told {
            Ok(()) => SendEnd::Sent,
            Err(Undelivered::Never(problem)) => SendEnd::Failed(problem),
            Err(Undelivered::Unknown(problem)) => SendEnd::Unknown(problem),
            Err(Undelivered::Later(problem)) => later(&body, send.attempt, problem, self.clock.now()),
        }
    }

    async fn webhook(
        &self,
        variables: &dyn Variables,
        (url, secret): (&str, Option<&str>),
        allows_private: bool,
        body: &Body,
        send: &AlertSend,
    ) -> Result<(), Undelivered> {
        let url = resolve(url, variables).map_err(Undelivered::Never)?;
        let receiver = Receiver::new(&url, allows_private).map_err(Undelivered::Never)?;
        let bytes = Bytes::from(payload(body, self.store.id()).to_string());
        // The same for every try: whoever gets it twice can tell.
        let id = format!("alert_{}_{}", self.store.id(), send.message);
        let time = (self.clock.now() / 1_000).to_string();
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.clone()),
            ("webhook-timestamp", time.clone()),
        ];
        if let Some(secret) = secret {
            let secret = resolve_secret(secret, variables).map_err(Undelivered::Never)?;
            headers.push(("webhook-signature", sign(secret.expose_secret(), &id, &time, &bytes)));
        }
        match judge(receiver.post(headers, bytes).await) {
            // Not lost: it has an id, so that it can be sent again.
            Err(Undelivered::Unknown(problem)) => Err(Undelivered::Later(problem)),
            told => told,
        }
    }

    async fn mail(
        &self,
        variables: &dyn Variables,
        target: &Target,
        body: &Body,
        send: &AlertSend,
    ) -> Result<(), Undelivered> {
        let Target::Email { smtp, tls, username, password, from, to, allow_private_addresses } = target else {
            return Ok(());
        };
        let smtp = resolve(smtp, variables).map_err(Undelivered::Never)?;
        let password = password.as_deref().map(|text| resolve_secret(text, variables)).transpose();
        let password = password.map_err(Undelivered::Never)?;
        let mail = Mail {
            server: mail_server(&smtp, *allow_private_addresses).map_err(Undelivered::Never)?,
            tls: *tls,
            login: username.as_deref().zip(password),
            from,
            to,
            subject: format!("[tramontane] {}", title(body)),
            text: in_words(body),
            at: body.at,
            id: format!("<alert-{}-{}@tramontane.{}>", send.message, send.place, self.store.id()),
        };
        mail.send().await
    }
}

async fn slack(variables: &dyn Variables, url: &str, allows_private: bool, body: &Body) -> Result<(), Undelivered> {
    let url = resolve_secret(url, variables).map_err(Undelivered::Never)?;
    let receiver = Receiver::new(url.expose_secret(), allows_private).map_err(Undelivered::Never)?;
    let headers = vec![("content-type", "application/json".to_owned())];
    judge(receiver.post(headers, Bytes::from(channel(body).to_string())).await)
}

/// When it is tried again; a test, and one that was tried often enough, is not.
fn later(body: &Body, attempt: u32, problem: Problem, now: Millis) -> SendEnd {
    let wait = RETRIES.get(attempt.saturating_sub(1) as usize).filter(|_| body.what != What::Test);
    match wait {
        Some(wait) => SendEnd::Again(now + wait.0, problem),
        None => SendEnd::Failed(problem),
    }
}

/// What an exchange says about whether it arrived.
fn judge(exchanged: Exchanged) -> Result<(), Undelivered> {
    match exchanged {
        Exchanged::Answer(answer) => {
            let said = line(&String::from_utf8_lossy(&answer.body), 200);
            let problem = Problem::new("receiver_refused", format!("the receiver answered {}: {said}", answer.status));
            match answer.status {
                200..=299 => Ok(()),
                408 | 425 | 429 | 500..=599 => Err(Undelivered::Later(problem)),
                300..=399 => Err(Undelivered::Never(problem.hint("redirects are not followed: name where it leads"))),
                _ => Err(Undelivered::Never(problem)),
            }
        }
        Exchanged::Lost { evidence: Evidence::NotSent, problem, .. } if problem.code == "address_private" => {
            Err(Undelivered::Never(problem.hint("set allow_private_addresses: true beside it if this is meant")))
        }
        Exchanged::Lost { evidence: Evidence::NotSent, problem, .. } => Err(Undelivered::Later(problem)),
        Exchanged::Lost { problem, .. } => Err(Undelivered::Unknown(problem)),
        Exchanged::Unkept { error, .. } => Err(Undelivered::Unknown(error.problem())),
    }
}
