//! The normal form says the same as the document, and says it as forms need it.

use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{Entry, Location};
use connectors::openapi::example::{Fill, example};
use connectors::openapi::normal::{Normal, normal, payload, values};
use model::schema::Checker;
use serde_json::{Map, Value, json};

/// Every part of every operation: what it is called, as the document has it, and in normal form.
fn parts() -> Vec<(String, Value, Value)> {
    let mut parts = Vec::new();
    for entry in &catalogue().operations {
        let Normal { path, query, header, payload: body } = normal(catalogue(), entry);
        let name = |part: &str| format!("{} {} {part}", entry.method.as_str(), entry.title);
        let before = |location| values(catalogue(), entry, location);
        let places = [
            ("path", before(Location::Path), path),
            ("query", before(Location::Query), query),
            ("header", before(Location::Header), header),
            ("payload", entry.body.as_ref().map(|body| payload(catalogue(), body)), body),
        ];
        for (part, before, after) in places {
            assert_eq!(before.is_some(), after.is_some(), "{}", name(part));
            parts.extend(before.zip(after).map(|(before, after)| (name(part), before, after)));
        }
    }
    parts
}

/// The normal form with its nulls said in JSON Schema again.
fn with_nulls(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let inner: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), with_nulls(value))).collect();
            if members.get("x-nullable") != Some(&json!(true)) {
                return Value::Object(inner);
            }
            let (mut root, mut own) = (Map::new(), inner);
            own.remove("x-nullable");
            root.extend(own.remove("$defs").map(|defs| ("$defs".to_owned(), defs)));
            root.insert("anyOf".to_owned(), json!([{ "type": "null" }, own]));
            Value::Object(root)
        }
        Value::Array(items) => items.iter().map(with_nulls).collect(),
        other => other.clone(),
    }
}

/// Instances that differ a little from a valid one: each member left out, made null, made another kind; deep down too.
fn neighbours(value: &Value) -> Vec<Value> {
    let mut found = vec![json!(null), json!("text"), json!(7), json!([]), json!({}), json!(true)];
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let mut without = members.clone();
                without.remove(name);
                found.push(Value::Object(without));
                for other in neighbours(member).into_iter().take(24) {
                    let mut changed = members.clone();
                    changed.insert(name.clone(), other);
                    found.push(Value::Object(changed));
                }
            }
            let mut more = members.clone();
            more.insert("wholly_unknown".to_owned(), json!(1));
            found.push(Value::Object(more));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for other in neighbours(item).into_iter().take(24) {
                    let mut changed = items.clone();
                    changed[index] = other;
                    found.push(Value::Array(changed));
                }
            }
        }
        _ => {}
    }
    found
}

#[test]
fn each_part_of_each_operation_allows_what_it_allowed() {
    let (mut instances, mut refused) = (0, 0);
    for (name, before, after) in parts() {
        let (old, new) = (Checker::compile(&before).unwrap(), Checker::compile(&with_nulls(&after)).unwrap());
        let strict = Checker::compile(&after).unwrap();
        for seed in 0..4 {
            for fill in [Fill::Smallest, Fill::Everything, Fill::Odd] {
                let made = example(&before, seed, fill);
                assert!(old.fits(&made), "{name}: the example is none: {made}");
                assert!(new.fits(&made), "{name}: was allowed, and is not any more: {made} by {after}");
                let back = example(&after, seed, fill);
                assert!(strict.fits(&back) && old.fits(&back), "{name}: was not allowed: {back} by {after}");
                if seed == 0 {
                    for other in neighbours(&made) {
                        assert_eq!(old.fits(&other), new.fits(&other), "{name}: {other} by {after}");
                        refused += usize::from(!old.fits(&other));
                    }
                }
                instances += 2;
            }
        }
    }
    assert!(instances > 9_000 && refused > 20_000, "{instances} instances, {refused} refused");
}

/// Visits every schema of a document.
fn each(schema: &Value, visit: &mut impl FnMut(&Map<String, Value>)) {
    match schema {
        Value::Object(members) => {
            visit(members);
            members.values().for_each(|inner| each(inner, visit));
        }
        Value::Array(items) => items.iter().for_each(|inner| each(inner, visit)),
        _ => {}
    }
}

