//! Operations of the catalogue as JSON, the same for the CLI and the API.

use connectors::openapi::catalogue::{Catalogue, Entry, Method};
use serde_json::{Value, json};

/// Those with this text in title, path, area or summary, in any case.
pub(crate) fn search<'a>(catalogue: &'a Catalogue, method: Option<Method>, text: &str) -> Vec<&'a Entry> {
    let wanted = text.to_lowercase();
    let matches = |entry: &&Entry| {
        method.is_none_or(|method| method == entry.method)
            && [&entry.title, &entry.path, &entry.area, &entry.summary]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
    };
    catalogue.operations.iter().filter(matches).collect()
}

/// What lists say of one.
pub(crate) fn summary(entry: &Entry) -> Value {
    json!({
        "title": entry.title, "method": entry.method, "path": entry.path, "area": entry.area, "effect": entry.effect,
        "summary": entry.summary, "credential": entry.credential, "paged": entry.paging.is_some(),
        "stream": entry.stream, "deprecated": entry.deprecated, "replaced_by": entry.replaced_by,
        "variants": entry.variants,
    })
}

/// Everything about one: parameters, the schema of its body with what it refers to, answers, paging.
pub(crate) fn whole(catalogue: &Catalogue, entry: &Entry) -> Value {
    let body = entry.body.as_ref().map(
        |body| json!({ "kind": body.kind, "required": body.required, "schema": catalogue.resolved(&body.schema) }),
    );
    let mut value = summary(entry);
    value["parameters"] = json!(entry.parameters);
    value["body"] = json!(body);
    value["answers"] =
        entry.answers.iter().map(|answer| json!({"status": answer.status, "media_type": answer.media_type})).collect();
    value["paging"] = json!(entry.paging);
    value["items"] = json!(entry.items);
    value
}
