//! What the list of models says of each.

use model::ModelCard;
use serde_json::Value;

/// The cards of an answer of List Models; what is no card is passed over.
pub(super) fn cards(answer: &Value) -> Vec<ModelCard> {
    let list = answer.get("data").and_then(Value::as_array).or_else(|| answer.as_array());
    list.into_iter().flatten().filter_map(card).collect()
}

fn card(card: &Value) -> Option<ModelCard> {
    let text = |member: &str| card.get(member).and_then(Value::as_str).map(str::to_owned);
    let abilities = card.get("capabilities").and_then(Value::as_object).into_iter().flatten();
    let abilities = abilities.filter(|(_, able)| **able == Value::Bool(true)).map(|(name, _)| name.clone());
    let aliases = card.get("aliases").and_then(Value::as_array).into_iter().flatten();
    Some(ModelCard {
        id: text("id")?,
        aliases: aliases.filter_map(Value::as_str).map(str::to_owned).collect(),
        created_at: card.get("created").and_then(Value::as_i64).and_then(|seconds| seconds.checked_mul(1_000)),
        retires: text("deprecation"),
        replacement: text("deprecation_replacement_model"),
        capabilities: abilities.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_read_whatever_is_in_it() {
        let full = json!({
            "id": "m-2511", "aliases": ["m-latest", 7], "created": 1_700_000_000, "deprecation": "2026-11-30T12:00:00Z",
            "deprecation_replacement_model": "m-2603", "capabilities": {"vision": true, "ocr": false, "odd": 1},
        });
        let found = cards(&json!({"object": "list", "data": [full, {"id": "bare"}, {"no": "id"}, 5, null]}));
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            ModelCard {
                id: "m-2511".to_owned(),
                aliases: vec!["m-latest".to_owned()],
                created_at: Some(1_700_000_000_000),
                retires: Some("2026-11-30T12:00:00Z".to_owned()),
                replacement: Some("m-2603".to_owned()),
                capabilities: vec!["vision".to_owned()],
            }
        );
        assert_eq!((found[1].retires.as_deref(), found[1].aliases.len()), (None, 0));
        for nothing in [json!(null), json!({}), json!({"data": 5}), json!("x")] {
            assert!(cards(&nothing).is_empty(), "{nothing}");
        }
    }
}
