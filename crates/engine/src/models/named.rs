//! Which definitions name which models: any text of them in which the id of a known model stands by itself.

use crate::definitions::texts;
use model::definition::{Definitions, Part};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::SeenModel;

/// A model named in a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The HTTP client that sees it.
    pub(super) client: String,
    /// Its id.
    pub(super) id: String,
    /// Where it is named.
    pub(super) place: String,
    /// The routes that this place is part of.
    pub(super) routes: Vec<String>,
}

/// Looks through all definitions.
pub(super) fn find(definitions: &Definitions, seen: &[SeenModel]) -> Vec<Named> {
    let mut known: BTreeMap<&str, Vec<&SeenModel>> = BTreeMap::new();
    for model in seen {
        known.entry(&model.id).or_default().push(model);
        model.aliases.iter().for_each(|alias| known.entry(alias).or_default().push(model));
    }
    let mut found = Vec::new();
    let mut look = |place: String, value: &Value, client: Option<&str>, routes: Vec<String>| {
        texts(&place, value, &mut |place, text| {
            let models = words(text).filter_map(|word| known.get(word)).flatten();
            let models = models.filter(|model| client.is_none_or(|client| client == model.client));
            found.extend(models.map(|model| Named {
                client: model.client.clone(),
                id: model.id.clone(),
                place: place.to_owned(),
                routes: routes.clone(),
            }));
        });
    };
    let client = |part: &Part| part.options.get("http_client").and_then(Value::as_str).map(str::to_owned);
    for (name, incoming) in &definitions.incoming {
        let routes = definitions.routes.iter().filter(|(_, route)| route.incoming == *name);
        let mut routes: Vec<String> = routes.map(|(name, _)| name.clone()).collect();
        // A subscriber may ask models itself, with no route behind it.
        if routes.is_empty() {
            routes.push(name.clone());
        }
        let place = |member: &str| format!("incoming.{name}.{member}");
        let own = client(&incoming.subscriber);
        look(place("subscriber"), &Value::Object(incoming.subscriber.options.clone()), own.as_deref(), routes.clone());
        look(place("transformers"), &json!(incoming.transformers), None, routes);
    }
    for (name, outgoing) in &definitions.outgoing {
        let routes = definitions.routes.iter().filter(|(_, route)| route.outgoing == *name);
        let routes: Vec<String> = routes.map(|(name, _)| name.clone()).collect();
        let place = |member: &str| format!("outgoing.{name}.{member}");
        let own = client(&outgoing.publisher);
        look(place("publisher"), &Value::Object(outgoing.publisher.options.clone()), own.as_deref(), routes.clone());
        look(place("transformers"), &json!(outgoing.transformers), own.as_deref(), routes);
    }
    for (name, route) in &definitions.routes {
        look(format!("routes.{name}.transformers"), &json!(route.transformers), None, vec![name.clone()]);
    }
    found
}

/// What may be the id of a model, in a filter, a template or a plain value.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-._:/".contains(letter);
    text.split(move |letter: char| !is_part(letter)).map(|word| word.trim_matches(['-', '.', ':', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(client: &str, id: &str, aliases: &[&str]) -> SeenModel {
        SeenModel {
            client: client.to_owned(),
            id: id.to_owned(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            created_at: None,
            retires_at: None,
            replacement: None,
            capabilities: Vec::new(),
            seen_at: 0,
        }
    }

    #[test]
    fn a_model_is_found_where_it_is_named_and_nowhere_else() {
        let models = [
            seen("eu", "small-2506", &["small-latest"]),
            seen("us", "small-2506", &[]),
            seen("eu", "ft:small-2506:abc", &[]),
            seen("eu", "tiny", &[]),
        ];
        let definitions: Definitions = serde_json::from_value(json!({
            "incoming": {
                "in": { "subscriber": { "type": "file", "path": "tiny.jsonl" } },
                "alone": { "subscriber": {
                    "type": "mistral", "http_client": "us", "request_parameters": { "payload": { "model": "small-2506" } },
                } },
            },
            "outgoing": {
                "jq": {
                    "transformers": [{ "type": "jq", "filter": "{payload: {model: \"small-latest\", n: .small-2506x}}" }],
                    "publisher": { "type": "mistral", "http_client": "eu" },
                },
                "fixed": { "publisher": {
                    "type": "mistral", "http_client": "eu",
                    "request_parameters": { "payload": { "model": "ft:small-2506:abc" } },
                } },
                "template": {
                    "transformers": [{ "type": "template", "text": "{% set m = 'small-2506' %}tiny-ish" }],
                    "publisher": { "type": "none" },
                },
            },
            "routes": {
                "a": { "incoming": "in", "outgoing": "jq" },
                "b": { "incoming": "in", "outgoing": "jq", "transformers": [{ "type": "set", "value": "small-2506." }] },
                "c": { "incoming": "in", "outgoing": "fixed" },
            },
        }))
        .unwrap();
        let found = find(&definitions, &models);
        let shown: Vec<String> = found
            .iter()
            .map(|named| format!("{} {} {} {}", named.client, named.id, named.place, named.routes.join("+")))
            .collect();
        assert_eq!(
            shown,
            [
                // "tiny.jsonl" is another word.
                "us small-2506 incoming.alone.subscriber.request_parameters.payload.model alone",
                "eu ft:small-2506:abc outgoing.fixed.publisher.request_parameters.payload.model c",
                "eu small-2506 outgoing.jq.transformers[0].filter a+b",
                "eu small-2506 outgoing.template.transformers[0].text ",
                "us small-2506 outgoing.template.transformers[0].text ",
                "eu small-2506 routes.b.transformers[0].value b",
                "us small-2506 routes.b.transformers[0].value b",
            ]
        );
    }
}
