//! The connector: from Method and Entity to an operation.

use super::catalogue::catalogue;
use super::custom::{self, CustomOperation};
use super::models;
use super::operation::EntryOperation;
use super::prices::Prices;
use crate::openapi::catalogue::{Entry, Method};
use model::schema::dotted;
use model::{Component, Connector, Effect, ModelCard, Operation, Problem, Request, Side, suggest};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// The methods, as people write them.
const METHODS: [Method; 5] = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];

/// Mistral AI: every operation of its API.
///
/// Its schema describes `method` and `entity` alone and is open: the options that every HTTP-shaped part has
/// (`HttpSubscriberOptions`, `HttpPublisherOptions`) differ by side, so whoever checks a part joins the two and closes
/// the result.
#[derive(Debug)]
pub struct Mistral {
    prices: Arc<Prices>,
    /// The operations that were asked for, in the order of the catalogue.
    operations: OnceLock<Vec<OnceLock<Arc<EntryOperation>>>>,
}

/// The connector `mistral`, with the prices that estimates rest on.
#[must_use]
pub fn connector(prices: Prices) -> Arc<dyn Connector> {
    Arc::new(Mistral { prices: Arc::new(prices), operations: OnceLock::new() })
}

impl Mistral {
    fn open(&self, entry: &'static Entry) -> Arc<EntryOperation> {
        let catalogue = catalogue();
        let new = || Arc::new(EntryOperation::new(catalogue, entry, self.prices.clone()));
        let operations = self.operations.get_or_init(|| catalogue.operations.iter().map(|_| OnceLock::new()).collect());
        let index = catalogue.operations.iter().position(|other| std::ptr::eq(other, entry));
        match index.and_then(|index| operations.get(index)) {
            Some(slot) => slot.get_or_init(new).clone(),
            None => new(),
        }
    }
}

impl Component for Mistral {
    fn kind(&self) -> &'static str {
        "mistral"
    }

    fn schema(&self) -> Value {
        let mut schema = json!({
            "type": "object",
            "required": ["method", "entity"],
            "properties": {
                "method": {
                    "description": "HTTP method of the operation: GET, POST, PUT, PATCH or DELETE, in any case.",
                    "type": "string"
                },
                "entity": {
                    "description": "Title of the operation: \"Retrieve Model\". `custom` for one that the catalogue \
                        does not know; `path_template` then says where it is.",
                    "type": "string"
                }
            }
        });
        if let (Some(Value::Object(all)), Value::Object(more)) = (schema.get_mut("properties"), custom::schema()) {
            all.extend(more);
        }
        schema
    }

    /// Whether there is such an operation, and what is wrong with the request parameters whatever the data will add:
    /// unknown slots, values of the wrong type. With transformers on the request nothing is said of it, since they
    /// may change it. Only errors, since what is worth a warning is noticed by preflight; but for a warning where
    /// `entity: custom` stands for an operation that the catalogue knows.
    fn validate(&self, options: &Value) -> Vec<Problem> {
        let entry = match choose(options) {
            Ok(entry) => entry,
            Err(problems) => return problems,
        };
        let noticed = if custom::is_custom(options) { custom::known(entry) } else { None };
        let transforms = |name: &str| options.get(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        if transforms("request_transformers") || transforms("input_transformers") {
            return Vec::from_iter(noticed);
        }
        let parameters = options.get("request_parameters").cloned().unwrap_or_else(|| json!({}));
        // What is no request at all is said where the options are read.
        let Ok(request) = Request::from_value(parameters) else { return Vec::from_iter(noticed) };
        let literals = self.open(entry).literals(&request).into_iter();
        let placed =
            literals.map(|problem| Problem { place: dotted(&problem.place), ..problem }.within("request_parameters"));
        noticed.into_iter().chain(placed).collect()
    }
}

impl Connector for Mistral {
    fn operation(&self, side: Side, options: &Value) -> Result<Arc<dyn Operation>, Vec<Problem>> {
        let entry = choose(options)?;
        if side == Side::Subscriber && !can_subscribe(entry) {
            let reason = format!("\"{}\" changes something, so it cannot take data in", entry.title);
            let hint = if custom::is_custom(options) && entry.method == Method::Post {
                "say effect: read if it only reads, or use it in a publisher"
            } else {
                "use it in a publisher; the answer can feed a route through a subscriber of type answers"
            };
            return Err(vec![Problem::new("entity_side", reason).at("entity").hint(hint)]);
        }
        if custom::is_custom(options) {
            return Ok(Arc::new(CustomOperation::new(self.open(entry))));
        }
        Ok(self.open(entry))
    }

    fn models(&self) -> Option<Arc<dyn Operation>> {
        let entry = catalogue().by_signature(Method::Get, "/v1/models")?;
        Some(self.open(entry))
    }

    fn model_cards(&self, answer: &Value) -> Vec<ModelCard> {
        models::cards(answer)
    }
}

/// Every GET, and the POSTs that only read or compute.
fn can_subscribe(entry: &Entry) -> bool {
    match entry.method {
        Method::Get => true,
        Method::Post => matches!(entry.effect, Effect::Read | Effect::Compute),
        Method::Put | Method::Patch | Method::Delete => false,
    }
}

fn choose(options: &Value) -> Result<&'static Entry, Vec<Problem>> {
    let method = method(options).map_err(|problem| vec![problem])?;
    let Some(entity) = options.get("entity").and_then(Value::as_str) else {
        return Err(vec![
            Problem::new("entity_missing", "the title of an operation is missing")
                .at("entity")
                .hint("tramontane entities lists them all"),
        ]);
    };
    if custom::is_custom(options) {
        return custom::entry(method, options);
    }
    let misplaced = custom::misplaced(options);
    match catalogue().find(Some(method), entity) {
        Ok(entry) if misplaced.is_empty() => Ok(entry),
        Ok(_) => Err(misplaced),
        Err(problem) => Err(vec![problem.at("entity")]),
    }
}

fn method(options: &Value) -> Result<Method, Problem> {
    let names = || METHODS.into_iter().map(Method::as_str);
    let Some(given) = options.get("method").and_then(Value::as_str) else {
        let list = names().collect::<Vec<_>>().join(", ");
        return Err(Problem::new("method_missing", "the method is missing")
            .at("method")
            .hint(format!("known are: {list}")));
    };
    METHODS.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(given.trim())).ok_or_else(|| {
        let problem = Problem::new("method_unknown", format!("there is no method \"{given}\"")).at("method");
        match suggest::hint(given, names()) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })
}
