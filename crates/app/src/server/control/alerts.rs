//! What commands ask of alerts and models.

use model::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AuditEntry, Draw, ModelUse, ModelsSeen, NewMessage, SendEnd, Store, StoreError};

/// Writes of alerts and models, as [`super::Ask`] has them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "snake_case")]
pub(crate) enum AlertAsk {
    Mute { name: String, muted: Option<(Millis, String)>, audit: AuditEntry },
    SayClaimed { message: NewMessage, lease_until: Millis, audit: AuditEntry },
    EndSend { id: i64, attempt: u32, end: SendEnd, now: Millis },
    Draw { asked: Draw },
    WriteModels { seen: ModelsSeen },
    WriteModelUses { uses: Vec<ModelUse> },
}

pub(super) async fn carry_out(store: &dyn Store, ask: AlertAsk) -> Result<Value, StoreError> {
    Ok(match ask {
        AlertAsk::Mute { name, muted, audit } => json!(store.mute_alert(name, muted, audit).await?),
        AlertAsk::SayClaimed { message, lease_until, audit } => {
            json!(store.say_claimed(message, lease_until, audit).await?)
        }
        AlertAsk::EndSend { id, attempt, end, now } => json!(store.end_send(id, attempt, end, now).await?),
        AlertAsk::Draw { asked } => json!(store.draw(asked).await?),
        AlertAsk::WriteModels { seen } => json!(store.write_models(seen).await?),
        AlertAsk::WriteModelUses { uses } => json!(store.write_model_uses(uses).await?),
    })
}
