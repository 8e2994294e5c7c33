//! Which list of the service has the values that a slot or field takes.
//!
//! Mostly the path says it: what stands before `{agent_id}` in `/v1/agents/{agent_id}` is the list of agents. Where
//! it does not, the table says which list it is, or why there is none.

use super::catalogue::{Catalogue, Entry, Location, Method};
use model::Request;
use serde_json::{Map, Value};

/// Where the values of a slot are.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices<'a> {
    /// The list.
    pub list: &'a Entry,
    /// Members of an item that may be the value, the first that is there counts.
    pub values: Vec<String>,
}

/// One value to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The value.
    pub value: Value,
    /// What people know it by, where that is something else.
    pub label: Option<String>,
}

/// A list and the member of an item that is the value, or why nothing can be chosen.
type Kept = Result<(&'static str, &'static str), &'static str>;

/// What the path does not say: the path before the slot, the slot, and what is chosen from.
const HAND_KEPT: [(&str, &str, Kept); 8] = [
    // The list at the agents' own path is deprecated.
    ("/v1/agents", "agent_id", Ok(("/v1/agents/pages", "id"))),
    ("/v1/fine_tuning/models", "model_id", Ok(("/v1/models", "id"))),
    ("/v1/workflows/executions", "execution_id", Ok(("/v1/workflows/runs", "execution_id"))),
    ("/v1/admin/scim/sync", "run_id", Err("the service lists no runs of a synchronisation; its start names the run")),
    ("/v1/connectors/{connector_id}", "consumer_scope", Err("the schema says which values it takes")),
    ("/v1/observability/chat-completion-events", "event_id", Err("events are found by a search, not listed")),
    (
        "/v1/observability/dataset-records",
        "dataset_record_id",
        Err("records are listed by their dataset, and the path names none"),
    ),
    ("/v1/observability/traces", "trace_id", Err("traces are found by a search, not listed")),
];

/// Fields of bodies and queries, whatever the operation.
const FIELDS: [(&str, &str); 2] = [("model", "/v1/models"), ("voice", "/v1/audio/voices")];

/// Where the values of a slot of the path, or of a field of this name, are found.
///
/// # Errors
/// Why nothing can be chosen.
pub fn of<'a>(catalogue: &'a Catalogue, entry: &Entry, name: &str) -> Result<Choices<'a>, &'static str> {
    let slot = entry.parameters.iter().any(|one| one.location == Location::Path && one.name == name);
    if !slot {
        return of_field(catalogue, name);
    }
    let before = entry.path.split_once(&format!("{{{name}}}")).map_or("", |(before, _)| before.trim_end_matches('/'));
    of_slot(catalogue, before, name)
}

fn of_slot<'a>(catalogue: &'a Catalogue, before: &str, slot: &str) -> Result<Choices<'a>, &'static str> {
    match HAND_KEPT.iter().find(|(path, name, _)| *path == before && *name == slot) {
        Some((_, _, Ok((path, value)))) => listed(catalogue, path, &[value]),
        Some((_, _, Err(why))) => Err(why),
        None => listed(catalogue, before, &members(slot)),
    }
}

/// A field that is called as a slot is: an id means the same wherever it stands.
fn of_field<'a>(catalogue: &'a Catalogue, name: &str) -> Result<Choices<'a>, &'static str> {
    if let Some((_, path)) = FIELDS.iter().find(|(field, _)| *field == name) {
        return listed(catalogue, path, &["id"]);
    }
    let none = "no operation has a slot of this name";
    if !name.ends_with("_id") && !name.ends_with("_uuid") {
        return Err(none);
    }
    let braced = format!("{{{name}}}");
    let mut found = catalogue.operations.iter().filter_map(|entry| {
        let (before, _) = entry.path.split_once(&braced)?;
        let before = before.trim_end_matches('/');
        (!before.contains('{')).then(|| of_slot(catalogue, before, name).ok()).flatten()
    });
    let first = found.next().ok_or(none)?;
    // One name for ids of two kinds says nothing.
    if found.any(|other| other.list.path != first.list.path) {
        Err("several kinds of ids have this name")
    } else {
        Ok(first)
    }
}

fn listed<'a>(catalogue: &'a Catalogue, path: &str, values: &[&str]) -> Result<Choices<'a>, &'static str> {
    let list = catalogue.by_signature(Method::Get, path).filter(|entry| entry.items.is_some());
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    list.map(|list| Choices { list, values }).ok_or("the service has no list of them")
}

/// Members of an item that may be the value of a slot: of its own name, else what ids are called.
fn members(slot: &str) -> Vec<&str> {
    if slot == "name" || slot.ends_with("_name") && slot != "connector_id_or_name" {
        return vec![slot, "name"];
    }
    vec![slot, "id", "uuid", "name"]
}

impl Choices<'_> {
    /// The request of the list, by the values that the form has so far.
    ///
    /// # Errors
    /// The slot of the list's own path that has no value yet.
    pub fn request(&self, path: &Map<String, Value>) -> Result<Request, String> {
        let slots = self.list.parameters.iter().filter(|one| one.location == Location::Path);
        let filled = slots.map(|slot| {
            let value = path.get(&slot.name).filter(|value| !value.is_null()).cloned();
            Ok((slot.name.clone(), value.ok_or_else(|| slot.name.clone())?))
        });
        Ok(Request { path: filled.collect::<Result<_, String>>()?, ..Request::default() })
    }

    /// What can be chosen of the items of a page. Items without a value are left out.
    #[must_use]
    pub fn read(&self, items: &[Value]) -> Vec<Choice> {
        items.iter().filter_map(|item| self.choice(item)).collect()
    }

    fn choice(&self, item: &Value) -> Option<Choice> {
        if item.is_string() || item.is_number() {
            return Some(Choice { value: item.clone(), label: None });
        }
        let mut values = self.values.iter().filter_map(|member| item.get(member.as_str()));
        let value = values.find(|value| value.is_string() || value.is_number())?;
        let label = LABELS.iter().filter_map(|member| item.get(*member)?.as_str()).find(|text| !text.trim().is_empty());
        let label = label.filter(|label| value != label).map(|text| text.chars().take(LONGEST_LABEL).collect());
        Some(Choice { value: value.clone(), label })
    }
}

/// Members of an item that people know it by.
const LABELS: [&str; 8] = ["title", "display_name", "filename", "name", "label", "email", "workflow_name", "status"];
/// In letters.
const LONGEST_LABEL: usize = 120;

/// Every entry of the table that fits no operation: the catalogue has changed.
#[must_use]
pub fn unused(catalogue: &Catalogue) -> Vec<String> {
    let fits = |before: &str, slot: &str| {
        let start = format!("{before}/{{{slot}}}");
        catalogue.operations.iter().any(|entry| entry.path.starts_with(&start))
    };
    HAND_KEPT
        .iter()
        .filter(|(before, slot, _)| !fits(before, slot))
        .map(|(before, slot, _)| format!("{before}/{{{slot}}}"))
        .collect()
}
