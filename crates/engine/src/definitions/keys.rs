//! Keys that are written in the open: hidden where definitions are shown, and kept where what was hidden comes back.

use super::alerts;
use super::draft::Draft;
use super::kind::Kind;
use super::place::naive;
use super::shape::WEBHOOK_SECRETS;
use super::variables::{Piece, SECRET_FIELDS, pieces};
use model::Problem;
use serde_json::Value;
use store::StoredDefinition;

/// What stands in the place of a key that is not shown.
pub const KEY_MASK: &str = "***";

/// Dotted places of the keys in a definition of a kind. Those of an alert are where its targets have them.
pub(super) fn places(kind: Kind, definition: &Value) -> Vec<String> {
    let fixed: &[&str] = match kind {
        Kind::HttpClients => &SECRET_FIELDS,
        Kind::Incoming => &WEBHOOK_SECRETS,
        Kind::Alerts => return alerts::secrets(definition),
        Kind::Outgoing | Kind::Routes | Kind::Schedules | Kind::Storages => &[],
    };
    fixed.iter().map(|place| (*place).to_owned()).collect()
}

/// Whether a key is at this place, or within it.
pub(super) fn is_around_key(kind: Kind, place: &str) -> bool {
    if kind == Kind::Alerts {
        return place.is_empty() || place == "send" || place.starts_with("send[");
    }
    places(kind, &Value::Null).iter().any(|key| {
        place.is_empty() || key.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// A definition with `***` in the place of every key that is not a reference alone.
#[must_use]
pub fn masked(kind: Kind, definition: &Value) -> Value {
    let mut shown = definition.clone();
    for place in places(kind, definition) {
        if let Some(value) = shown.pointer_mut(&naive(&place))
            && !value.is_null()
            && !value.as_str().is_some_and(is_reference)
        {
            *value = Value::from(KEY_MASK);
        }
    }
    shown
}

fn is_reference(text: &str) -> bool {
    pieces(text).is_ok_and(|pieces| matches!(pieces.as_slice(), [Piece::Variable(_) | Piece::Secret(_)]))
}

/// Puts the stored keys back where a draft has `***`: it was made from a definition that was shown without them.
///
/// # Errors
/// `key_masked` where nothing is stored that could be meant.
pub(super) fn unmask(draft: &mut Draft, stored: &[StoredDefinition]) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (kind, name, definition) in draft.values_mut() {
        for place in places(kind, definition) {
            let Some(value) = definition.pointer_mut(&naive(&place)).filter(|value| **value == KEY_MASK) else {
                continue;
            };
            let body = stored.iter().find(|one| one.kind == kind.as_str() && one.name == name);
            let body = body.and_then(|one| serde_json::from_str::<Value>(&one.body).ok());
            match body.as_ref().and_then(|body| body.pointer(&naive(&place))).filter(|key| key.is_string()) {
                Some(key) => *value = key.clone(),
                None => problems.push(
                    Problem::new(
                        "key_masked",
                        format!("{KEY_MASK} stands for a key that is not shown, and none is stored"),
                    )
                    .at(format!("{kind}.{name}.{place}"))
                    .hint("write ${secret:NAME}"),
                ),
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
