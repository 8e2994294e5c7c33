//! Answers in a form that the client wishes: JSON, JSON of a schema, or a call of a tool.

use crate::fingerprint;
use connectors::openapi::example::{Fill, example};
use serde_json::{Value, json};

/// The text where the client wishes JSON; `None` where any text will do.
pub(crate) fn json(payload: &Value, seed: u64) -> Option<String> {
    let format = payload.get("response_format")?;
    match format["type"].as_str()? {
        "json_object" => Some(json!({"answer": seed % 1000, "certain": seed.is_multiple_of(2)}).to_string()),
        "json_schema" => {
            let wished = &format["json_schema"];
            let schema = wished.get("schema").or_else(|| wished.get("schema_definition"))?;
            Some(example(schema, seed, Fill::Everything).to_string())
        }
        _ => None,
    }
}

/// The call where the client demands one (`any`, `required`, or a tool by name), or leaves the choice and has said
/// nothing a tool answered; `None` where there is to be a text.
pub(crate) fn tool_call(payload: &Value, seed: u64) -> Option<Value> {
    let tools = payload.get("tools").and_then(Value::as_array).filter(|tools| !tools.is_empty())?;
    let name = match &payload["tool_choice"] {
        Value::String(choice) if choice == "none" => return None,
        Value::String(choice) if choice == "any" || choice == "required" => None,
        Value::Object(choice) => choice.get("function").and_then(|function| function["name"].as_str()),
        _ => {
            let messages = payload["messages"].as_array()?;
            if messages.last().is_none_or(|last| last["role"] != "user") {
                return None;
            }
            None
        }
    };
    // The service's own tools have no function.
    let wished =
        |tool: &&Value| tool["function"]["name"].as_str().is_some_and(|known| name.is_none_or(|name| known == name));
    let function = &tools.iter().find(wished)?["function"];
    let arguments = match &function["parameters"] {
        Value::Null => json!({}),
        schema => example(schema, seed, Fill::Everything),
    };
    let id: String = format!("{:016x}", fingerprint::mix(seed)).chars().take(9).collect();
    let function = json!({"name": function["name"], "arguments": arguments.to_string()});
    Some(json!({"id": id, "type": "function", "function": function, "index": 0}))
}
