//! Tries an alert: a message that says that it is a test, sent at once and once.

use super::send::{Voice, shown};
use super::watch::LEASE;
use super::words::Body;
use crate::clock::Clock;
use crate::definitions::variables::Variables;
use futures_util::future::join_all;
use model::definition::Alert;
use std::sync::Arc;
use store::{AlertSend, AuditEntry, NewMessage, SendEnd, Store, StoreError};

/// How it went with one target.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Where to, without what is secret.
    pub shown: String,
    /// How it ended.
    pub end: SendEnd,
}

/// Sends a test to every target of an alert, and records who wished it.
///
/// # Errors
/// What the store says. How the targets took it is in the result.
pub async fn attempt(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    variables: Arc<dyn Variables>,
    (name, alert): (&str, &Alert),
    audit: AuditEntry,
) -> Result<Vec<Tried>, StoreError> {
    let now = clock.now();
    let body = Body::test(name, &alert.when, now);
    let message = NewMessage {
        alert: name.to_owned(),
        what: body.what.as_str().to_owned(),
        at: now,
        body: serde_json::to_string(&body).unwrap_or_default(),
        targets: alert.send.iter().map(shown).collect(),
    };
    let claimed = store.say_claimed(message, now + LEASE, audit).await?;
    let voice = Voice { store, clock, variables };
    let one = async |send: AlertSend| {
        let end = voice.deliver(alert.send.get(send.place), &send).await;
        voice.store.end_send(send.id, send.attempt, end.clone(), voice.clock.now()).await?;
        Ok(Tried { shown: send.shown, end })
    };
    join_all(claimed.into_iter().map(one)).await.into_iter().collect()
}
