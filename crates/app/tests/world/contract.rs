//! The API's document as a judge: every answer that a test gets is held against it.

use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Where the API is.
const BASE: &str = "/api/v1";

/// The document as it lies in the repository.
pub fn committed() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/tramontane.json");
    std::fs::read_to_string(path).unwrap()
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&committed()).unwrap());

/// An operation of a document.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    /// As the document writes it, after the base.
    pub template: String,
    /// The least role; `None`: it is public.
    pub role: Option<String>,
    /// Whether it takes a body.
    pub takes_body: bool,
    /// A path that fits, with nothing behind it.
    pub path: String,
    responses: Map<String, Value>,
}

/// Every operation of a document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut path = format!("{BASE}{template}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "path" {
                    let sample = if parameter["schema"]["type"] == "integer" { "999999" } else { "none" };
                    path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), sample);
                }
            }
            all.push(Operation {
                method: method.to_uppercase(),
                template: template.clone(),
                role: operation["x-role"].as_str().map(str::to_owned),
                takes_body: operation.get("requestBody").is_some(),
                path,
                responses: operation["responses"].as_object().unwrap().clone(),
            });
        }
    }
    all
}

/// Fails where an answer is not what the document says of it. What is not in the document is not judged.
pub fn judge(method: &str, target: &str, status: u16, head: &str, body: &str) {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let Some(operation) = find(method, path).filter(|_| status != 0) else { return };
    let asked = format!("{method} {target}: {status}");
    let known = operation.responses.get(&status.to_string());
    assert!(known.is_some() || status >= 400, "{asked} is not in the document");
    let response = known.unwrap_or_else(|| &operation.responses["default"]);
    let media = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-type: ").map(str::to_owned));
    let media = media.as_deref().map(|media| media.split(';').next().unwrap_or_default().trim().to_owned());
    let Some(contents) = response["content"].as_object() else {
        assert!(body.is_empty(), "{asked} has a body, and none in the document: {body}");
        return;
    };
    // What is wrong with the head of a request is said before anybody knows which route it is for.
    if media.is_none() && matches!(status, 414 | 431) {
        return;
    }
    let media = media.unwrap_or_else(|| panic!("{asked} has no content type"));
    let content = contents.get(&media).unwrap_or_else(|| panic!("{asked}: {media} is not in the document"));
    // Lines of JSON are no JSON.
    if media.ends_with("json") && media != "application/x-ndjson" {
        let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{asked}: {error}: {body}"));
        fits(&asked, &content["schema"], &value);
    }
}

fn find(method: &str, path: &str) -> Option<Operation> {
    let path = path.strip_prefix(BASE)?;
    let fits = |template: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        let both = template.iter().zip(&path);
        template.len() == path.len() && both.into_iter().all(|(one, part)| one == part || one.starts_with('{'))
    };
    let all = operations(&DOCUMENT).into_iter().filter(|one| one.method == method && fits(&one.template));
    // The one with the most words of its own.
    all.min_by_key(|one| one.template.matches('{').count())
}

fn fits(asked: &str, schema: &Value, value: &Value) {
    static COMPILED: LazyLock<Mutex<HashMap<String, std::sync::Arc<jsonschema::Validator>>>> =
        LazyLock::new(Mutex::default);
    let validator = {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let whole = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
            std::sync::Arc::new(jsonschema::validator_for(&whole).unwrap())
        };
        compiled.entry(schema.to_string()).or_insert_with(make).clone()
    };
    let wrong: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{asked} is not as the document says: {wrong:?} in {value}");
}
