//! A valid request of an operation.

use super::flat::{Branch, flatten};
use super::{Fill, Seed, example};
use crate::openapi::catalogue::{Body, BodyKind, Catalogue, Entry, Location, Parameter, Stream};
use model::Request;
use serde_json::{Map, Value, json};

/// A valid request of `entry`, the same for the same arguments.
///
/// [`Fill::Smallest`] has what must be there; the others every parameter, and a body wherever there may be one.
/// `stream` is false where streaming is a choice. A file is `{"$base64": …, "filename": …}`.
#[must_use]
pub fn example_request(entry: &Entry, catalogue: &Catalogue, seed: u64, fill: Fill) -> Request {
    let wanted = |required: bool| required || fill != Fill::Smallest;
    let given = |location: Location| {
        let parameters = entry.parameters.iter().filter(move |parameter| parameter.location == location);
        let parameters = parameters.filter(|parameter| wanted(parameter.required));
        parameters.map(|parameter| (parameter.name.clone(), value(parameter, catalogue, seed, fill))).collect()
    };
    let body = entry.body.as_ref().filter(|body| wanted(body.required));
    let mut request = Request {
        path: given(Location::Path),
        query: given(Location::Query),
        header: given(Location::Header),
        payload: body.map(|body| payload(body, catalogue, seed, fill)),
    };
    if entry.stream == Stream::Optional
        && let Some(Value::Object(members)) = &mut request.payload
    {
        members.insert("stream".to_owned(), false.into());
    }
    // A null says nothing that an absent value would not say.
    request.query.retain(|_, value| !value.is_null());
    request
}

fn value(parameter: &Parameter, catalogue: &Catalogue, seed: u64, fill: Fill) -> Value {
    // Slots cannot be null, and headers hold plain letters only.
    let fill = match (parameter.location, fill) {
        (Location::Header, _) | (Location::Path, Fill::Smallest) => Fill::Everything,
        _ => fill,
    };
    let schema = catalogue.resolved(&parameter.schema);
    let named =
        json!({"type": "object", "required": [parameter.name], "properties": {parameter.name.as_str(): schema}});
    let mut made = example(&lift(named), seed, fill);
    let value = made.get_mut(&parameter.name).map(Value::take).unwrap_or_default();
    match value {
        Value::String(text) if parameter.location == Location::Path => text.replace('/', "-").into(),
        value => value,
    }
}

/// Moves the definitions of a property to the root, where its references look for them.
fn lift(mut schema: Value) -> Value {
    let mut found = Map::new();
    for property in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if let Some(Value::Object(definitions)) = property.as_object_mut().and_then(|it| it.remove("$defs")) {
            found.extend(definitions);
        }
    }
    if let Value::Object(schema) = &mut schema {
        schema.insert("$defs".to_owned(), found.into());
    }
    schema
}

fn payload(body: &Body, catalogue: &Catalogue, seed: u64, fill: Fill) -> Value {
    let schema = catalogue.resolved(&body.schema);
    let mut payload = example(&schema, seed, fill);
    if payload.is_null() {
        payload = example(&schema, seed, Fill::Everything);
    }
    if body.kind == BodyKind::Multipart
        && let Value::Object(members) = &mut payload
    {
        let form = flatten(&schema, &schema, Branch::Smallest, 0);
        for (name, value) in members {
            let field = form.get("properties").and_then(|fields| fields.get(name)).unwrap_or(&Value::Null);
            let field = flatten(&schema, field, Branch::Any(Seed(seed)), 0);
            if field.get("format").is_some_and(|format| format == "binary") {
                let ending = if fill == Fill::Odd { " \"ö\" 🌬.txt" } else { ".txt" };
                *value = json!({"$base64": value, "filename": format!("{name}{ending}")});
            }
        }
    }
    payload
}
