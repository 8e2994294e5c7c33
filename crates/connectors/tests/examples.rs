//! Examples are valid for every schema of the Mistral catalogue.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{BodyKind, Catalogue, Location};
use connectors::openapi::example::{Fill, example, example_request};
use serde_json::{Value, json};

const FILLS: [Fill; 3] = [Fill::Smallest, Fill::Everything, Fill::Odd];

fn problems(catalogue: &Catalogue, schema: &Value, value: &Value) -> Vec<String> {
    let schema = catalogue.resolved(schema);
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    validator.iter_errors(value).map(|error| format!("{} {error}", error.instance_path())).collect()
}

#[test]
fn of_every_component_schema() {
    let catalogue = catalogue();
    for name in catalogue.schemas.keys() {
        let schema = catalogue.resolved(&json!({"$ref": format!("#/schemas/{name}")}));
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for (seed, fill) in (0..4).flat_map(|seed| FILLS.map(|fill| (seed, fill))) {
            let value = example(&schema, seed, fill);
            let problems: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{name}, seed {seed}, {fill:?}: {value}\n{problems:?}");
        }
    }
}

#[test]
fn of_every_operations_request() {
    let catalogue = catalogue();
    for (entry, fill) in catalogue.operations.iter().flat_map(|entry| FILLS.map(|fill| (entry, fill))) {
        let request = example_request(entry, catalogue, 3, fill);
        assert_eq!(request, example_request(entry, catalogue, 3, fill));
        let signature = format!("{} {}, {fill:?}", entry.method.as_str(), entry.path);
        for parameter in &entry.parameters {
            let values = match parameter.location {
                Location::Path => &request.path,
                Location::Query => &request.query,
                Location::Header => &request.header,
            };
            let Some(value) = values.get(&parameter.name) else {
                assert!(!parameter.required, "{signature}: {}", parameter.name);
                continue;
            };
            let problems = problems(catalogue, &parameter.schema, value);
            assert!(problems.is_empty(), "{signature}: {} is {value}\n{problems:?}", parameter.name);
            let text = value.as_str().unwrap_or("-");
            assert!(parameter.location != Location::Path || !(text.is_empty() || text.contains('/')), "{signature}");
            assert!(parameter.location != Location::Header || text.is_ascii(), "{signature}: {text}");
        }
        match (&entry.body, &request.payload) {
            (None, None) => {}
            (Some(body), None) => assert!(!body.required && fill == Fill::Smallest, "{signature}"),
            (None, Some(_)) => panic!("{signature}"),
            (Some(body), Some(payload)) => {
                let mut payload = payload.clone();
                if body.kind == BodyKind::Multipart {
                    files_as_texts(&mut payload);
                }
                let problems = problems(catalogue, &body.schema, &payload);
                assert!(problems.is_empty(), "{signature}: {payload}\n{problems:?}");
            }
        }
    }
}

/// A validator knows a file as a text.
fn files_as_texts(payload: &mut Value) {
    for value in payload.as_object_mut().unwrap().values_mut() {
        if let Some(text) = value.get("$base64").cloned() {
            assert!(value["filename"].is_string());
            *value = text;
        }
    }
}

#[test]
fn a_file_is_a_file() {
    let catalogue = catalogue();
    let upload = catalogue.operations.iter().find(|entry| entry.path == "/v1/files" && entry.body.is_some()).unwrap();
    for fill in FILLS {
        let payload = example_request(upload, catalogue, 1, fill).payload.unwrap();
        assert!(payload["file"]["$base64"].is_string(), "{payload}");
    }
}
