//! What is exported and read again changes nothing.

use crate::{fake, parse, stored};
use engine::definitions::{export, plan};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use store::StoredDefinition;

/// Texts that YAML is known to trip over, among others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,8}",
        any::<String>(),
        "[ \\t\\n\\r:#'\"|>&*!%@`{}\\[\\],?~=.0-9a-z\u{85}\u{2028}\u{feff}\u{7f}\u{1b}\\x00$-]{0,24}",
        prop::sample::select(vec![
            "",
            " ",
            "\n",
            "\n\n",
            " \n",
            "\n a",
            "a\n ",
            "a \nb",
            "  a\nb\n\n\n",
            "\tx\ny",
            "a\r\nb",
            "a\rb",
            "yes",
            "no",
            "on",
            "null",
            "~",
            "true",
            "1",
            "-1",
            "0x1",
            "0o7",
            "1e3",
            ".5",
            "+1",
            "1_0",
            ".inf",
            ".nan",
            "-",
            "--- a",
            "...",
            "a: b",
            "a #b",
            "# a",
            "<<",
            "=",
            "!x",
            "&a",
            "*a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "${secret}",
            "${HOME}",
            "2026-01-31",
            "12:30:45",
            "\u{feff}a",
            "a\u{85}b\nc",
            "😀\n",
            "\u{2028}\n",
            "---",
            "--- \nx",
            "x\n---\ny\n",
            "x\n...\n",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

fn definitions() -> impl Strategy<Value = Vec<StoredDefinition>> {
    let name = "[A-Za-z0-9][A-Za-z0-9_.-]{0,6}";
    let payloads = prop::collection::vec(value(), 0..4);
    let incoming = prop::collection::btree_map(name, payloads, 1..4);
    (incoming, prop::collection::btree_map(name, text(), 0..3)).prop_map(|(incoming, outgoing)| {
        let first = incoming.keys().next().cloned().unwrap_or_default();
        let mut all = Vec::new();
        for (name, payloads) in incoming {
            let body = json!({"subscriber": {"type": "inline", "payloads": payloads}});
            all.push(stored("incoming", &name, &body.to_string()));
        }
        for (name, filter) in outgoing {
            let filter = filter.replace(['(', ')'], "");
            let body = json!({"transformers": [{"filter": filter, "type": "jq"}], "publisher": {"type": "none"}});
            all.push(stored("outgoing", &name, &body.to_string()));
            let route = json!({"outgoing": name, "incoming": first, "retry": {"attempts": 3, "factor": 1.5}});
            all.push(stored("routes", &name, &route.to_string()));
        }
        all
    })
}

proptest! {
    #[test]
    fn export_then_plan_changes_nothing(all in definitions()) {
        let text = export(&all).unwrap();
        let draft = parse("export.yaml", &text).map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{text}")))?;
        let plan = plan(draft, &all, &fake::registry(), true)
            .map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{text}")))?;
        prop_assert!(plan.is_empty(), "{plan}\n{text}");
    }

    #[test]
    fn no_text_breaks_the_reader(text in prop_oneof![any::<String>(), "[ \\n\\t:#'\"|>&*!%{}\\[\\],?~a-c-]{0,60}"]) {
        let _ = parse("a.yaml", &text);
        let _ = parse("a.json", &text);
    }
}

#[test]
fn long_keys_are_read_back() {
    let long = "k".repeat(2_000);
    for value in [json!(1), json!("a\nb\n"), json!({"a": 1, "b": 2}), json!([1, 2])] {
        let body = json!({"subscriber": {"type": "inline", "payloads": [{"a": 1, &long: value}]}});
        let all = [stored("incoming", "i", &body.to_string())];
        let draft = parse("export.yaml", &export(&all).unwrap()).unwrap();
        assert!(plan(draft, &all, &fake::registry(), false).unwrap().is_empty(), "{value}");
    }
}

#[test]
fn export_is_stable_and_uses_blocks() {
    let all = [
        stored("routes", "r", r#"{"incoming":"i","outgoing":"o"}"#),
        stored(
            "outgoing",
            "o",
            r#"{"transformers":[{"type":"jq","filter":".a\n| .b\n"}],"publisher":{"type":"none"}}"#,
        ),
        stored("incoming", "j", r#"{"subscriber":{"type":"inline","payloads":["1",1]}}"#),
        stored("incoming", "i", r#"{"subscriber":{"type":"inline","payloads":[]}}"#),
        stored("http_clients", "c", r#"{"prototype":"mistral","base_uri":"https://h","api_key":"${secret:K}"}"#),
    ];
    let expected = "\
http_clients:
  c:
    prototype: mistral
    base_uri: https://h
    api_key: ${secret:K}
incoming:
  i:
    subscriber:
      type: inline
      payloads: []
  j:
    subscriber:
      type: inline
      payloads:
        - \"1\"
        - 1
outgoing:
  o:
    transformers:
      - type: jq
        filter: |
          .a
          | .b
    publisher:
      type: none
routes:
  r:
    incoming: i
    outgoing: o
";
    assert_eq!(export(&all).unwrap(), expected);
    assert_eq!(export(&[]).unwrap(), "{}\n");
}
