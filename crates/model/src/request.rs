//! The request object that becomes one HTTP call.

use crate::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The members that a request may have, in the order they are shown.
pub const MEMBERS: [&str; 4] = ["path", "query", "header", "payload"];

/// `{path, query, payload}`: `path` fills the URL's slots, `query` the query string, `payload` the body. `header`
/// only where the operation declares one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Values of the URL's slots, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub path: Map<String, Value>,
    /// Values of the query string, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub query: Map<String, Value>,
    /// Headers that the operation declares.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub header: Map<String, Value>,
    /// The body. Absent is not the same as `null`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub payload: Option<Value>,
}

/// Keeps a present `null` apart from an absent member.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What the data that reaches a publisher is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// An object with members among `path`, `query`, `payload`, `header`, laid over the request parameters.
    #[default]
    Request,
    /// The whole data is the payload.
    Payload,
}

impl Request {
    /// Reads a request from its JSON form.
    ///
    /// # Errors
    /// `request_not_object` where the value is no object, `request_unknown_member` where it has a member that no
    /// request has, `request_member_type` where `path`, `query` or `header` is no object.
    pub fn from_value(value: Value) -> Result<Self, Problem> {
        let mut request = Self::default();
        request.lay_over(value)?;
        Ok(request)
    }

    /// Lays data over this request, member by member: a member that the data has replaces ours whole.
    ///
    /// # Errors
    /// As [`Request::from_value`]; the request is then unchanged.
    pub fn lay_over(&mut self, data: Value) -> Result<(), Problem> {
        let Value::Object(mut members) = data else {
            return Err(Problem::new("request_not_object", format!("the data is {}, not a request", kind_of(&data)))
                .hint("make it an object with members among path, query, payload; or set `input: payload` to send the whole data as the payload"));
        };
        if let Some(unknown) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            return Err(Problem::new("request_unknown_member", format!("a request has no member \"{unknown}\""))
                .at(format!("/{unknown}"))
                .hint("a request has path, query, payload and header; set `input: payload` to send the whole data as the payload"));
        }
        let path = take_object(&mut members, "path")?;
        let query = take_object(&mut members, "query")?;
        let header = take_object(&mut members, "header")?;
        if let Some(path) = path {
            self.path = path;
        }
        if let Some(query) = query {
            self.query = query;
        }
        if let Some(header) = header {
            self.header = header;
        }
        if let Some(payload) = members.remove("payload") {
            self.payload = Some(payload);
        }
        Ok(())
    }

    /// The JSON form: only the members that are there.
    #[must_use]
    pub fn into_value(self) -> Value {
        let mut members = Map::new();
        for (name, object) in [("path", self.path), ("query", self.query), ("header", self.header)] {
            if !object.is_empty() {
                members.insert(name.to_owned(), Value::Object(object));
            }
        }
        if let Some(payload) = self.payload {
            members.insert("payload".to_owned(), payload);
        }
        Value::Object(members)
    }
}

fn take_object(members: &mut Map<String, Value>, name: &str) -> Result<Option<Map<String, Value>>, Problem> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(other) => Err(Problem::new(
            "request_member_type",
            format!("{name} is {}, it must be an object of values by name", kind_of(&other)),
        )
        .at(format!("/{name}"))),
    }
}

/// A JSON value's type in words, for reasons: "a text", "an object".
#[must_use]
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn data_replaces_whole_members_and_leaves_the_rest() {
        let mut request = Request::from_value(json!({
            "path": {"model_id": "a"}, "query": {"page": 1, "size": 2}, "payload": {"x": 1}
        }))
        .unwrap();
        request.lay_over(json!({"query": {"page": 5}, "payload": null})).unwrap();
        assert_eq!(request.into_value(), json!({"path": {"model_id": "a"}, "query": {"page": 5}, "payload": null}));
    }

    #[test]
    fn absent_payload_stays_absent() {
        assert_eq!(Request::from_value(json!({})).unwrap().into_value(), json!({}));
        let read: Request = serde_json::from_value(json!({"payload": null})).unwrap();
        assert_eq!(read.payload, Some(Value::Null));
    }

    #[test]
    fn refuses_what_is_no_request() {
        let cases = [
            (json!([1]), "request_not_object"),
            (json!("text"), "request_not_object"),
            (json!({"name": "chair"}), "request_unknown_member"),
            (json!({"path": "x"}), "request_member_type"),
            (json!({"query": null}), "request_member_type"),
        ];
        for (data, code) in cases {
            let mut request = Request::default();
            let problem = request.lay_over(data.clone()).unwrap_err();
            assert_eq!(problem.code, code, "{data}");
            assert_eq!(request, Request::default(), "unchanged after {data}");
        }
    }
}
