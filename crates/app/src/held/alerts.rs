//! Alerts and models of a store that another process holds.

use super::HeldStore;
use crate::server::control::{AlertAsk, Ask};
use async_trait::async_trait;
use model::Millis;
use store::{
    AlertChange, AlertMessage, AlertRow, AlertSend, Alerts, AuditEntry, DayDrawn, KeyRefused, LaneId, ModelCheck,
    ModelUse, Models, ModelsSeen, NewMessage, SeenModel, SendEnd, StoreError,
};

impl HeldStore {
    async fn ask_alerts<T: serde::de::DeserializeOwned>(&self, asked: AlertAsk) -> Result<T, StoreError> {
        self.ask(Ask::Alerts { asked }).await
    }
}

#[async_trait]
impl Alerts for HeldStore {
    async fn take_turn(&self, what: String, engine: String, now: Millis, until: Millis) -> Result<bool, StoreError> {
        self.reading.take_turn(what, engine, now, until).await
    }

    async fn alert_rows(&self) -> Result<Vec<AlertRow>, StoreError> {
        self.reading.alert_rows().await
    }

    async fn change_alerts(&self, changes: Vec<AlertChange>) -> Result<Vec<bool>, StoreError> {
        self.reading.change_alerts(changes).await
    }

    async fn forget_alerts(&self, names: Vec<String>, now: Millis) -> Result<(), StoreError> {
        self.reading.forget_alerts(names, now).await
    }

    async fn mute_alert(
        &self,
        name: String,
        muted: Option<(Millis, String)>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.ask_alerts(AlertAsk::Mute { name, muted, audit }).await
    }

    async fn say_claimed(
        &self,
        message: NewMessage,
        lease_until: Millis,
        audit: AuditEntry,
    ) -> Result<Vec<AlertSend>, StoreError> {
        self.ask_alerts(AlertAsk::SayClaimed { message, lease_until, audit }).await
    }

    async fn next_send(&self) -> Result<Option<Millis>, StoreError> {
        self.reading.next_send().await
    }

    async fn claim_sends(&self, now: Millis, lease_until: Millis, most: u32) -> Result<Vec<AlertSend>, StoreError> {
        self.reading.claim_sends(now, lease_until, most).await
    }

    async fn end_send(&self, id: i64, attempt: u32, end: SendEnd, now: Millis) -> Result<bool, StoreError> {
        self.ask_alerts(AlertAsk::EndSend { id, attempt, end, now }).await
    }

    async fn alert_messages(
        &self,
        alert: Option<String>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AlertMessage>, StoreError> {
        self.reading.alert_messages(alert, before, limit).await
    }

    async fn failed_since(&self, since: Millis) -> Result<Vec<(LaneId, u64)>, StoreError> {
        self.reading.failed_since(since).await
    }

    async fn drawn_of_day(&self, now: Millis) -> Result<Vec<DayDrawn>, StoreError> {
        self.reading.drawn_of_day(now).await
    }

    async fn note_keys(&self, keys: Vec<(String, Option<u16>)>, now: Millis) -> Result<(), StoreError> {
        self.reading.note_keys(keys, now).await
    }

    async fn keys_refused(&self) -> Result<Vec<KeyRefused>, StoreError> {
        self.reading.keys_refused().await
    }
}

#[async_trait]
impl Models for HeldStore {
    async fn model_checks(&self) -> Result<Vec<ModelCheck>, StoreError> {
        self.reading.model_checks().await
    }

    async fn claim_model_check(
        &self,
        client: String,
        now: Millis,
        first: Millis,
        again: Millis,
    ) -> Result<bool, StoreError> {
        self.reading.claim_model_check(client, now, first, again).await
    }

    async fn write_models(&self, seen: ModelsSeen) -> Result<(), StoreError> {
        self.ask_alerts(AlertAsk::WriteModels { seen }).await
    }

    async fn keep_model_clients(&self, clients: Vec<String>) -> Result<(), StoreError> {
        self.reading.keep_model_clients(clients).await
    }

    async fn models(&self) -> Result<Vec<SeenModel>, StoreError> {
        self.reading.models().await
    }

    async fn count_model_uses(&self, since: Millis) -> Result<Vec<ModelUse>, StoreError> {
        self.reading.count_model_uses(since).await
    }

    async fn write_model_uses(&self, uses: Vec<ModelUse>) -> Result<(), StoreError> {
        self.ask_alerts(AlertAsk::WriteModelUses { uses }).await
    }

    async fn model_uses(&self) -> Result<Vec<ModelUse>, StoreError> {
        self.reading.model_uses().await
    }
}
