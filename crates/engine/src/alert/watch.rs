//! Looks again and again, and sends what there is to say.

use super::send::{Voice, shown};
use super::step::{Said, State, What, step};
use super::subjects::subjects;
use super::words::Body;
use crate::engine::Parts;
use crate::flow::Flows;
use crate::models;
use crate::runner::Status;
use futures_util::future::join_all;
use model::Millis;
use model::definition::Alert;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{AlertChange, AlertRow, AlertSend, NewMessage, StoreError};
use tokio::sync::{Notify, watch};

/// How often it is looked.
const EVERY: Millis = 15_000;
/// So long the turn to look is one engine's, unless it takes it again.
const TURN: Millis = 60_000;
/// So long a send may take; what takes longer is not sent again.
pub(super) const LEASE: Millis = 180_000;
/// So many sends are claimed at a time.
const MOST: u32 = 20;
/// How often it is looked whether models are to be looked at.
const MODELS: Millis = 60_000;

/// Watches one store for one process.
pub(crate) struct Watcher {
    pub(super) parts: Parts,
    status: watch::Receiver<Status>,
    stop: watch::Receiver<bool>,
    /// There is something to be sent.
    said: Notify,
}

impl Watcher {
    pub(crate) fn new(parts: Parts, status: watch::Receiver<Status>, stop: watch::Receiver<bool>) -> Self {
        Self { parts, status, stop, said: Notify::new() }
    }

    /// Goes on until it is told to stop; what is being sent then is ended first.
    pub(crate) async fn run(self) {
        tokio::join!(self.look_on(), self.send_on(), self.models_on());
    }

    fn now(&self) -> Millis {
        self.parts.clock.now()
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    fn flows(&self) -> Option<Arc<Flows>> {
        self.status.borrow().flows.clone()
    }

    /// Rests; `false` when it is time to stop.
    async fn rest(&self, until: Millis) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.parts.clock.sleep_until(until) => !self.is_stopping(),
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }

    async fn look_on(&self) {
        let mut status = self.status.clone();
        let mut stop = self.stop.clone();
        // Nothing is looked at before it is known what is defined.
        tokio::select! {
            _ = status.wait_for(|status| status.flows.is_some()) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        while !self.is_stopping() {
            let next = self.now() + EVERY;
            if let Some(flows) = self.flows()
                && let Err(error) = self.look(&flows).await
            {
                tracing::warn!(%error, "alerts could not be seen to; trying again");
            }
            if !self.rest(next).await {
                return;
            }
        }
    }

    /// Looks once, and writes down what there is to say.
    async fn look(&self, flows: &Flows) -> Result<(), StoreError> {
        let (store, now) = (&self.parts.store, self.now());
        self.note_keys(flows, now).await?;
        let defined: BTreeMap<&String, &Alert> =
            flows.definitions.alerts.iter().filter(|(_, alert)| alert.enabled).collect();
        let rows = store.alert_rows().await?;
        if defined.is_empty() && rows.is_empty() {
            return Ok(());
        }
        if store.is_shared() {
            let engine = self.parts.standing.name().to_owned();
            if !store.take_turn("alerts".to_owned(), engine, now, now + TURN).await? {
                return Ok(());
            }
        }
        let gone = rows.iter().map(|row| &row.name).filter(|name| !defined.contains_key(name));
        let gone: Vec<String> = gone.cloned().collect();
        if !gone.is_empty() {
            store.forget_alerts(gone, now).await?;
        }
        let mut changes = Vec::new();
        for (name, alert) in defined {
            let row = rows.iter().find(|row| row.name == *name).cloned().unwrap_or_default();
            let facts = self.facts(flows, &alert.when, now).await?;
            changes.extend(considered((name, alert), row, subjects(&alert.when, &facts, now), now));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let says = changes.iter().any(|change| change.message.is_some());
        for (change, written) in changes.clone().iter().zip(store.change_alerts(changes).await?) {
            if let (true, Some(message)) = (written, &change.message) {
                tracing::warn!(alert = message.alert, what = message.what, "an alert has something to say");
                let known = json!({ "name": message.alert, "what": message.what });
                self.parts.standing.facts().remark("alert", &message.alert, known);
            }
        }
        if says {
            self.said.notify_one();
        }
        Ok(())
    }

    /// Notes of keys what this engine heard of them and the store does not know.
    async fn note_keys(&self, flows: &Flows, now: Millis) -> Result<(), StoreError> {
        let heard = flows.clients.iter().filter_map(|(name, client)| Some((name.clone(), client.gate().key()?.err())));
        let heard: Vec<(String, Option<u16>)> = heard.collect();
        if heard.is_empty() {
            return Ok(());
        }
        let known = self.parts.store.keys_refused().await?;
        let known = |client: &str| known.iter().find(|known| known.client == client).map(|known| known.status);
        let new: Vec<_> = heard.into_iter().filter(|(client, status)| known(client) != *status).collect();
        if new.is_empty() { Ok(()) } else { self.parts.store.note_keys(new, now).await }
    }

    async fn send_on(&self) {
        while !self.is_stopping() {
            let now = self.now();
            let next = match self.send_due(now).await {
                Ok(next) => next.map_or(now + EVERY, |next| next.clamp(now, now + EVERY)),
                Err(error) => {
                    tracing::warn!(%error, "what alerts have to say could not be sent; trying again");
                    now + EVERY
                }
            };
            tokio::select! {
                is_on = self.rest(next) => if !is_on { return },
                () = self.said.notified() => {}
            }
        }
    }

    /// Sends what is due; returns when to look again.
    async fn send_due(&self, now: Millis) -> Result<Option<Millis>, StoreError> {
        let store = &self.parts.store;
        let Some(next) = store.next_send().await? else { return Ok(None) };
        if next > now {
            return Ok(Some(next));
        }
        let Some(flows) = self.flows() else { return Ok(None) };
        let claimed = store.claim_sends(now, now + LEASE, MOST).await?;
        let voice =
            Voice { store: store.clone(), clock: self.parts.clock.clone(), variables: self.parts.variables.clone() };
        let one = async |send: AlertSend| {
            let alert = flows.definitions.alerts.get(&send.alert);
            let end = voice.deliver(alert.and_then(|alert| alert.send.get(send.place)), &send).await;
            store.end_send(send.id, send.attempt, end, self.now()).await
        };
        for ended in join_all(claimed.into_iter().map(one)).await {
            ended?;
        }
        store.next_send().await
    }

    async fn models_on(&self) {
        loop {
            let next = self.now() + MODELS;
            if let Some(flows) = self.flows()
                && let Err(error) = models::look_if_due(&self.parts, &flows).await
            {
                tracing::warn!(%error, "models could not be seen to; trying again");
            }
            if !self.rest(next).await {
                return;
            }
        }
    }
}

/// What a look changes about an alert; nothing where all is as it was.
fn considered(
    (name, alert): (&str, &Alert),
    row: AlertRow,
    found: Vec<super::Subject>,
    now: Millis,
) -> Option<AlertChange> {
    let rule = serde_json::to_string(&alert.when).unwrap_or_default();
    // Another rule begins anew, and so does a state that an older version wrote otherwise.
    let before: State =
        if row.rule == rule { serde_json::from_str(&row.state).unwrap_or_default() } else { State::default() };
    let is_muted = row.muted.is_some_and(|(until, _)| until > now);
    let (state, said) = step(alert, &before, found, is_muted, now);
    if state == before && said.is_none() && row.rule == rule {
        return None;
    }
    Some(AlertChange {
        name: name.to_owned(),
        rule,
        state: serde_json::to_string(&state).unwrap_or_default(),
        version: row.version,
        message: said.map(|said| message(name, alert, said, now)),
    })
}

fn message(name: &str, alert: &Alert, said: Said, now: Millis) -> NewMessage {
    let Said { what, since, subjects, fresh } = said;
    let body = Body { alert: name.to_owned(), what, at: now, since, when: alert.when.clone(), subjects, fresh };
    let body = serde_json::to_string(&body).unwrap_or_default();
    let targets = alert.send.iter().map(shown).collect();
    NewMessage { alert: name.to_owned(), what: What::as_str(what).to_owned(), at: now, body, targets }
}