#[test]
fn no_null_no_loose_reference_and_no_discriminator_is_left() {
    let mut largest = (0, String::new());
    let mut all = 0;
    for (name, _, after) in parts() {
        each(&after, &mut |schema| {
            let kinds = schema.get("type").and_then(Value::as_array);
            assert!(!kinds.is_some_and(|kinds| kinds.contains(&json!("null"))), "{name}: {schema:?}");
            assert!(schema.get("discriminator").is_none_or(|found| found.get("propertyName").is_none()), "{name}");
            for union in ["anyOf", "oneOf"] {
                let Some(Value::Array(branches)) = schema.get(union) else { continue };
                assert!(!branches.contains(&json!({"type": "null"})), "{name}: {schema:?}");
                assert!(branches.len() < 2 || branches.iter().all(|branch| branch.get("title").is_some()), "{name}");
            }
            if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
                assert!(after.pointer(target.trim_start_matches('#')).is_some(), "{name}: {target}");
            }
            if let (Some(Value::Array(order)), Some(Value::Object(properties))) =
                (schema.get("x-order"), schema.get("properties"))
            {
                let mut names: Vec<&str> = order.iter().filter_map(Value::as_str).collect();
                names.sort_unstable();
                let mut own: Vec<&str> = properties.keys().map(String::as_str).collect();
                own.sort_unstable();
                assert_eq!(names, own, "{name}");
            }
        });
        let defs = after.get("$defs").and_then(Value::as_object).map_or(0, Map::len);
        let text = after.to_string();
        let used = after.get("$defs").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        used.for_each(|def| assert!(text.contains(&format!("#/$defs/{def}\"")), "{name}: {def} of {defs} is unused"));
        all += text.len();
        if text.len() > largest.0 {
            largest = (text.len(), name);
        }
    }
    // The largest is 19.7 kB, all of them together 272 kB; one that grows past this bound is to be looked at.
    assert!(largest.0 < 24 << 10, "{largest:?} of {all}");
}

fn form(title: &str) -> Normal {
    let entry: Vec<&Entry> = catalogue().operations.iter().filter(|entry| entry.title == title).collect();
    normal(catalogue(), entry[0])
}

#[test]
fn a_chat_is_said_as_its_form_needs_it() {
    let chat = form("Chat Completion").payload.unwrap();
    assert_eq!(chat["x-order"].as_array().unwrap()[..4], ["model", "messages", "temperature", "max_tokens"]);
    assert_eq!(chat["properties"]["model"], json!({"type": "string", "x-widget": "model"}));
    let temperature = &chat["properties"]["temperature"];
    assert_eq!((&temperature["type"], &temperature["x-nullable"]), (&json!("number"), &json!(true)));
    let stop = &chat["properties"]["stop"];
    let titles: Vec<&Value> = stop["anyOf"].as_array().unwrap().iter().map(|branch| &branch["title"]).collect();
    assert_eq!((titles, &stop["x-nullable"]), (vec![&json!("text"), &json!("list of texts")], &json!(true)));
    let messages = &chat["properties"]["messages"]["items"];
    let titles: Vec<&Value> = messages["oneOf"].as_array().unwrap().iter().map(|branch| &branch["title"]).collect();
    assert_eq!(
        (&messages["x-tag"], titles),
        (
            &json!("role"),
            ["system", "user", "assistant", "tool"].iter().map(|text| json!(text)).collect::<Vec<_>>().iter().collect()
        )
    );
    assert_eq!(chat["$defs"]["UserMessage"]["properties"]["role"]["x-hidden"], json!(true));
    // A tag without a discriminator is found by its constants.
    let document = form("OCR").payload.unwrap();
    assert_eq!(document["properties"]["document"]["x-tag"], json!("type"));
}

#[test]
fn widgets_are_chosen_by_what_a_value_is() {
    let upload = form("Upload File").payload.unwrap();
    assert_eq!(upload["properties"]["file"]["x-widget"], json!("file"));
    let agent = form("Retrieve Agent").path.unwrap();
    assert_eq!(agent["properties"]["agent_id"]["x-widget"], json!("id:/v1/agents/pages"));
    assert_eq!(agent["required"], json!(["agent_id"]));
    let create = form("Create Agent").payload.unwrap();
    assert_eq!(create["properties"]["instructions"]["x-widget"], json!("prompt"));
}
