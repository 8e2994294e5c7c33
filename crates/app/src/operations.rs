//! Operations of the catalogue as JSON, the same for the CLI and the API.

use connectors::openapi::catalogue::{Catalogue, Entry, Method, Stream};
use model::suggest;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Those that fit a text, the best first; all, in the order of the catalogue, where there is none.
pub(crate) fn search<'a>(
    catalogue: &'a Catalogue,
    method: Option<Method>,
    area: Option<&str>,
    text: &str,
) -> Vec<&'a Entry> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let asked = catalogue.operations.iter().filter(|entry| {
        method.is_none_or(|method| method == entry.method) && area.is_none_or(|area| is_in(area, &entry.area))
    });
    let mut found: Vec<(u32, &Entry)> = asked.filter_map(|entry| Some((rank(entry, &words)?, entry))).collect();
    if !words.is_empty() {
        found.sort_by_key(|(rank, entry)| (*rank, entry.deprecated, entry.title.len()));
    }
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Areas and how many operations each has, in the order of their names.
pub(crate) fn areas(catalogue: &Catalogue) -> Vec<Area> {
    let mut counts = std::collections::BTreeMap::new();
    for entry in &catalogue.operations {
        *counts.entry(entry.area.clone()).or_insert(0) += 1;
    }
    counts.into_iter().map(|(area, operations)| Area { area, operations }).collect()
}

/// An area is in itself and in those above it: `beta.libraries.documents` is in `beta.libraries`.
fn is_in(area: &str, own: &str) -> bool {
    own.strip_prefix(area).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// How well an operation fits: less is better. Every word must be found somewhere.
fn rank(entry: &Entry, words: &[String]) -> Option<u32> {
    let title = entry.title.to_lowercase();
    if !words.is_empty() && title == words.join(" ") {
        return Some(0);
    }
    let own: Vec<&str> = title.split_whitespace().collect();
    let rest = [&entry.area, &entry.path, &entry.summary].map(|text| text.to_lowercase());
    words.iter().map(|word| rank_word(&own, &title, &rest, word)).sum()
}

fn rank_word(own: &[&str], title: &str, rest: &[String; 3], word: &str) -> Option<u32> {
    let known = [
        own.first() == Some(&word),
        own.contains(&word),
        own.iter().any(|one| one.starts_with(word)),
        title.contains(word),
        rest[0].contains(word),
        rest[1].contains(word),
        rest[2].contains(word),
    ];
    if let Some(place) = known.iter().position(|found| *found) {
        return u32::try_from(place + 1).ok();
    }
    // A slip is forgiven where the word is long enough to be one.
    let near = || suggest::nearest(word, own.iter().copied().chain(rest[0].split('.')));
    (word.chars().count() >= 4 && near().is_some()).then_some(20)
}

/// An area of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Area {
    area: String,
    /// How many operations it has.
    operations: usize,
}

/// What lists say of an operation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationSummary {
    title: String,
    #[schema(value_type = String)]
    method: Method,
    path: String,
    area: String,
    /// What a repeat does: `read`, `idempotent`, `findable`, `compute`, `create`.
    #[schema(value_type = String)]
    effect: model::Effect,
    /// What it does, in one line.
    summary: String,
    /// The kind of key that it asks for.
    #[schema(value_type = String)]
    credential: model::Credential,
    /// Whether it is a list that goes on from page to page.
    paged: bool,
    /// Whether it answers with a stream: `none`, `optional`, `always`.
    #[schema(value_type = String)]
    stream: Stream,
    deprecated: bool,
    /// Title of the operation that replaces it.
    replaced_by: Option<String>,
    variants: usize,
}

impl OperationSummary {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            title: entry.title.clone(),
            method: entry.method,
            path: entry.path.clone(),
            area: entry.area.clone(),
            effect: entry.effect,
            summary: entry.summary.clone(),
            credential: entry.credential,
            paged: entry.paging.is_some(),
            stream: entry.stream,
            deprecated: entry.deprecated,
            replaced_by: entry.replaced_by.clone(),
            variants: entry.variants,
        }
    }
}

/// Everything about one: parameters, the schema of its body with what it refers to, answers, paging.
pub(crate) fn whole(catalogue: &Catalogue, entry: &Entry) -> Value {
    let body = entry.body.as_ref().map(
        |body| json!({ "kind": body.kind, "required": body.required, "schema": catalogue.resolved(&body.schema) }),
    );
    let mut value = json!(OperationSummary::of(entry));
    value["parameters"] = json!(entry.parameters);
    value["body"] = json!(body);
    value["answers"] =
        entry.answers.iter().map(|answer| json!({"status": answer.status, "media_type": answer.media_type})).collect();
    value["paging"] = json!(entry.paging);
    value["items"] = json!(entry.items);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectors::mistral::catalogue::shipped;

    #[test]
    fn the_best_fit_comes_first_and_slips_are_forgiven() {
        let first = |text: &str| search(shipped(), None, None, text).first().map(|entry| entry.title.clone());
        let cases = [
            ("retrieve model", "Retrieve Model"),
            ("chat completion", "Chat Completion"),
            ("chat", "Chat Completion"),
            ("chta completoin", "Chat Completion"),
            ("upload file", "Upload File"),
            ("uplaod", "Upload File"),
            ("list models", "List Models"),
            ("/v1/ocr", "OCR"),
            ("embedings", "Create Embeddings"),
        ];
        for (text, expected) in cases {
            assert_eq!(first(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(search(shipped(), None, None, "wholly unknown words"), Vec::<&Entry>::new());
        assert_eq!(search(shipped(), None, None, "").len(), 284);
        let in_area = search(shipped(), Some(Method::Get), Some("models"), "");
        assert!(!in_area.is_empty() && in_area.iter().all(|entry| entry.area == "models"), "{in_area:?}");
        assert_eq!(areas(shipped()).iter().map(|area| area.operations).sum::<usize>(), 284);
    }
}
